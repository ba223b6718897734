//! The sections of a namespace that one or two rtnetlink dumps give.
//!
//! May import model, wire and sys. The order of each list is what `model::view` promises.

use crate::model::address::Address;
use crate::model::issue::Read;
use crate::model::link::Link;
use crate::model::neigh::{FdbEntry, Neighbour};
use crate::model::route::{NextHop, NexthopObject, Route, Rule};
use crate::wire::netlink::request::Request;
use crate::wire::rtnetlink::neigh::NTF_PROXY;
use crate::wire::rtnetlink::vlan::LinkVlans;
use crate::wire::rtnetlink::{self as rt, AF_BRIDGE, AF_INET, AF_INET6};

use super::Namespace;
use super::dump::Dump;

const IP: [u8; 2] = [AF_INET, AF_INET6];

/// `RTM_F_CLONED`: of dumps, what was learned in place of what was set.
const RTM_F_CLONED: u32 = 0x200;

/// A dump of one family whose fixed part is `N` bytes, all zero but the family.
fn family_dump<const N: usize>(get: u16, family: u8) -> Dump {
    let mut fixed = [0; N];
    if let Some(first) = fixed.first_mut() {
        *first = family;
    }
    // In rtnetlink the request's number is that of the wanted messages plus two.
    Dump { request: Request::dump(get, &fixed), wanted: get - 2, family: Some(family).filter(|family| *family != 0) }
}

/// Gives bridges that filter, and their ports, what was told of them.
fn assign(links: &mut [Link], told: &[LinkVlans]) {
    let filtering: Vec<_> = links.iter().filter(|link| link.filters_vlans()).map(|link| link.ifindex).collect();
    for link in links {
        if filtering.contains(&link.controller.unwrap_or(link.ifindex)) {
            let of_it = told.iter().find(|vlans| vlans.ifindex == link.ifindex);
            link.vlans = of_it.map(|found| found.vlans.clone());
        }
    }
}

impl Namespace {
    /// Links, by ifindex; with their VLANs where a bridge filters them.
    pub fn links(&self) -> Read<Vec<Link>> {
        let mut read = self.dump("links", &[family_dump::<16>(rt::GETLINK, 0)], rt::link::link);
        read.value.sort_by_key(|link| link.ifindex);
        if read.value.iter().any(Link::filters_vlans) {
            let mut vlans = self.vlans();
            read.issues.append(&mut vlans.issues);
            assign(&mut read.value, &vlans.value);
        }
        read
    }

    /// The VLANs of bridges and their ports, whether they filter or not.
    pub fn vlans(&self) -> Read<Vec<LinkVlans>> {
        let dump = Dump { request: rt::vlan::request(), wanted: rt::NEWLINK, family: Some(AF_BRIDGE) };
        self.dump("VLANs of bridges", &[dump], rt::vlan::vlans)
    }

    /// Addresses, by ifindex, then as the kernel lists them, IPv4 first.
    pub fn addresses(&self) -> Read<Vec<Address>> {
        let dumps = IP.map(|family| family_dump::<8>(rt::GETADDR, family));
        let mut read = self.dump("addresses", &dumps, rt::address::address);
        read.value.sort_by_key(|address| address.ifindex);
        read
    }

    /// Neighbours and proxied addresses, by ifindex and address.
    pub fn neighbours(&self) -> Read<Vec<Neighbour>> {
        let mut dumps = Vec::new();
        for family in IP {
            dumps.push(family_dump::<12>(rt::GETNEIGH, family));
            let fixed = [family, 0, 0, 0, 0, 0, 0, 0, 0, 0, NTF_PROXY, 0];
            let request = Request::dump(rt::GETNEIGH, &fixed);
            dumps.push(Dump { request, wanted: rt::NEWNEIGH, family: Some(family) });
        }
        let mut read = self.dump("neighbours", &dumps, rt::neigh::neighbour);
        read.value.sort();
        read
    }

    /// Bridge and vxlan forwarding entries, by bridge, ifindex and MAC.
    pub fn fdb(&self) -> Read<Vec<FdbEntry>> {
        let dumps = [family_dump::<12>(rt::GETNEIGH, AF_BRIDGE)];
        let mut read = self.dump("forwarding entries", &dumps, rt::neigh::fdb);
        read.value.sort_by(|one, other| (one.bridge, one).cmp(&(other.bridge, other)));
        read
    }

    /// Policy rules, IPv4 first, in the order in which they are asked.
    pub fn rules(&self) -> Read<Vec<Rule>> {
        let dumps = IP.map(|family| family_dump::<12>(rt::GETRULE, family));
        self.dump("rules", &dumps, rt::rule::rule)
    }

    /// Routes of all tables, by family and table, then as the kernel lists them.
    ///
    /// Where a route has only the id of a nexthop object (`net.ipv4.nexthop_compat_mode` is 0), its
    /// ways are filled in from the object.
    pub fn routes(&self) -> Read<Vec<Route>> {
        let dumps = IP.map(|family| family_dump::<12>(rt::GETROUTE, family));
        let mut read = self.dump("routes", &dumps, rt::route::route);
        if read.value.iter().any(|route| route.nexthop_id.is_some() && route.nexthops.is_empty()) {
            let objects = self.nexthops();
            read.issues.extend(objects.issues);
            for route in &mut read.value {
                if let Some(id) = route.nexthop_id
                    && route.nexthops.is_empty()
                {
                    route.nexthops = ways(id, &objects.value);
                }
            }
        }
        read.value.sort_by_key(|route| (route.family, route.table));
        read
    }

    /// What routing has learned of single destinations and has used since, by family.
    pub fn learned_routes(&self) -> Read<Vec<Route>> {
        let dumps = IP.map(|family| {
            // `struct rtmsg`: the flags are its last four bytes.
            let mut fixed = [0; 12];
            let [first, .., a, b, c, d] = &mut fixed;
            *first = family;
            [*a, *b, *c, *d] = RTM_F_CLONED.to_ne_bytes();
            Dump { request: Request::dump(rt::GETROUTE, &fixed), wanted: rt::GETROUTE - 2, family: Some(family) }
        });
        let mut read = self.dump("what routes have learned", &dumps, rt::route::route);
        // A kernel that does not know the flag gives the routes themselves.
        read.value.retain(|route| route.flags.iter().any(|flag| flag == "cloned"));
        read.value.sort_by_key(|route| route.family);
        read
    }

    /// Nexthop objects, by id.
    pub fn nexthops(&self) -> Read<Vec<NexthopObject>> {
        let mut read = self.dump("nexthop objects", &[family_dump::<8>(rt::GETNEXTHOP, 0)], rt::nexthop::nexthop);
        read.value.sort_by_key(|object| object.id);
        read
    }
}

/// The ways that a nexthop object stands for: its own, or those of its members. `objects` is sorted by id.
fn ways(id: u32, objects: &[NexthopObject]) -> Vec<NextHop> {
    let find = |id| objects.binary_search_by_key(&id, |object: &NexthopObject| object.id).ok();
    let Some(object) = find(id).and_then(|at| objects.get(at)) else { return Vec::new() };
    if object.group.is_empty() {
        return object.nexthop.iter().cloned().collect();
    }
    let members = object.group.iter().filter_map(|(member, weight)| {
        let way = objects.get(find(*member)?)?.nexthop.clone()?;
        Some(NextHop { weight: *weight, ..way })
    });
    members.collect()
}
