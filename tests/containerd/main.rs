//! podnet against real containerd, real runc and real CNI plugins; the oracle is `ctr`, `ip`, `bridge` and `stat`.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod harness;
mod hostile;
mod ifindex;
mod naming;
mod plugins;
mod races;
mod runtime;
mod shape;
mod snapshot;
mod tasks;
