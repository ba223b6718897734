//! An answer to bytes in a given writer.
//!
//! May import model and analyze's answer types only. No IO, TTY, environment or DNS; it decides nothing.
pub mod lab;
pub mod style;
