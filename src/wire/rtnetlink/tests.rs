//! Messages that this kernel cannot make, built by hand from the layouts of the uapi headers
//! (`if_link.h`, `fib_rules.h`, `rtnetlink.h`, `nexthop.h`, `pkt_cls.h`); any damage to the captured ones; and what
//! `netlink-packet-route` reads in them. What captured ones mean is tested against `ip` in `tests/kernel`.

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::link::{AfSpecBridge, LinkAttribute};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute};
use netlink_packet_route::route::{RouteAddress, RouteAttribute};
use netlink_packet_route::rule::RuleAttribute;
use proptest::prelude::*;

use super::filter::{self, Direction};
use super::vlan::LinkVlans;
use super::{AF_BRIDGE, address, link, neigh, nexthop, nsid, route, rule, vlan};
use crate::model::ids::{IfIndex, Mark, Nsid, TableId};
use crate::model::link::{LinkKind, RawAttr, VlanRange};
use crate::model::route::{NextHop, RouteKind, RuleAction};
use crate::wire::netlink::attr::{AttrError, attribute as attr};
use crate::wire::netlink::frame::messages;

const CAPTURED: [&[u8]; 11] = [
    include_bytes!("../../../fixtures/netlink/links.bin"),
    include_bytes!("../../../fixtures/netlink/addresses.bin"),
    include_bytes!("../../../fixtures/netlink/neighbours.bin"),
    include_bytes!("../../../fixtures/netlink/fdb.bin"),
    include_bytes!("../../../fixtures/netlink/rules.bin"),
    include_bytes!("../../../fixtures/netlink/routes.bin"),
    include_bytes!("../../../fixtures/netlink/nexthops.bin"),
    include_bytes!("../../../fixtures/netlink/lookup.bin"),
    include_bytes!("../../../fixtures/netlink/nsids.bin"),
    include_bytes!("../../../fixtures/netlink/filters-ingress.bin"),
    include_bytes!("../../../fixtures/netlink/filters-egress.bin"),
];

fn nest(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attr(kind | 0x8000, &parts.concat())
}

fn no_complaint<T>(read: impl FnOnce(&mut Vec<AttrError>) -> Option<T>) -> T {
    let mut errors = Vec::new();
    let found = read(&mut errors);
    assert_eq!(errors, []);
    found.expect("a value")
}

/// A link of index 9 (`struct ifinfomsg`, Ethernet, up).
fn link_message(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut message = vec![0, 0, 1, 0];
    message.extend_from_slice(&9u32.to_ne_bytes());
    message.extend_from_slice(&0x1_0043u32.to_ne_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&parts.concat());
    message
}

/// The kind that `IFLA_LINKINFO` with that kind and data gives.
fn kind_of(kind: &str, data: &[Vec<u8>]) -> LinkKind {
    let name = [kind.as_bytes(), b"\0"].concat();
    let info = nest(18, &[attr(1, &name), nest(2, data)]);
    no_complaint(|errors| link::link(&link_message(&[attr(3, b"x\0"), info]), errors)).kind
}

