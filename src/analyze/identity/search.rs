//! The tiers of the search: exact before prefix, cheap before dear.
//!
//! May import model and its siblings only.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::form::{Form, Name};
use super::{FindError, Found, PodQuery};
use crate::analyze::answer::Gathered;
use crate::model::ids::{NetnsId, Pid};
use crate::model::netns::Process;
use crate::model::sandbox::{Sandbox, SandboxFilter, SandboxState};
use crate::model::view::NodeView;

/// A sandbox that answers, and whether it was named itself (an id does) or through its pod.
struct Match {
    node: usize,
    sandbox: Sandbox,
    itself: bool,
}

pub(super) struct Search<'a, 'q> {
    nodes: &'q [&'a dyn NodeView],
    query: &'q PodQuery,
    gathered: &'q mut Gathered,
    /// What the text is instead of a pod.
    because: String,
}

impl<'a, 'q> Search<'a, 'q> {
    pub(super) fn new(nodes: &'q [&'a dyn NodeView], query: &'q PodQuery, gathered: &'q mut Gathered) -> Self {
        Self { nodes, query, gathered, because: String::new() }
    }

    pub(super) fn run(mut self, form: &Form) -> Result<Found<'a>, FindError> {
        type Tier<'t> = Box<dyn FnOnce(&mut Search<'_, '_>) -> Vec<Match> + 't>;
        let mut tiers: Vec<Tier<'_>> = Vec::new();
        if let Some(pid) = form.pid {
            tiers.push(Box::new(move |search| search.by_pid(pid)));
        }
        if let Some(inode) = form.inode {
            tiers.push(Box::new(move |search| search.by_inode(inode)));
        }
        if let Some(ip) = form.ip {
            tiers.push(Box::new(move |search| search.by_ip(ip)));
        }
        if let Some(name) = &form.name {
            tiers.push(Box::new(move |search| search.by_name(name)));
        }
        if let Some(netns) = &form.netns {
            tiers.push(Box::new(move |search| search.by_netns_name(netns)));
        }
        if let Some(id) = &form.id {
            tiers.push(Box::new(move |search| search.by_id(|other| other == id)));
        }
        tiers.push(Box::new(|search| search.by_prefix(form)));
        for tier in tiers {
            let matches = tier(&mut self);
            if !matches.is_empty() {
                return self.decide(matches);
            }
        }
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.node().name).collect();
        Err(FindError::NotFound { asked: self.query.text.clone(), nodes: nodes.join(", "), because: self.because })
    }

    fn sandboxes(&mut self, node: usize, filter: &SandboxFilter) -> Vec<Sandbox> {
        let section = self.nodes[node].sandboxes(filter);
        self.gathered.take(&section).clone()
    }

    /// Every sandbox of every node that `wanted` accepts.
    fn all(&mut self, itself: bool, mut wanted: impl FnMut(&Sandbox) -> bool) -> Vec<Match> {
        let mut matches = Vec::new();
        for node in 0..self.nodes.len() {
            let sandboxes = self.sandboxes(node, &SandboxFilter::All);
            matches.extend(sandboxes.into_iter().filter(&mut wanted).map(|sandbox| Match { node, sandbox, itself }));
        }
        matches
    }

    fn by_pid(&mut self, pid: Pid) -> Vec<Match> {
        let mut matches = Vec::new();
        for node in 0..self.nodes.len() {
            let section = self.nodes[node].process(pid);
            let Some(process) = self.gathered.take(&section).clone() else { continue };
            let sandboxes = self.sandboxes(node, &SandboxFilter::All);
            let host = self.nodes[node].node().host_netns;
            match sandbox_of(&process, &sandboxes, host) {
                Some(sandbox) => matches.push(Match { node, sandbox: sandbox.clone(), itself: true }),
                None => self.because = format!(": process {pid} ({}) is in no pod", process.comm),
            }
        }
        matches
    }

    fn by_inode(&mut self, inode: u64) -> Vec<Match> {
        let hosts: Vec<_> = self.nodes.iter().map(|node| node.node().host_netns.ino).collect();
        if hosts.contains(&inode) {
            self.because = format!(": net:[{inode}] is the node's own namespace");
            return Vec::new();
        }
        self.all(false, |sandbox| !sandbox.host_network && sandbox.netns.is_some_and(|netns| netns.ino == inode))
    }

    /// By the addresses that the runtime remembers; where none of them is it, by those that the
    /// pods' namespaces hold (without a runtime, or on a second interface).
    fn by_ip(&mut self, ip: IpAddr) -> Vec<Match> {
        let remembered = self.all(false, |sandbox| sandbox.ips.as_ref().is_some_and(|ips| ips.contains(&ip)));
        // A stopped sandbox's address may be another pod's by now; a hostNetwork pod has the node's.
        let (ready, rest): (Vec<_>, Vec<_>) =
            remembered.into_iter().partition(|found| found.sandbox.state == SandboxState::Ready);
        let (own, shared): (Vec<_>, Vec<_>) = ready.into_iter().partition(|found| !found.sandbox.host_network);
        if !own.is_empty() {
            return own;
        }
        let held = self.by_held_address(ip);
        if !held.is_empty() {
            return held;
        }
        if !shared.is_empty() {
            return shared;
        }
        let of_node = self.by_node_address(ip);
        if of_node.is_empty() { rest } else { of_node }
    }

    /// The hostNetwork pods of a node that has the address itself.
    fn by_node_address(&mut self, ip: IpAddr) -> Vec<Match> {
        let mut matches = Vec::new();
        for node in 0..self.nodes.len() {
            let view = self.nodes[node];
            let section = view.addresses(view.node().host_netns);
            if !self.gathered.take(&section).iter().any(|address| address.address.addr() == ip) {
                continue;
            }
            self.because = format!(": {ip} is an address of the node {} itself", view.node().name);
            matches.extend(
                self.sandboxes(node, &SandboxFilter::All)
                    .into_iter()
                    .filter(|sandbox| sandbox.host_network && sandbox.state == SandboxState::Ready)
                    .map(|sandbox| Match { node, sandbox, itself: false }),
            );
        }
        matches
    }

    fn by_held_address(&mut self, ip: IpAddr) -> Vec<Match> {
        let mut matches = Vec::new();
        for node in 0..self.nodes.len() {
            let view = self.nodes[node];
            for sandbox in self.sandboxes(node, &SandboxFilter::All) {
                let Some(netns) = sandbox.netns.filter(|_| !sandbox.host_network) else { continue };
                let section = view.addresses(netns);
                if self.gathered.take(&section).iter().any(|address| address.address.addr() == ip) {
                    matches.push(Match { node, sandbox, itself: false });
                }
            }
        }
        matches
    }

    fn by_name(&mut self, name: &Name) -> Vec<Match> {
        let mut matches = Vec::new();
        let filter = SandboxFilter::PodName(name.name.clone());
        for node in 0..self.nodes.len() {
            let sandboxes = self.sandboxes(node, &filter);
            matches.extend(sandboxes.into_iter().filter(|sandbox| in_namespace(sandbox, name)).map(|sandbox| Match {
                node,
                sandbox,
                itself: false,
            }));
        }
        matches
    }

    fn by_netns_name(&mut self, wanted: &str) -> Vec<Match> {
        self.by_netns_names(|name, path| name == wanted || path == wanted)
    }

    fn by_netns_names(&mut self, wanted: impl Fn(&str, &str) -> bool) -> Vec<Match> {
        let mut matches = Vec::new();
        for node in 0..self.nodes.len() {
            let section = self.nodes[node].netns_names();
            let named: Vec<NetnsId> = self
                .gathered
                .take(&section)
                .iter()
                .filter(|netns| wanted(&netns.name.to_string(), &netns.path.to_string()))
                .map(|netns| netns.id)
                .collect();
            if named.is_empty() {
                continue;
            }
            let before = matches.len();
            matches.extend(
                self.sandboxes(node, &SandboxFilter::All)
                    .into_iter()
                    .filter(|sandbox| !sandbox.host_network && sandbox.netns.is_some_and(|id| named.contains(&id)))
                    .map(|sandbox| Match { node, sandbox, itself: false }),
            );
            if matches.len() == before {
                self.because = format!(": the namespace {} belongs to no pod", named[0]);
            }
        }
        matches
    }

    fn by_id(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<Match> {
        self.all(true, |sandbox| {
            let containers = sandbox.containers.iter().flatten();
            wanted(&sandbox.id.0) || containers.into_iter().any(|container| wanted(&container.id.0))
        })
    }

    /// All that begin so: names, ids and namespaces' names in one tier, so that one never hides another.
    fn by_prefix(&mut self, form: &Form) -> Vec<Match> {
        let mut matches = Vec::new();
        if let Some(name) = &form.name {
            matches.extend(self.all(false, |sandbox| {
                in_namespace(sandbox, name)
                    && sandbox.pod.name.as_ref().is_some_and(|other| other.starts_with(&name.name))
            }));
        }
        if let Some(id) = form.id.as_ref().filter(|id| id.len() >= form.min_prefix) {
            matches.extend(self.by_id(|other| other.starts_with(id.as_str())));
        }
        if let Some(netns) = form.netns.as_ref().filter(|netns| netns.len() >= form.min_prefix) {
            matches.extend(self.by_netns_names(|name, _| name.starts_with(netns.as_str())));
        }
        matches
    }

    /// One pod of the matches, or the list of candidates.
    fn decide(&mut self, matches: Vec<Match>) -> Result<Found<'a>, FindError> {
        let mut groups: BTreeMap<(usize, String), Vec<Match>> = BTreeMap::new();
        for found in matches {
            let key = pod_key(&found.sandbox);
            let group = groups.entry((found.node, key)).or_default();
            if let Some(known) = group.iter_mut().find(|known| known.sandbox.id == found.sandbox.id) {
                known.itself |= found.itself;
            } else {
                group.push(found);
            }
        }
        let mut chosen: Vec<Match> = groups.into_values().flat_map(narrow).collect();
        if chosen.len() > 1 {
            return Err(FindError::Ambiguous { asked: self.query.text.clone(), candidates: self.candidates(&chosen) });
        }
        // Every group holds at least one match and `narrow` keeps at least one of them.
        let Match { node, sandbox, .. } = chosen.remove(0);
        let older = if self.query.all { self.older(node, &sandbox) } else { Vec::new() };
        Ok(Found { node: self.nodes[node], sandbox, older })
    }

    fn older(&mut self, node: usize, chosen: &Sandbox) -> Vec<Sandbox> {
        let filter = chosen.pod.name.clone().map_or(SandboxFilter::All, SandboxFilter::PodName);
        let key = pod_key(chosen);
        let mut older = self.sandboxes(node, &filter);
        older.retain(|sandbox| sandbox.id != chosen.id && pod_key(sandbox) == key);
        older
    }

    fn candidates(&self, chosen: &[Match]) -> Vec<String> {
        let mut texts: Vec<String> = chosen
            .iter()
            .map(|found| {
                let mut text = found.sandbox.pod.to_string();
                let twin = |other: &&Match| {
                    other.sandbox.id != found.sandbox.id && pod_key(&other.sandbox) == pod_key(&found.sandbox)
                };
                if found.itself || chosen.iter().any(|other| other.node == found.node && twin(&other)) {
                    text = format!("{text} (sandbox {})", found.sandbox.id.short());
                }
                if self.nodes.len() > 1 {
                    text = format!("{text} on {}", self.nodes[found.node].node().name);
                }
                text
            })
            .collect();
        texts.sort();
        texts
    }
}

