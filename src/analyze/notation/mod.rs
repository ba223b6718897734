//! Rules in the notation of their own tools, so that what podnet shows can be found again.
//!
//! Words, not layout. May import model only.

pub mod nft;
pub mod save;
