//! `conntrack`: flows with their NAT undone: who asked for what, who served it, and under which address.
//!
//! May import model and its siblings only. Flows pass one by one: nothing here grows with the table but what
//! `--sort` or a join over several nodes collects, which is bounded.

pub mod reader;
pub mod state;
pub mod stats;
pub mod types;
