//! Matches by name and revision.
//!
//! May import model only.

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::matches::Match;
use crate::model::text::Bytes;

/// What a match's data ask.
pub(super) fn decode(_family: Family, _name: &[u8], _revision: u8, data: &[u8]) -> Match {
    Match::Unknown(Bytes::from(data))
}
