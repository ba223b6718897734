//! A node written down: the other thing that is a [`NodeView`].
//!
//! Must not import anything from the crate but its sibling model types.

mod flows;
mod mask;
mod netfilter;
mod redact;
mod rules;
mod take;

pub use self::flows::{FLOWS, FlowSections};
pub use self::netfilter::{HookSections, IpSetSections, NetfilterSections, SetSections, TableSections};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::bpf::BpfAttachment;
use super::cni::CniState;
use super::flow::view::FlowView;
use super::ids::{IfIndex, NetnsId, Nsid, Pid, SandboxId};
use super::issue::{Issue, Read, Section, Why};
use super::link::Link;
use super::neigh::{FdbEntry, Neighbour};
use super::netfilter::view::NetfilterView;
use super::netns::{Netns, NetnsName, Process};
use super::node::NodeInfo;
use super::route::{NexthopObject, Route, RouteQuery, RouteWitness, Rule};
use super::sandbox::{RuntimeInfo, Sandbox, SandboxFilter};
use super::socket::Socket;
use super::view::NodeView;

/// The format this podnet writes and reads.
pub const FORMAT: &str = "podnet-snapshot/1";

/// A node at one time, complete enough to answer every command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// [`FORMAT`].
    pub format: String,
    /// The version of podnet that wrote it.
    pub written_by: String,
    /// Which node.
    pub node: NodeInfo,
    /// See [`NodeView::runtime`].
    pub runtime: Section<RuntimeInfo>,
    /// All sandboxes.
    pub sandboxes: Section<Vec<Sandbox>>,
    /// The processes of each pod.
    pub pod_processes: BTreeMap<SandboxId, Section<Vec<Process>>>,
    /// Every process that is in a pod or not in the host namespace, by pid.
    pub processes: BTreeMap<Pid, Section<Option<Process>>>,
    /// Every namespace.
    pub namespaces: Section<Vec<Netns>>,
    /// The bound names.
    pub netns_names: Section<Vec<NetnsName>>,
    /// Socket programs above each pod.
    pub cgroup_bpf: BTreeMap<SandboxId, Section<Vec<BpfAttachment>>>,
    /// CNI files.
    pub cni: Section<CniState>,
    /// What is in each namespace, by id.
    pub netns: Vec<NetnsSections>,
}

/// What is in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetnsSections {
    /// Which.
    pub id: NetnsId,
    /// Links.
    pub links: Section<Vec<Link>>,
    /// Addresses.
    pub addresses: Section<Vec<Address>>,
    /// Neighbours.
    pub neighbours: Section<Vec<Neighbour>>,
    /// Forwarding entries.
    pub fdb: Section<Vec<FdbEntry>>,
    /// Rules.
    pub rules: Section<Vec<Rule>>,
    /// Routes.
    pub routes: Section<Vec<Route>>,
    /// What routing has learned of single destinations; `None` in files of a podnet that did not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_routes: Option<Section<Vec<Route>>>,
    /// Nexthop objects.
    pub nexthops: Section<Vec<NexthopObject>>,
    /// Programs by link.
    pub link_bpf: BTreeMap<IfIndex, Section<Vec<BpfAttachment>>>,
    /// Sysctls by name.
    pub sysctls: BTreeMap<String, Section<Option<String>>>,
    /// What its links' nsids mean.
    pub nsids: BTreeMap<Nsid, Section<Option<NetnsId>>>,
    /// Rules, sets and lists; `None` in files of a podnet that did not read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netfilter: Option<NetfilterSections>,
    /// Flows; `None` in files of a podnet that did not read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<FlowSections>,
    /// Sockets; `None` in files of a podnet that did not read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<Section<Vec<Socket>>>,
}