#[test]
fn kinds_that_this_kernel_lacks() {
    let vlan = |protocol: &[u8]| {
        kind_of("vlan", &[attr(1, &5u16.to_ne_bytes()), attr(5, protocol), attr(2, &[1, 0, 0, 0, 255, 255, 255, 255])])
    };
    assert_eq!(vlan(&[0x81, 0]), LinkKind::Vlan { id: 5, protocol: "802.1Q".to_owned() });
    assert_eq!(vlan(&[0x88, 0xa8]), LinkKind::Vlan { id: 5, protocol: "802.1ad".to_owned() });
    assert_eq!(vlan(&[0x12, 0x34]), LinkKind::Vlan { id: 5, protocol: "0x1234".to_owned() });
    assert_eq!(kind_of("vrf", &[attr(1, &10u32.to_ne_bytes())]), LinkKind::Vrf { table: TableId(10) });
    let ipvlan =
        |mode: u16, flags: u16| kind_of("ipvlan", &[attr(1, &mode.to_ne_bytes()), attr(2, &flags.to_ne_bytes())]);
    let expected = |mode: &str, flags: &str| LinkKind::Ipvlan { mode: mode.to_owned(), flags: flags.to_owned() };
    assert_eq!(ipvlan(0, 0), expected("l2", "bridge"));
    assert_eq!(ipvlan(1, 1), expected("l3", "private"));
    assert_eq!(ipvlan(2, 2), expected("l3s", "vepa"));
    assert_eq!(kind_of("bond", &[attr(1, &[4])]), LinkKind::Bond { mode: "802.3ad".to_owned() });
    assert_eq!(kind_of("bond", &[attr(1, &[1])]), LinkKind::Bond { mode: "active-backup".to_owned() });
    let netkit = kind_of("netkit", &[attr(2, &[1]), attr(3, &2u32.to_ne_bytes()), attr(5, &1u32.to_ne_bytes())]);
    assert_eq!(netkit, LinkKind::Netkit { mode: "l3".to_owned(), policy: "blackhole".to_owned(), primary: true });
    let netkit = kind_of("netkit", &[attr(2, &[0]), attr(3, &0u32.to_ne_bytes()), attr(5, &0u32.to_ne_bytes())]);
    assert_eq!(netkit, LinkKind::Netkit { mode: "l2".to_owned(), policy: "forward".to_owned(), primary: false });
    assert_eq!(kind_of("wireguard", &[]), LinkKind::Wireguard);
    assert_eq!(
        kind_of("nlmon", &[attr(1, &[7])]),
        LinkKind::Other { name: "nlmon".to_owned(), hex: "0500010007000000".to_owned() }
    );
}

#[test]
fn tunnels_that_this_kernel_lacks() {
    let tunnel = |name: &str, local: &str, remote: Option<&str>, ttl| LinkKind::Tunnel {
        name: name.to_owned(),
        local: Some(local.parse().unwrap()),
        remote: remote.map(|remote| remote.parse().unwrap()),
        ttl,
    };
    let (near, far) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    for name in ["gre", "gretap", "erspan"] {
        let found = kind_of(name, &[attr(6, &near), attr(7, &far), attr(8, &[64]), attr(1, &[0; 4])]);
        assert_eq!(found, tunnel(name, "10.0.0.1", Some("10.0.0.2"), Some(64)));
    }
    for name in ["ipip", "sit"] {
        // An end that is not set is all zeros.
        let found = kind_of(name, &[attr(2, &near), attr(3, &[0; 4]), attr(4, &[0])]);
        assert_eq!(found, tunnel(name, "10.0.0.1", None, Some(0)));
    }
    let six = "fd00::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
    assert_eq!(kind_of("ip6tnl", &[attr(2, &six), attr(4, &[9])]), tunnel("ip6tnl", "fd00::1", None, Some(9)));
    assert_eq!(kind_of("ip6gre", &[attr(6, &six)]), tunnel("ip6gre", "fd00::1", None, None));
    assert_eq!(kind_of("vti", &[attr(4, &near), attr(5, &far)]), tunnel("vti", "10.0.0.1", Some("10.0.0.2"), None));
}

#[test]
fn ports_of_what_is_no_bridge_and_devices_of_a_machine() {
    let message = link_message(&[
        attr(3, b"eth7\0"),
        attr(10, &4u32.to_ne_bytes()),
        nest(18, &[attr(4, b"bond\0"), nest(5, &[attr(1, &[0])])]),
        attr(36, &[0xde, 0xad]),
        attr(56, b"0000:03:00.1\0"),
        attr(57, b"pci\0"),
        nest(43, &[attr(2, &[4]), attr(5, &11u32.to_ne_bytes()), attr(6, &12u32.to_ne_bytes())]),
        attr(5, &9u32.to_ne_bytes()),
        attr(300, &[1, 2]),
    ]);
    let found = no_complaint(|errors| link::link(&message, errors));
    assert_eq!(found.kind, LinkKind::Physical);
    assert_eq!(
        (found.controller, found.port.clone(), found.port_kind.as_deref()),
        (Some(IfIndex(4)), None, Some("bond"))
    );
    assert_eq!((found.device.as_deref(), found.phys_port.as_deref()), (Some("pci/0000:03:00.1"), Some("dead")));
    let xdp: Vec<(&str, Option<u32>)> = found.xdp.iter().map(|program| (program.hook.as_str(), program.id)).collect();
    assert_eq!(xdp, [("xdp_driver", Some(11)), ("xdp_generic", Some(12))]);
    assert_eq!(found.link, None, "its own index leads nowhere");
    assert_eq!(found.unknown, [RawAttr { kind: 300, hex: "0102".to_owned() }]);
    assert!(found.up && found.lower_up);
    assert_eq!(found.flags, ["broadcast", "running"]);
}

