//! Writing a node down: every section of a [`NodeView`], so that any command can be answered later.
//!
//! Must not import anything from the crate but its sibling model types.

use std::collections::{BTreeMap, BTreeSet};

use super::{FLOWS, FORMAT, FlowSections, NetfilterSections, NetnsSections, Snapshot};
use crate::model::ids::{NetnsId, Nsid, Pid};
use crate::model::link::Link;
use crate::model::sandbox::SandboxFilter;
use crate::model::sysctl;
use crate::model::view::NodeView;

impl Snapshot {
    /// Reads all of `node`, and [`FLOWS`] of its flows. `written_by` is the version of podnet; `progress` is told
    /// how many of the namespaces are done, and of how many.
    pub fn take(node: &dyn NodeView, written_by: &str, progress: &mut dyn FnMut(usize, usize)) -> Self {
        Self::take_with(node, written_by, FLOWS, progress)
    }

    /// The same with so many flows: the host's come first, and those of pods get what is left.
    pub fn take_with(
        node: &dyn NodeView,
        written_by: &str,
        flows: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Self {
        let info = node.node();
        let namespaces = node.namespaces();
        let sandboxes = node.sandboxes(&SandboxFilter::All);
        let pod_processes: BTreeMap<_, _> =
            sandboxes.value.iter().map(|sandbox| (sandbox.id.clone(), node.pod_processes(sandbox))).collect();
        let cgroup_bpf = sandboxes.value.iter().map(|sandbox| (sandbox.id.clone(), node.cgroup_bpf(sandbox))).collect();

        // Processes of the host namespace count only where a pod owns them: a node has thousands.
        let mut pids: BTreeSet<Pid> = sandboxes.value.iter().filter_map(|sandbox| sandbox.pid).collect();
        pids.extend(pod_processes.values().flat_map(|section| section.value.iter().map(|process| process.pid)));
        let others = namespaces.value.iter().filter(|netns| netns.id != info.host_netns);
        pids.extend(others.flat_map(|netns| netns.pids.iter().copied()));

        let mut ids: BTreeSet<NetnsId> = namespaces.value.iter().map(|netns| netns.id).collect();
        ids.extend(sandboxes.value.iter().filter_map(|sandbox| sandbox.netns));
        ids.insert(info.host_netns);
        let total = ids.len();
        let mut netns = Vec::with_capacity(total);
        for (done, id) in ids.into_iter().enumerate() {
            progress(done, total);
            netns.push(NetnsSections::take(
                node,
                id,
                &namespaces.value.iter().filter_map(|known| known.nsid).collect(),
            ));
        }
        let mut left = flows;
        netns.sort_by_key(|sections| sections.id != info.host_netns);
        for sections in &mut netns {
            let taken = FlowSections::take(node.conntrack(), sections.id, left);
            left = left.saturating_sub(taken.flows.value.len());
            sections.flows = Some(taken);
        }
        netns.sort_by_key(|sections| sections.id);
        progress(total, total);

        Self {
            format: FORMAT.to_owned(),
            written_by: written_by.to_owned(),
            runtime: node.runtime(),
            processes: pids.into_iter().map(|pid| (pid, node.process(pid))).collect(),
            netns_names: node.netns_names(),
            cni: node.cni(),
            node: info,
            namespaces,
            sandboxes,
            pod_processes,
            cgroup_bpf,
            netns,
        }
    }
}

impl NetnsSections {
    fn take(node: &dyn NodeView, id: NetnsId, host_nsids: &BTreeSet<Nsid>) -> Self {
        let links = node.links(id);
        let mut nsids: BTreeSet<Nsid> = links.value.iter().filter_map(|link| link.link_nsid).collect();
        if id == node.node().host_netns {
            nsids.extend(host_nsids);
        }
        Self {
            id,
            addresses: node.addresses(id),
            neighbours: node.neighbours(id),
            fdb: node.fdb(id),
            rules: node.rules(id),
            routes: node.routes(id),
            learned_routes: Some(node.learned_routes(id)),
            nexthops: node.nexthops(id),
            link_bpf: links.value.iter().map(|link| (link.ifindex, node.link_bpf(id, link.ifindex))).collect(),
            sysctls: sysctl_names(&links.value)
                .into_iter()
                .map(|name| (name.clone(), node.sysctl(id, &name)))
                .collect(),
            nsids: nsids.into_iter().map(|nsid| (nsid, node.resolve_nsid(id, nsid))).collect(),
            flows: None,
            sockets: Some(node.sockets(id)),
            netfilter: Some(NetfilterSections::take(node.netfilter(), id)),
            links,
        }
    }
}

/// Every sysctl that a path in a namespace with these links can hang on.
fn sysctl_names(links: &[Link]) -> Vec<String> {
    let mut names: Vec<String> =
        sysctl::GLOBAL.iter().chain(sysctl::CONNTRACK).map(|name| (*name).to_owned()).collect();
    let of_all = ["all".into(), "default".into()];
    for link in of_all.iter().chain(links.iter().map(|link| &link.name)) {
        for (family, settings) in [("ipv4", sysctl::IPV4_LINK), ("ipv6", sysctl::IPV6_LINK)] {
            names.extend(settings.iter().filter_map(|setting| sysctl::of_link(family, link, setting)));
        }
    }
    names
}
