//! Targets by name and revision.
//!
//! May import model only.

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::targets::Target;
use crate::model::text::Bytes;

/// What a target's data do.
pub(super) fn decode(_family: Family, _name: &[u8], _revision: u8, data: &[u8]) -> Target {
    Target::Unknown(Bytes::from(data))
}
