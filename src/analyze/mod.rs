//! Pure questions over a `NodeView`.
//!
//! May import model only. No IO, clock, environment, randomness or layout.
pub mod answer;
pub mod bridge;
pub mod cni;
mod cni_words;
pub mod fib;
pub mod finding;
pub mod flows;
pub mod identity;
pub mod naming;
pub mod nat;
pub mod netfilter;
pub mod netns;
pub mod notation;
pub mod path;
pub mod peer;
pub mod pods;
pub mod routes;
pub mod rules;
pub mod selector;
pub mod services;
mod sockets;
pub mod trace;
pub mod veth;