/// Of one pod's sandboxes: those named themselves, else the ready ones (several only when they
/// are of different uids), else the newest.
fn narrow(mut group: Vec<Match>) -> Vec<Match> {
    if group.iter().any(|found| found.itself) {
        group.retain(|found| found.itself);
        return group;
    }
    if group.iter().any(|found| found.sandbox.state == SandboxState::Ready) {
        group.retain(|found| found.sandbox.state == SandboxState::Ready);
        group.sort_by(|a, b| (&a.sandbox.pod.uid, newest(&b.sandbox)).cmp(&(&b.sandbox.pod.uid, newest(&a.sandbox))));
        group.dedup_by(|later, kept| later.sandbox.pod.uid == kept.sandbox.pod.uid);
        return group;
    }
    group.sort_by(|a, b| newest(&b.sandbox).cmp(&newest(&a.sandbox)));
    group.truncate(1);
    group
}

/// Sorts sandboxes of one pod; the greatest is the newest.
pub(crate) fn newest(sandbox: &Sandbox) -> (Option<jiff::Timestamp>, u32, &str) {
    (sandbox.created_at, sandbox.attempt, &sandbox.id.0)
}

/// What makes two sandboxes attempts of one pod: namespace and name; where the name is unknown
/// the uid, else the sandbox itself.
pub(crate) fn pod_key(sandbox: &Sandbox) -> String {
    let pod = &sandbox.pod;
    let namespace = pod.namespace.as_deref().unwrap_or("?");
    match (&pod.name, &pod.uid) {
        (Some(name), _) if pod.namespace.is_some() => format!("{namespace}/{name}"),
        (_, Some(uid)) => format!("uid {uid}"),
        _ => format!("sandbox {}", sandbox.id),
    }
}

