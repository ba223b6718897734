//! Named objects.
//!
//! Must not import anything from the crate but model and the message framing.

use super::{expr, fields, fields::Fields, nfta, split, user_data};
use crate::model::netfilter::object::{Object, ObjectState};
use crate::model::netfilter::table::TableRef;
use crate::wire::netlink::attr::AttrError;

/// `NFT_OBJECT_COUNTER`
const COUNTER: u32 = 1;
/// `NFT_OBJECT_QUOTA`
const QUOTA: u32 = 2;
/// `NFT_OBJECT_LIMIT`
const LIMIT: u32 = 4;

/// An object of an `NFT_MSG_NEWOBJ`.
pub fn object(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Object> {
    let (family, attrs) = split(message, errors)?;
    let mut fields = Fields::of(attrs, nfta::OBJ_USERDATA, errors);
    let table = fields.needed(nfta::OBJ_TABLE, "NFTA_OBJ_TABLE")?;
    let name = fields.needed(nfta::OBJ_NAME, "NFTA_OBJ_NAME")?;
    let Some(kind) = fields.u32(nfta::OBJ_TYPE) else {
        fields.errors.push(AttrError::Missing { name: "NFTA_OBJ_TYPE" });
        return None;
    };
    let data = fields.raw(nfta::OBJ_DATA).unwrap_or_default();
    let mut held = Fields::of(data, u16::MAX, fields.errors);
    let state = match kind {
        COUNTER => fields::counters(&mut held).map(ObjectState::Counter),
        QUOTA => expr::quota(&mut held).map(ObjectState::Quota),
        LIMIT => expr::limit(&mut held).map(ObjectState::Limit),
        _ => None,
    };
    let (comment, _) = user_data::split(fields.raw(nfta::OBJ_USERDATA), user_data::COMMENT);
    Some(Object {
        table: TableRef::nf(family, table),
        kind,
        name: name.into(),
        handle: fields.u64(nfta::OBJ_HANDLE),
        uses: fields.u32(nfta::OBJ_USE),
        state: state.unwrap_or_else(|| ObjectState::Other(data.into())),
        comment,
    })
}
