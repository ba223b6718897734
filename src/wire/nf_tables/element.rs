//! Elements of sets and maps.
//!
//! Must not import anything from the crate but model and the message framing.

use super::{expr, fields::Fields, nfta, split, user_data};
use crate::model::netfilter::set::Element;
use crate::model::netfilter::table::Family;
use crate::model::text::Bytes;
use crate::wire::netlink::attr::{AttrError, attrs};

/// `NFT_SET_ELEM_INTERVAL_END`
const INTERVAL_END: u32 = 0x1;
/// `NFT_SET_ELEM_CATCHALL`
pub(super) const CATCH_ALL: u32 = 0x2;

/// The elements of an `NFT_MSG_NEWSETELEM`: many in an answer to a dump, else one.
pub fn elements(message: &[u8], into: &mut Vec<Element>, errors: &mut Vec<AttrError>) {
    let Some((family, rest)) = split(message, errors) else { return };
    let list = Fields::of(rest, nfta::SET_ELEM_LIST_SET_ID, errors).raw(nfta::SET_ELEM_LIST_ELEMENTS);
    for attr in attrs(list.unwrap_or_default()) {
        match attr {
            Ok(attr) if attr.kind == nfta::LIST_ELEM => into.extend(element(family, attr.payload, errors)),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
}

fn element(family: Family, bytes: &[u8], errors: &mut Vec<AttrError>) -> Option<Element> {
    let mut fields = Fields::of(bytes, nfta::SET_ELEM_EXPRESSIONS, errors);
    let flags = fields.u32(nfta::SET_ELEM_FLAGS).unwrap_or_default();
    let catch_all = flags & CATCH_ALL != 0;
    let key = match fields.value(nfta::SET_ELEM_KEY) {
        Some(key) => key,
        None if catch_all => Bytes::default(),
        None => {
            fields.errors.push(AttrError::Missing { name: "NFTA_SET_ELEM_KEY" });
            return None;
        }
    };
    let (comment, user_data) = user_data::split(fields.raw(nfta::SET_ELEM_USERDATA), user_data::COMMENT);
    let (one, list) = (fields.raw(nfta::SET_ELEM_EXPR), fields.raw(nfta::SET_ELEM_EXPRESSIONS));
    Some(Element {
        key,
        key_end: fields.value(nfta::SET_ELEM_KEY_END),
        interval_end: flags & INTERVAL_END != 0,
        catch_all,
        data: fields.data(nfta::SET_ELEM_DATA),
        object: fields.name(nfta::SET_ELEM_OBJREF),
        timeout_ms: fields.u64(nfta::SET_ELEM_TIMEOUT),
        expires_ms: fields.u64(nfta::SET_ELEM_EXPIRATION),
        exprs: expr::one_or_list(family, one, list, 0, fields.errors),
        comment,
        user_data,
    })
}
