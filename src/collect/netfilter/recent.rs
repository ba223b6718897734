//! Lists of the `recent` match, from `/proc/thread-self/net/xt_recent`.
//!
//! May import model, wire and sys. Judges nothing.

use crate::collect::kernel::Namespace;
use crate::model::issue::Read;
use crate::model::netfilter::recent::RecentList;
use crate::model::text::ByteText;

impl Namespace {
    /// One list.
    pub fn recent(&self, _list: &ByteText) -> Read<Option<RecentList>> {
        Read::default()
    }
}
