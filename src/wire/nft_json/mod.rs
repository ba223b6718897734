//! `nft -j list ruleset`, read back into the expressions that the kernel was given.
//!
//! May import model only.
