//! A link as rtnetlink knows it, with the data of its kind.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{IfIndex, MacAddr, Nsid, TableId};
use super::text::ByteText;

/// A link of one network namespace. Source: `RTM_NEWLINK`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// Its index in its namespace.
    pub ifindex: IfIndex,
    /// `IFLA_IFNAME`; the kernel accepts any bytes but `/`, `:` and white space.
    pub name: ByteText,
    /// `IFLA_PROP_LIST` / `IFLA_ALT_IFNAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alt_names: Vec<ByteText>,
    /// What it is, with the data of that kind.
    pub kind: LinkKind,
    /// `IFF_UP`: somebody set it up.
    pub up: bool,
    /// `IFF_LOWER_UP`: it has a carrier.
    pub lower_up: bool,
    /// The other `IFF_*` flags by their lower-case names without the prefix, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// `IFLA_OPERSTATE`.
    pub oper_state: OperState,
    /// Largest packet it sends, in bytes. `IFLA_MTU`.
    pub mtu: u32,
    /// `IFLA_ADDRESS`; empty for links without link-layer addresses.
    pub mac: MacAddr,
    /// `IFLA_LINK`: for a veth the peer's ifindex *in the peer's namespace*, for macvlan, ipvlan
    /// and vlan the parent. `None` where the kernel gives none or the link's own index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<IfIndex>,
    /// `IFLA_LINK_NETNSID`: the namespace `link` counts in, as this namespace numbers it; `None`
    /// means this namespace. -1 (`NETNSA_NSID_NOT_ASSIGNED`) is kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_nsid: Option<Nsid>,
    /// `IFLA_MASTER`: its controller (bridge, bond, vrf), in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<IfIndex>,
    /// `IFLA_INFO_SLAVE_DATA` of a bridge port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<BridgePort>,
    /// `IFLA_INFO_SLAVE_KIND` where it is not `bridge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_kind: Option<String>,
    /// The VLANs it is in, ascending: of a port of a bridge that filters VLANs, and of that bridge itself.
    /// `None` for all others, and when they could not be read. Source: `IFLA_BRIDGE_VLAN_INFO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlans: Option<Vec<VlanRange>>,
    /// `IFLA_STATS64`.
    pub stats: LinkStats,
    /// `IFLA_IFALIAS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<ByteText>,
    /// `IFLA_PARENT_DEV_BUS_NAME` and `IFLA_PARENT_DEV_NAME` as `bus/device`, of physical and SR-IOV links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// `IFLA_PHYS_SWITCH_ID` or `IFLA_PHYS_PORT_NAME`, of SR-IOV representors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phys_port: Option<String>,
    /// `IFLA_GROUP`; 0 unless somebody set it. Rules may pass over routes by links of a group.
    #[serde(default)]
    pub group: u32,
    /// `IFLA_PROMISCUITY`: how many ask for all frames.
    #[serde(default)]
    pub promiscuity: u32,
    /// `IFLA_XDP`: the program ids by attach mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xdp: Vec<super::bpf::BpfAttachment>,
    /// Attributes podnet does not know, by number and bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<RawAttr>,
}

impl Link {
    /// A link of which nothing more is known: down, of no controller, with nothing attached.
    pub fn new(ifindex: IfIndex, name: impl Into<ByteText>, kind: LinkKind) -> Self {
        Self {
            ifindex,
            name: name.into(),
            alt_names: Vec::new(),
            kind,
            up: false,
            lower_up: false,
            flags: Vec::new(),
            oper_state: OperState::Unknown,
            mtu: 0,
            mac: MacAddr::default(),
            link: None,
            link_nsid: None,
            controller: None,
            port: None,
            port_kind: None,
            vlans: None,
            stats: LinkStats::default(),
            alias: None,
            device: None,
            phys_port: None,
            group: 0,
            promiscuity: 0,
            xdp: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Whether it is a bridge that filters VLANs.
    pub fn filters_vlans(&self) -> bool {
        matches!(&self.kind, LinkKind::Bridge(info) if info.vlan_filtering)
    }
}

/// An attribute kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RawAttr {
    /// The attribute's number, without its flag bits.
    pub kind: u16,
    /// Its payload in hex.
    pub hex: String,
}

/// `IF_OPER_*` (RFC 2863).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum OperState {
    /// The driver does not tell.
    #[default]
    Unknown,
    /// Hardware is missing.
    NotPresent,
    /// Down, or without carrier.
    Down,
    /// The link below is down.
    LowerLayerDown,
    /// Being tested.
    Testing,
    /// Waits for an external event (802.1X).
    Dormant,
    /// Passes packets.
    Up,
}

