//! Sets of addresses that rules of iptables ask: ipsets, and the lists of `recent`.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use crate::analyze::path::packet::{ICMP, SCTP, TCP, UDP};
use crate::analyze::path::types::Stop;
use crate::analyze::path::walk::{Crossing, Walk};
use crate::analyze::path::world::{Place, World};
use crate::model::netfilter::ipset::IpSet;
use crate::model::netfilter::xt::matches::{Recent, RecentOp, SetName, SetTest};
use crate::model::text::ByteText;

impl Walk<'_, '_> {
    pub(super) fn in_ipset(&mut self, at: &Crossing, test: &SetTest) -> Result<bool, Stop> {
        let netfilter = self.world.view(at.place)?.netfilter();
        let sets = World::whole(netfilter.ipsets(at.place.netns))?;
        let set = found(&sets.value, &test.set)?;
        if test.return_nomatch || test.packets.is_some() || test.bytes.is_some() {
            return Ok(self.open(format!("more than membership is asked of the ipset {}", set.name)));
        }
        if set.type_name.as_bytes() == b"list:set" {
            let members = World::whole(netfilter.ipset_members(at.place.netns, &set.name))?;
            for member in members.value.iter().flatten() {
                let of_member = SetTest { set: SetName::Name(member.entry.as_str().into()), ..test.clone() };
                if self.in_plain_ipset(at, &of_member)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        self.in_plain_ipset(at, test)
    }

    /// In one that is no list of others.
    fn in_plain_ipset(&mut self, at: &Crossing, test: &SetTest) -> Result<bool, Stop> {
        let netfilter = self.world.view(at.place)?.netfilter();
        let sets = World::whole(netfilter.ipsets(at.place.netns))?;
        let set = found(&sets.value, &test.set)?;
        let kind = set.type_name.to_string();
        let Some((_, parts)) = kind.split_once(':') else {
            return Ok(self.open(format!("the ipset {} of the type {kind}", set.name)));
        };
        // A bitmap of ports is of TCP and UDP. Mirrors `ip_set_get_ip_port`.
        if kind == "bitmap:port" && !matches!(self.packet.tuple.protocol, TCP | UDP) {
            return Ok(false);
        }
        // Nor is anything a member of one that asks more of a packet than the rule names. Mirrors `ip_set_test`.
        if parts.split(',').count() > test.from_source.len() {
            return Ok(false);
        }
        let mut member = Vec::new();
        for (part, from_source) in parts.split(',').zip(&test.from_source) {
            match self.member_part(at, part, *from_source, &kind) {
                Some(text) => member.push(text),
                None => return Ok(self.open(format!("the ipset {} of the type {kind}", set.name))),
            }
        }
        // Of a set of the other family nothing is ever a member.
        let family = if self.packet.tuple.destination.is_ipv4() { 2 } else { 10 };
        if set.family != 0 && set.family != family {
            return Ok(false);
        }
        let has = World::whole(netfilter.ipset_has(at.place.netns, &set.name, &member.join(",")))?;
        Ok(match has.value {
            Some(has) => has,
            None => self.open(format!("the ipset {} cannot be asked here", set.name)),
        })
    }

    fn member_part(&self, at: &Crossing, part: &str, from_source: bool, kind: &str) -> Option<String> {
        let tuple = self.packet.tuple;
        match part {
            "ip" | "net" => Some(if from_source { tuple.source } else { tuple.destination }.to_string()),
            // Of an echo its type and code stand for the port. Mirrors `ip_set_get_ip4_port`.
            "port" if tuple.is_echo() => {
                let name = if tuple.protocol == ICMP { "icmp" } else { "ipv6-icmp" };
                Some(format!("{name}:{}/0", self.packet.icmp?))
            }
            "port" => {
                let protocol = match tuple.protocol {
                    TCP => "tcp",
                    UDP => "udp",
                    SCTP => "sctp",
                    _ => return None,
                };
                let port = if from_source { tuple.source_port } else { tuple.destination_port }?;
                Some(if kind == "bitmap:port" { port.to_string() } else { format!("{protocol}:{port}") })
            }
            "mark" => Some(format!("{:#x}", self.packet.mark)),
            "iface" => {
                let link = if from_source { at.input.as_ref() } else { at.output.as_ref() }?;
                Some(link.name.to_string())
            }
            _ => None,
        }
    }

    /// Whether an address is in a list of `recent` now: as it was read, and as the packet has changed it since.
    /// Mirrors `recent_mt`.
    pub(super) fn seen_lately(&mut self, at: &Crossing, asked: &Recent) -> Result<bool, Stop> {
        let tuple = self.packet.tuple;
        let address = masked(if asked.destination { tuple.destination } else { tuple.source }, asked.mask);
        let (place, list, ttl) = (at.place, asked.name.clone(), self.packet.ttl);
        let note = |is_in| Noted { place, list, address, ttl, is_in };
        if asked.op == RecentOp::Set {
            self.noted.push(note(true));
            return Ok(true);
        }
        let holds = self.is_listed(at, asked, address)?;
        if holds && asked.op == RecentOp::Remove {
            self.noted.push(note(false));
        }
        Ok(holds)
    }

    fn is_listed(&mut self, at: &Crossing, asked: &Recent, address: IpAddr) -> Result<bool, Stop> {
        let is_this = |noted: &&Noted| (noted.place, &noted.list, noted.address) == (at.place, &asked.name, address);
        let noted = self.noted.iter().rev().find(is_this).map(|noted| (noted.is_in, noted.ttl));
        let (ttl, age) = match noted {
            Some((false, _)) => return Ok(false),
            Some((true, ttl)) => (ttl, Some(0)),
            None => {
                let netfilter = self.world.view(at.place)?.netfilter();
                let list = World::whole(netfilter.recent(at.place.netns, &asked.name))?;
                let mut entries = list.value.iter().flat_map(|list| &list.entries);
                let Some(entry) = entries.find(|entry| entry.address == address) else { return Ok(false) };
                (entry.ttl, entry.age_ms)
            }
        };
        if asked.ttl && ttl != self.packet.ttl {
            return Ok(false);
        }
        if asked.hitcount > 1 {
            return Ok(self.open(format!("how often {address} is in the list {}", asked.name)));
        }
        if asked.seconds == 0 {
            return Ok(true);
        }
        match age {
            Some(age) => Ok(age <= u64::from(asked.seconds) * 1000),
            None => Ok(self.open(format!("how old the entry of {address} in the list {} is", asked.name))),
        }
    }
}

/// What a packet changed in a list of `recent`.
pub(in crate::analyze::path) struct Noted {
    place: Place,
    list: ByteText,
    address: IpAddr,
    ttl: u8,
    /// Set, else removed.
    is_in: bool,
}

fn found<'s>(sets: &'s [IpSet], wanted: &SetName) -> Result<&'s IpSet, Stop> {
    let set = sets.iter().find(|set| match wanted {
        SetName::Index(index) => set.index == Some(*index),
        SetName::Name(name) => set.name == *name,
    });
    set.ok_or_else(|| Stop::unknown("a rule asks an ipset that is not there"))
}

fn masked(address: IpAddr, mask: Option<IpAddr>) -> IpAddr {
    match (address, mask) {
        (IpAddr::V4(own), Some(IpAddr::V4(mask))) => (own & mask).into(),
        (IpAddr::V6(own), Some(IpAddr::V6(mask))) => (own & mask).into(),
        _ => address,
    }
}
