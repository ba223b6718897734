//! IP sets, read through nfnetlink.
//!
//! May import model, wire and sys. Judges nothing.

use crate::collect::kernel::Namespace;
use crate::model::issue::Read;
use crate::model::netfilter::ipset::{IpSet, IpSetMember};
use crate::model::text::ByteText;

impl Namespace {
    /// The ipsets, by name.
    pub fn ipsets(&self) -> Read<Vec<IpSet>> {
        Read::default()
    }

    /// The members of one.
    pub fn ipset_members(&self, _set: &ByteText) -> Read<Option<Vec<IpSetMember>>> {
        Read::default()
    }

    /// Whether the kernel finds a member in it.
    pub fn ipset_has(&self, _set: &ByteText, _member: &str) -> Read<Option<bool>> {
        Read::default()
    }
}
