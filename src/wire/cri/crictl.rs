//! crictl's configuration, `/etc/crictl.yaml`: the key of it that matters here.
//!
//! May import model only. This is no YAML parser: the file is a flat list of `key: value` lines, and
//! that is what is read; a nested or a folded value is left out. Its `timeout` is not used: it is
//! crictl's own, often longer than a person wants to wait here.

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crictl {
    /// `runtime-endpoint`; `None` when it is missing or empty.
    pub runtime_endpoint: Option<String>,
}

/// Reads the lines; what is no such line is passed over.
pub fn parse(text: &str) -> Crictl {
    let mut found = Crictl::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = scalar(value);
        match unquoted(key.trim_end()) {
            "runtime-endpoint" if !value.is_empty() => found.runtime_endpoint = Some(value.to_owned()),
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
