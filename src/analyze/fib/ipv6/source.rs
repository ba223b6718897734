//! Which IPv6 source address is chosen: RFC 6724 as `ipv6_dev_get_saddr` has it.
//!
//! May import model only.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv6Addr};

use crate::model::address::Address;
use crate::model::ids::IfIndex;

use super::super::facts::Facts;
use super::super::found::Source;

/// Chooses the source of a packet to `dst` that leaves by a link; `None`: by which is not known yet, and all count.
pub(in super::super) fn select(facts: &Facts<'_>, link: Option<IfIndex>, dst: Ipv6Addr) -> Source {
    if let Some(why) = facts.address_gap() {
        return Source::Unknown { why };
    }
    let only_link = link.filter(|_| dst.is_multicast() || scope(dst) <= LINK_SCOPE);
    let vrf = link.and_then(|link| facts.l3_master(link));
    let mut candidates: Vec<(Rank, &Address, Ipv6Addr)> = Vec::new();
    for other in facts.links() {
        let wanted = match only_link {
            Some(link) => other.ifindex == link,
            None => facts.l3_master(other.ifindex) == vrf,
        };
        if !wanted {
            continue;
        }
        let setting = OnceCell::new();
        let temporary_first = || *setting.get_or_init(|| temporary_first(facts, other.ifindex));
        for address in facts.addresses_of(other.ifindex) {
            let IpAddr::V6(own) = address.address.addr() else { continue };
            let undecided = address.has_flag("tentative") && !address.has_flag("optimistic");
            if undecided || own.is_unspecified() || own.is_multicast() {
                continue;
            }
            let rank = rank(address, own, dst, link.is_none_or(|link| other.ifindex == link), temporary_first());
            candidates.push((rank, address, own));
        }
    }
    let chosen = choose(facts, &candidates);
    // Home addresses count only in a kernel with Mobile IPv6, which nothing tells.
    if candidates.iter().any(|(rank, ..)| rank.home) {
        let plain: Vec<_> = candidates.iter().map(|(rank, a, own)| (Rank { home: false, ..*rank }, *a, *own)).collect();
        let mut addresses = [chosen.addresses(), choose(facts, &plain).addresses()].concat();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.len() > 1 {
            let why = "whether this kernel prefers home addresses (Mobile IPv6) is not known".to_owned();
            return Source::OneOf { addresses, why };
        }
    }
    chosen
}

fn choose(facts: &Facts<'_>, candidates: &[(Rank, &Address, Ipv6Addr)]) -> Source {
    let Some(best) = candidates.iter().map(|(rank, ..)| *rank).max() else {
        return Source::None { why: "no link that may be used has an IPv6 address".to_owned() };
    };
    let equal: Vec<_> = candidates.iter().filter(|(rank, ..)| *rank == best).collect();
    let Some((_, first, own)) = equal.first() else { return Source::None { why: String::new() } };
    if equal.iter().any(|(_, other, _)| other.ifindex != first.ifindex) {
        let addresses = equal.iter().map(|(.., own)| IpAddr::V6(*own)).collect();
        let why = "they are equally good; the kernel takes that of the link that was registered first, which it does not tell";
        return Source::OneOf { addresses, why: why.to_owned() };
    }
    let second = candidates.iter().map(|(rank, ..)| *rank).filter(|rank| *rank < best).max();
    let why = second.map_or("the only one", |second| decided_by(best, second));
    Source::Chosen {
        address: IpAddr::V6(*own),
        why: format!("{why} (RFC 6724), on {}", facts.link_name(first.ifindex)),
    }
}

/// The rules in the order in which they count; higher is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::struct_excessive_bools)] // each is a rule of its own
struct Rank {
    same: bool,
    scope: i32,
    preferred: bool,
    home: bool,
    outgoing: bool,
    label: bool,
    privacy: bool,
    orchid: bool,
    prefix: u32,
    not_optimistic: bool,
}

fn decided_by(best: Rank, second: Rank) -> &'static str {
    if best.same != second.same {
        "the destination itself"
    } else if best.scope != second.scope {
        "its scope fits best"
    } else if best.preferred != second.preferred {
        "it is not deprecated"
    } else if best.home != second.home {
        "a home address"
    } else if best.outgoing != second.outgoing {
        "on the link it leaves by"
    } else if best.label != second.label {
        "its label is the destination's"
    } else if best.privacy != second.privacy {
        "public and temporary addresses as the link prefers them"
    } else if best.orchid != second.orchid {
        "of the destination's kind"
    } else if best.prefix != second.prefix {
        "the longest prefix in common with the destination"
    } else {
        "the first of equally good ones"
    }
}

fn is_temporary(address: &Address) -> bool {
    // IFA_F_TEMPORARY and IFA_F_SECONDARY are one bit.
    address.has_flag("temporary") || address.has_flag("secondary")
}

fn temporary_first(facts: &Facts<'_>, link: IfIndex) -> bool {
    facts.link_sysctl("ipv6", link, "use_tempaddr").is_some_and(|value| value >= 2)
}

fn rank(address: &Address, own: Ipv6Addr, dst: Ipv6Addr, outgoing: bool, temporary_first: bool) -> Rank {
    let (own_scope, wanted) = (scope(own), scope(dst));
    let orchid = |address: Ipv6Addr| matches!(address.segments(), [0x2001, second, ..] if second & 0xfff0 == 0x10);
    let special = own.is_loopback() || own.to_ipv4_mapped().is_some() || own.segments()[..6] == [0; 6];
    let avoided = address.has_flag("deprecated") || address.has_flag("optimistic");
    Rank {
        same: own == dst,
        scope: if own_scope >= wanted { -own_scope } else { own_scope - 128 },
        preferred: special || !avoided,
        home: address.has_flag("homeaddress"),
        outgoing,
        label: label(own) == label(dst),
        privacy: is_temporary(address) == temporary_first,
        orchid: orchid(own) == orchid(dst),
        prefix: common_bits(own, dst).min(u32::from(address.address.prefix_len())),
        not_optimistic: !address.has_flag("optimistic"),
    }
}

fn common_bits(a: Ipv6Addr, b: Ipv6Addr) -> u32 {
    (u128::from(a) ^ u128::from(b)).leading_zeros()
}

const LINK_SCOPE: i32 = 2;

/// Mirrors `ipv6_addr_src_scope`: the unspecified address is of a scope below all others.
fn scope(address: Ipv6Addr) -> i32 {
    let [first, second, ..] = address.octets();
    if address.is_unspecified() {
        -1
    } else if address.is_multicast() {
        i32::from(second & 0x0f)
    } else if address.is_unicast_link_local() || address.is_loopback() {
        LINK_SCOPE
    } else if first == 0xfe && second & 0xc0 == 0xc0 {
        5
    } else {
        14
    }
}

/// The policy table of a new namespace (`ip addrlabel`); one that was changed is not read.
fn label(address: Ipv6Addr) -> u32 {
    let value = u128::from(address);
    let within = |net: u128, length: u32| (value ^ net).leading_zeros() >= length;
    if address.is_loopback() {
        0
    } else if within(0xffff_0000_0000, 96) {
        4
    } else if within(0, 96) {
        3
    } else if within(0x2001_0000 << 96, 32) {
        6
    } else if within(0x2001_0010 << 96, 28) {
        7
    } else if within(0x2002 << 112, 16) {
        2
    } else if within(0x3ffe << 112, 16) {
        12
    } else if within(0xfec0 << 112, 10) {
        11
    } else if within(0xfc00 << 112, 7) {
        5
    } else {
        1
    }
}