impl Snapshot {
    /// The issues of all sections, sorted, each once.
    pub fn issues(&self) -> Vec<Issue> {
        let mut all: BTreeSet<&Issue> = BTreeSet::new();
        all.extend(&self.runtime.issues);
        all.extend(&self.sandboxes.issues);
        all.extend(self.sandboxes.value.iter().flat_map(|sandbox| &sandbox.issues));
        all.extend(self.pod_processes.values().flat_map(|section| &section.issues));
        all.extend(self.processes.values().flat_map(|section| &section.issues));
        all.extend(&self.namespaces.issues);
        all.extend(&self.netns_names.issues);
        all.extend(self.cgroup_bpf.values().flat_map(|section| &section.issues));
        all.extend(&self.cni.issues);
        for netns in &self.netns {
            all.extend(&netns.links.issues);
            all.extend(&netns.addresses.issues);
            all.extend(&netns.neighbours.issues);
            all.extend(&netns.fdb.issues);
            all.extend(&netns.rules.issues);
            all.extend(&netns.routes.issues);
            all.extend(netns.learned_routes.iter().flat_map(|section| &section.issues));
            all.extend(&netns.nexthops.issues);
            all.extend(netns.link_bpf.values().flat_map(|section| &section.issues));
            all.extend(netns.sysctls.values().flat_map(|section| &section.issues));
            all.extend(netns.nsids.values().flat_map(|section| &section.issues));
            all.extend(netns.netfilter.iter().flat_map(NetfilterSections::issues));
            all.extend(netns.flows.iter().flat_map(FlowSections::issues));
            all.extend(netns.sockets.iter().flat_map(|section| &section.issues));
        }
        all.into_iter().cloned().collect()
    }

    /// Drops the hints of all sections: advice for whoever reads the node itself.
    pub fn drop_hints(&mut self) {
        drop_hints(&mut self.runtime);
        drop_hints(&mut self.sandboxes);
        if self.sandboxes.value.iter().any(|sandbox| !sandbox.issues.is_empty()) {
            let sandboxes = Arc::make_mut(&mut self.sandboxes);
            for sandbox in &mut sandboxes.value {
                drop_all(&mut sandbox.issues);
            }
        }
        self.pod_processes.values_mut().for_each(drop_hints);
        self.processes.values_mut().for_each(drop_hints);
        drop_hints(&mut self.namespaces);
        drop_hints(&mut self.netns_names);
        self.cgroup_bpf.values_mut().for_each(drop_hints);
        drop_hints(&mut self.cni);
        for netns in &mut self.netns {
            drop_hints(&mut netns.links);
            drop_hints(&mut netns.addresses);
            drop_hints(&mut netns.neighbours);
            drop_hints(&mut netns.fdb);
            drop_hints(&mut netns.rules);
            drop_hints(&mut netns.routes);
            netns.learned_routes.iter_mut().for_each(drop_hints);
            drop_hints(&mut netns.nexthops);
            netns.link_bpf.values_mut().for_each(drop_hints);
            netns.sysctls.values_mut().for_each(drop_hints);
            netns.nsids.values_mut().for_each(drop_hints);
            if let Some(netfilter) = &mut netns.netfilter {
                netfilter.drop_hints();
            }
            if let Some(flows) = &mut netns.flows {
                flows.drop_hints();
            }
            netns.sockets.iter_mut().for_each(drop_hints);
        }
    }

    fn netns(&self, id: NetnsId) -> Option<&NetnsSections> {
        self.netns.iter().find(|sections| sections.id == id)
    }

    fn section<T: Default>(&self, id: NetnsId, pick: impl Fn(&NetnsSections) -> &Section<T>, what: &str) -> Section<T> {
        self.netns(id).map_or_else(|| not_recorded(&format!("{what} of {id}")), |found| Arc::clone(pick(found)))
    }
}

/// Drops the hints of one section.
fn drop_hints<T: Clone>(section: &mut Section<T>) {
    if section.issues.iter().any(|issue| issue.hint.is_some()) {
        drop_all(&mut Arc::make_mut(section).issues);
    }
}

fn drop_all(issues: &mut [Issue]) {
    for issue in issues {
        issue.hint = None;
    }
}

fn not_recorded<T: Default>(what: &str) -> Section<T> {
    Read::failed(Issue::incomplete(
        format!("reading {what}"),
        Why::NotRecorded { detail: "the snapshot does not hold it".to_owned() },
    ))
    .section()
}

impl NodeView for Snapshot {
    fn node(&self) -> NodeInfo {
        self.node.clone()
    }

    fn runtime(&self) -> Section<RuntimeInfo> {
        Arc::clone(&self.runtime)
    }

    fn sandboxes(&self, filter: &SandboxFilter) -> Section<Vec<Sandbox>> {
        if *filter == SandboxFilter::All {
            return Arc::clone(&self.sandboxes);
        }
        let value = self.sandboxes.value.iter().filter(|sandbox| filter.accepts(sandbox)).cloned().collect();
        Read { value, issues: self.sandboxes.issues.clone() }.section()
    }

