//! An answer as one JSON document, and the envelope that all of them share.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::answer::Answer;
use crate::model::issue::Issue;
use crate::model::node::NodeInfo;

/// What surrounds every answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Envelope<'a, T> {
    /// `podnet/COMMAND/v1`: a field is never renamed or removed within a version.
    pub schema: String,
    /// The nodes that were asked.
    pub nodes: &'a [NodeInfo],
    /// What was asked for.
    pub data: &'a T,
    /// What could not be read or told, sorted.
    pub issues: &'a [Issue],
}

/// The value of the envelope's `schema` field.
pub fn schema_id(command: &str) -> String {
    format!("podnet/{command}/v1")
}

/// Writes the document: two spaces of indent and a line feed at the end, wherever it goes, so that
/// the same answer is the same bytes.
pub fn write<T: Serialize>(command: &str, answer: &Answer<T>, out: &mut dyn Write) -> io::Result<()> {
    let envelope =
        Envelope { schema: schema_id(command), nodes: &answer.nodes, data: &answer.data, issues: &answer.issues };
    serde_json::to_writer_pretty(&mut *out, &envelope)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::NetnsId;
    use crate::model::issue::Why;

    #[test]
    fn the_envelope_names_the_schema_the_nodes_and_what_is_missing() {
        let node = NodeInfo {
            name: "worker-0".to_owned(),
            source: "live".to_owned(),
            taken_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            host_netns: NetnsId { dev: 4, ino: 1 },
        };
        let issue = Issue::incomplete("reading x", Why::Gone { detail: "gone".to_owned() });
        let answer = Answer { nodes: vec![node], data: vec!["\u{1b}[31m"], issues: vec![issue], bad: false };
        let mut out = Vec::new();
        write("pods", &answer, &mut out).unwrap();
        let expected = r#"{
  "schema": "podnet/pods/v1",
  "nodes": [
    {
      "name": "worker-0",
      "source": "live",
      "taken_at": "2026-01-02T03:04:05Z",
      "host_netns": {
        "dev": 4,
        "ino": 1
      }
    }
  ],
  "data": [
    "\u001b[31m"
  ],
  "issues": [
    {
      "level": "incomplete",
      "what": "reading x",
      "why": {
        "kind": "gone",
        "detail": "gone"
      }
    }
  ]
}
"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
