//! Real workers to test against: containerd, runc and CNI plugins as distributed, each in namespaces of its own.
//!
//! A [`Worker`] is a node as podnet meets it in production: its own mount, pid, network and UTS
//! namespace, containerd at its usual socket, CNI files and `/run/netns` at their usual places. All
//! of that lies in tmpfs that only the worker sees, so workers do not meet each other, and the kernel
//! removes everything when the worker's process 1 ends. Only cgroups outlive it; they are removed by name.
//!
//! Nothing here uses podnet to learn what is true: the [`oracle`] asks `ip`, `bridge`, `ctr` and `stat`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod cni;
pub mod cri;
pub mod image;
pub mod oracle;
pub mod pod;
pub mod podnet;
pub mod process;
pub mod worker;

pub use cni::CniConf;
#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use pod::{Pod, PodSpec};
pub use worker::Worker;