#[test]
fn an_equal_index_in_another_namespace_is_a_peer() {
    let message = link_message(&[attr(3, b"h0\0"), attr(5, &9u32.to_ne_bytes()), attr(37, &(-1i32).to_ne_bytes())]);
    let found = no_complaint(|errors| link::link(&message, errors));
    assert_eq!((found.link, found.link_nsid), (Some(IfIndex(9)), Some(Nsid(-1))));
}

#[test]
fn xdp_before_its_modes_had_attributes_of_their_own() {
    let message = link_message(&[attr(3, b"h0\0"), nest(43, &[attr(2, &[1]), attr(4, &7u32.to_ne_bytes())])]);
    let found = no_complaint(|errors| link::link(&message, errors));
    assert_eq!(
        found.xdp.iter().map(|program| (program.hook.as_str(), program.id)).collect::<Vec<_>>(),
        [("xdp_driver", Some(7))]
    );
}

#[test]
fn a_broken_attribute_costs_only_itself() {
    let message = link_message(&[
        attr(3, b"v\xff\x1b[31m\0"),
        attr(4, &[1, 2, 3]),
        attr(1, &[2, 0, 0, 0, 0, 1]),
        nest(18, &[attr(1, b"macvlan\0"), nest(2, &[attr(1, &[1])])]),
        attr(16, &[6]),
    ]);
    let mut errors = Vec::new();
    let found = link::link(&message, &mut errors).unwrap();
    assert_eq!(found.name.as_bytes(), b"v\xff\x1b[31m");
    assert_eq!((found.mtu, found.mac.to_string().as_str()), (0, "02:00:00:00:00:01"));
    assert_eq!(found.kind, LinkKind::Macvlan { mode: String::new() });
    assert_eq!(found.oper_state, crate::model::link::OperState::Up);
    assert_eq!(found.unknown.iter().map(|raw| raw.kind).collect::<Vec<_>>(), [4, 18]);
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0], AttrError::Length { kind: 4, length: 3, wanted: "4" });
}

fn rule_message(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut message = vec![2, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0];
    message.extend_from_slice(&parts.concat());
    message
}

#[test]
fn selectors_of_newer_kernels() {
    // FRA_DSCP 25 with its full mask 30; FRA_SPORT_RANGE 23 with a full mask 28.
    let full = [attr(25, &[4]), attr(30, &[0x3f]), attr(23, &[0, 8, 0, 8]), attr(28, &[255, 255])];
    let found = no_complaint(|errors| rule::rule(&rule_message(&full), errors));
    assert_eq!((found.tos, found.source_ports, found.unknown), (Some(0x10), Some((0x800, 0x800)), vec![]));
    assert_eq!(found.action, RuleAction::Lookup { table: TableId::MAIN });
    // A part of the bits, and a flow label: not compared as podnet would, so kept as unknown.
    let part = [attr(29, &[0, 255]), attr(30, &[0x30]), attr(26, &[0, 0, 0, 1])];
    let found = no_complaint(|errors| rule::rule(&rule_message(&part), errors));
    assert_eq!(found.unknown.iter().map(|raw| raw.kind).collect::<Vec<_>>(), [29, 30, 26]);
    // DSCP 0 asks for packets without one; a mark without a mask is compared whole.
    let found =
        no_complaint(|errors| rule::rule(&rule_message(&[attr(25, &[0]), attr(10, &9u32.to_ne_bytes())]), errors));
    assert_eq!((found.tos, found.mark), (Some(0), Some(Mark { value: 9, mask: u32::MAX })));
}

