//! Rules of all sorts against what nft 1.0.6 wrote for them.
