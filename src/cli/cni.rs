//! `podnet cni`.
//!
//! May import analyze and render.

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::cni::cni;
use crate::render;

/// Configuration, results cache and leases, joined with the pods.
pub fn run(global: &Global) -> Result<u8, Failure> {
    run::answer(global, "cni", |nodes| Ok(cni(nodes)), render::cni::write)
}
