//! The one seam: all that analysis knows of a node.
//!
//! Must not import anything from the crate but its sibling model types.

use std::sync::Arc;

use super::address::Address;
use super::bpf::BpfAttachment;
use super::cni::CniState;
use super::flow::view::FlowView;
use super::ids::{IfIndex, NetnsId, Nsid, Pid};
use super::issue::{Read, Section};
use super::link::Link;
use super::neigh::{FdbEntry, Neighbour};
use super::netfilter::view::NetfilterView;
use super::netns::{Netns, NetnsName, Process};
use super::node::NodeInfo;
use super::route::{NexthopObject, Route, RouteQuery, RouteWitness, Rule};
use super::sandbox::{RuntimeInfo, Sandbox, SandboxFilter};
use super::socket::Socket;

/// One node, live or from a snapshot. Each method reads what it needs and no more, at most once
/// for the length of one command. All lists are sorted by the key their type states.
pub trait NodeView {
    /// Which node this is.
    fn node(&self) -> NodeInfo;

    /// The runtime that was asked; the section's issues say why none was, or why it did not answer.
    fn runtime(&self) -> Section<RuntimeInfo>;

    /// Says that the links and addresses of all pods are going to be asked for. A live node may then
    /// read them while the runtime is still making up its list; it changes no answer.
    fn expect_all_pods(&self) {}

    /// Sandboxes that a filter accepts, sorted by namespace, name, attempt (newest first), id.
    fn sandboxes(&self, filter: &SandboxFilter) -> Section<Vec<Sandbox>>;

    /// The processes of a pod, its pause process included, ascending by pid.
    fn pod_processes(&self, sandbox: &Sandbox) -> Section<Vec<Process>>;

    /// One process; `None` when there is none.
    fn process(&self, pid: Pid) -> Section<Option<Process>>;

    /// Every network namespace: a sweep of all processes, the bound names and the host's nsids; sorted by id, the host's first.
    fn namespaces(&self) -> Section<Vec<Netns>>;

    /// The bound names alone, which costs no sweep; sorted by path.
    fn netns_names(&self) -> Section<Vec<NetnsName>>;

    /// The namespace that `within` means by `nsid`; `None` when it is none of those that can be seen.
    fn resolve_nsid(&self, within: NetnsId, nsid: Nsid) -> Section<Option<NetnsId>>;

    /// Links, by ifindex.
    fn links(&self, netns: NetnsId) -> Section<Vec<Link>>;

    /// Addresses, by ifindex, then in the kernel's order (which decides source choice).
    fn addresses(&self, netns: NetnsId) -> Section<Vec<Address>>;

    /// Neighbours, by ifindex and address.
    fn neighbours(&self, netns: NetnsId) -> Section<Vec<Neighbour>>;

    /// Bridge and vxlan forwarding entries, by bridge, ifindex and MAC.
    fn fdb(&self, netns: NetnsId) -> Section<Vec<FdbEntry>>;

    /// Policy rules of both families, IPv4 first, in the order in which they are asked.
    fn rules(&self, netns: NetnsId) -> Section<Vec<Rule>>;

    /// Routes of all tables and both families, in the kernel's order within a table.
    fn routes(&self, netns: NetnsId) -> Section<Vec<Route>>;

    /// What routing has learned of single destinations (a path's MTU, a redirection), and has used since; the routes
    /// that it learned it for stand in [`Self::routes`]. By family.
    fn learned_routes(&self, _netns: NetnsId) -> Section<Vec<Route>> {
        Read::ok(Vec::new()).section()
    }

    /// Nexthop objects, by id.
    fn nexthops(&self, netns: NetnsId) -> Section<Vec<NexthopObject>>;

    /// Programs attached to a link: XDP, tc, tcx, netkit.
    fn link_bpf(&self, netns: NetnsId, link: IfIndex) -> Section<Vec<BpfAttachment>>;

    /// Socket programs attached to the cgroups above a pod's processes.
    fn cgroup_bpf(&self, sandbox: &Sandbox) -> Section<Vec<BpfAttachment>>;

    /// A sysctl by its dotted name below `net.` (`ipv4.ip_forward`, `ipv4.conf.eth0.rp_filter`; the
    /// slash form where an interface's name has a dot: `ipv4/conf/eth0.5/rp_filter`), from the
    /// namespace it belongs to; `None` when this kernel has no such file.
    fn sysctl(&self, netns: NetnsId, name: &str) -> Section<Option<String>>;

    /// Sockets that packets of new flows are handed to: those that listen, and of UDP all that have a port.
    fn sockets(&self, netns: NetnsId) -> Section<Vec<Socket>>;

    /// Netfilter's rules, sets and lists of its namespaces.
    fn netfilter(&self) -> &dyn NetfilterView;

    /// The flows of its namespaces.
    fn conntrack(&self) -> &dyn FlowView;

    /// CNI configuration, results cache and leases.
    fn cni(&self) -> Section<CniState>;

    /// What the kernel itself answers to a look-up; `None` in a snapshot.
    fn route_witness(&self, netns: NetnsId, query: &RouteQuery) -> Option<Arc<Read<Option<RouteWitness>>>>;
}
