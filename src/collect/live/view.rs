//! [`NodeView`] for the live node: each method asks the reader that knows, once.
//!
//! May import model, wire and sys. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::places::Place;
use super::pods::Pods;
use super::{LiveNode, ahead};
use crate::collect::cni::{self, CniDirs};
use crate::collect::{kernel, netns_names, processes};
use crate::model::address::Address;
use crate::model::bpf::BpfAttachment;
use crate::model::cni::CniState;
use crate::model::flow::view::FlowView;
use crate::model::ids::{IfIndex, NetnsId, Nsid, Pid};
use crate::model::issue::{Issue, Read, Section, Why};
use crate::model::link::Link;
use crate::model::neigh::{FdbEntry, Neighbour};
use crate::model::netfilter::view::NetfilterView;
use crate::model::netns::{Netns, NetnsName, Process};
use crate::model::node::NodeInfo;
use crate::model::route::{NexthopObject, Route, RouteQuery, RouteWitness, Rule};
use crate::model::sandbox::{RuntimeInfo, Sandbox, SandboxFilter};
use crate::model::socket::Socket;
use crate::model::view::NodeView;

impl LiveNode {
    /// The bound names that belong to this node, each noted as a place.
    pub(super) fn bound_names(&self) -> Section<Vec<NetnsName>> {
        self.memory.netns_names.get((), || {
            let names = match &self.scope {
                Some(own) => Read::ok(own.clone()),
                None => netns_names::names(&self.bound),
            };
            for name in &names.value {
                if let Some(path) = name.path.as_str() {
                    self.places.note(name.id, Place::Bound(PathBuf::from(path)));
                }
            }
            names
        })
    }

    /// The same with the names that only the mount table tells.
    fn every_name(&self) -> Read<Vec<NetnsName>> {
        if let Some(own) = &self.scope {
            return Read::ok(own.clone());
        }
        let names = netns_names::all(&self.bound);
        for name in &names.value {
            if let Some(path) = name.path.as_str() {
                self.places.note(name.id, Place::Bound(PathBuf::from(path)));
            }
        }
        names
    }

    /// All processes by namespace, each namespace's first one noted as a place.
    pub(super) fn swept(&self) -> Section<BTreeMap<NetnsId, Vec<Pid>>> {
        self.memory.sweep.get((), || {
            tracing::debug!("reading all processes below {}", self.root.proc().display());
            let mut sweep = processes::sweep(&self.root);
            self.told_already(&mut sweep.issues);
            sweep.value.retain(|id, _| self.in_scope(*id));
            if self.scope.is_some() {
                // What may not be looked at is none of the lab's: its processes are the reader's own.
                sweep.issues.retain(|issue| !matches!(issue.why, Why::Permission { .. }));
            }
            for (id, pids) in &sweep.value {
                for pid in pids.iter().take(3) {
                    self.places.note(*id, Place::Process(*pid));
                }
            }
            sweep
        })
    }

    /// Leaves out what was told when the node was opened, with what podnet then did about it: that
    /// process 1 may not be looked at.
    fn told_already(&self, issues: &mut Vec<Issue>) {
        issues.retain(|issue| !self.opened_with.iter().any(|told| told.what == issue.what));
    }

    fn in_scope(&self, id: NetnsId) -> bool {
        self.scope.as_ref().is_none_or(|own| own.iter().any(|name| name.id == id))
    }

    /// The number `within` uses for `target`; remembered in both directions.
    fn nsid_within(&self, within: NetnsId, target: NetnsId) -> Section<Option<Nsid>> {
        self.memory.nsid_of.get((within, target), || {
            let answer = self.within(within, "an nsid", |namespace| match self.find(target) {
                Ok(handle) => namespace.nsid_of(&handle).map_or_else(
                    |error| {
                        let what = format!("asking {within} for its nsid of {target}");
                        Read::failed(Issue::incomplete(what, Why::from_io(&error)))
                    },
                    Read::ok,
                ),
                Err(issue) => Read::failed(*issue),
            });
            if let Some(nsid) = answer.value {
                self.memory.nsids.put((within, nsid), Read::ok(Some(target)));
            }
            answer
        })
    }

