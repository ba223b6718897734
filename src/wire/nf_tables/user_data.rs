//! User data: what nft and iptables-nft keep for themselves, a row of type, length, value (libnftnl's `udata`).
//!
//! Must not import anything from the crate but model.

use crate::model::text::{ByteText, Bytes};

/// The comment's type for tables, chains, rules, elements and objects. `NFTNL_UDATA_RULE_COMMENT` and its like
pub const COMMENT: u8 = 0;
/// The comment's type for sets. `NFTNL_UDATA_SET_COMMENT`
pub const SET_COMMENT: u8 = 7;

/// The comment, and all that is none. What is no such row, or is cut off, is no comment.
pub fn split(bytes: Option<&[u8]>, wanted: u8) -> (Option<ByteText>, Bytes) {
    let (mut comment, mut others) = (None, Vec::new());
    let mut left = bytes.unwrap_or_default();
    while let [kind, length, rest @ ..] = left {
        let length = usize::from(*length);
        let Some(value) = rest.get(..length) else { break };
        if *kind == wanted && comment.is_none() {
            comment = Some(ByteText::from(value.split(|byte| *byte == 0).next().unwrap_or_default()));
        } else {
            others.extend_from_slice(left.get(..2 + length).unwrap_or_default());
        }
        left = rest.get(length..).unwrap_or_default();
    }
    others.extend_from_slice(left);
    (comment, Bytes(others))
}
