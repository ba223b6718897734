//! What a link is: `IFLA_LINKINFO`, with the data of each kind and of a bridge port.
//!
//! Decoded by `netlink-packet-route`, one attribute at a time, so that a broken or new attribute
//! costs only itself. By hand where that crate knows nothing (tun), guesses (a VLAN protocol it does not
//! know becomes 802.1Q) or needs one type for each of a dozen tunnels that share three attributes. Must not
//! import anything from the crate but model and sibling wire files; no type of that crate leaves here.

use std::collections::BTreeSet;

use netlink_packet_core::{NlaBuffer, Parseable};
use netlink_packet_route::link::{
    BridgePortState, InfoBond, InfoBridge, InfoBridgePort, InfoIpVlan, InfoMacVlan, InfoNetkit, InfoVrf, InfoVxlan,
    IpVlanFlags, VxlanDf as VxlanDfAttr,
};

use crate::model::ids::{IfIndex, TableId};
use crate::model::link::{BridgeInfo, BridgePort, LinkKind, PortState, VxlanDf, VxlanInfo};
use crate::model::text::hex;
use crate::wire::netlink::attr::{Attr, AttrError, attrs};

use super::{fill, good};

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;

const IFLA_VLAN_ID: u16 = 1;
const IFLA_VLAN_PROTOCOL: u16 = 5;
const IFLA_TUN_TYPE: u16 = 3;

/// `IFLA_BR_`: `AGEING_TIME`, `STP_STATE`, `VLAN_FILTERING`, `BRIDGE_ID`, `MCAST_SNOOPING`, `NF_CALL_IPTABLES`,
/// `NF_CALL_IP6TABLES`, `NF_CALL_ARPTABLES`, `VLAN_DEFAULT_PVID`.
const BRIDGE: &[u16] = &[4, 5, 7, 11, 23, 36, 37, 38, 39];
/// `IFLA_BRPORT_`: `STATE`, `PRIORITY`, `COST`, `MODE`, `GUARD`, `LEARNING`, `UNICAST_FLOOD`, `PROXYARP`, NO, `MCAST_FLOOD`,
/// `BCAST_FLOOD`, `NEIGH_SUPPRESS`, `ISOLATED`.
const BRIDGE_PORT: &[u16] = &[1, 2, 3, 4, 5, 8, 9, 10, 18, 27, 30, 32, 33];
/// `IFLA_VXLAN_`: ID, `GROUP`, `LINK`, `LOCAL`, `TTL`, `TOS`, `LEARNING`, `PORT_RANGE`, `PROXY`, `RSC`, `PORT`, `GROUP6`,
/// `LOCAL6`, `UDP_ZERO_CSUM6_TX`, `UDP_ZERO_CSUM6_RX`, `REMCSUM_TX`, `REMCSUM_RX`, `GBP`, `COLLECT_METADATA`, `GPE`,
/// `TTL_INHERIT`, `DF`, `VNIFILTER`, `LOCALBYPASS`.
const VXLAN: &[u16] = &[1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 15, 16, 17, 19, 20, 21, 22, 23, 25, 27, 28, 29, 30, 31];

/// What `IFLA_LINKINFO` tells.
#[derive(Debug, Default)]
pub struct LinkInfo {
    /// The link's own kind; `None` where the kernel names none.
    pub kind: Option<LinkKind>,
    /// Its settings as a bridge's port.
    pub port: Option<BridgePort>,
    /// What it is a port of, where that is no bridge.
    pub port_kind: Option<String>,
}

/// Reads `IFLA_LINKINFO`.
pub fn link_info(nest: &Attr<'_>, errors: &mut Vec<AttrError>) -> LinkInfo {
    let (mut name, mut data, mut port_name, mut port_data) = (None, &[][..], None, &[][..]);
    for attr in nest.nested() {
        let Some(attr) = good(attr, errors) else { break };
        match attr.kind {
            IFLA_INFO_KIND => name = Some(String::from_utf8_lossy(attr.text()).into_owned()),
            IFLA_INFO_DATA => data = attr.payload,
            IFLA_INFO_SLAVE_KIND => port_name = Some(String::from_utf8_lossy(attr.text()).into_owned()),
            IFLA_INFO_SLAVE_DATA => port_data = attr.payload,
            _ => {}
        }
    }
    let mut info = LinkInfo { kind: name.map(|name| kind(name, data, errors)), ..LinkInfo::default() };
    match port_name {
        Some(name) if name == "bridge" => info.port = Some(bridge_port(port_data, errors)),
        other => info.port_kind = other,
    }
    info
}

