//! A namespace read live, as the look-up sees it.

use std::cell::OnceCell;
use std::sync::Arc;

use podnet::collect::handle::NetnsHandle;
use podnet::collect::kernel::{Kernel, Namespace};
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
use podnet::model::socket::Socket;
use podnet::model::view::NodeView;

/// One namespace; each section is read once.
pub struct Live {
    netns: Namespace,
    links: OnceCell<Section<Vec<Link>>>,
    addresses: OnceCell<Section<Vec<Address>>>,
    neighbours: OnceCell<Section<Vec<Neighbour>>>,
    rules: OnceCell<Section<Vec<Rule>>>,
    routes: OnceCell<Section<Vec<Route>>>,
    nexthops: OnceCell<Section<Vec<NexthopObject>>>,
}

impl Live {
    pub fn open(name: &str) -> Self {
        let handle = NetnsHandle::open(format!("/run/netns/{name}").as_ref()).expect("the namespace is there");
        Self {
            netns: Kernel::new().expect("a thread").open(&handle),
            links: OnceCell::new(),
            addresses: OnceCell::new(),
            neighbours: OnceCell::new(),
            rules: OnceCell::new(),
            routes: OnceCell::new(),
            nexthops: OnceCell::new(),
        }
    }

    pub fn id(&self) -> NetnsId {
        self.netns.id()
    }
}

fn once<T>(cell: &OnceCell<Section<T>>, read: impl FnOnce() -> Read<T>) -> Section<T> {
    Arc::clone(cell.get_or_init(|| {
        let read = read();
        assert!(read.issues.is_empty(), "{:?}", read.issues);
        read.section()
    }))
}

fn nothing<T: Default>() -> Section<T> {
    Read::ok(T::default()).section()
}

impl NodeView for Live {
    fn node(&self) -> NodeInfo {
        NodeInfo {
            name: "test".to_owned(),
            source: "live".to_owned(),
            taken_at: "2026-01-01T00:00:00Z".parse().expect("a time"),
            host_netns: self.id(),
        }
    }

    fn runtime(&self) -> Section<RuntimeInfo> {
        nothing()
    }

    fn sandboxes(&self, _: &SandboxFilter) -> Section<Vec<Sandbox>> {
        nothing()
    }

    fn pod_processes(&self, _: &Sandbox) -> Section<Vec<Process>> {
        nothing()
    }

    fn process(&self, _: Pid) -> Section<Option<Process>> {
        nothing()
    }

    fn namespaces(&self) -> Section<Vec<Netns>> {
        nothing()
    }

    fn netns_names(&self) -> Section<Vec<NetnsName>> {
        nothing()
    }

    fn resolve_nsid(&self, _: NetnsId, _: Nsid) -> Section<Option<NetnsId>> {
        nothing()
    }

    fn links(&self, _: NetnsId) -> Section<Vec<Link>> {
        once(&self.links, || self.netns.links())
    }

    fn addresses(&self, _: NetnsId) -> Section<Vec<Address>> {
        once(&self.addresses, || self.netns.addresses())
    }

    fn neighbours(&self, _: NetnsId) -> Section<Vec<Neighbour>> {
        once(&self.neighbours, || self.netns.neighbours())
    }

    fn fdb(&self, _: NetnsId) -> Section<Vec<FdbEntry>> {
        nothing()
    }

    fn rules(&self, _: NetnsId) -> Section<Vec<Rule>> {
        once(&self.rules, || self.netns.rules())
    }

    fn routes(&self, _: NetnsId) -> Section<Vec<Route>> {
        once(&self.routes, || self.netns.routes())
    }

    fn nexthops(&self, _: NetnsId) -> Section<Vec<NexthopObject>> {
        once(&self.nexthops, || self.netns.nexthops())
    }

    fn link_bpf(&self, _: NetnsId, _: IfIndex) -> Section<Vec<BpfAttachment>> {
        nothing()
    }

    fn cgroup_bpf(&self, _: &Sandbox) -> Section<Vec<BpfAttachment>> {
        nothing()
    }

    fn sockets(&self, _: NetnsId) -> Section<Vec<Socket>> {
        nothing()
    }

    fn sysctl(&self, _: NetnsId, name: &str) -> Section<Option<String>> {
        self.netns.sysctl(name).section()
    }

    fn netfilter(&self) -> &dyn NetfilterView {
        unreachable!("a route look-up asks for no rule of netfilter")
    }

    fn conntrack(&self) -> &dyn FlowView {
        unreachable!("a route look-up asks for no flow")
    }

    fn cni(&self) -> Section<CniState> {
        nothing()
    }

    fn route_witness(&self, _: NetnsId, query: &RouteQuery) -> Option<Arc<Read<Option<RouteWitness>>>> {
        Some(Arc::new(self.netns.route_witness(query)))
    }
}
