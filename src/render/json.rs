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

/// A document whose first list is written while it is read, an element a line; what follows it in `data` is told
/// at the end.
pub struct Stream<'w> {
    out: &'w mut dyn Write,
    /// What stands before the list: nothing is written before it is known that there is an answer.
    head: Option<String>,
    /// One element: hundreds of small pieces, which a writer that is not known would take one by one.
    piece: Vec<u8>,
}

impl<'w> Stream<'w> {
    /// A document whose list has that name.
    pub fn new(command: &str, nodes: &[NodeInfo], list: &str, out: &'w mut dyn Write) -> io::Result<Self> {
        let (schema, nodes) = (schema_id(command), serde_json::to_string(nodes)?);
        let head = format!("{{\"schema\":\"{schema}\",\n\"nodes\":{nodes},\n\"data\":{{\"{list}\":[");
        Ok(Self { out, head: Some(head), piece: Vec::new() })
    }

    /// Writes one element.
    pub fn element(&mut self, element: &impl Serialize) -> io::Result<()> {
        self.piece.clear();
        match self.head.take() {
            Some(head) => writeln!(self.out, "{head}")?,
            None => self.piece.extend_from_slice(b",\n"),
        }
        serde_json::to_writer(&mut self.piece, element)?;
        self.out.write_all(&self.piece)
    }

    /// Ends the list, and writes the rest of `data`, which must be a struct, and the issues.
    pub fn end(mut self, rest: &impl Serialize, issues: &[Issue]) -> io::Result<()> {
        if let Some(head) = self.head.take() {
            self.out.write_all(head.as_bytes())?;
        }
        self.out.write_all(b"\n]")?;
        let rest = serde_json::to_string(rest)?;
        match rest.strip_prefix('{') {
            Some("}") | None => self.out.write_all(b"}")?,
            Some(fields) => write!(self.out, ",\n{fields}")?,
        }
        self.out.write_all(b",\n\"issues\":")?;
        serde_json::to_writer(&mut *self.out, issues)?;
        self.out.write_all(b"}\n")
    }
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
