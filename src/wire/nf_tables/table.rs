//! Tables.
//!
//! Must not import anything from the crate but model and the message framing.

use super::{fields::Fields, nfta, split, user_data};
use crate::model::netfilter::table::{Table, TableRef};
use crate::wire::netlink::attr::AttrError;

/// `NFT_TABLE_F_DORMANT`
const DORMANT: u32 = 0x1;

/// A table of an `NFT_MSG_NEWTABLE`.
pub fn table(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Table> {
    let (family, attrs) = split(message, errors)?;
    let mut fields = Fields::of(attrs, nfta::TABLE_OWNER, errors);
    let name = fields.needed(nfta::TABLE_NAME, "NFTA_TABLE_NAME")?;
    let flags = fields.u32(nfta::TABLE_FLAGS).unwrap_or_default();
    let (comment, user_data) = user_data::split(fields.raw(nfta::TABLE_USERDATA), user_data::COMMENT);
    Some(Table {
        id: TableRef::nf(family, name),
        handle: fields.u64(nfta::TABLE_HANDLE),
        dormant: flags & DORMANT != 0,
        owner: fields.u32(nfta::TABLE_OWNER),
        flags,
        objects: fields.u32(nfta::TABLE_USE),
        comment,
        user_data,
    })
}
