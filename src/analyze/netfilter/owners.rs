//! Who writes a chain, as those programs name theirs, and whether two back ends are in force at once.
//!
//! May import model and its siblings only.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyze::answer::Gathered;
use crate::model::issue::{Issue, Why};
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::table::BackEnd;
use crate::model::view::NodeView;

/// Beginnings of chain names, and who writes such chains.
const CHAINS: [(&str, &str); 18] = [
    ("KUBE-FIREWALL", "the kubelet"),
    ("KUBE-KUBELET", "the kubelet"),
    ("KUBE-ROUTER", "kube-router"),
    ("KUBE-", "kube-proxy"),
    ("CNI-HOSTPORT", "the portmap plugin"),
    ("CNI-DN-", "the portmap plugin"),
    ("CNI-SN-", "the portmap plugin"),
    ("CNI-FORWARD", "the firewall plugin"),
    ("CNI-ADMIN", "the firewall plugin"),
    ("CNI-", "the bridge plugin"),
    ("FLANNEL", "flannel"),
    ("KIND-", "kindnet"),
    ("IP-MASQ", "ip-masq-agent"),
    ("cali-", "calico"),
    ("CILIUM_", "cilium"),
    ("DOCKER", "docker"),
    ("NETAVARK", "netavark"),
    ("WEAVE", "weave"),
];

/// Beginnings of names of whole tables, and who writes them.
const TABLES: [(&str, &str); 8] = [
    ("kube-proxy", "kube-proxy"),
    ("cni_plugins_masquerade", "the bridge plugin"),
    ("cni_hostport", "the portmap plugin"),
    ("flannel", "flannel"),
    ("kindnet", "kindnet"),
    ("netavark", "netavark"),
    ("firewalld", "firewalld"),
    ("calico", "calico"),
];

/// Who writes a chain; `None` where its name does not tell.
pub fn owner(chain: &ChainRef) -> Option<&'static str> {
    let begins = |name: &[u8], list: &[(&str, &'static str)]| {
        list.iter().find(|(beginning, _)| name.starts_with(beginning.as_bytes())).map(|(_, owner)| *owner)
    };
    begins(chain.table.name.as_bytes(), &TABLES).or_else(|| begins(chain.name.as_bytes(), &CHAINS))
}

/// Whether a chain is one of those in which kube-proxy looks services up: it has a rule or element for each.
pub fn is_of_services(chain: &ChainRef) -> bool {
    if chain.table.name == *"kube-proxy" {
        return chain.name == *"services";
    }
    ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES"].iter().any(|name| chain.name == **name)
}

/// Who writes the chains that hooked-in chains of each back end lead to, and an issue where both back
/// ends have such: a packet meets both.
pub fn both_back_ends(node: &dyn NodeView, gathered: &mut Gathered) {
    let host = node.node().host_netns;
    let view = node.netfilter();
    let tables = view.tables(host);
    let has = |back_end| tables.value.iter().any(|table| table.id.back_end == back_end);
    if !has(BackEnd::Legacy) || !has(BackEnd::NfTables) {
        return;
    }
    let bases = view.base_chains(host);
    let mut owners: BTreeMap<BackEnd, BTreeSet<&'static str>> = BTreeMap::new();
    for base in gathered.take(&bases) {
        let held = view.chain(host, &base.id);
        for rule in gathered.take(&held).iter().flat_map(|held| &held.rules) {
            let named = rule.leads_to().map(|name| owner(&base.id.table.chain(name.clone())));
            let of_table = owner(&base.id);
            owners.entry(base.id.table.back_end).or_default().insert(named.flatten().or(of_table).unwrap_or("others"));
        }
    }
    if let (Some(nf), Some(legacy)) = (owners.get(&BackEnd::NfTables), owners.get(&BackEnd::Legacy)) {
        let list = |owners: &BTreeSet<&str>| owners.iter().copied().collect::<Vec<_>>().join(", ");
        let detail = format!(
            "nf_tables has chains of {}; legacy tables have chains of {}; a packet meets both",
            list(nf),
            list(legacy)
        );
        gathered.issue(Issue::note("rules of both back ends are hooked in", Why::Disagreement { detail }));
    }
}
