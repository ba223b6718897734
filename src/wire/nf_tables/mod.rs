//! nf_tables over nfnetlink: requests, and tables, chains, rules, sets, elements and objects as answered.
//!
//! May import model only, and the message framing beside it.
