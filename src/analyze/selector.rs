//! Label selectors, in Kubernetes' own syntax.
//!
//! Must not import anything from the crate.

use std::collections::BTreeMap;
use std::str::FromStr;

use thiserror::Error;

/// A label selector: every requirement must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    /// Holds as well where the label is missing, as in Kubernetes.
    NotIn(String, Vec<String>),
}

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a label selector: {why}")]
pub struct SelectorError {
    text: String,
    why: &'static str,
}

impl Selector {
    /// Whether labels meet it.
    pub fn accepts(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Missing(key) => !labels.contains_key(key),
            Requirement::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Requirement::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
        })
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let fail = |why| SelectorError { text: text.to_owned(), why };
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text).ok_or_else(|| fail("its parentheses do not match"))? {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    break;
                }
                return Err(fail("a requirement is empty"));
            }
            requirements.push(requirement(part).map_err(fail)?);
        }
        Ok(Self(requirements))
    }
}

fn split_outside_parentheses(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' if !open => open = true,
            ')' if open => open = false,
            '(' | ')' => return None,
            ',' if !open => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!open).then_some(parts)
}

fn requirement(part: &str) -> Result<Requirement, &'static str> {
    if let Some(list) = part.strip_suffix(')') {
        let (head, values) = list.split_once('(').ok_or("its parentheses do not match")?;
        let mut words = head.split_whitespace();
        let (Some(name), Some(word), None) = (words.next(), words.next(), words.next()) else {
            return Err("a list is written KEY in (A,B) or KEY notin (A,B)");
        };
        let name = key(name)?;
        let values = values.split(',').map(value).collect::<Result<_, _>>()?;
        return match word {
            "in" => Ok(Requirement::In(name, values)),
            "notin" => Ok(Requirement::NotIn(name, values)),
            _ => Err("a list is written KEY in (A,B) or KEY notin (A,B)"),
        };
    }
    if let Some(missing) = part.strip_prefix('!') {
        return Ok(Requirement::Missing(key(missing)?));
    }
    if let Some((name, wanted)) = part.split_once("!=") {
        return Ok(Requirement::NotIn(key(name)?, vec![value(wanted)?]));
    }
    if let Some((name, wanted)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::In(key(name)?, vec![value(wanted)?]));
    }
    Ok(Requirement::Exists(key(part)?))
}

/// A label's key: an optional `prefix/`, then a name.
fn key(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if text.is_empty() || !text.chars().all(allowed) || text.matches('/').count() > 1 {
        return Err("a key has letters, digits, '-', '_', '.' and one '/'");
    }
    Ok(text.to_owned())
}

/// A label's value; may be empty.
fn value(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !text.chars().all(allowed) {
        return Err("a value has letters, digits, '-', '_' and '.'");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(selector: &str) -> bool {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned()), ("tier".to_owned(), String::new())]);
        selector.parse::<Selector>().unwrap().accepts(&labels)
    }

    #[test]
    fn each_operator_means_what_kubernetes_means() {
        let expected = [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app = web", true),
            ("app=api", false),
            ("app!=api", true),
            ("app!=web", false),
            ("none!=x", true),
            ("app in (web, api)", true),
            ("app in(web,api)", true),
            ("app in (api)", false),
            ("app notin (api)", true),
            ("app notin (web,api)", false),
            ("none notin (x)", true),
            ("app", true),
            ("none", false),
            ("!none", true),
            ("!app", false),
            ("tier=", true),
            ("app=web,tier", true),
            ("app in (web,api),!tier", false),
        ];
        let found: Vec<_> = expected.iter().map(|(selector, _)| (*selector, accepts(selector))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_selector_is_refused_with_a_reason() {
        for text in ["app in web", "app in (web", "a,,b", "=x", "app within (x)", "app=a b", "a=(b)", "(a)", "a/b/c"] {
            let error = text.parse::<Selector>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{text:?} is not a label selector: ")), "{error}");
        }
    }
}