/// Counters since the link was made. Source: `IFLA_STATS64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub struct LinkStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bad packets received.
    pub rx_errors: u64,
    /// Packets received and dropped.
    pub rx_dropped: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets dropped on the way out.
    pub tx_dropped: u64,
}

/// What a link is. Source: `IFLA_LINKINFO`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LinkKind {
    /// The loopback device (`ARPHRD_LOOPBACK`).
    Loopback,
    /// No `IFLA_INFO_KIND`: a device of the machine (physical, virtio, SR-IOV).
    Physical,
    /// One end of a pair; the other is `link` in `link_nsid`.
    Veth,
    /// A bridge.
    Bridge(BridgeInfo),
    /// A vxlan tunnel end. `link_nsid` is the namespace that its outer packets are sent in, where that is another.
    Vxlan(VxlanInfo),
    /// A macvlan on `link`.
    Macvlan {
        /// `private`, `vepa`, `bridge`, `passthru` or `source`.
        mode: String,
    },
    /// A macvtap on `link`.
    Macvtap {
        /// As for macvlan.
        mode: String,
    },
    /// An ipvlan on `link`.
    Ipvlan {
        /// `l2`, `l3` or `l3s`.
        mode: String,
        /// `bridge`, `private` or `vepa`.
        flags: String,
    },
    /// A VLAN on `link`.
    Vlan {
        /// The VLAN id.
        id: u16,
        /// `802.1Q` or `802.1ad`.
        protocol: String,
    },
    /// A VRF.
    Vrf {
        /// The table its ports route by.
        table: TableId,
    },
    /// A tun or tap device.
    Tun {
        /// `tun` or `tap`, where the kernel tells.
        mode: Option<String>,
    },
    /// An IP tunnel: `gre`, `gretap`, `ip6gre`, `ip6gretap`, `ipip`, `ip6tnl`, `sit`, …
    Tunnel {
        /// Which.
        name: String,
        /// Outer source.
        local: Option<IpAddr>,
        /// Outer destination.
        remote: Option<IpAddr>,
        /// Outer TTL; 0 inherits.
        ttl: Option<u8>,
    },
    /// A `WireGuard` interface.
    Wireguard,
    /// A bond.
    Bond {
        /// `balance-rr`, `active-backup`, …
        mode: String,
    },
    /// One end of a netkit pair; the other is `link` in `link_nsid`.
    Netkit {
        /// `l2` or `l3`.
        mode: String,
        /// What happens without a program: `forward` or `blackhole`.
        policy: String,
        /// Whether this is the end that owns the programs.
        primary: bool,
    },
    /// Any other kind, kept by name.
    Other {
        /// `IFLA_INFO_KIND`.
        name: String,
        /// `IFLA_INFO_DATA` in hex.
        hex: String,
    },
}

impl LinkKind {
    /// The kind's name as `ip -d link` has it; `physical` for none.
    pub fn name(&self) -> &str {
        match self {
            Self::Loopback => "loopback",
            Self::Physical => "physical",
            Self::Veth => "veth",
            Self::Bridge(_) => "bridge",
            Self::Vxlan(_) => "vxlan",
            Self::Macvlan { .. } => "macvlan",
            Self::Macvtap { .. } => "macvtap",
            Self::Ipvlan { .. } => "ipvlan",
            Self::Vlan { .. } => "vlan",
            Self::Vrf { .. } => "vrf",
            Self::Tun { .. } => "tun",
            Self::Tunnel { name, .. } | Self::Other { name, .. } => name,
            Self::Wireguard => "wireguard",
            Self::Bond { .. } => "bond",
            Self::Netkit { .. } => "netkit",
        }
    }
}

