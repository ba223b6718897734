//! The live readers: sys and wire to model. `live::LiveNode` is the live [`crate::model::view::NodeView`].
//!
//! May import model, wire and sys. No judgement, no printing.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
pub mod cni;
pub mod flows;
pub mod handle;
pub mod kernel;
pub mod live;
mod mounts;
mod netfilter;
pub mod netns_names;
pub mod processes;
pub mod root;
pub mod rules;
pub mod runtime;
pub mod snapshot;
mod sockets;
