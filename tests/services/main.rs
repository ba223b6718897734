//! `services`, on rules that real programs wrote: what it says is compared with what the API server said of
//! the same services, endpoints and pods.

mod among;
mod asked;
#[path = "../answers/support/built.rs"]
#[allow(dead_code)] // shared with tests/answers, which uses more of it
mod built;
mod cluster;
mod cost;
mod deep;
mod doubt;
mod file;
mod foreign;
mod line;
mod odd;
mod oracle;
mod packets;
mod recorded;
#[path = "../netfilter/restored.rs"]
mod restored;
mod stale;
#[path = "../kernel/testbed.rs"]
#[allow(dead_code)] // shared with tests/kernel, which uses more of it
mod testbed;
mod told;
#[path = "../answers/support/watched.rs"]
#[allow(dead_code)] // shared with tests/answers, which asks for other things
mod watched;
mod world;
