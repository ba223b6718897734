//! Sets and maps without their elements.
//!
//! Must not import anything from the crate but model and the message framing.

use super::{expr, fields::Fields, nfta, split, user_data};
use crate::model::netfilter::set::{Set, SetRef};
use crate::model::netfilter::table::TableRef;
use crate::wire::netlink::attr::{AttrError, attrs};

/// A set of an `NFT_MSG_NEWSET`.
pub fn set(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Set> {
    let (family, attrs) = split(message, errors)?;
    let mut fields = Fields::of(attrs, nfta::SET_EXPRESSIONS, errors);
    let table = fields.needed(nfta::SET_TABLE, "NFTA_SET_TABLE")?;
    let name = fields.needed(nfta::SET_NAME, "NFTA_SET_NAME")?;
    let user_data = fields.raw(nfta::SET_USERDATA).unwrap_or_default();
    let (comment, _) = user_data::split(Some(user_data), user_data::SET_COMMENT);
    let description = fields.raw(nfta::SET_DESC).unwrap_or_default();
    let mut description = Fields::of(description, nfta::SET_DESC_CONCAT, fields.errors);
    let size = description.u32(nfta::SET_DESC_SIZE);
    let lengths = description.raw(nfta::SET_DESC_CONCAT).unwrap_or_default();
    Some(Set {
        id: SetRef { table: TableRef::nf(family, table), name: name.into() },
        size,
        fields: lengths_of(lengths, fields.errors),
        handle: fields.u64(nfta::SET_HANDLE),
        flags: fields.u32(nfta::SET_FLAGS).unwrap_or_default(),
        key_type: fields.u32(nfta::SET_KEY_TYPE).unwrap_or_default(),
        key_length: fields.u32(nfta::SET_KEY_LEN).unwrap_or_default(),
        data_type: fields.u32(nfta::SET_DATA_TYPE),
        data_length: fields.u32(nfta::SET_DATA_LEN),
        object_kind: fields.u32(nfta::SET_OBJ_TYPE),
        timeout_ms: fields.u64(nfta::SET_TIMEOUT),
        gc_interval_ms: fields.u32(nfta::SET_GC_INTERVAL),
        policy: fields.u32(nfta::SET_POLICY),
        exprs: expr::one_or_list(
            family,
            fields.raw(nfta::SET_EXPR),
            fields.raw(nfta::SET_EXPRESSIONS),
            0,
            fields.errors,
        ),
        comment,
        user_data: user_data.into(),
    })
}

/// The lengths of a concatenated key's parts. The header says bits; the kernel and nft mean bytes.
fn lengths_of(list: &[u8], errors: &mut Vec<AttrError>) -> Vec<u32> {
    let mut lengths = Vec::new();
    for attr in attrs(list) {
        match attr {
            Ok(attr) => lengths.extend(Fields::of(attr.payload, nfta::SET_FIELD_LEN, errors).u32(nfta::SET_FIELD_LEN)),
            Err(error) => errors.push(error),
        }
    }
    lengths
}
