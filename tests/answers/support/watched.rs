//! A node that remembers what it was asked.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use podnet::model::address::Address;
use podnet::model::bpf::BpfAttachment;
use podnet::model::cni::CniState;
use podnet::model::flow::view::FlowView;
use podnet::model::ids::{IfIndex, NetnsId, Nsid, Pid};
use podnet::model::issue::{Read, Section};
use podnet::model::link::Link;
use podnet::model::neigh::{FdbEntry, Neighbour};
use podnet::model::netfilter::view::NetfilterView;
use podnet::model::netns::{Netns, NetnsName, Process};
use podnet::model::node::NodeInfo;
use podnet::model::route::{NexthopObject, Route, RouteQuery, RouteWitness, Rule};
use podnet::model::sandbox::{RuntimeInfo, Sandbox, SandboxFilter};
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;

pub struct Watched {
    node: Snapshot,
    asked: RefCell<BTreeSet<String>>,
}

impl Watched {
    pub fn new(node: Snapshot) -> Self {
        Self { node, asked: RefCell::default() }
    }

    /// What was asked since the last time, each once.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.borrow_mut()).into_iter().collect()
    }

    fn note(&self, what: impl Into<String>) -> &Snapshot {
        self.asked.borrow_mut().insert(what.into());
        &self.node
    }
}

impl NodeView for Watched {
    fn node(&self) -> NodeInfo {
        self.node.node()
    }

    fn runtime(&self) -> Section<RuntimeInfo> {
        self.note("runtime").runtime()
    }

    fn sandboxes(&self, filter: &SandboxFilter) -> Section<Vec<Sandbox>> {
        self.note(format!("sandboxes {filter:?}")).sandboxes(filter)
    }

    fn pod_processes(&self, sandbox: &Sandbox) -> Section<Vec<Process>> {
        self.note(format!("processes of {}", sandbox.pod)).pod_processes(sandbox)
    }

    fn process(&self, pid: Pid) -> Section<Option<Process>> {
        self.note(format!("process {pid}")).process(pid)
    }

    fn namespaces(&self) -> Section<Vec<Netns>> {
        self.note("all namespaces").namespaces()
    }

    fn netns_names(&self) -> Section<Vec<NetnsName>> {
        self.note("netns names").netns_names()
    }

    fn resolve_nsid(&self, within: NetnsId, nsid: Nsid) -> Section<Option<NetnsId>> {
        self.note(format!("{} nsid {nsid}", within.ino)).resolve_nsid(within, nsid)
    }

    fn links(&self, netns: NetnsId) -> Section<Vec<Link>> {
        self.note(format!("{} links", netns.ino)).links(netns)
    }

    fn addresses(&self, netns: NetnsId) -> Section<Vec<Address>> {
        self.note(format!("{} addresses", netns.ino)).addresses(netns)
    }

    fn neighbours(&self, netns: NetnsId) -> Section<Vec<Neighbour>> {
        self.note(format!("{} neighbours", netns.ino)).neighbours(netns)
    }

    fn fdb(&self, netns: NetnsId) -> Section<Vec<FdbEntry>> {
        self.note(format!("{} fdb", netns.ino)).fdb(netns)
    }

    fn rules(&self, netns: NetnsId) -> Section<Vec<Rule>> {
        self.note(format!("{} rules", netns.ino)).rules(netns)
    }

    fn routes(&self, netns: NetnsId) -> Section<Vec<Route>> {
        self.note(format!("{} routes", netns.ino)).routes(netns)
    }

    fn nexthops(&self, netns: NetnsId) -> Section<Vec<NexthopObject>> {
        self.note(format!("{} nexthops", netns.ino)).nexthops(netns)
    }

    fn link_bpf(&self, netns: NetnsId, link: IfIndex) -> Section<Vec<BpfAttachment>> {
        self.note(format!("{} programs of {link}", netns.ino)).link_bpf(netns, link)
    }

    fn cgroup_bpf(&self, sandbox: &Sandbox) -> Section<Vec<BpfAttachment>> {
        self.note(format!("cgroup programs of {}", sandbox.pod)).cgroup_bpf(sandbox)
    }

    fn sysctl(&self, netns: NetnsId, name: &str) -> Section<Option<String>> {
        self.note(format!("{} sysctl {name}", netns.ino)).sysctl(netns, name)
    }

    fn netfilter(&self) -> &dyn NetfilterView {
        self.note("netfilter").netfilter()
    }

    fn conntrack(&self) -> &dyn FlowView {
        self.note("conntrack").conntrack()
    }

    fn cni(&self) -> Section<CniState> {
        self.note("cni").cni()
    }

    fn route_witness(&self, netns: NetnsId, query: &RouteQuery) -> Option<Arc<Read<Option<RouteWitness>>>> {
        self.note(format!("{} witness", netns.ino)).route_witness(netns, query)
    }
}
