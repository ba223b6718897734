//! The namespaces that a packet may cross, over all nodes that are asked.
//!
//! May import model and analyze's siblings only.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use super::memory::Memory;
use super::types::Stop;
use crate::analyze::answer::Gathered;
use crate::analyze::fib::{self, Lookup};
use crate::analyze::peer::{self, OtherEnd};
use crate::model::address::Address;
use crate::model::ids::{IfIndex, NetnsId};
use crate::model::issue::{Issue, Level, Section, Why};
use crate::model::link;
use crate::model::route::{RouteKind, RouteQuery};
use crate::model::sysctl;
use crate::model::view::NodeView;

/// A namespace of one of the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which node, as an index.
    pub node: usize,
    /// Which namespace.
    pub netns: NetnsId,
}

/// A link, shared by all that look at it: a way hands each of its links on many times.
pub(super) type Link = Rc<link::Link>;

/// All that can be asked.
pub(super) struct World<'n> {
    nodes: &'n [&'n dyn NodeView],
    issues: RefCell<Vec<Issue>>,
    pub memory: Memory,
    /// Whether the nodes are in memory whole, so that looking much up at once costs nothing.
    pub is_loaded: bool,
}

impl<'n> World<'n> {
    pub fn new(nodes: &'n [&'n dyn NodeView]) -> Self {
        Self { nodes, issues: RefCell::default(), memory: Memory::default(), is_loaded: false }
    }

    /// Nodes that are in memory whole.
    pub fn loaded(nodes: &'n [&'n dyn NodeView]) -> Self {
        Self { is_loaded: true, ..Self::new(nodes) }
    }

    pub fn issues(self) -> Vec<Issue> {
        self.issues.into_inner()
    }

    pub fn note(&self, issues: &[Issue]) {
        self.issues.borrow_mut().extend(issues.iter().cloned());
    }

    pub fn view(&self, place: Place) -> Result<&'n dyn NodeView, Stop> {
        self.nodes.get(place.node).copied().ok_or_else(|| Stop::unknown("a node that was not asked"))
    }

    /// The own namespaces of all nodes.
    pub fn hosts(&self) -> Vec<Place> {
        self.nodes.iter().enumerate().map(|(node, view)| Place { node, netns: view.node().host_netns }).collect()
    }

    /// What a namespace is called: the node's own is the host, others have the name they are bound to.
    pub fn name(&self, place: Place) -> String {
        let Ok(view) = self.view(place) else { return place.netns.to_string() };
        if view.node().host_netns == place.netns {
            return if self.nodes.len() > 1 { view.node().name } else { "host".to_owned() };
        }
        let names = view.netns_names();
        let bound = names.value.iter().find(|name| name.id == place.netns);
        bound.map_or_else(|| place.netns.to_string(), |name| name.name.to_string())
    }

    /// A section that the way hangs on: where it is incomplete, so is the way.
    pub fn whole<T>(section: Section<T>) -> Result<Section<T>, Stop> {
        match section.issues.iter().find(|issue| issue.level == Level::Incomplete) {
            Some(issue) => Err(Stop::unknown(format!("{} failed: {}", issue.what, issue.why.detail()))),
            None => Ok(section),
        }
    }

    pub fn links(&self, place: Place) -> Result<Section<Vec<link::Link>>, Stop> {
        Self::whole(self.view(place)?.links(place.netns))
    }

    pub fn link(&self, place: Place, ifindex: IfIndex) -> Result<Link, Stop> {
        if let Some(known) = self.memory.links.borrow().get(&(place, ifindex)) {
            return Ok(Rc::clone(known));
        }
        let links = self.links(place)?;
        let found = links.value.iter().find(|link| link.ifindex == ifindex);
        let found = found.ok_or_else(|| Stop::unknown(format!("link {ifindex} of {} is gone", place.netns)))?;
        Ok(self.shared(place, found))
    }

    /// One of the links of a namespace.
    pub fn shared(&self, place: Place, link: &link::Link) -> Link {
        let mut links = self.memory.links.borrow_mut();
        Rc::clone(links.get_or_insert_with((place, link.ifindex), || Rc::new(link.clone())))
    }

    /// The links of a namespace that are as is wanted.
    pub fn links_that(&self, place: Place, is_wanted: impl Fn(&link::Link) -> bool) -> Result<Vec<Link>, Stop> {
        let links = self.links(place)?;
        Ok(links.value.iter().filter(|link| is_wanted(link)).map(|link| self.shared(place, link)).collect())
    }

    pub fn addresses(&self, place: Place) -> Result<Section<Vec<Address>>, Stop> {
        Self::whole(self.view(place)?.addresses(place.netns))
    }

    /// A sysctl as a number; 0 where this kernel has no such file.
    pub fn sysctl(&self, place: Place, name: &str) -> Result<i64, Stop> {
        let key = (place, name.to_owned());
        if let Some(known) = self.memory.numbers.borrow().get(&key) {
            return Ok(*known);
        }
        let section = Self::whole(self.view(place)?.sysctl(place.netns, name))?;
        let value = match &section.value {
            None => 0,
            Some(text) => text.trim().parse().map_err(|_| Stop::unknown(format!("net.{name} is {text:?}")))?,
        };
        self.memory.numbers.borrow_mut().insert(key, value);
        Ok(value)
    }

    /// A setting of one link.
    pub fn link_sysctl(&self, place: Place, family: &str, link: &Link, setting: &str) -> Result<i64, Stop> {
        match sysctl::of_link(family, &link.name, setting) {
            Some(name) => self.sysctl(place, &name),
            None => Err(Stop::unknown(format!("the settings of {} cannot be named", link.name))),
        }
    }

    /// The larger of the link's own setting and that of `all`.
    pub fn larger(&self, place: Place, family: &str, link: &Link, setting: &str) -> Result<i64, Stop> {
        let all = self.sysctl(place, &format!("{family}.conf.all.{setting}"))?;
        Ok(all.max(self.link_sysctl(place, family, link, setting)?))
    }

    pub fn route(&self, place: Place, query: &RouteQuery) -> Result<Rc<Lookup>, Stop> {
        let query = if self.is_loaded { &self.plain(place, query)? } else { query };
        let key = (place, query.clone());
        if let Some(known) = self.memory.routes.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let mut gathered = Gathered::default();
        let found = fib::lookup(self.view(place)?, place.netns, query, &mut gathered);
        // What is unknown of it ends the way or does not matter; what podnet and the kernel see differently always does.
        gathered.issues.retain(|issue| matches!(issue.why, Why::Disagreement { .. }));
        self.note(&gathered.issues);
        let found = Rc::new(found);
        self.memory.routes.borrow_mut().insert(key, Rc::clone(&found));
        Ok(found)
    }

    /// Whether any route, in whatever table, delivers packets for an address to the namespace itself.
    pub fn has_local_route(&self, place: Place, address: IpAddr) -> Result<bool, Stop> {
        let key = (place, address);
        if let Some(known) = self.memory.local.borrow().get(&key) {
            return Ok(*known);
        }
        let routes = Self::whole(self.view(place)?.routes(place.netns))?;
        let has = routes.value.iter().any(|route| route.kind == RouteKind::Local && route.dst.contains(&address));
        self.memory.local.borrow_mut().insert(key, has);
        Ok(has)
    }

    /// The link that another lies on.
    pub fn below(&self, place: Place, link: &Link) -> Result<(Place, Link), Stop> {
        let mut gathered = Gathered::default();
        match peer::other_end(self.view(place)?, place.netns, link, &mut gathered) {
            OtherEnd::Parent { netns, link } => Ok((Place { netns, ..place }, Rc::new(*link))),
            OtherEnd::Lost(lost) => Err(Stop::unknown(format!("the link below {}: {}", link.name, lost.words()))),
            _ => Err(Stop::unknown(format!("{} lies on no link", link.name))),
        }
    }

    /// The other end of a pair.
    pub fn peer(&self, place: Place, link: &Link) -> Result<(Place, Link), Stop> {
        let key = (place, link.ifindex);
        if let Some(known) = self.memory.peers.borrow().get(&key) {
            return Ok(known.clone());
        }
        let mut gathered = Gathered::default();
        match peer::other_end(self.view(place)?, place.netns, link, &mut gathered) {
            OtherEnd::Peer { netns, link, .. } => {
                let found = (Place { netns, ..place }, Rc::new(*link));
                self.memory.peers.borrow_mut().insert(key, found.clone());
                Ok(found)
            }
            OtherEnd::Lost(lost) => Err(Stop::unknown(format!("the other end of {}: {}", link.name, lost.words()))),
            _ => Err(Stop::unknown(format!("{} is no pair", link.name))),
        }
    }
}
