//! Nexthop objects (`RTM_NEWNEXTHOP`), which `netlink-packet-route` does not know.
//!
//! Must not import anything from the crate but model and sibling wire files.

use crate::model::ids::IfIndex;
use crate::model::route::{NextHop, NexthopObject};
use crate::wire::netlink::attr::{Attr, AttrError, attrs};

use super::route::EncapParts;
use super::{Known, fill, fixed, good, names, walk};

const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_BLACKHOLE: u16 = 4;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
const NHA_ENCAP_TYPE: u16 = 7;
const NHA_ENCAP: u16 = 8;
const NHA_FDB: u16 = 11;

/// Reads one nexthop object.
pub fn nexthop(message: &[u8], errors: &mut Vec<AttrError>) -> Option<NexthopObject> {
    let (&[_, _, protocol, _, flags @ ..], rest) = fixed::<8>(message, errors)?;
    let (mut id, mut ifindex, mut gateway) = (None, None, None);
    let mut encap = EncapParts::default();
    let (mut group, mut blackhole, mut fdb) = (Vec::new(), false, false);
    walk(attrs(rest), errors, |attr, errors| {
        match attr.kind {
            NHA_ID => fill(&mut id, attr.u32(), errors),
            NHA_GROUP => group = good(members(&attr), errors).unwrap_or_default(),
            NHA_BLACKHOLE => blackhole = true,
            NHA_OIF => fill(&mut ifindex, attr.u32().map(IfIndex), errors),
            NHA_GATEWAY => fill(&mut gateway, attr.address(), errors),
            NHA_ENCAP_TYPE => encap.kind(&attr, errors),
            NHA_ENCAP => encap.data(&attr),
            NHA_FDB => fdb = true,
            _ => {}
        }
        Known::Yes
    });
    let Some(id) = id else {
        errors.push(AttrError::Missing { name: "NHA_ID" });
        return None;
    };
    let nexthop = (group.is_empty() && !blackhole).then(|| NextHop {
        ifindex,
        gateway,
        weight: 1,
        flags: names::bits(u32::from_ne_bytes(flags), names::NEXTHOP_FLAGS),
        encap: encap.finish(),
    });
    Some(NexthopObject { id, nexthop, group, blackhole, fdb, origin: names::origin(protocol) })
}

/// The members of a group: an array of `struct nexthop_grp`.
fn members(attr: &Attr<'_>) -> Result<Vec<(u32, u16)>, AttrError> {
    let (whole, rest) = attr.payload.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(AttrError::Length { kind: attr.kind, length: attr.payload.len(), wanted: "a multiple of 8" });
    }
    Ok(whole
        .iter()
        .map(|&[i0, i1, i2, i3, low, high, _, _]| {
            // One less than the weight; the high byte is in use since Linux 6.12.
            (u32::from_ne_bytes([i0, i1, i2, i3]), u16::from_le_bytes([low, high]).saturating_add(1))
        })
        .collect())
}
