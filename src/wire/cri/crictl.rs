//! crictl's configuration, `/etc/crictl.yaml`: the two keys of it that matter here.
//!
//! May import model only. This is no YAML parser: the file is a flat list of `key: value` lines, and
//! that is what is read; a nested or a folded value is left out.

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crictl {
    /// `runtime-endpoint`; `None` when it is missing or empty.
    pub runtime_endpoint: Option<String>,
    /// `timeout`, in seconds; `None` when it is missing, 0 or no number.
    pub timeout_s: Option<u64>,
}

/// Reads the lines; what is no such line is passed over.
pub fn parse(text: &str) -> Crictl {
    let mut found = Crictl::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = scalar(value);
        match unquoted(key.trim_end()) {
            "runtime-endpoint" if !value.is_empty() => found.runtime_endpoint = Some(value.to_owned()),
            "timeout" => found.timeout_s = value.parse().ok().filter(|seconds| *seconds > 0),
            _ => {}
        }
    }
    found
}

/// A plain or quoted value without the comment behind it.
fn scalar(value: &str) -> &str {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some((inside, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inside;
        }
    }
    match value.find(" #") {
        _ if value.starts_with('#') => "",
        Some(comment) => value.get(..comment).unwrap_or(value).trim_end(),
        None => value,
    }
}

fn unquoted(key: &str) -> &str {
    key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key)
}
