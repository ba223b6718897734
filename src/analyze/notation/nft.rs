//! nf_tables rules, chains and sets as `nft -nn -a list` writes them.
//!
//! May import model only.
