//! podnet: how a Kubernetes pod's packets travel on this worker, and why they do not arrive, from
//! kernel truth alone.
//!
//! The layers and who may import whom are in ARCHITECTURE.md; `tests/tidy.rs` holds the walls.

pub mod analyze;
pub mod cli;
pub mod collect;
pub mod lab;
pub mod model;
pub mod probe;
pub mod render;
pub mod sys;
pub mod wire;
