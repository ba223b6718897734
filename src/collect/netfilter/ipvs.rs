//! Whether IPVS balances here, from `/proc/thread-self/net/ip_vs`.
//!
//! May import model, wire and sys. Judges nothing.

use crate::collect::kernel::Namespace;
use crate::model::issue::Read;

impl Namespace {
    /// How many virtual services there are; `None` without IPVS.
    pub fn ipvs_services(&self) -> Read<Option<u32>> {
        Read::default()
    }
}
