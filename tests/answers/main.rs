//! Whole answers, as text and as JSON, on a node that real programs recorded and on small nodes
//! built by hand for the cases that a real one does not show.

mod cost;
mod faults;
mod flow_stats;
mod flows;
mod identity;
mod nat;
mod recorded;
mod states;
mod support;
mod traps;
mod ways;