#[test]
fn a_prefix_longer_than_its_family_is_a_complaint() {
    let mut errors = Vec::new();
    let mut message = rule_message(&[attr(1, &[10, 0, 0, 0])]);
    message[1] = 33;
    assert_eq!(rule::rule(&message, &mut errors), None);
    assert_eq!(errors.len(), 1);
    // An IPv6 address in an IPv4 route.
    let mut errors = Vec::new();
    let message = [&[2, 32, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0][..], &attr(1, &[0; 16])].concat();
    assert_eq!(route::route(&message, &mut errors), None);
    assert_eq!(errors.len(), 1);
}

#[test]
fn routes_that_this_kernel_lacks() {
    // `encap mpls 100 via inet6 fe80::1`: LWTUNNEL_ENCAP_MPLS is 1, the label stack one entry.
    let gateway = "fe80::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let via = [&10u16.to_ne_bytes()[..], &gateway].concat();
    let label = attr(1, &[0, 6, 0x41, 0]);
    let way = [attr(18, &via), attr(21, &1u16.to_ne_bytes()), nest(22, std::slice::from_ref(&label))].concat();
    let mut nexthop = u16::try_from(8 + way.len()).unwrap().to_ne_bytes().to_vec();
    nexthop.extend_from_slice(&[4 | 16, 2]);
    nexthop.extend_from_slice(&3u32.to_ne_bytes());
    nexthop.extend_from_slice(&way);
    let plain = [8, 0, 0, 255, 5, 0, 0, 0];
    let parts = [attr(15, &70000u32.to_ne_bytes()), attr(9, &[&nexthop[..], &plain].concat()), attr(40, &[1])].concat();
    let message = [&[2, 0, 0, 0, 252, 200, 0, 1, 0, 0, 0, 0][..], &parts].concat();
    let found = no_complaint(|errors| route::route(&message, errors));
    assert_eq!(
        (found.table, found.dst.to_string().as_str(), found.origin.as_str()),
        (TableId(70000), "0.0.0.0/0", "200")
    );
    assert_eq!(found.kind, RouteKind::Unicast);
    let encap = crate::model::route::Encap { kind: "mpls".to_owned(), hex: crate::model::text::hex(&label) };
    let first = NextHop {
        ifindex: Some(IfIndex(3)),
        gateway: Some("fe80::1".parse().unwrap()),
        weight: 3,
        flags: vec!["linkdown".to_owned(), "onlink".to_owned()],
        encap: Some(encap),
    };
    let second = NextHop { ifindex: Some(IfIndex(5)), gateway: None, weight: 256, flags: vec![], encap: None };
    assert_eq!(found.nexthops, [first, second]);
    assert_eq!(found.unknown, [RawAttr { kind: 40, hex: "01".to_owned() }]);
    // AF_MPLS is another family: nothing to tell and nothing to complain of.
    let mut errors = Vec::new();
    assert_eq!(route::route(&[28, 20, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0], &mut errors), None);
    assert_eq!(errors, []);
}

#[test]
fn weights_of_a_group_use_both_bytes() {
    let member = |id: u32, low: u8, high: u8| [&id.to_ne_bytes()[..], &[low, high, 0, 0]].concat();
    let group = [member(7, 0, 0), member(8, 0, 1), member(9, 255, 255)].concat();
    let message = [&[0, 0, 0, 0, 0, 0, 0, 0][..], &attr(1, &5u32.to_ne_bytes()), &attr(2, &group)].concat();
    let found = no_complaint(|errors| nexthop::nexthop(&message, errors));
    assert_eq!(found.group, [(7, 1), (8, 257), (9, u16::MAX)]);
    assert_eq!(found.nexthop, None);
}

