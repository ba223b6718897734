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
pub mod nfacct;
mod plan;
mod process;
mod programs;
pub mod proxy;
mod remove;
mod rtnl;
mod rules;
mod server;
mod services;
mod settings;
mod state;
mod status;
mod undo;

pub use build::{UpRequest, up};
pub use error::LabError;
pub use exec::{Target, exec, target};
pub use process::serve;
pub use services::{Added, add as add_service, list as services, remove as remove_service};
pub use state::{load, names};
pub use status::status;
pub use undo::down;
