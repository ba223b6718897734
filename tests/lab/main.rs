//! The embedded lab, as root, on the real kernel: packets that are really sent, and nothing left behind.
//!
//! Oracles: `ip`, `bridge`, `iptables-save`, `nft`, `conntrack`, `ping`, `/proc`, and what the servers in the lab see.

mod harness;

mod adversary;
mod crash;
mod dual;
mod flows;
mod foreign;
mod golden;
mod naming;
mod nat;
mod network;
mod odd_services;
mod one_reading;
mod paths;
mod probe;
mod readers;
mod rules;
mod services;
mod sockets;
mod stale;
mod state_file;
mod watch;
mod watching;