/// A vxlan's settings. Source: `IFLA_INFO_DATA` of kind `vxlan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[allow(clippy::struct_excessive_bools)] // the kernel's own independent switches
pub struct VxlanInfo {
    /// The network's id. `IFLA_VXLAN_ID`.
    pub vni: u32,
    /// The VTEP's own address.
    pub local: Option<IpAddr>,
    /// The default remote or multicast group.
    pub remote: Option<IpAddr>,
    /// The link that outer packets to the default remote leave by. `IFLA_VXLAN_LINK`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<IfIndex>,
    /// The UDP port.
    pub port: u16,
    /// The lowest source port, and one more than the highest; `None` where these are those of the namespace
    /// (`net.ipv4.ip_local_port_range`). `IFLA_VXLAN_PORT_RANGE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<(u16, u16)>,
    /// Whether it learns addresses from frames.
    pub learning: bool,
    /// Whether metadata (an external flow table or BPF) decides where frames go.
    pub external: bool,
    /// TTL of outer packets; 0: what the namespace sends by. `IFLA_VXLAN_TTL`.
    #[serde(default)]
    pub ttl: u8,
    /// Whether outer packets have the inner one's TTL. `IFLA_VXLAN_TTL_INHERIT`.
    #[serde(default)]
    pub ttl_inherit: bool,
    /// Type of service of outer packets; 1: the inner one's. `IFLA_VXLAN_TOS`.
    #[serde(default)]
    pub tos: u8,
    /// Whether outer IPv4 packets may be split: `unset` (they may), `set`, or `inherit`. `IFLA_VXLAN_DF`.
    #[serde(default)]
    pub df: VxlanDf,
    /// Whether it answers questions for neighbours by itself. `IFLA_VXLAN_PROXY`.
    #[serde(default)]
    pub proxy: bool,
    /// Whether it routes by itself what goes to a router. `IFLA_VXLAN_RSC`.
    #[serde(default)]
    pub rsc: bool,
    /// Whether what goes to a VTEP of its own namespace is handed over without an outer packet; the kernel's default,
    /// and what kernels do that have no such switch. `IFLA_VXLAN_LOCALBYPASS`.
    #[serde(default = "yes")]
    pub local_bypass: bool,
    /// Whether outer IPv6 packets are sent without a checksum. `IFLA_VXLAN_UDP_ZERO_CSUM6_TX`.
    #[serde(default)]
    pub zero_checksum6_tx: bool,
    /// Whether such packets are taken. `IFLA_VXLAN_UDP_ZERO_CSUM6_RX`.
    #[serde(default)]
    pub zero_checksum6_rx: bool,
    /// Extensions that it speaks, by name, sorted: `gbp`, `gpe`, `remcsum`, `vnifilter`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
}

fn yes() -> bool {
    true
}

/// `enum ifla_vxlan_df`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum VxlanDf {
    /// Routers may split outer packets.
    #[default]
    Unset,
    /// They may not.
    Set,
    /// They may where they may split the inner packet.
    Inherit,
}

/// A bridge's own settings. Source: `IFLA_INFO_DATA` of kind `bridge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[allow(clippy::struct_excessive_bools)] // the kernel's own independent switches
pub struct BridgeInfo {
    /// Priority and address, `8000.5a160fc08137`, as `brctl show` writes it.
    pub bridge_id: String,
    /// The spanning tree protocol's state: 0 off, 1 in the kernel, 2 in user space.
    pub stp_state: u32,
    /// `IFLA_BR_VLAN_FILTERING`.
    pub vlan_filtering: bool,
    /// `IFLA_BR_VLAN_DEFAULT_PVID`.
    pub default_pvid: Option<u16>,
    /// The bridge's own `nf_call_iptables`; on if this **or** the namespace's sysctl is.
    pub nf_call_iptables: bool,
    /// The same for IPv6.
    pub nf_call_ip6tables: bool,
    /// The same for ARP.
    pub nf_call_arptables: bool,
    /// How long a learned address is kept, in milliseconds.
    pub ageing_ms: u64,
    /// `IFLA_BR_MCAST_SNOOPING`.
    pub mcast_snooping: bool,
}

/// A bridge port's settings. Source: `IFLA_INFO_SLAVE_DATA` of kind `bridge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools)] // the kernel's own independent switches
pub struct BridgePort {
    /// `BR_STATE_*`.
    pub state: PortState,
    /// Whether a frame may leave by the port it came in by.
    pub hairpin: bool,
    /// Whether it may talk to other isolated ports (no, when true).
    pub isolated: bool,
    /// Whether it learns addresses.
    pub learning: bool,
    /// Whether unknown unicast is flooded to it.
    pub flood: bool,
    /// Whether multicast is flooded to it.
    pub mcast_flood: bool,
    /// Whether broadcast is flooded to it.
    pub bcast_flood: bool,
    /// BPDU guard.
    pub guard: bool,
    /// Whether neighbour requests are answered for others.
    pub proxy_arp: bool,
    /// Whether only known neighbours' broadcasts pass.
    pub neigh_suppress: bool,
    /// The port's number on its bridge.
    pub port_no: u16,
    /// STP path cost.
    pub cost: u32,
    /// STP priority.
    pub priority: u16,
}

/// A VLAN that a bridge's port is in, or a run of VLANs alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct VlanRange {
    /// The first VLAN id.
    pub first: u16,
    /// The last; equal to `first` where it is one VLAN.
    pub last: u16,
    /// Whether untagged frames that come in belong to it (`BRIDGE_VLAN_INFO_PVID`).
    pub pvid: bool,
    /// Whether its frames leave without a tag (`BRIDGE_VLAN_INFO_UNTAGGED`).
    pub untagged: bool,
}

/// `BR_STATE_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PortState {
    /// The port or its link is down.
    Disabled,
    /// STP listens.
    Listening,
    /// STP learns.
    Learning,
    /// Passes frames.
    Forwarding,
    /// STP blocks it.
    Blocking,
}
