//! An answer to bytes in a given writer.
//!
//! May import model and analyze's answer types only. No IO, TTY, environment or DNS; it decides nothing.
pub mod bridge;
pub mod cni;
pub mod conntrack;
pub mod conntrack_stale;
pub mod conntrack_stats;
pub mod conntrack_watch;
pub mod json;
pub mod lab;
pub mod lab_services;
pub mod nat;
pub mod netns;
pub mod path;
pub mod pods;
pub mod probe;
pub mod routes;
pub mod rules;
pub mod schema;
pub mod services;
pub mod story;
pub mod style;
pub mod table;
pub mod trace;
pub mod veth;
pub mod words;