#[test]
fn programs_in_the_actions_of_a_filter() {
    // matchall (TCA_MATCHALL_ACT 2) with a gact and two bpf actions (TCA_ACT_BPF_ID 9, _NAME 6, classic _OPS 4).
    let action = |order: u16, kind: &[u8], options: &[Vec<u8>]| nest(order, &[attr(1, kind), nest(2, options)]);
    let actions = nest(
        2,
        &[
            action(1, b"gact\0", &[attr(9, &[1; 4])]),
            action(2, b"bpf\0", &[attr(9, &77u32.to_ne_bytes()), attr(6, b"redirect\0")]),
            action(3, b"bpf\0", &[attr(4, &[6, 0, 0, 0, 0, 0, 0, 0])]),
        ],
    );
    let mut message = vec![0; 8];
    message.extend_from_slice(&1u32.to_ne_bytes());
    message.extend_from_slice(&0xffff_fff3u32.to_ne_bytes());
    message.extend_from_slice(&(5u32 << 16 | 8).to_ne_bytes());
    message.extend_from_slice(&[attr(1, b"matchall\0"), nest(2, &[actions]), attr(11, &3u32.to_ne_bytes())].concat());
    let mut errors = Vec::new();
    let found = filter::programs(&message, Direction::Egress, &mut errors);
    assert_eq!(errors, []);
    let told: Vec<_> =
        found.iter().map(|program| (program.hook.as_str(), program.id, program.name.as_deref())).collect();
    assert_eq!(told, [("tc_egress", Some(77), Some("redirect")), ("tc_egress", None, None)]);
    assert_eq!(found[0].detail.as_deref(), Some("pref 5 handle 0x1 chain 3 action bpf"));
}

/// `struct ifinfomsg` of family `AF_BRIDGE`, then what `br_fill_ifinfo` puts there.
fn vlans_message(entries: &[(u16, u16)]) -> Vec<u8> {
    let entry = |(flags, vid): &(u16, u16)| attr(2, &[flags.to_ne_bytes(), vid.to_ne_bytes()].concat());
    let mut message = link_message(&[attr(3, b"veth0\0"), attr(10, &3u32.to_ne_bytes())]);
    message[0] = AF_BRIDGE;
    message.extend(nest(26, &entries.iter().map(entry).collect::<Vec<_>>()));
    message
}

#[test]
fn vlans_of_a_port_compressed_and_one_by_one() {
    // PVID | UNTAGGED; a run, its two ends; UNTAGGED; a run; one VLAN, tagged.
    let entries = [(6, 1), (8, 10), (16, 20), (4, 30), (8 | 4, 40), (16 | 4, 41), (0, 4094)];
    let message = vlans_message(&entries);
    let found = no_complaint(|errors| vlan::vlans(&message, errors));
    let range = |first, last, pvid, untagged| VlanRange { first, last, pvid, untagged };
    let expected = vec![
        range(1, 1, true, true),
        range(10, 20, false, false),
        range(30, 30, false, true),
        range(40, 41, false, true),
        range(4094, 4094, false, false),
    ];
    assert_eq!(found, LinkVlans { ifindex: IfIndex(9), vlans: expected });
    // The other reader sees the same entries.
    let length = u32::try_from(message.len() + 16).unwrap();
    let whole = [&length.to_ne_bytes()[..], &[16, 0, 0, 0], &[0; 8], &message].concat();
    let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(theirs)) =
        NetlinkMessage::<RouteNetlinkMessage>::deserialize(&whole).unwrap().payload
    else {
        panic!("a link")
    };
    let theirs: Vec<(u16, u16)> = theirs
        .attributes
        .iter()
        .filter_map(|attribute| match attribute {
            LinkAttribute::AfSpecBridge(parts) => Some(parts),
            _ => None,
        })
        .flatten()
        .filter_map(|part| match part {
            AfSpecBridge::VlanInfo(info) => Some((info.flags.bits(), info.vid)),
            _ => None,
        })
        .collect();
    assert_eq!(theirs, entries);
    let none = vlans_message(&[]);
    assert_eq!(no_complaint(|errors| vlan::vlans(&none, errors)).vlans, []);
}

