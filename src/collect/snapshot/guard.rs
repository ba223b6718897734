//! A reader that watches JSON flow by and stops what would cost memory: too many bytes, a string
//! too long, nesting too deep, too many values.
//!
//! Must not import anything from the crate. It does not parse: it counts brackets, quotes and commas.

use std::io::{self, Read};

/// How much a snapshot may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of JSON, after decompression.
    pub bytes: u64,
    /// Bytes of one string, as written (an escape counts as it is spelled).
    pub string: u64,
    /// Open brackets and braces at one place.
    pub depth: u32,
    /// Commas: each value costs memory, however short it is.
    pub values: u64,
}

impl Default for Limits {
    /// Several times what a node with 250 pods and 10,000 processes needs.
    fn default() -> Self {
        Self { bytes: 256 << 20, string: 1 << 20, depth: 64, values: 4_000_000 }
    }
}

/// Which limit was met, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Excess {
    /// Line of the byte that was one too many, from 1.
    pub line: u64,
    /// Which limit.
    pub what: ExcessKind,
}

/// A limit of [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExcessKind {
    /// [`Limits::bytes`].
    #[error("more than {0} bytes of JSON")]
    Bytes(u64),
    /// [`Limits::string`].
    #[error("a string of more than {0} bytes")]
    String(u64),
    /// [`Limits::depth`].
    #[error("nested deeper than {0}")]
    Depth(u32),
    /// [`Limits::values`].
    #[error("more than {0} values")]
    Values(u64),
}

/// Passes bytes on until one of them breaks a limit; then an error of kind `InvalidData` that holds an [`Excess`].
#[derive(Debug)]
pub struct Guard<R> {
    inner: R,
    limits: Limits,
    bytes: u64,
    line: u64,
    depth: u32,
    values: u64,
    /// Bytes of the string that is open; `None` outside strings.
    string: Option<u64>,
    escaped: bool,
}

impl<R> Guard<R> {
    /// Watches what `inner` gives.
    pub fn new(inner: R, limits: Limits) -> Self {
        Self { inner, limits, bytes: 0, line: 1, depth: 0, values: 0, string: None, escaped: false }
    }

    fn watch(&mut self, byte: u8) -> Result<(), ExcessKind> {
        self.bytes += 1;
        if self.bytes > self.limits.bytes {
            return Err(ExcessKind::Bytes(self.limits.bytes));
        }
        if let Some(length) = self.string.as_mut() {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'"' {
                self.string = None;
                return Ok(());
            } else if byte == b'\\' {
                self.escaped = true;
            }
            *length += 1;
            return if *length > self.limits.string { Err(ExcessKind::String(self.limits.string)) } else { Ok(()) };
        }
        match byte {
            b'"' => self.string = Some(0),
            b'[' | b'{' => {
                self.depth += 1;
                if self.depth > self.limits.depth {
                    return Err(ExcessKind::Depth(self.limits.depth));
                }
            }
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b',' => {
                self.values += 1;
                if self.values > self.limits.values {
                    return Err(ExcessKind::Values(self.limits.values));
                }
            }
            b'\n' => self.line += 1,
            _ => {}
        }
        Ok(())
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for byte in buffer.iter().take(count) {
            if let Err(what) = self.watch(*byte) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, Excess { line: self.line, what }));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits { bytes: 100, string: 5, depth: 3, values: 4 };

    fn outcome(json: &str) -> Result<String, Excess> {
        let mut text = String::new();
        match Guard::new(json.as_bytes(), SMALL).read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(*error.get_ref().unwrap().downcast_ref::<Excess>().unwrap()),
        }
    }

    #[test]
    fn what_is_within_the_limits_passes_unchanged() {
        for json in [r#"{"a":[[],[]],"b":"12345"}"#, r#"["[[[[","]]]]",",,,,,"]"#, r#"["\"\\[",1]"#, "not json ]]]]"] {
            assert_eq!(outcome(json).as_deref(), Ok(json));
        }
    }

    #[test]
    fn each_limit_names_itself_and_the_line() {
        let cases = [
            ("[\n[\n[\n[".to_owned(), 4, ExcessKind::Depth(3)),
            ("[\n\"123456\"".to_owned(), 2, ExcessKind::String(5)),
            ("\"\\\"\\\"\\\"".to_owned(), 1, ExcessKind::String(5)),
            ("[1,2,3,4,5,6]".to_owned(), 1, ExcessKind::Values(4)),
            (" ".repeat(101), 1, ExcessKind::Bytes(100)),
        ];
        for (json, line, what) in cases {
            assert_eq!(outcome(&json), Err(Excess { line, what }), "{json:?}");
        }
    }
}
