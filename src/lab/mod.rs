//! Plans, builds, tells and removes practice networks: a small hand-built cluster's network, in
//! namespaces of its own on one machine.
//!
//! May import sys, wire and model. Never collect, analyze, render or cli. The plan is on disk before
//! the first step; every step names what it makes, and undoing goes by those names alone.

mod build;
mod cgroup;
mod error;
mod exec;
mod files;
mod links;
mod names;
mod netns;
mod plan;
mod process;
pub mod proxy;
mod remove;
mod rtnl;
mod rules;
mod server;
mod settings;
mod state;
mod status;
mod undo;

pub use build::{UpRequest, up};
pub use error::LabError;
pub use exec::{Target, exec, target};
pub use process::serve;
pub use state::{load, names};
pub use status::status;
pub use undo::down;
