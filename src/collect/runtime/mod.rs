//! The container runtimes: who tells which pods there are.
//!
//! May import model, wire and sys.
pub mod lab;
