//! `podnet schema COMMAND`.
//!
//! May import analyze's answer types and render.

use clap::Args;

use super::error::Failure;
use super::output;

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The command whose JSON output is described; `snapshot` for the file format
    command: String,
}

/// Prints the schema.
pub fn run(args: &SchemaArgs) -> Result<u8, Failure> {
    let all = schemas();
    if let Some((_, schema)) = all.iter().find(|(command, _)| *command == args.command) {
        return output::text(schema);
    }
    let known = all.iter().map(|(command, _)| *command).collect::<Vec<_>>().join(", ");
    Err(Failure::new(format!("{:?} has no JSON output", args.command)).hint(format!("these have: {known}")))
}

/// Each command that writes JSON, with the schema of its envelope, sorted.
pub fn schemas() -> Vec<(&'static str, String)> {
    use crate::render::schema;
    vec![("snapshot", schema::of_snapshot())]
}
