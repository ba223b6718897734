//! An answer to bytes in a given writer.
//!
//! May import model and analyze's answer types only. No IO, TTY, environment or DNS; it decides nothing.
pub mod json;
pub mod schema;
pub mod style;
