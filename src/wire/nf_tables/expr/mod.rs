//! Expressions: what a rule, an element or a set says, step by step.
//!
//! An expression is only taken as known when all of it is: a value or an attribute that this podnet
//! does not know (of a newer kernel), or a broken one, leaves it as it came, by name with its bytes.
//! Must not import anything from the crate but model, the message framing and the xtables codec.

mod action;
mod packet;
mod value;

use super::{fields, fields::Fields, nfta};
use crate::model::netfilter::expr::{Expr, Limit, Quota};
use crate::model::netfilter::table::Family;
use crate::wire::netlink::attr::{AttrError, attrs};
use crate::wire::xt;

/// How deep expressions may stand in expressions; the kernel allows one level (dynset).
const DEPTH: u8 = 3;

/// The expressions of a list.
pub(super) fn list(family: Family, bytes: &[u8], depth: u8, errors: &mut Vec<AttrError>) -> Vec<Expr> {
    // Counted first: a table may hold a hundred thousand rules, and each would grow its list anew.
    let mut exprs = Vec::with_capacity(attrs(bytes).flatten().count());
    exprs.extend(each(family, bytes, depth, errors));
    exprs
}

/// The same, one at a time.
pub(super) fn each<'a>(
    family: Family,
    bytes: &'a [u8],
    depth: u8,
    errors: &'a mut Vec<AttrError>,
) -> impl Iterator<Item = Expr> + 'a {
    attrs(bytes).filter_map(move |attr| match attr {
        Ok(attr) => Some(expr(family, attr.payload, depth, errors)),
        Err(error) => {
            errors.push(error);
            None
        }
    })
}

/// One expression, or in newer kernels a list of them.
pub(super) fn one_or_list(
    family: Family,
    one: Option<&[u8]>,
    many: Option<&[u8]>,
    depth: u8,
    errors: &mut Vec<AttrError>,
) -> Vec<Expr> {
    match (one, many) {
        (_, Some(many)) => list(family, many, depth, errors),
        (Some(one), None) => vec![expr(family, one, depth, errors)],
        (None, None) => Vec::new(),
    }
}

fn expr(family: Family, bytes: &[u8], depth: u8, errors: &mut Vec<AttrError>) -> Expr {
    let before = errors.len();
    let mut fields = Fields::of(bytes, nfta::EXPR_DATA, errors);
    let name = fields.needed(nfta::EXPR_NAME, "NFTA_EXPR_NAME").unwrap_or_default();
    let data = fields.raw(nfta::EXPR_DATA).unwrap_or_default();
    if let Some((last, decode)) = decoder(name)
        && depth <= DEPTH
    {
        let mut place = Place { family, depth, fields: Fields::of(data, last, errors) };
        let decoded = decode(&mut place);
        if !place.fields.strange()
            && errors.len() == before
            && let Some(decoded) = decoded
        {
            return decoded;
        }
    }
    Expr::Unknown { name: name.into(), data: data.into() }
}

/// An expression's attributes, and where it stands.
struct Place<'a, 'e> {
    family: Family,
    depth: u8,
    fields: Fields<'a, 'e>,
}

type Decode = fn(&mut Place<'_, '_>) -> Option<Expr>;