#[test]
fn runs_of_vlans_without_their_other_end_are_complained_of() {
    for (entries, left) in
        [(&[(16, 20)][..], &[][..]), (&[(8, 10)], &[]), (&[(8, 10), (0, 12)], &[]), (&[(8, 10), (16, 5), (0, 7)], &[7])]
    {
        let mut errors = Vec::new();
        let found = vlan::vlans(&vlans_message(entries), &mut errors).unwrap();
        assert_eq!(errors.len(), 1, "{entries:?}");
        assert_eq!(found.vlans.iter().map(|vlan| vlan.first).collect::<Vec<_>>(), left, "{entries:?}");
    }
    // Another family's message is none of a bridge's.
    let mut errors = Vec::new();
    assert_eq!(vlan::vlans(&link_message(&[]), &mut errors), None);
    assert_eq!(errors, []);
}

#[test]
fn every_prefix_of_a_message_of_vlans_is_a_value_or_a_complaint() {
    let message = vlans_message(&[(6, 1), (8, 10), (16, 20)]);
    for cut in 0..=message.len() {
        all_decoders(&message[..cut]);
    }
}

/// Every decoder on one message: a value or a complaint.
fn all_decoders(message: &[u8]) {
    let errors = &mut Vec::new();
    let _ = link::link(message, errors);
    let _ = address::address(message, errors);
    let _ = neigh::neighbour(message, errors);
    let _ = neigh::fdb(message, errors);
    let _ = rule::rule(message, errors);
    let _ = route::route(message, errors);
    let _ = nexthop::nexthop(message, errors);
    let _ = nsid::nsid(message, errors);
    let _ = filter::programs(message, Direction::Ingress, errors);
    let _ = vlan::vlans(message, errors);
}

