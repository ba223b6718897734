//! What a look-up needs to know of a namespace, read from the node as it is needed.
//!
//! May import model only.

use std::cell::{OnceCell, RefCell};
use std::net::IpAddr;

use crate::model::address::Address;
use crate::model::ids::{IfIndex, NetnsId, TableId};
use crate::model::issue::{Issue, Level, Section};
use crate::model::link::{Link, LinkKind};
use crate::model::neigh::Neighbour;
use crate::model::route::{NextHop, NexthopObject, Route, Rule};
use crate::model::sysctl;
use crate::model::text::ByteText;
use crate::model::view::NodeView;

use super::found::Way;

/// The loopback link has this index in every namespace.
pub(super) const LOOPBACK: IfIndex = IfIndex(1);

/// The sections of one namespace; neighbours, nexthop objects and sysctls only once they matter.
pub(super) struct Facts<'a> {
    node: &'a dyn NodeView,
    netns: NetnsId,
    links: Section<Vec<Link>>,
    addresses: Section<Vec<Address>>,
    rules: Section<Vec<Rule>>,
    routes: Section<Vec<Route>>,
    neighbours: OnceCell<Section<Vec<Neighbour>>>,
    nexthops: OnceCell<Section<Vec<NexthopObject>>>,
    issues: RefCell<Vec<Issue>>,
}

impl<'a> Facts<'a> {
    pub fn read(node: &'a dyn NodeView, netns: NetnsId) -> Self {
        let facts = Self {
            node,
            netns,
            links: node.links(netns),
            addresses: node.addresses(netns),
            rules: node.rules(netns),
            routes: node.routes(netns),
            neighbours: OnceCell::new(),
            nexthops: OnceCell::new(),
            issues: RefCell::default(),
        };
        facts.note_issues(&facts.links.issues);
        facts.note_issues(&facts.addresses.issues);
        facts.note_issues(&facts.rules.issues);
        facts.note_issues(&facts.routes.issues);
        facts
    }

    fn note_issues(&self, issues: &[Issue]) {
        self.issues.borrow_mut().extend(issues.iter().cloned());
    }

    pub fn issues(self) -> Vec<Issue> {
        self.issues.into_inner()
    }

    /// Why rules or routes are not all there, where they are not.
    pub fn gap(&self) -> Option<String> {
        let mut issues = self.rules.issues.iter().chain(&self.routes.issues);
        issues.find(|issue| issue.level == Level::Incomplete).map(|issue| format!("{} failed", issue.what))
    }

    /// Why addresses are not all there, where they are not.
    pub fn address_gap(&self) -> Option<String> {
        let mut issues = self.links.issues.iter().chain(&self.addresses.issues);
        issues.find(|issue| issue.level == Level::Incomplete).map(|issue| format!("{} failed", issue.what))
    }

    pub fn links(&self) -> &[Link] {
        &self.links.value
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules.value
    }

    pub fn routes(&self) -> &[Route] {
        &self.routes.value
    }

    /// The addresses of one link, in the kernel's order.
    pub fn addresses_of(&self, link: IfIndex) -> impl Iterator<Item = &Address> {
        self.addresses.value.iter().filter(move |address| address.ifindex == link)
    }

    /// The links that hold exactly that address.
    pub fn holders(&self, wanted: IpAddr) -> Vec<IfIndex> {
        let held = self.addresses.value.iter().filter(|address| address.address.addr() == wanted);
        let mut links: Vec<IfIndex> = held.map(|address| address.ifindex).collect();
        links.dedup();
        links
    }

    pub fn link(&self, ifindex: IfIndex) -> Option<&Link> {
        self.links.value.iter().find(|link| link.ifindex == ifindex)
    }

    /// The link a rule means by a name, which may be one of its other names.
    pub fn link_named(&self, name: &ByteText) -> Option<&Link> {
        let links = &self.links.value;
        links
            .iter()
            .find(|link| link.name == *name)
            .or_else(|| links.iter().find(|link| link.alt_names.iter().any(|other| other == name)))
    }

    pub fn link_name(&self, ifindex: IfIndex) -> String {
        self.link(ifindex).map_or_else(|| format!("link {ifindex}"), |link| link.name.to_string())
    }

    /// The table of a VRF; `None` for every other link.
    pub fn vrf_table(&self, ifindex: IfIndex) -> Option<TableId> {
        match self.link(ifindex)?.kind {
            LinkKind::Vrf { table } => Some(table),
            _ => None,
        }
    }

    /// The VRF that a link is, or is a port of. Mirrors `l3mdev_master_ifindex_rcu`.
    pub fn l3_master(&self, ifindex: IfIndex) -> Option<IfIndex> {
        if self.vrf_table(ifindex).is_some() {
            return Some(ifindex);
        }
        let controller = self.link(ifindex)?.controller?;
        self.vrf_table(controller).map(|_| controller)
    }

    /// What the neighbour table says of an address; `None` when it has no entry.
    pub fn neighbour(&self, link: IfIndex, address: IpAddr) -> Option<&Neighbour> {
        let section = self.neighbours.get_or_init(|| {
            let section = self.node.neighbours(self.netns);
            self.note_issues(&section.issues);
            section
        });
        section.value.iter().find(|entry| {
            entry.ifindex == link && entry.address == address && !entry.flags.iter().any(|flag| flag == "proxy")
        })
    }

    /// Whether a nexthop object is a blackhole.
    pub fn nexthop_is_blackhole(&self, id: u32) -> bool {
        let section = self.nexthops.get_or_init(|| {
            let section = self.node.nexthops(self.netns);
            self.note_issues(&section.issues);
            section
        });
        section.value.iter().any(|object| object.id == id && object.blackhole)
    }

    /// A sysctl as a number; `None` when it could not be read (an issue says why), 0 when this kernel has no such file.
    pub fn sysctl(&self, name: &str) -> Option<i64> {
        let section = self.node.sysctl(self.netns, name);
        if !section.issues.is_empty() {
            self.note_issues(&section.issues);
        }
        match &section.value {
            Some(text) => text.trim().parse().ok(),
            None if section.issues.iter().any(|issue| issue.level == Level::Incomplete) => None,
            None => Some(0),
        }
    }

    /// A setting of one link.
    pub fn link_sysctl(&self, family: &str, link: IfIndex, setting: &str) -> Option<i64> {
        self.sysctl(&sysctl::of_link(family, &self.link(link)?.name, setting)?)
    }

    /// A next hop as a way, without its source.
    pub fn way(&self, hop: &NextHop) -> Way {
        Way {
            ifindex: hop.ifindex,
            link: hop.ifindex.and_then(|ifindex| self.link(ifindex)).map(|link| link.name.clone()),
            gateway: hop.gateway,
            weight: hop.weight,
            onlink: hop.flags.iter().any(|flag| flag == "onlink"),
            encap: hop.encap.clone(),
            unusable: None,
            source: super::found::Source::None { why: "not asked for".to_owned() },
        }
    }
}

/// Whether a next hop of a route bears a flag; a route of one next hop may bear it itself.
pub(super) fn hop_flag(route: &Route, hop: &NextHop, name: &str) -> bool {
    hop.flags.iter().any(|flag| flag == name)
        || (route.nexthops.len() <= 1 && route.flags.iter().any(|flag| flag == name))
}

/// Whether a neighbour entry is of use: `NUD_VALID`.
pub(super) fn is_valid(entry: &Neighbour) -> bool {
    entry
        .states
        .iter()
        .any(|state| matches!(state.as_str(), "permanent" | "noarp" | "reachable" | "probe" | "stale" | "delay"))
}
