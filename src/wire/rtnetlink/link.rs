//! Links (`RTM_NEWLINK`).
//!
//! Must not import anything from the crate but model and sibling wire files.

use crate::model::bpf::BpfAttachment;
use crate::model::ids::{IfIndex, MacAddr, Nsid};
use crate::model::link::{Link, LinkKind, LinkStats, OperState};
use crate::model::text::{ByteText, hex};
use crate::wire::netlink::attr::{Attr, AttrError, attrs};

use super::kind::{LinkInfo, link_info};
use super::{Known, fill, fixed, good, names, put, walk};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_PHYS_SWITCH_ID: u16 = 36;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_PHYS_PORT_NAME: u16 = 38;
const IFLA_XDP: u16 = 43;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_PARENT_DEV_NAME: u16 = 56;
const IFLA_PARENT_DEV_BUS_NAME: u16 = 57;
/// The last number this decoder was written against (`IFLA_TAILROOM`, Linux 6.18); later ones are unknown.
const LAST_KNOWN: u16 = 69;

const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;

const IFF_UP: u32 = 1;
const IFF_LOWER_UP: u32 = 1 << 16;
const ARPHRD_LOOPBACK: u16 = 772;

/// Reads one link.
pub fn link(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Link> {
    let (&[_, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, _, _, _, _], rest) = fixed::<16>(message, errors)?;
    let hardware = u16::from_ne_bytes([t0, t1]);
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let ifindex = IfIndex(u32::from_ne_bytes([i0, i1, i2, i3]));
    let kind = if hardware == ARPHRD_LOOPBACK { LinkKind::Loopback } else { LinkKind::Physical };
    let mut link = Link {
        up: flags & IFF_UP != 0,
        lower_up: flags & IFF_LOWER_UP != 0,
        flags: names::bits(flags & !(IFF_UP | IFF_LOWER_UP), names::LINK_FLAGS),
        ..Link::new(ifindex, ByteText::default(), kind)
    };
    let mut parts = Parts::default();
    link.unknown = walk(attrs(rest), errors, |attr, errors| take(&mut link, &mut parts, &attr, errors));
    // The kernel gives a link's own index where it leads nowhere; in another namespace an equal number is real.
    if link.link_nsid.is_none() {
        link.link = link.link.filter(|other| *other != link.ifindex);
    }
    link.device = match (parts.bus, parts.device) {
        (Some(bus), Some(device)) => Some(format!("{bus}/{device}")),
        (None, device) => device,
        (bus, None) => bus,
    };
    link.phys_port = parts.port_name.or(parts.switch);
    Some(link)
}

#[derive(Default)]
struct Parts {
    bus: Option<String>,
    device: Option<String>,
    port_name: Option<String>,
    switch: Option<String>,
}

fn take(link: &mut Link, parts: &mut Parts, attr: &Attr<'_>, errors: &mut Vec<AttrError>) -> Known {
    let text = || ByteText::new(attr.text()).to_string();
    let index = |attr: &Attr<'_>| attr.u32().map(|index| Some(IfIndex(index)).filter(|index| index.0 != 0));
    match attr.kind {
        IFLA_ADDRESS => link.mac = MacAddr(attr.payload.to_vec()),
        IFLA_IFNAME => link.name = ByteText::new(attr.text()),
        IFLA_MTU => put(&mut link.mtu, attr.u32(), errors),
        IFLA_LINK => put(&mut link.link, index(attr), errors),
        IFLA_MASTER => put(&mut link.controller, index(attr), errors),
        IFLA_OPERSTATE => put(&mut link.oper_state, attr.u8().map(oper_state), errors),
        IFLA_LINKINFO => {
            let LinkInfo { kind, port, port_kind } = link_info(attr, errors);
            if let Some(kind) = kind {
                link.kind = kind;
            }
            link.port = port;
            link.port_kind = port_kind;
        }
        IFLA_IFALIAS => link.alias = Some(ByteText::new(attr.text())),
        IFLA_STATS64 => put(&mut link.stats, stats(attr), errors),
        IFLA_GROUP => put(&mut link.group, attr.u32(), errors),
        IFLA_PROMISCUITY => put(&mut link.promiscuity, attr.u32(), errors),
        IFLA_PHYS_SWITCH_ID => parts.switch = Some(hex(attr.payload)),
        IFLA_LINK_NETNSID => fill(&mut link.link_nsid, attr.i32().map(Nsid), errors),
        IFLA_PHYS_PORT_NAME => parts.port_name = Some(text()),
        IFLA_XDP => link.xdp = xdp(attr, errors),
        IFLA_PROP_LIST => {
            for property in attr.nested() {
                match good(property, errors) {
                    Some(name) if name.kind == IFLA_ALT_IFNAME => link.alt_names.push(ByteText::new(name.text())),
                    _ => {}
                }
            }
        }
        IFLA_PARENT_DEV_NAME => parts.device = Some(text()),
        IFLA_PARENT_DEV_BUS_NAME => parts.bus = Some(text()),
        number if (1..=LAST_KNOWN).contains(&number) => {}
        _ => return Known::No,
    }
    Known::Yes
}

fn oper_state(number: u8) -> OperState {
    match number {
        1 => OperState::NotPresent,
        2 => OperState::Down,
        3 => OperState::LowerLayerDown,
        4 => OperState::Testing,
        5 => OperState::Dormant,
        6 => OperState::Up,
        _ => OperState::Unknown,
    }
}

/// The first eight counters of `struct rtnl_link_stats64`.
fn stats(attr: &Attr<'_>) -> Result<LinkStats, AttrError> {
    let (words, _) = attr.payload.as_chunks::<8>();
    let &[rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped, ..] = words else {
        return Err(AttrError::Length { kind: attr.kind, length: attr.payload.len(), wanted: "at least 64" });
    };
    let [rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped] =
        [rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped]
            .map(u64::from_ne_bytes);
    Ok(LinkStats { rx_packets, rx_bytes, rx_errors, rx_dropped, tx_packets, tx_bytes, tx_errors, tx_dropped })
}

/// The program ids in `IFLA_XDP`, by attach mode; one id alone, with the mode beside it, before Linux 4.20.
fn xdp(nest: &Attr<'_>, errors: &mut Vec<AttrError>) -> Vec<BpfAttachment> {
    let (mut single, mut mode, mut found) = (None, None, Vec::new());
    for attr in nest.nested() {
        let Some(attr) = good(attr, errors) else { break };
        let hook = match attr.kind {
            IFLA_XDP_ATTACHED => {
                fill(&mut mode, attr.u8(), errors);
                continue;
            }
            IFLA_XDP_PROG_ID => {
                fill(&mut single, attr.u32(), errors);
                continue;
            }
            IFLA_XDP_DRV_PROG_ID => "xdp_driver",
            IFLA_XDP_SKB_PROG_ID => "xdp_generic",
            IFLA_XDP_HW_PROG_ID => "xdp_offload",
            _ => continue,
        };
        if let Some(id) = good(attr.u32(), errors) {
            found.push(attachment(hook, id));
        }
    }
    if found.is_empty()
        && let (Some(id), Some(hook)) = (single, xdp_mode(mode))
    {
        found.push(attachment(hook, id));
    }
    found.sort();
    found
}

fn xdp_mode(mode: Option<u8>) -> Option<&'static str> {
    match mode? {
        1 => Some("xdp_driver"),
        2 => Some("xdp_generic"),
        3 => Some("xdp_offload"),
        _ => None,
    }
}

fn attachment(hook: &str, id: u32) -> BpfAttachment {
    BpfAttachment { hook: hook.to_owned(), id: Some(id), name: None, detail: None }
}