/// Decodes those attributes of a nest that are needed; what does not decode is complained of and left out.
///
/// The others are not even looked at: an attribute that a newer kernel writes otherwise must not
/// make a whole answer incomplete for a value that nobody asked for.
fn each<'a, A: Parseable<NlaBuffer<&'a [u8]>>>(
    data: &'a [u8],
    needed: &[u16],
    errors: &mut Vec<AttrError>,
    mut found: impl FnMut(A),
) {
    for attr in attrs(data) {
        let Some(attr) = good(attr, errors) else { break };
        if !needed.contains(&attr.kind) {
            continue;
        }
        match A::parse(&NlaBuffer::new(attr.raw)) {
            Ok(value) => found(value),
            Err(error) => errors.push(AttrError::Value { kind: attr.kind, detail: error.to_string() }),
        }
    }
}

fn kind(name: String, data: &[u8], errors: &mut Vec<AttrError>) -> LinkKind {
    match name.as_str() {
        "veth" => LinkKind::Veth,
        "bridge" => LinkKind::Bridge(bridge(data, errors)),
        "vxlan" => vxlan(data, errors),
        "macvlan" => LinkKind::Macvlan { mode: macvlan_mode(data, errors) },
        "macvtap" => LinkKind::Macvtap { mode: macvlan_mode(data, errors) },
        "ipvlan" => ipvlan(data, errors),
        "vlan" => vlan(data, errors),
        "vrf" => {
            let mut table = TableId(0);
            each(data, &[1], errors, |info| {
                if let InfoVrf::TableId(id) = info {
                    table = TableId(id);
                }
            });
            LinkKind::Vrf { table }
        }
        "tun" => LinkKind::Tun { mode: tun_mode(data, errors) },
        "wireguard" => LinkKind::Wireguard,
        "bond" => {
            let mut mode = String::new();
            each(data, &[1], errors, |info| {
                if let InfoBond::Mode(found) = info {
                    mode = found.to_string();
                }
            });
            LinkKind::Bond { mode }
        }
        "netkit" => netkit(data, errors),
        "gre" | "gretap" | "erspan" | "ip6gre" | "ip6gretap" | "ip6erspan" => tunnel(name, data, [6, 7, 8], errors),
        "ipip" | "sit" | "ip6tnl" => tunnel(name, data, [2, 3, 4], errors),
        // `IFLA_VTI_*` has no TTL: 0 is no attribute's number.
        "vti" | "vti6" => tunnel(name, data, [4, 5, 0], errors),
        _ => LinkKind::Other { name, hex: hex(data) },
    }
}

fn bridge(data: &[u8], errors: &mut Vec<AttrError>) -> BridgeInfo {
    let mut bridge = BridgeInfo::default();
    each(data, BRIDGE, errors, |info| match info {
        InfoBridge::BridgeId(id) => {
            let mac = hex(&id.address);
            bridge.bridge_id = format!("{:04x}.{mac}", id.priority);
        }
        InfoBridge::StpState(state) => bridge.stp_state = state.into(),
        InfoBridge::VlanFiltering(on) => bridge.vlan_filtering = on,
        InfoBridge::VlanDefaultPvid(pvid) => bridge.default_pvid = Some(pvid),
        InfoBridge::NfCallIpTables(on) => bridge.nf_call_iptables = on,
        InfoBridge::NfCallIp6Tables(on) => bridge.nf_call_ip6tables = on,
        InfoBridge::NfCallArpTables(on) => bridge.nf_call_arptables = on,
        // In hundredths of a second (`USER_HZ`).
        InfoBridge::AgeingTime(ticks) => bridge.ageing_ms = u64::from(ticks) * 10,
        InfoBridge::MulticastSnooping(on) => bridge.mcast_snooping = on,
        _ => {}
    });
    bridge
}

