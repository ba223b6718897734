//! Netfilter's rules: tables, chains, rules, sets and ipsets, of every back end in one shape.
//!
//! A rule is either an xtables rule (legacy, or written through iptables-nft and read back as what
//! was meant) or a row of nf_tables expressions. Must not import anything from the crate but its
//! sibling model types.

pub mod chain;
pub mod expr;
pub mod hook;
pub mod ipset;
pub mod object;
pub mod recent;
pub mod rule;
pub mod set;
pub mod table;
pub mod view;
pub mod words;
pub mod xt;
