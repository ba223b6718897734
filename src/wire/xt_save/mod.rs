//! `iptables-save` and `ip6tables-save`, with or without counters, read back into rules.
//!
//! May import model only.
