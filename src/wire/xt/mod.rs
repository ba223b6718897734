//! The blobs of xtables matches and targets: those of legacy tables and those of iptables-nft's
//! compat expressions are the same.
//!
//! May import model only.

mod blob;
pub mod lift;
mod matches;
mod targets;

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::{XtMatch, XtTarget};
use crate::model::text::ByteText;

/// Reads a match. What is not known, or has another size than it should, is kept as it came.
pub fn xt_match(family: Family, name: &[u8], revision: u8, data: &[u8]) -> XtMatch {
    let is = matches::decode(family, name, revision, data);
    XtMatch { name: called(name), revision, is }
}

/// Reads a target that has a name; verdicts and jumps of legacy rules have none and are read with the rule.
pub fn xt_target(family: Family, name: &[u8], revision: u8, data: &[u8]) -> XtTarget {
    let does = targets::decode(family, name, revision, data);
    XtTarget { name: called(name), revision, does }
}

/// A name. Those that most rules have are not copied: a large node has 300,000 of them.
fn called(name: &[u8]) -> ByteText {
    match name {
        b"comment" => ByteText::fixed("comment"),
        b"tcp" => ByteText::fixed("tcp"),
        b"udp" => ByteText::fixed("udp"),
        b"statistic" => ByteText::fixed("statistic"),
        b"recent" => ByteText::fixed("recent"),
        b"addrtype" => ByteText::fixed("addrtype"),
        b"conntrack" => ByteText::fixed("conntrack"),
        b"mark" => ByteText::fixed("mark"),
        b"DNAT" => ByteText::fixed("DNAT"),
        b"REJECT" => ByteText::fixed("REJECT"),
        _ => name.into(),
    }
}
