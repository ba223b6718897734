//! Policy rules (`RTM_NEWRULE`).
//!
//! Must not import anything from the crate but model and sibling wire files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::model::ids::{Mark, TableId};
use crate::model::route::{Family, Rule, RuleAction};
use crate::model::text::ByteText;
use crate::wire::netlink::attr::{Attr, AttrError, attrs};

use super::{AF_INET, AF_INET6, Known, fill, fixed, good, names, put, walk};

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_PAD: u16 = 18;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
const FRA_DSCP: u16 = 25;
const FRA_SPORT_MASK: u16 = 28;
const FRA_DPORT_MASK: u16 = 29;
const FRA_DSCP_MASK: u16 = 30;

const FIB_RULE_INVERT: u32 = 2;
/// `-1` in the suppress attributes: not set.
const NOT_SET: u32 = u32::MAX;

/// Reads one rule of either IP family.
pub fn rule(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Rule> {
    let (&[family, dst_len, src_len, tos, table, _, _, action, flags @ ..], rest) = fixed::<12>(message, errors)?;
    let family = match family {
        AF_INET => Family::Ipv4,
        AF_INET6 => Family::Ipv6,
        _ => return None,
    };
    let mut draft = Draft { table: u32::from(table), ..Draft::default() };
    let unknown = walk(attrs(rest), errors, |attr, errors| draft.attr(&attr, errors));
    let dst = good(selector(draft.dst, dst_len, family), errors)?;
    let src = good(selector(draft.src, src_len, family), errors)?;
    let mark = match (draft.mark, draft.mask) {
        (None, None) => None,
        // A mask of 0 compares nothing; the kernel sets all bits where none is given.
        (value, mask) => {
            Some(Mark { value: value.unwrap_or(0), mask: mask.unwrap_or(u32::MAX) }).filter(|mark| mark.mask != 0)
        }
    };
    let tos = draft.dscp.map(|dscp| dscp << 2).or((tos != 0).then_some(tos));
    Some(Rule {
        family,
        priority: draft.priority,
        invert: u32::from_ne_bytes(flags) & FIB_RULE_INVERT != 0,
        src,
        dst,
        iif: draft.iif,
        oif: draft.oif,
        mark,
        tos,
        tos_is_dscp: draft.dscp.is_some(),
        protocol: draft.protocol.filter(|number| *number != 0),
        source_ports: draft.source_ports,
        destination_ports: draft.destination_ports,
        uids: draft.uids,
        l3mdev: draft.l3mdev != 0,
        tunnel_id: draft.tunnel_id.filter(|id| *id != 0),
        suppress_prefix_length: draft.suppress_prefix_length.filter(|length| *length != NOT_SET),
        suppress_interface_group: draft.suppress_interface_group.filter(|group| *group != NOT_SET),
        action: match action {
            1 => RuleAction::Lookup { table: TableId(draft.table) },
            2 => RuleAction::Goto { priority: draft.goto },
            3 => RuleAction::Nop,
            6 => RuleAction::Blackhole,
            7 => RuleAction::Unreachable,
            8 => RuleAction::Prohibit,
            number => RuleAction::Other { number },
        },
        origin: names::origin(draft.origin),
        unknown,
    })
}

#[derive(Default)]
struct Draft {
    priority: u32,
    dst: Option<IpAddr>,
    src: Option<IpAddr>,
    iif: Option<ByteText>,
    oif: Option<ByteText>,
    mark: Option<u32>,
    mask: Option<u32>,
    dscp: Option<u8>,
    protocol: Option<u8>,
    source_ports: Option<(u16, u16)>,
    destination_ports: Option<(u16, u16)>,
    uids: Option<(u32, u32)>,
    l3mdev: u8,
    tunnel_id: Option<u64>,
    suppress_prefix_length: Option<u32>,
    suppress_interface_group: Option<u32>,
    table: u32,
    goto: u32,
    origin: u8,
}

impl Draft {
    fn attr(&mut self, attr: &Attr<'_>, errors: &mut Vec<AttrError>) -> Known {
        match attr.kind {
            FRA_PRIORITY => put(&mut self.priority, attr.u32(), errors),
            FRA_DST => fill(&mut self.dst, attr.address(), errors),
            FRA_SRC => fill(&mut self.src, attr.address(), errors),
            FRA_IIFNAME => self.iif = Some(ByteText::new(attr.text())),
            FRA_OIFNAME => self.oif = Some(ByteText::new(attr.text())),
            FRA_FWMARK => fill(&mut self.mark, attr.u32(), errors),
            FRA_FWMASK => fill(&mut self.mask, attr.u32(), errors),
            FRA_DSCP => fill(&mut self.dscp, attr.u8(), errors),
            FRA_IP_PROTO => fill(&mut self.protocol, attr.u8(), errors),
            FRA_SPORT_RANGE => fill(&mut self.source_ports, ports(attr), errors),
            FRA_DPORT_RANGE => fill(&mut self.destination_ports, ports(attr), errors),
            FRA_UID_RANGE => fill(&mut self.uids, uids(attr), errors),
            FRA_L3MDEV => put(&mut self.l3mdev, attr.u8(), errors),
            FRA_TUN_ID => fill(&mut self.tunnel_id, attr.be64(), errors),
            FRA_SUPPRESS_PREFIXLEN => fill(&mut self.suppress_prefix_length, attr.u32(), errors),
            FRA_SUPPRESS_IFGROUP => fill(&mut self.suppress_interface_group, attr.u32(), errors),
            FRA_TABLE => put(&mut self.table, attr.u32(), errors),
            FRA_GOTO => put(&mut self.goto, attr.u32(), errors),
            FRA_PROTOCOL => put(&mut self.origin, attr.u8(), errors),
            // A full mask, which Linux 6.15 adds to each plain port and DSCP, changes nothing; another one does.
            FRA_SPORT_MASK | FRA_DPORT_MASK if attr.u16() == Ok(u16::MAX) => {}
            FRA_DSCP_MASK if attr.u8() == Ok(0x3f) => {}
            // The realm is no selector: it only labels what the rule finds.
            FRA_FLOW | FRA_PAD => {}
            _ => return Known::No,
        }
        Known::Yes
    }
}

/// `struct fib_rule_port_range`.
fn ports(attr: &Attr<'_>) -> Result<(u16, u16), AttrError> {
    match *attr.payload {
        [a, b, c, d] => Ok((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]))),
        _ => Err(AttrError::Length { kind: attr.kind, length: attr.payload.len(), wanted: "4" }),
    }
}

/// `struct fib_rule_uid_range`.
fn uids(attr: &Attr<'_>) -> Result<(u32, u32), AttrError> {
    let wrong = AttrError::Length { kind: attr.kind, length: attr.payload.len(), wanted: "8" };
    let Some((first, last)) = attr.payload.split_first_chunk::<4>() else { return Err(wrong) };
    let last = <[u8; 4]>::try_from(last).map_err(|_| wrong)?;
    Ok((u32::from_ne_bytes(*first), u32::from_ne_bytes(last)))
}

/// A prefix that packets are compared with; `None` compares nothing.
fn selector(address: Option<IpAddr>, length: u8, family: Family) -> Result<Option<IpNet>, AttrError> {
    if address.is_none() && length == 0 {
        return Ok(None);
    }
    let zero = match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let address = address.unwrap_or(zero);
    match IpNet::new(address, length) {
        Ok(net) if Family::of(address) == family => Ok(Some(net)),
        _ => Err(AttrError::Value { kind: FRA_DST, detail: format!("{address}/{length} is no {family:?} prefix") }),
    }
}