    fn read_namespaces(&self) -> Read<Vec<Netns>> {
        let sweep = self.swept();
        let names = self.every_name();
        let mut issues = [sweep.issues.clone(), names.issues.clone(), self.opened_with.clone()].concat();
        let mut found: BTreeMap<NetnsId, Netns> = BTreeMap::new();
        let ids = sweep.value.keys().copied().chain(names.value.iter().map(|name| name.id)).chain([self.host.id]);
        for id in ids {
            found.entry(id).or_insert_with(|| Netns {
                id,
                names: Vec::new(),
                nsid: None,
                cookie: None,
                pids: Vec::new(),
            });
        }
        for (id, pids) in &sweep.value {
            if let Some(netns) = found.get_mut(id) {
                netns.pids.clone_from(pids);
            }
        }
        for name in &names.value {
            if let Some(netns) = found.get_mut(&name.id) {
                netns.names.push(name.clone());
            }
        }
        // One that ended since the sweep is left out: nothing of it can be read any more.
        found.retain(|id, _| self.find(*id).is_ok());
        for netns in found.values_mut() {
            let nsid = self.nsid_within(self.host.id, netns.id);
            netns.nsid = nsid.value;
            issues.extend(nsid.issues.iter().cloned());
            let opened = self.namespace(netns.id);
            netns.cookie = opened.value.and_then(|namespace| namespace.cookie().ok());
        }
        let mut all: Vec<Netns> = found.into_values().collect();
        all.sort_by_key(|netns| (netns.id != self.host.id, netns.id));
        issues.sort();
        issues.dedup();
        Read { value: all, issues }
    }

    fn read_sandboxes(&self, filter: &SandboxFilter) -> Read<Vec<Sandbox>> {
        let mut sandboxes = self.pods.sandboxes(&self.root, filter);
        self.told_already(&mut sandboxes.issues);
        sandboxes.issues.extend(self.opened_with.iter().cloned());
        for sandbox in &sandboxes.value {
            let Some(id) = sandbox.netns else { continue };
            if let Some(pid) = sandbox.pid {
                self.places.note(id, Place::Process(pid));
            }
            if let Some(path) = &sandbox.netns_path {
                self.places.note(id, Place::Bound(PathBuf::from(path)));
            }
        }
        sandboxes
    }

    /// Programs on the cgroups of the pause process and of each container, each cgroup asked once.
    fn read_cgroup_bpf(&self, sandbox: &Sandbox) -> Read<Vec<BpfAttachment>> {
        let containers = sandbox.containers.iter().flatten().filter_map(|container| container.pid);
        let mut read = Read::ok(Vec::new());
        let mut asked = BTreeSet::new();
        for pid in sandbox.pid.into_iter().chain(containers) {
            let above = processes::cgroups::above(&self.root, pid);
            read.issues.extend(above.issues);
            for (path, folder) in above.value {
                if asked.insert(path.clone()) {
                    let programs = kernel::cgroup_programs(&folder, &path);
                    read.value.extend(programs.value);
                    read.issues.extend(programs.issues);
                }
            }
        }
        read.value.sort();
        read.issues.sort();
        read.issues.dedup();
        read
    }

    fn read_nsid(&self, within: NetnsId, nsid: Nsid) -> Read<Option<NetnsId>> {
        if nsid.0 < 0 {
            return Read::ok(None);
        }
        // What is likely first: the host, then what this command has already opened, then every name, then every process.
        let stages: [&dyn Fn() -> Vec<NetnsId>; 4] = [
            &|| vec![self.host.id],
            &|| self.places.opened().iter().map(|handle| handle.id).chain(self.places.ids()).collect(),
            &|| self.bound_names().value.iter().map(|name| name.id).collect(),
            &|| self.swept().value.keys().copied().collect(),
        ];
        let mut asked = BTreeSet::new();
        let mut issues = Vec::new();
        for target in stages.iter().flat_map(|stage| stage()) {
            if !asked.insert(target) {
                continue;
            }
            let answer = self.nsid_within(within, target);
            if answer.value == Some(nsid) {
                return Read::ok(Some(target));
            }
            issues.extend(answer.issues.iter().filter(|issue| !matches!(issue.why, Why::Gone { .. })).cloned());
        }
        Read { value: None, issues }
    }
}

impl NodeView for LiveNode {
    fn node(&self) -> NodeInfo {
        self.info.clone()
    }

    fn runtime(&self) -> Section<RuntimeInfo> {
        self.memory.runtime.get((), || self.pods.info(&self.root))
    }

    fn expect_all_pods(&self) {
        if self.scope.is_none() {
            ahead::read(self);
        }
    }

