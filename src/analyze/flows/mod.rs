//! `conntrack`: flows with their NAT undone: who asked for what, who served it, and under which address.
//!
//! May import model and its siblings only. Flows pass one by one: nothing here grows with the table but what
//! `--sort` or a join over several nodes collects, which is bounded.

pub mod answer;
pub mod expected;
mod join;
mod out_link;
pub mod query;
pub mod reader;
mod rules;
pub mod stale;
pub mod state;
pub mod stats;
mod timeouts;
pub mod types;
pub mod watch;
pub mod watching;
pub mod world;
