//! podnet against real containerd, real runc and real CNI plugins; the oracle is `ctr`, `ip`, `bridge` and `stat`.

#[path = "../support/mod.rs"]
mod support;

mod harness;
