//! The namespaces that a packet may cross, over all nodes that are asked.
//!
//! May import model and analyze's siblings only.

use std::cell::RefCell;
use std::rc::Rc;

use super::memory::Memory;
use super::types::Stop;
use crate::analyze::answer::Gathered;
use crate::analyze::fib::{self, Lookup};
use crate::analyze::peer::{self, OtherEnd};
use crate::model::address::Address;
use crate::model::ids::{IfIndex, NetnsId};
use crate::model::issue::{Issue, Level, Section, Why};
use crate::model::link::Link;
use crate::model::route::RouteQuery;
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

    pub fn links(&self, place: Place) -> Result<Section<Vec<Link>>, Stop> {
        Self::whole(self.view(place)?.links(place.netns))
    }

    pub fn link(&self, place: Place, ifindex: IfIndex) -> Result<Link, Stop> {
        let links = self.links(place)?;
        let found = links.value.iter().find(|link| link.ifindex == ifindex);
        found.cloned().ok_or_else(|| Stop::unknown(format!("link {ifindex} of {} is gone", place.netns)))
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

    /// The other end of a pair.
    pub fn peer(&self, place: Place, link: &Link) -> Result<(Place, Link), Stop> {
        let key = (place, link.ifindex);
        if let Some(known) = self.memory.peers.borrow().get(&key) {
            return Ok(known.clone());
        }
        let mut gathered = Gathered::default();
        match peer::other_end(self.view(place)?, place.netns, link, &mut gathered) {
            OtherEnd::Peer { netns, link, .. } => {
                let found = (Place { netns, ..place }, *link);
                self.memory.peers.borrow_mut().insert(key, found.clone());
                Ok(found)
            }
            OtherEnd::Lost(lost) => Err(Stop::unknown(format!("the other end of {}: {}", link.name, lost.words()))),
            _ => Err(Stop::unknown(format!("{} is no pair", link.name))),
        }
    }
}