#[test]
fn every_prefix_of_a_captured_message_is_a_value_or_a_complaint() {
    for captured in CAPTURED {
        for message in messages(captured).map(Result::unwrap) {
            for cut in 0..=message.payload.len() {
                all_decoders(&message.payload[..cut]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn flipped_bits_give_a_value_or_a_complaint(
        file in 0..CAPTURED.len(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..6),
    ) {
        let mut bytes = CAPTURED[file].to_vec();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        for message in messages(&bytes).flatten() {
            all_decoders(message.payload);
        }
    }

    #[test]
    fn any_bytes_give_a_value_or_a_complaint(message in proptest::collection::vec(any::<u8>(), 0..120)) {
        all_decoders(&message);
    }
}

#[test]
fn another_decoder_reads_the_same() {
    let mut seen = 0;
    for captured in CAPTURED {
        let mut rest = captured;
        for message in messages(captured).map(Result::unwrap) {
            let length = crate::wire::netlink::frame::HEADER_LENGTH + message.payload.len();
            let (raw, left) = rest.split_at(length);
            rest = &left[length.next_multiple_of(4) - length..];
            let Ok(other) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(raw) else { continue };
            let NetlinkPayload::InnerMessage(other) = other.payload else { continue };
            seen += usize::from(agrees(message.payload, &other));
        }
    }
    assert!(seen > 150, "only {seen} messages were compared");
}

/// Compares what both decoders read of one message; false when it is of a sort not compared.
fn agrees(message: &[u8], other: &RouteNetlinkMessage) -> bool {
    match other {
        RouteNetlinkMessage::NewLink(theirs) => {
            let ours = no_complaint(|errors| link::link(message, errors));
            assert_eq!(ours.ifindex.0, theirs.header.index);
            for attribute in &theirs.attributes {
                match attribute {
                    LinkAttribute::IfName(name) => assert_eq!(ours.name.as_str(), Some(name.as_str())),
                    LinkAttribute::Mtu(mtu) => assert_eq!(ours.mtu, *mtu),
                    LinkAttribute::Address(mac) => assert_eq!(&ours.mac.0, mac),
                    LinkAttribute::Controller(index) => assert_eq!(ours.controller.map(|index| index.0), Some(*index)),
                    LinkAttribute::LinkNetNsId(nsid) => assert_eq!(ours.link_nsid.map(|nsid| nsid.0), Some(*nsid)),
                    LinkAttribute::Stats64(stats) => {
                        assert_eq!((ours.stats.rx_bytes, ours.stats.tx_bytes), (stats.rx_bytes, stats.tx_bytes));
                        assert_eq!((ours.stats.rx_dropped, ours.stats.tx_errors), (stats.rx_dropped, stats.tx_errors));
                    }
                    _ => {}
                }
            }
        }
        RouteNetlinkMessage::NewAddress(theirs) => {
            let ours = no_complaint(|errors| address::address(message, errors));
            assert_eq!((ours.ifindex.0, ours.address.prefix_len()), (theirs.header.index, theirs.header.prefix_len));
            for attribute in &theirs.attributes {
                match attribute {
                    AddressAttribute::Local(local) => assert_eq!(ours.address.addr(), *local),
                    AddressAttribute::Broadcast(broadcast) => assert_eq!(ours.broadcast, Some((*broadcast).into())),
                    AddressAttribute::CacheInfo(cache) => {
                        assert_eq!(ours.valid_s.unwrap_or(u32::MAX), cache.ifa_valid);
                        assert_eq!(ours.preferred_s.unwrap_or(u32::MAX), cache.ifa_preferred);
                    }
                    _ => {}
                }
            }
        }
        RouteNetlinkMessage::NewNeighbour(theirs) if message[0] != AF_BRIDGE => {
            let ours = no_complaint(|errors| neigh::neighbour(message, errors));
            assert_eq!(ours.ifindex.0, theirs.header.ifindex);
            for attribute in &theirs.attributes {
                match attribute {
                    NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
                        assert_eq!(ours.address, *address);
                    }
                    NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
                        assert_eq!(ours.address, *address);
                    }
                    NeighbourAttribute::LinkLayerAddress(mac) => {
                        assert_eq!(ours.mac.as_ref().map(|mac| &mac.0), Some(mac));
                    }
                    _ => {}
                }
            }
        }
        RouteNetlinkMessage::NewRule(theirs) => {
            let ours = no_complaint(|errors| rule::rule(message, errors));
            for attribute in &theirs.attributes {
                match attribute {
                    RuleAttribute::Priority(priority) => assert_eq!(ours.priority, *priority),
                    RuleAttribute::Source(source) => assert_eq!(ours.src.map(|net| net.addr()), Some(*source)),
                    RuleAttribute::Destination(dst) => assert_eq!(ours.dst.map(|net| net.addr()), Some(*dst)),
                    RuleAttribute::FwMark(mark) => assert_eq!(ours.mark.map(|mark| mark.value), Some(*mark)),
                    RuleAttribute::Goto(goto) => assert_eq!(ours.action, RuleAction::Goto { priority: *goto }),
                    _ => {}
                }
            }
        }
        RouteNetlinkMessage::NewRoute(theirs) => {
            let ours = no_complaint(|errors| route::route(message, errors));
            assert_eq!(ours.dst.prefix_len(), theirs.header.destination_prefix_length);
            for attribute in &theirs.attributes {
                match attribute {
                    RouteAttribute::Destination(RouteAddress::Inet(dst)) => assert_eq!(ours.dst.addr(), *dst),
                    RouteAttribute::Destination(RouteAddress::Inet6(dst)) => assert_eq!(ours.dst.addr(), *dst),
                    RouteAttribute::Table(table) => assert_eq!(ours.table.0, *table),
                    RouteAttribute::Priority(metric) => assert_eq!(ours.metric, *metric),
                    RouteAttribute::Oif(index) => {
                        assert_eq!(ours.nexthops[0].ifindex.map(|index| index.0), Some(*index));
                    }
                    RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => {
                        assert_eq!(ours.nexthops[0].gateway, Some((*gateway).into()));
                    }
                    RouteAttribute::MultiPath(ways) => {
                        let theirs: Vec<(u32, u16)> =
                            ways.iter().map(|way| (way.interface_index, u16::from(way.hops) + 1)).collect();
                        let ours: Vec<(u32, u16)> =
                            ours.nexthops.iter().map(|way| (way.ifindex.unwrap().0, way.weight)).collect();
                        assert_eq!(ours, theirs);
                    }
                    _ => {}
                }
            }
        }
        _ => return false,
    }
    true
}
