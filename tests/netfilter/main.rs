//! Rules as podnet reads and writes them, against `iptables-save`, `nft`, `ipset` and the kernel.

mod asked;
#[path = "../answers/support/built.rs"]
#[allow(dead_code)] // shared with tests/answers, which uses more of it
mod built;
mod codec;
mod compat;
mod hostile;
mod ipsets;
mod language;
mod matches;
mod recent;
mod restored;
mod targets;
#[path = "../kernel/testbed.rs"]
#[allow(dead_code, reason = "what tests/kernel needs of it and these tests do not")]
mod testbed;
mod text;