fn bridge_port(data: &[u8], errors: &mut Vec<AttrError>) -> BridgePort {
    let mut port = BridgePort {
        state: PortState::Disabled,
        hairpin: false,
        isolated: false,
        learning: false,
        flood: false,
        mcast_flood: false,
        bcast_flood: false,
        guard: false,
        proxy_arp: false,
        neigh_suppress: false,
        port_no: 0,
        cost: 0,
        priority: 0,
    };
    each(data, BRIDGE_PORT, errors, |info| match info {
        InfoBridgePort::State(state) => port.state = port_state(state),
        InfoBridgePort::HairpinMode(on) => port.hairpin = on,
        InfoBridgePort::Isolated(on) => port.isolated = on,
        InfoBridgePort::Learning(on) => port.learning = on,
        InfoBridgePort::UnicastFlood(on) => port.flood = on,
        InfoBridgePort::MulticastFlood(on) => port.mcast_flood = on,
        InfoBridgePort::BroadcastFlood(on) => port.bcast_flood = on,
        InfoBridgePort::Guard(on) => port.guard = on,
        InfoBridgePort::ProxyARP(on) => port.proxy_arp = on,
        InfoBridgePort::NeighSupress(on) => port.neigh_suppress = on,
        InfoBridgePort::PortNumber(number) => port.port_no = number,
        InfoBridgePort::Cost(cost) => port.cost = cost,
        InfoBridgePort::Priority(priority) => port.priority = priority,
        _ => {}
    });
    port
}

fn port_state(state: BridgePortState) -> PortState {
    match state {
        BridgePortState::Listening => PortState::Listening,
        BridgePortState::Learning => PortState::Learning,
        BridgePortState::Forwarding => PortState::Forwarding,
        BridgePortState::Blocking => PortState::Blocking,
        // The kernel has no sixth state.
        _ => PortState::Disabled,
    }
}

fn vxlan(data: &[u8], errors: &mut Vec<AttrError>) -> LinkKind {
    let mut found = VxlanInfo { local_bypass: true, ..VxlanInfo::default() };
    let mut extensions = BTreeSet::new();
    each(data, VXLAN, errors, |info| match info {
        InfoVxlan::Id(id) => found.vni = id,
        InfoVxlan::Local(address) => found.local = Some(address.into()),
        InfoVxlan::Local6(address) => found.local = Some(address.into()),
        InfoVxlan::Group(address) => found.remote = Some(address.into()),
        InfoVxlan::Group6(address) => found.remote = Some(address.into()),
        InfoVxlan::Link(link) => found.lower = Some(IfIndex(link)).filter(|_| link != 0),
        InfoVxlan::Port(number) => found.port = number,
        InfoVxlan::PortRange(range) => found.source_ports = Some(range).filter(|range| *range != (0, 0)),
        InfoVxlan::Learning(on) => found.learning = on,
        InfoVxlan::CollectMetadata(on) => found.external = on,
        InfoVxlan::Ttl(ttl) => found.ttl = ttl,
        InfoVxlan::TtlInherit(on) => found.ttl_inherit = on != 0,
        InfoVxlan::Tos(tos) => found.tos = tos,
        InfoVxlan::Df(VxlanDfAttr::Set) => found.df = VxlanDf::Set,
        InfoVxlan::Df(VxlanDfAttr::Inherit) => found.df = VxlanDf::Inherit,
        InfoVxlan::Proxy(on) => found.proxy = on,
        InfoVxlan::Rsc(on) => found.rsc = on,
        InfoVxlan::Localbypass(on) => found.local_bypass = on,
        InfoVxlan::UDPZeroCsumTX(on) => found.zero_checksum6_tx = on,
        InfoVxlan::UDPZeroCsumRX(on) => found.zero_checksum6_rx = on,
        InfoVxlan::RemCsumTX(true) | InfoVxlan::RemCsumRX(true) => drop(extensions.insert("remcsum")),
        InfoVxlan::Gbp => drop(extensions.insert("gbp")),
        InfoVxlan::Gpe => drop(extensions.insert("gpe")),
        InfoVxlan::Vnifilter(true) => drop(extensions.insert("vnifilter")),
        _ => {}
    });
    found.extensions = extensions.into_iter().map(str::to_owned).collect();
    LinkKind::Vxlan(found)
}

