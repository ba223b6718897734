//! The clap types (the one source of help, man and completions) and one thin file a subcommand.
//!
//! May import every layer. Parses no kernel data and analyses nothing.
#![allow(clippy::print_stdout, clippy::print_stderr)]
pub mod lab;