    fn sandboxes(&self, filter: &SandboxFilter) -> Section<Vec<Sandbox>> {
        let read = || match self.memory.sandboxes.known(&SandboxFilter::All) {
            Some(all) => Read {
                value: all.value.iter().filter(|sandbox| filter.accepts(sandbox)).cloned().collect(),
                issues: all.issues.clone(),
            },
            None => self.read_sandboxes(filter),
        };
        self.memory.sandboxes.get(filter.clone(), read)
    }

    fn pod_processes(&self, sandbox: &Sandbox) -> Section<Vec<Process>> {
        self.memory.pod_processes.get(sandbox.id.clone(), || Pods::processes(&self.root, sandbox))
    }

    fn process(&self, pid: Pid) -> Section<Option<Process>> {
        self.memory.processes.get(pid, || {
            let mut process = processes::process(&self.root, pid);
            if let Some(id) = process.value.as_ref().and_then(|process| process.netns) {
                if self.in_scope(id) {
                    self.places.note(id, Place::Process(pid));
                } else {
                    process.value = None;
                }
            }
            process
        })
    }

    fn namespaces(&self) -> Section<Vec<Netns>> {
        self.memory.namespaces.get((), || self.read_namespaces())
    }

    fn netns_names(&self) -> Section<Vec<NetnsName>> {
        self.bound_names()
    }

    fn resolve_nsid(&self, within: NetnsId, nsid: Nsid) -> Section<Option<NetnsId>> {
        self.memory.nsids.get((within, nsid), || self.read_nsid(within, nsid))
    }

    fn links(&self, netns: NetnsId) -> Section<Vec<Link>> {
        self.memory.links.get(netns, || self.within(netns, "links", kernel::Namespace::links))
    }

    fn addresses(&self, netns: NetnsId) -> Section<Vec<Address>> {
        self.memory.addresses.get(netns, || self.within(netns, "addresses", kernel::Namespace::addresses))
    }

    fn neighbours(&self, netns: NetnsId) -> Section<Vec<Neighbour>> {
        self.memory.neighbours.get(netns, || self.within(netns, "neighbours", kernel::Namespace::neighbours))
    }

    fn fdb(&self, netns: NetnsId) -> Section<Vec<FdbEntry>> {
        self.memory.fdb.get(netns, || self.within(netns, "forwarding entries", kernel::Namespace::fdb))
    }

    fn rules(&self, netns: NetnsId) -> Section<Vec<Rule>> {
        self.memory.rules.get(netns, || self.within(netns, "rules", kernel::Namespace::rules))
    }

    fn routes(&self, netns: NetnsId) -> Section<Vec<Route>> {
        self.memory.routes.get(netns, || self.within(netns, "routes", kernel::Namespace::routes))
    }

    fn learned_routes(&self, netns: NetnsId) -> Section<Vec<Route>> {
        let read = || self.within(netns, "what routes have learned", kernel::Namespace::learned_routes);
        self.memory.learned_routes.get(netns, read)
    }

    fn nexthops(&self, netns: NetnsId) -> Section<Vec<NexthopObject>> {
        self.memory.nexthops.get(netns, || self.within(netns, "nexthop objects", kernel::Namespace::nexthops))
    }

    fn link_bpf(&self, netns: NetnsId, link: IfIndex) -> Section<Vec<BpfAttachment>> {
        self.memory
            .link_bpf
            .get((netns, link), || self.within(netns, "programs of a link", |namespace| namespace.link_bpf(link)))
    }

    fn cgroup_bpf(&self, sandbox: &Sandbox) -> Section<Vec<BpfAttachment>> {
        self.memory.cgroup_bpf.get(sandbox.id.clone(), || self.read_cgroup_bpf(sandbox))
    }

    fn sysctl(&self, netns: NetnsId, name: &str) -> Section<Option<String>> {
        self.memory
            .sysctls
            .get((netns, name.to_owned()), || self.within(netns, name, |namespace| namespace.sysctl(name)))
    }

    fn sockets(&self, netns: NetnsId) -> Section<Vec<Socket>> {
        self.memory.sockets.get(netns, || self.within(netns, "sockets", kernel::Namespace::sockets))
    }

    fn netfilter(&self) -> &dyn NetfilterView {
        self
    }

    fn conntrack(&self) -> &dyn FlowView {
        self
    }

    fn cni(&self) -> Section<CniState> {
        self.memory.cni.get((), || cni::read(&self.root, &CniDirs::default()))
    }

    fn route_witness(&self, netns: NetnsId, query: &RouteQuery) -> Option<Arc<Read<Option<RouteWitness>>>> {
        Some(
            self.within(netns, "the kernel's own choice of a route", |namespace| namespace.route_witness(query))
                .section(),
        )
    }
}