fn macvlan_mode(data: &[u8], errors: &mut Vec<AttrError>) -> String {
    let mut mode = String::new();
    each(data, &[1], errors, |info| {
        if let InfoMacVlan::Mode(found) = info {
            mode = found.to_string();
        }
    });
    mode
}

fn ipvlan(data: &[u8], errors: &mut Vec<AttrError>) -> LinkKind {
    let (mut mode, mut flags) = (String::new(), "bridge");
    each(data, &[1, 2], errors, |info| match info {
        InfoIpVlan::Mode(found) => mode = found.to_string(),
        InfoIpVlan::Flags(found) if found.contains(IpVlanFlags::Vepa) => flags = "vepa",
        InfoIpVlan::Flags(found) if found.contains(IpVlanFlags::Private) => flags = "private",
        _ => {}
    });
    LinkKind::Ipvlan { mode, flags: flags.to_owned() }
}

fn vlan(data: &[u8], errors: &mut Vec<AttrError>) -> LinkKind {
    let (mut id, mut protocol) = (None, None);
    for attr in attrs(data) {
        let Some(attr) = good(attr, errors) else { break };
        match attr.kind {
            IFLA_VLAN_ID => fill(&mut id, attr.u16(), errors),
            IFLA_VLAN_PROTOCOL => fill(&mut protocol, attr.be16(), errors),
            _ => {}
        }
    }
    let protocol = match protocol {
        Some(0x8100) => "802.1Q".to_owned(),
        Some(0x88a8) => "802.1ad".to_owned(),
        Some(other) => format!("{other:#06x}"),
        None => String::new(),
    };
    LinkKind::Vlan { id: id.unwrap_or_default(), protocol }
}

fn tun_mode(data: &[u8], errors: &mut Vec<AttrError>) -> Option<String> {
    let mut mode = None;
    for attr in attrs(data) {
        let Some(attr) = good(attr, errors) else { break };
        if attr.kind == IFLA_TUN_TYPE {
            fill(&mut mode, attr.u8(), errors);
        }
    }
    match mode? {
        1 => Some("tun".to_owned()),
        2 => Some("tap".to_owned()),
        _ => None,
    }
}

fn netkit(data: &[u8], errors: &mut Vec<AttrError>) -> LinkKind {
    let (mut mode, mut policy, mut primary) = (String::new(), String::new(), false);
    each(data, &[2, 3, 5], errors, |info| match info {
        InfoNetkit::Mode(found) => mode = found.to_string(),
        InfoNetkit::Policy(found) => policy = found.to_string(),
        InfoNetkit::Primary(found) => primary = found,
        _ => {}
    });
    LinkKind::Netkit { mode, policy, primary }
}

/// The three attributes that all IP tunnels have, under numbers that differ.
fn tunnel(name: String, data: &[u8], [near, far, hops]: [u16; 3], errors: &mut Vec<AttrError>) -> LinkKind {
    let (mut local, mut remote, mut ttl) = (None, None, None);
    for attr in attrs(data) {
        let Some(attr) = good(attr, errors) else { break };
        match attr.kind {
            0 => {}
            number if number == near => fill(&mut local, attr.address(), errors),
            number if number == far => fill(&mut remote, attr.address(), errors),
            number if number == hops => fill(&mut ttl, attr.u8(), errors),
            _ => {}
        }
    }
    // An end that is not set is the unspecified address.
    let set = |address: Option<std::net::IpAddr>| address.filter(|address| !address.is_unspecified());
    LinkKind::Tunnel { name, local: set(local), remote: set(remote), ttl }
}
