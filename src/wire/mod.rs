//! Pure codecs: bytes or text to model. One folder a format family; everything here is fuzzed.
//!
//! May import model only. No IO, no sys, no panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
pub mod cni;
pub mod conntrack;
pub mod cri;
pub mod event_filter;
pub mod ipset;
pub mod legacy;
pub mod netlink;
pub mod nf_tables;
pub mod nft_json;
pub mod packet;
pub mod packet_filter;
pub mod proc;
pub mod rtnetlink;
pub mod sock_diag;
pub mod xt;
pub mod xt_save;
