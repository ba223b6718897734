//! containerd's filters: which containers it sends at all.
//!
//! Must not import anything from the crate. The syntax is that of containerd's package `filters`:
//! conditions joined by commas must all hold, of several filters one.

use std::fmt::Write as _;

/// The pod's name as the kubelet labels it; pods made by hand through CRI lack it.
const POD_NAME: &str = r#"labels."io.kubernetes.pod.name""#;

/// Containers and sandboxes of pods with this name, and of those that bear no such label.
pub(super) fn containers_of(pod: &str) -> Vec<String> {
    vec![format!("{POD_NAME}=={}", quoted(pod)), format!("{POD_NAME}~=/^$/")]
}

/// Entries of the sandbox store: containerd 2 labels each with `NAME_NAMESPACE_UID_ATTEMPT`.
pub(super) fn sandboxes_of(pod: &str) -> Vec<String> {
    let prefix = quoted(&format!("^{}_", literal(pod)));
    vec![format!("labels.name~={prefix}"), "labels.name~=/^$/".to_owned()]
}

/// Go's quoting; all but plain ASCII as `\u` so that no reader's idea of printable matters.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            ' '..='~' if !matches!(character, '"' | '\\') => text.push(character),
            _ => {
                let _ = write!(text, "\\U{:08x}", u32::from(character));
            }
        }
    }
    text.push('"');
    text
}

/// A regular expression (Go's RE2) that matches just this text.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_name_is_quoted_whatever_it_holds() {
        assert_eq!(
            containers_of("web-0"),
            [r#"labels."io.kubernetes.pod.name"=="web-0""#, r#"labels."io.kubernetes.pod.name"~=/^$/"#]
        );
        assert_eq!(quoted("a\"b\\,c\nü"), r#""a\U00000022b\U0000005c,c\U0000000a\U000000fc""#);
    }

    #[test]
    fn a_pods_name_is_no_pattern() {
        assert_eq!(sandboxes_of("a.b"), [r#"labels.name~="^a\U0000005c.b_""#, "labels.name~=/^$/"]);
    }
}
