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
use podnet::model::netfilter::chain::{Chain, ChainRef, Hook, Rules};
use podnet::model::netfilter::hook::HookEntry;
use podnet::model::netfilter::ipset::{IpSet, IpSetMember};
use podnet::model::netfilter::object::Object;
use podnet::model::netfilter::recent::RecentList;
use podnet::model::netfilter::set::{Element, Set, SetRef};
use podnet::model::netfilter::table::{Family, Table, TableRef};
use podnet::model::netfilter::view::NetfilterView;
use podnet::model::netns::{Netns, NetnsName, Process};
use podnet::model::node::NodeInfo;
use podnet::model::route::{NexthopObject, Route, RouteQuery, RouteWitness, Rule};
use podnet::model::sandbox::{RuntimeInfo, Sandbox, SandboxFilter};
use podnet::model::snapshot::Snapshot;
use podnet::model::socket::Socket;
use podnet::model::text::{ByteText, Bytes, hex};
use podnet::model::view::NodeView;

pub struct Watched {
    node: Snapshot,
    asked: RefCell<BTreeSet<String>>,
    /// Whether it tells which rules it was asked for, and of other things not of which namespace.
    is_of_rules: bool,
}

impl Watched {
    pub fn new(node: Snapshot) -> Self {
        Self { node, asked: RefCell::default(), is_of_rules: false }
    }

    /// One that tells which rules it was asked for.
    #[allow(dead_code)] // tests/services alone asks so
    pub fn of_rules(node: Snapshot) -> Self {
        Self { is_of_rules: true, ..Self::new(node) }
    }

    fn within(&self, netns: NetnsId, what: &str) -> &Snapshot {
        let text = if self.is_of_rules { what.to_owned() } else { format!("{} {what}", netns.ino) };
        self.note(text)
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

/// The kernel numbers those without a name.
fn name_of(set: &SetRef) -> String {
    if set.name.as_bytes().starts_with(b"__") { "anonymous".to_owned() } else { set.name.to_string() }
}

fn of(table: &TableRef, what: &str) -> String {
    format!("{} {} {what}", table.family, table.name)
}

impl NetfilterView for Watched {
    fn tables(&self, netns: NetnsId) -> Section<Vec<Table>> {
        self.note("tables").tables(netns)
    }

    fn base_chains(&self, netns: NetnsId) -> Section<Vec<Chain>> {
        self.note("base chains").base_chains(netns)
    }

    fn chains(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Chain>> {
        self.note(of(table, "all chains")).chains(netns, table)
    }

    fn chain(&self, netns: NetnsId, chain: &ChainRef) -> Section<Option<Rules>> {
        self.note(of(&chain.table, &chain.name.to_string())).chain(netns, chain)
    }

    fn hooks(&self, netns: NetnsId, family: Family, hook: Hook) -> Section<Option<Vec<HookEntry>>> {
        self.note(format!("{family} {hook} hook")).hooks(netns, family, hook)
    }

    fn rules_of(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Rules>> {
        self.note(of(table, "ALL RULES")).rules_of(netns, table)
    }

    fn sets(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Set>> {
        self.note(of(table, "ALL SETS")).sets(netns, table)
    }

    fn set(&self, netns: NetnsId, set: &SetRef) -> Section<Option<Set>> {
        self.note(of(&set.table, &format!("set {}", name_of(set)))).set(netns, set)
    }

    fn elements(&self, netns: NetnsId, set: &SetRef) -> Section<Vec<Element>> {
        self.note(of(&set.table, &format!("elements of {}", name_of(set)))).elements(netns, set)
    }

    fn element(&self, netns: NetnsId, set: &SetRef, key: &Bytes) -> Section<Option<Element>> {
        let what = format!("element {} of {}", hex(&key.0), set.name);
        self.note(of(&set.table, &what)).element(netns, set, key)
    }

    fn objects(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Object>> {
        self.note(of(table, "objects")).objects(netns, table)
    }

    fn ipsets(&self, netns: NetnsId) -> Section<Vec<IpSet>> {
        self.note("ipsets").ipsets(netns)
    }

    fn ipset_members(&self, netns: NetnsId, set: &ByteText) -> Section<Option<Vec<IpSetMember>>> {
        self.note(format!("ipset {set}")).ipset_members(netns, set)
    }

    fn ipset_has(&self, netns: NetnsId, set: &ByteText, member: &str) -> Section<Option<bool>> {
        self.note(format!("ipset {set} {member}")).ipset_has(netns, set, member)
    }

    fn recent(&self, netns: NetnsId, list: &ByteText) -> Section<Option<RecentList>> {
        self.note(format!("recent {list}")).recent(netns, list)
    }

    fn ipvs_services(&self, netns: NetnsId) -> Section<Option<u32>> {
        self.note("ipvs").ipvs_services(netns)
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
        self.note(if self.is_of_rules { "sandboxes".to_owned() } else { format!("sandboxes {filter:?}") })
            .sandboxes(filter)
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
        self.within(netns, "links").links(netns)
    }

    fn addresses(&self, netns: NetnsId) -> Section<Vec<Address>> {
        self.within(netns, "addresses").addresses(netns)
    }

    fn neighbours(&self, netns: NetnsId) -> Section<Vec<Neighbour>> {
        self.within(netns, "neighbours").neighbours(netns)
    }

    fn fdb(&self, netns: NetnsId) -> Section<Vec<FdbEntry>> {
        self.within(netns, "fdb").fdb(netns)
    }

    fn rules(&self, netns: NetnsId) -> Section<Vec<Rule>> {
        self.within(netns, "rules").rules(netns)
    }

    fn routes(&self, netns: NetnsId) -> Section<Vec<Route>> {
        self.within(netns, "routes").routes(netns)
    }

    fn nexthops(&self, netns: NetnsId) -> Section<Vec<NexthopObject>> {
        self.within(netns, "nexthops").nexthops(netns)
    }

    fn link_bpf(&self, netns: NetnsId, link: IfIndex) -> Section<Vec<BpfAttachment>> {
        self.within(
            netns,
            &if self.is_of_rules { "programs of a link".to_owned() } else { format!("programs of {link}") },
        )
        .link_bpf(netns, link)
    }

    fn cgroup_bpf(&self, sandbox: &Sandbox) -> Section<Vec<BpfAttachment>> {
        self.note(if self.is_of_rules {
            "cgroup programs".to_owned()
        } else {
            format!("cgroup programs of {}", sandbox.pod)
        })
        .cgroup_bpf(sandbox)
    }

    fn sockets(&self, netns: NetnsId) -> Section<Vec<Socket>> {
        self.within(netns, "sockets").sockets(netns)
    }

    fn sysctl(&self, netns: NetnsId, name: &str) -> Section<Option<String>> {
        self.within(netns, &format!("sysctl {name}")).sysctl(netns, name)
    }

    fn netfilter(&self) -> &dyn NetfilterView {
        if self.is_of_rules { self } else { self.note("netfilter").netfilter() }
    }

    fn conntrack(&self) -> &dyn FlowView {
        self.note("conntrack").conntrack()
    }

    fn cni(&self) -> Section<CniState> {
        self.note("cni").cni()
    }

    fn route_witness(&self, netns: NetnsId, query: &RouteQuery) -> Option<Arc<Read<Option<RouteWitness>>>> {
        self.within(netns, "witness").route_witness(netns, query)
    }
}
