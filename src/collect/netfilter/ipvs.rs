//! Whether IPVS balances here, from `/proc/thread-self/net/ip_vs`.
//!
//! May import model, wire and sys. Judges nothing.

use std::path::Path;

use super::recent::text;
use crate::collect::kernel::Namespace;
use crate::model::issue::{Issue, Read, Why};
use crate::wire::proc::ip_vs;

const FILE: &str = "/proc/thread-self/net/ip_vs";
/// 10,000 services of 10 servers each are less than this.
const LIMIT: u64 = 64 << 20;

impl Namespace {
    /// How many virtual services there are; `None` without IPVS.
    pub fn ipvs_services(&self) -> Read<Option<u32>> {
        match self.thread().within(self.file(), || text(Path::new(FILE), LIMIT)) {
            Ok(found) => Read::ok(found.map(|text| ip_vs::services(&text))),
            Err(error) => {
                let what = format!("reading {FILE} of {}", self.id());
                Read::failed(Issue::incomplete(what, Why::from_io(&error)))
            }
        }
    }
}
