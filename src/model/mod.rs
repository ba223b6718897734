//! What a node is: pure data of one node at one time, the id types, and [`view::NodeView`].
//!
//! Must not import any other layer, nor do IO, read a clock or the environment, nor know
//! netlink, CRI or command-line types, nor lay text out.

pub mod address;
pub mod bpf;
pub mod cni;
pub mod flow;
pub mod ids;
pub mod issue;
pub mod keyed;
pub mod kube_proxy;
pub mod lab;
pub mod lab_service;
pub mod lab_status;
pub mod link;
pub mod neigh;
pub mod netfilter;
pub mod netns;
pub mod node;
pub mod probe;
pub mod route;
pub mod sandbox;
pub mod snapshot;
pub mod socket;
pub mod sysctl;
pub mod text;
pub mod view;
