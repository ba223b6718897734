//! Nodes to ask: one that real programs recorded, and small ones built by hand.

pub mod built;
pub mod flows;
pub mod json;
pub mod recorded;
pub mod told;
pub mod watched;
