//! A node of which only rules are known: those that other programs wrote to files.
//!
//! Must not import anything from the crate but its sibling model types.

use std::collections::{BTreeMap, BTreeSet};

use super::{FORMAT, NetfilterSections, NetnsSections, Snapshot, TableSections};
use crate::model::issue::{Issue, Read, Section, Why};
use crate::model::netfilter::table::Table;
use crate::model::netns::Netns;
use crate::model::node::NodeInfo;

impl Snapshot {
    /// A node whose host namespace has these tables, in the order of their references, and of which nothing
    /// else is recorded: each other section says so. `tables` bears the issues of the files.
    pub fn of_rules(node: NodeInfo, tables: Read<Vec<(Table, TableSections)>>) -> Self {
        let (known, contents): (Vec<Table>, Vec<TableSections>) = tables.value.into_iter().unzip();
        let chains = contents.iter().flat_map(|table| &table.chains.value);
        let mut base_chains: Vec<_> =
            chains.map(|rules| &rules.chain).filter(|chain| chain.base.is_some()).cloned().collect();
        base_chains.sort_by_cached_key(|chain| {
            let place = chain.base.as_ref().map(|base| (base.hook, base.priority));
            (chain.id.table.family, place, chain.id.clone())
        });
        let lists: BTreeSet<_> = contents.iter().flat_map(TableSections::recent_lists).collect();
        let netfilter = NetfilterSections {
            tables: Read { value: known, issues: tables.issues.clone() }.section(),
            base_chains: Read { value: base_chains, issues: tables.issues }.section(),
            contents,
            ipsets: not_given("ipsets"),
            ipset_members: Vec::new(),
            recent: lists.into_iter().map(|list| (list, not_given("the lists of recent"))).collect(),
            hooks: Vec::new(),
            ipvs_services: not_given("IPVS services"),
        };
        let host = node.host_netns;
        Self {
            format: FORMAT.to_owned(),
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            runtime: not_given("the container runtime"),
            sandboxes: not_given("pods"),
            pod_processes: BTreeMap::new(),
            processes: BTreeMap::new(),
            namespaces: not_given::<Vec<Netns>>("network namespaces"),
            netns_names: not_given("names of network namespaces"),
            cgroup_bpf: BTreeMap::new(),
            cni: not_given("the CNI files"),
            netns: vec![NetnsSections {
                id: host,
                links: not_given("links"),
                addresses: not_given("addresses"),
                neighbours: not_given("neighbours"),
                fdb: not_given("forwarding entries"),
                rules: not_given("routing rules"),
                routes: not_given("routes"),
                learned_routes: None,
                nexthops: not_given("nexthop objects"),
                link_bpf: BTreeMap::new(),
                sysctls: BTreeMap::new(),
                nsids: BTreeMap::new(),
                flows: None,
                sockets: None,
                netfilter: Some(netfilter),
            }],
            node,
        }
    }
}

fn not_given<T: Default>(what: &str) -> Section<T> {
    let detail = "not recorded: only rules were given".to_owned();
    Read::failed(Issue::incomplete(format!("reading {what}"), Why::NotRecorded { detail })).section()
}
