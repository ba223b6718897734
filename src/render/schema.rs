//! The JSON Schema of what podnet writes, made from the types.
//!
//! May import model and analyze's answer types only.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::json::{Envelope, schema_id};
use crate::model::snapshot::Snapshot;

/// The schema of a command's JSON output, as a document.
pub fn of_answer<T: JsonSchema>(command: &str) -> String {
    let mut schema = generate::<Envelope<'_, T>>();
    schema.insert("title".to_owned(), schema_id(command).into());
    if let Some(id) = schema.pointer_mut("/properties/schema").and_then(serde_json::Value::as_object_mut) {
        id.insert("const".to_owned(), schema_id(command).into());
    }
    document(&schema)
}

/// The schema of a command's stream, each line of which is one document.
pub fn of_lines<T: JsonSchema>(command: &str) -> String {
    let mut schema = generate::<T>();
    schema.insert("title".to_owned(), schema_id(command).into());
    document(&schema)
}

/// The schema of a snapshot file.
pub fn of_snapshot() -> String {
    let mut schema = generate::<Snapshot>();
    schema.insert("title".to_owned(), crate::model::snapshot::FORMAT.into());
    document(&schema)
}

/// As it is *written*: a field that is left out when empty is optional.
fn generate<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

fn document(schema: &Schema) -> String {
    // A schema is plain JSON: it cannot fail to be written.
    let mut text = serde_json::to_string_pretty(schema).unwrap_or_default();
    text.push('\n');
    text
}