    fn pod_processes(&self, sandbox: &Sandbox) -> Section<Vec<Process>> {
        self.pod_processes
            .get(&sandbox.id)
            .cloned()
            .unwrap_or_else(|| not_recorded(&format!("the processes of {}", sandbox.pod)))
    }

    fn process(&self, pid: Pid) -> Section<Option<Process>> {
        self.processes.get(&pid).cloned().unwrap_or_else(|| {
            if self.namespaces.value.iter().any(|netns| netns.pids.contains(&pid)) {
                not_recorded(&format!("process {pid}"))
            } else {
                Read::ok(None).section()
            }
        })
    }

    fn namespaces(&self) -> Section<Vec<Netns>> {
        Arc::clone(&self.namespaces)
    }

    fn netns_names(&self) -> Section<Vec<NetnsName>> {
        Arc::clone(&self.netns_names)
    }

    fn resolve_nsid(&self, within: NetnsId, nsid: Nsid) -> Section<Option<NetnsId>> {
        self.netns(within)
            .and_then(|sections| sections.nsids.get(&nsid).cloned())
            .unwrap_or_else(|| not_recorded(&format!("nsid {nsid} of {within}")))
    }

    fn links(&self, netns: NetnsId) -> Section<Vec<Link>> {
        self.section(netns, |found| &found.links, "links")
    }

    fn addresses(&self, netns: NetnsId) -> Section<Vec<Address>> {
        self.section(netns, |found| &found.addresses, "addresses")
    }

    fn neighbours(&self, netns: NetnsId) -> Section<Vec<Neighbour>> {
        self.section(netns, |found| &found.neighbours, "neighbours")
    }

    fn fdb(&self, netns: NetnsId) -> Section<Vec<FdbEntry>> {
        self.section(netns, |found| &found.fdb, "forwarding entries")
    }

    fn rules(&self, netns: NetnsId) -> Section<Vec<Rule>> {
        self.section(netns, |found| &found.rules, "rules")
    }

    fn routes(&self, netns: NetnsId) -> Section<Vec<Route>> {
        self.section(netns, |found| &found.routes, "routes")
    }

    fn learned_routes(&self, netns: NetnsId) -> Section<Vec<Route>> {
        self.netns(netns)
            .and_then(|sections| sections.learned_routes.clone())
            .unwrap_or_else(|| not_recorded(&format!("what routes of {netns} have learned")))
    }

    fn nexthops(&self, netns: NetnsId) -> Section<Vec<NexthopObject>> {
        self.section(netns, |found| &found.nexthops, "nexthop objects")
    }

    fn link_bpf(&self, netns: NetnsId, link: IfIndex) -> Section<Vec<BpfAttachment>> {
        self.netns(netns)
            .and_then(|sections| sections.link_bpf.get(&link).cloned())
            .unwrap_or_else(|| not_recorded(&format!("programs of link {link} of {netns}")))
    }

    fn cgroup_bpf(&self, sandbox: &Sandbox) -> Section<Vec<BpfAttachment>> {
        self.cgroup_bpf
            .get(&sandbox.id)
            .cloned()
            .unwrap_or_else(|| not_recorded(&format!("cgroup programs of {}", sandbox.pod)))
    }

    fn sysctl(&self, netns: NetnsId, name: &str) -> Section<Option<String>> {
        self.netns(netns)
            .and_then(|sections| sections.sysctls.get(name).cloned())
            .unwrap_or_else(|| not_recorded(&format!("sysctl net.{name} of {netns}")))
    }

    fn sockets(&self, netns: NetnsId) -> Section<Vec<Socket>> {
        self.netns(netns)
            .and_then(|sections| sections.sockets.clone())
            .unwrap_or_else(|| not_recorded(&format!("sockets of {netns}")))
    }

    fn netfilter(&self) -> &dyn NetfilterView {
        self
    }

    fn conntrack(&self) -> &dyn FlowView {
        self
    }

    fn cni(&self) -> Section<CniState> {
        Arc::clone(&self.cni)
    }

    fn route_witness(&self, _: NetnsId, _: &RouteQuery) -> Option<Arc<Read<Option<RouteWitness>>>> {
        None
    }
}

#[cfg(test)]
pub(crate) use tests::example;

#[cfg(test)]
mod tests;
