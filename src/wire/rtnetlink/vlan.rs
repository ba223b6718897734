//! Which VLANs a bridge's port is in: `RTM_NEWLINK` of family `AF_BRIDGE`.
//!
//! Must not import anything from the crate but model and sibling wire files.

use crate::model::ids::IfIndex;
use crate::model::link::VlanRange;
use crate::wire::netlink::attr::{Attr, AttrError, attrs};
use crate::wire::netlink::request::Request;

use super::{AF_BRIDGE, GETLINK, fixed, good};

const IFLA_AF_SPEC: u16 = 26;
const IFLA_EXT_MASK: u16 = 29;
/// Runs of VLANs alike as their two ends.
const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 1 << 2;

const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_VLAN_INFO_PVID: u16 = 1 << 1;
const BRIDGE_VLAN_INFO_UNTAGGED: u16 = 1 << 2;
const BRIDGE_VLAN_INFO_RANGE_BEGIN: u16 = 1 << 3;
const BRIDGE_VLAN_INFO_RANGE_END: u16 = 1 << 4;

/// The VLANs of one port, or of a bridge itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkVlans {
    /// The link.
    pub ifindex: IfIndex,
    /// Its VLANs, ascending; empty where it is in none.
    pub vlans: Vec<VlanRange>,
}

/// Asks for the VLANs of all ports and bridges.
pub fn request() -> Request {
    let mut header = [0; 16];
    header[0] = AF_BRIDGE;
    Request::dump(GETLINK, &header).attr(IFLA_EXT_MASK, &RTEXT_FILTER_BRVLAN_COMPRESSED.to_ne_bytes())
}

/// Reads one link's VLANs (`br_fill_ifvlaninfo_compressed`; single ones too, as `br_fill_ifvlaninfo`).
pub fn vlans(message: &[u8], errors: &mut Vec<AttrError>) -> Option<LinkVlans> {
    let (&[family, _, _, _, i0, i1, i2, i3, ..], rest) = fixed::<16>(message, errors)?;
    if family != AF_BRIDGE {
        return None;
    }
    let mut found = LinkVlans { ifindex: IfIndex(u32::from_ne_bytes([i0, i1, i2, i3])), vlans: Vec::new() };
    for attr in attrs(rest) {
        let Some(attr) = good(attr, errors) else { break };
        if attr.kind == IFLA_AF_SPEC {
            spec(&attr, &mut found.vlans, errors);
        }
    }
    found.vlans.sort_unstable();
    Some(found)
}

fn spec(nest: &Attr<'_>, vlans: &mut Vec<VlanRange>, errors: &mut Vec<AttrError>) {
    let mut begun: Option<u16> = None;
    let odd = |detail: String| AttrError::Value { kind: IFLA_BRIDGE_VLAN_INFO, detail };
    for attr in nest.nested() {
        let Some(attr) = good(attr, errors) else { break };
        if attr.kind != IFLA_BRIDGE_VLAN_INFO {
            continue;
        }
        let &[f0, f1, v0, v1] = attr.payload else {
            errors.push(AttrError::Length { kind: attr.kind, length: attr.payload.len(), wanted: "4" });
            continue;
        };
        let (flags, vid) = (u16::from_ne_bytes([f0, f1]), u16::from_ne_bytes([v0, v1]));
        let is = |flag: u16| flags & flag != 0;
        let begins = is(BRIDGE_VLAN_INFO_RANGE_BEGIN);
        let first = match (begun.take(), is(BRIDGE_VLAN_INFO_RANGE_END)) {
            (Some(first), true) if first <= vid => first,
            (None, false) if begins => {
                begun = Some(vid);
                continue;
            }
            (None, false) => vid,
            (first, _) => {
                let first = first.map_or_else(|| "nothing".to_owned(), |first| format!("VLAN {first}"));
                errors.push(odd(format!("VLAN {vid} with flags {flags:#x} after a run begun with {first}")));
                continue;
            }
        };
        vlans.push(VlanRange {
            first,
            last: vid,
            pvid: is(BRIDGE_VLAN_INFO_PVID),
            untagged: is(BRIDGE_VLAN_INFO_UNTAGGED),
        });
    }
    if let Some(first) = begun {
        errors.push(odd(format!("the run begun with VLAN {first} has no end")));
    }
}