/// The last attribute that is known of an expression, and what reads it.
fn decoder(name: &[u8]) -> Option<(u16, Decode)> {
    Some(match name {
        b"immediate" => (nfta::IMMEDIATE_DATA, value::immediate),
        b"cmp" => (nfta::CMP_DATA, value::cmp),
        b"range" => (nfta::RANGE_TO_DATA, value::range),
        b"bitwise" => (nfta::BITWISE_SREG2, value::bitwise),
        b"byteorder" => (nfta::BYTEORDER_SIZE, value::byteorder),
        b"lookup" => (nfta::LOOKUP_FLAGS, value::lookup),
        b"dynset" => (nfta::DYNSET_EXPRESSIONS, value::dynset),
        b"numgen" => (nfta::NG_OFFSET, value::numgen),
        b"hash" => (nfta::HASH_TYPE, value::hash),
        b"payload" => (nfta::PAYLOAD_CSUM_FLAGS, packet::payload),
        b"meta" => (nfta::META_SREG, packet::meta),
        b"ct" => (nfta::CT_SREG, packet::ct),
        b"fib" => (nfta::FIB_FLAGS, packet::fib),
        b"rt" => (nfta::RT_KEY, packet::rt),
        b"socket" => (nfta::SOCKET_LEVEL, packet::socket),
        b"exthdr" => (nfta::EXTHDR_SREG, packet::exthdr),
        b"counter" => (nfta::COUNTER_PACKETS + 1, |place| fields::counters(&mut place.fields).map(Expr::Counter)),
        b"limit" => (nfta::LIMIT_FLAGS + 1, |place| limit(&mut place.fields).map(Expr::Limit)),
        b"quota" => (nfta::QUOTA_CONSUMED, |place| quota(&mut place.fields).map(Expr::Quota)),
        b"nat" => (nfta::NAT_FLAGS, action::nat),
        b"masq" => (nfta::MASQ_REG_PROTO_MAX, |place| Some(action::masquerade(place))),
        b"redir" => (nfta::REDIR_FLAGS, |place| Some(action::redirect(place))),
        b"reject" => (nfta::REJECT_ICMP_CODE, action::reject),
        b"log" => (nfta::LOG_FLAGS, |place| Some(action::log(place))),
        b"notrack" => (0, |_| Some(Expr::Notrack)),
        b"queue" => (nfta::QUEUE_SREG_QNUM, |place| Some(action::queue(place))),
        b"objref" => (nfta::OBJREF_SET_ID, action::objref),
        b"tproxy" => (nfta::TPROXY_REG_PORT, action::tproxy),
        b"match" => (nfta::MATCH_INFO, xt_match),
        b"target" => (nfta::TARGET_INFO, xt_target),
        _ => return None,
    })
}

/// `limit`, also the state of an object.
pub(super) fn limit(fields: &mut Fields<'_, '_>) -> Option<Limit> {
    /// `NFT_LIMIT_F_INV`
    const OVER: u32 = 1;
    let flags = fields.u32(nfta::LIMIT_FLAGS).unwrap_or_default();
    let kind = fields.u32(nfta::LIMIT_TYPE).unwrap_or_default();
    if flags & !OVER != 0 || kind > 1 {
        return None;
    }
    Some(Limit {
        rate: fields.u64(nfta::LIMIT_RATE)?,
        unit: fields.u64(nfta::LIMIT_UNIT)?,
        burst: fields.u32(nfta::LIMIT_BURST).unwrap_or_default(),
        bytes: kind == 1,
        over: flags & OVER != 0,
    })
}

/// `quota`, also the state of an object.
pub(super) fn quota(fields: &mut Fields<'_, '_>) -> Option<Quota> {
    Some(Quota {
        bytes: fields.u64(nfta::QUOTA_BYTES)?,
        used: fields.u64(nfta::QUOTA_CONSUMED).unwrap_or_default(),
        flags: fields.u32(nfta::QUOTA_FLAGS).unwrap_or_default(),
    })
}

fn xt_match(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    let name = fields.text(nfta::MATCH_NAME)?;
    let revision = u8::try_from(fields.u32(nfta::MATCH_REV)?).ok()?;
    Some(Expr::XtMatch(xt::xt_match(place.family, name, revision, fields.raw(nfta::MATCH_INFO)?)))
}

fn xt_target(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    let name = fields.text(nfta::TARGET_NAME)?;
    let revision = u8::try_from(fields.u32(nfta::TARGET_REV)?).ok()?;
    Some(Expr::XtTarget(xt::xt_target(place.family, name, revision, fields.raw(nfta::TARGET_INFO)?)))
}
