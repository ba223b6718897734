//! The names that `nft` gives to what nf_tables knows by number: kinds of values, packet fields, keys.
//!
//! Tables of constants and look-ups in them, for those who write rules out and those who read them
//! back. Must not import anything from the crate but its sibling model types.

pub mod key;
pub mod kind;
pub mod option;
pub mod packet;
pub mod part;
pub mod symbol;
