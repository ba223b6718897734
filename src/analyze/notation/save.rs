//! xtables rules as `iptables-save -c` writes them, byte for byte.
//!
//! May import model only.

mod matches;
mod targets;