fn in_namespace(sandbox: &Sandbox, name: &Name) -> bool {
    name.namespace.is_none() || sandbox.pod.namespace == name.namespace
}

/// The sandbox a process belongs to: that of its namespace; a process in the host's namespace
/// belongs to a hostNetwork pod if its cgroup says so.
pub(crate) fn sandbox_of<'s>(process: &Process, sandboxes: &'s [Sandbox], host: NetnsId) -> Option<&'s Sandbox> {
    let ready_first = |found: Vec<&'s Sandbox>| {
        found.iter().find(|sandbox| sandbox.state == SandboxState::Ready).or_else(|| found.first()).copied()
    };
    if let Some(netns) = process.netns.filter(|netns| *netns != host) {
        let here = sandboxes.iter().filter(|sandbox| sandbox.netns == Some(netns)).collect();
        if let Some(sandbox) = ready_first(here) {
            return Some(sandbox);
        }
    }
    let cgroup = process.pod.as_ref()?;
    let by_container = sandboxes.iter().find(|sandbox| {
        let Some(container) = &cgroup.container else { return false };
        sandbox.id.0 == container.0 || sandbox.containers.iter().flatten().any(|known| known.id == *container)
    });
    by_container.or_else(|| {
        let uid = cgroup.pod_uid.as_ref()?;
        ready_first(sandboxes.iter().filter(|sandbox| sandbox.pod.uid.as_ref() == Some(uid)).collect())
    })
}
