//! kube-proxy's mode nftables, as input of `nft -f`, in the words of `nft list table`.
//!
//! May import model and its parent.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::{Endpoint, Node, Refusal, ServicePort};
use crate::model::kube_proxy::{ChainRole, nftables_affinity_set, nftables_base, nftables_endpoint_chain};
use crate::model::lab_service::TrafficPolicy;

/// The table's name, in family ip and in ip6.
pub const TABLE: &str = "kube-proxy";

/// How the names of what belongs to single services begin.
const OWN: [&str; 6] = ["service-", "local-", "external-", "firewall-", "endpoint-", "affinity-"];

/// What marks a packet that is to be masqueraded.
const MARK: &str = "meta mark set meta mark | 0x00004000";

/// What of the table is on the node already, from `nft list table`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Existing {
    chains: BTreeSet<String>,
    sets: BTreeSet<String>,
    maps: BTreeSet<String>,
}

impl Existing {
    /// Reads what `nft list table ip kube-proxy` printed.
    pub fn parse(listed: &str) -> Self {
        let mut existing = Self::default();
        for line in listed.lines() {
            let Some((kind, name)) = line.strip_prefix('\t').and_then(|line| line.strip_suffix(" {")?.split_once(' '))
            else {
                continue;
            };
            let names = match kind {
                "chain" => &mut existing.chains,
                "set" => &mut existing.sets,
                "map" => &mut existing.maps,
                _ => continue,
            };
            names.insert(name.to_owned());
        }
        existing
    }
}

/// kube-proxy's table with all services. What is there is written anew, but for the clients that affinity holds.
pub fn rules(node: &Node, services: &[ServicePort], existing: &Existing) -> String {
    let mut table = Table::new(node);
    for service in services {
        table.service(service);
    }
    let mut out = table.emptied(existing);
    table.write(&mut out);
    out
}

/// The elements of the sets and maps, and the blocks of services' own sets and chains.
struct Table<'a> {
    node: &'a Node,
    hairpin: Vec<String>,
    cluster_ips: Vec<String>,
    no_endpoint_services: Vec<String>,
    no_endpoint_nodeports: Vec<String>,
    firewall_ips: Vec<String>,
    service_ips: Vec<String>,
    service_nodeports: Vec<String>,
    sets: String,
    chains: String,
    names: BTreeSet<String>,
}

impl<'a> Table<'a> {
    fn new(node: &'a Node) -> Self {
        Self {
            node,
            hairpin: Vec::new(),
            cluster_ips: Vec::new(),
            no_endpoint_services: Vec::new(),
            no_endpoint_nodeports: Vec::new(),
            firewall_ips: Vec::new(),
            service_ips: Vec::new(),
            service_nodeports: Vec::new(),
            sets: String::new(),
            chains: String::new(),
            names: BTreeSet::new(),
        }
    }

    fn service(&mut self, service: &ServicePort) {
        let base = nftables_base(&service.name, service.protocol);
        let chain = |role: ChainRole| format!("{}{base}", role.nftables_prefix().unwrap_or_default());
        let (cluster, local) = (chain(ChainRole::Cluster), chain(ChainRole::Local));
        let (external, firewall) = (chain(ChainRole::External), chain(ChainRole::Firewall));
        let of = |policy| if policy == TrafficPolicy::Local { &local } else { &cluster };
        let at = |ip: IpAddr| format!("{ip} . {} . {}", service.protocol, service.port);
        let name = &service.name;
        let cluster_ip = service.cluster_ip.to_string();
        // The ports of a service share its address.
        if !self.cluster_ips.contains(&cluster_ip) {
            self.cluster_ips.push(cluster_ip);
        }
        for endpoint in service.local() {
            let (ip, port) = (endpoint.address.ip(), endpoint.address.port());
            let element = format!("{ip} . {ip} . {} . {port}", service.protocol);
            if !self.hairpin.contains(&element) {
                self.hairpin.push(element);
            }
        }
        match service.internal_refusal() {
            None => self.service_ips.push(format!("{} : goto {}", at(service.cluster_ip), of(service.internal))),
            Some(refusal) => {
                let element = format!("{} comment \"{name}\" : {}", at(service.cluster_ip), verdict(refusal));
                self.no_endpoint_services.push(element);
            }
        }
        for ip in service.external_ips.iter().chain(&service.load_balancer_ips) {
            if service.uses_external() {
                self.service_ips.push(format!("{} : goto {external}", at(*ip)));
            }
            if let Some(refusal) = service.external_refusal() {
                self.no_endpoint_services.push(format!("{} comment \"{name}\" : {}", at(*ip), verdict(refusal)));
            }
        }
        if service.uses_firewall() {
            let guarded = service.load_balancer_ips.iter().map(|ip| format!("{} : goto {firewall}", at(*ip)));
            self.firewall_ips.extend(guarded);
        }
        if let Some(port) = service.node_port {
            let element = format!("{} . {port}", service.protocol);
            if service.uses_external() {
                self.service_nodeports.push(format!("{element} : goto {external}"));
            }
            if let Some(refusal) = service.external_refusal() {
                self.no_endpoint_nodeports.push(format!("{element} comment \"{name}\" : {}", verdict(refusal)));
            }
        }
        if service.affinity.is_some() {
            for endpoint in service.reachable() {
                self.pinned(service, endpoint.address);
            }
        }
        if service.uses_cluster() {
            self.chain(&cluster, &self.balance(service, service.cluster()));
        }
        if service.uses_local() {
            self.chain(&local, &self.balance(service, &service.local()));
        }
        if service.uses_external() {
            self.chain(&external, &self.external(service, &cluster, of(service.external)));
        }
        if service.uses_firewall() {
            let sources: Vec<String> = service.source_ranges.iter().map(source).collect();
            let rule = format!("{} saddr != {{ {} }} drop", self.node.family(), sources.join(", "));
            self.chain(&firewall, &[rule]);
        }
    }

    /// An endpoint's chain and the set of the clients that stay with it.
    fn pinned(&mut self, service: &ServicePort, address: SocketAddr) {
        let chain = nftables_endpoint_chain(&service.name, service.protocol, address);
        let set = nftables_affinity_set(&service.name, service.protocol, address);
        let seconds = service.affinity.unwrap_or_default();
        let _ = write!(
            self.sets,
            "\tset {set} {{\n\t\ttype {}\n\t\tsize 65535\n\t\tflags dynamic,timeout\n\t\ttimeout {seconds}s\n\t}}\n\n",
            self.address_type()
        );
        self.names.insert(set.clone());
        let remember = format!("update @{set} {{ {} saddr }}", self.node.family());
        self.chain(&chain, &[remember, format!("meta l4proto {} dnat to {address}", service.protocol)]);
    }

    fn balance(&self, service: &ServicePort, endpoints: &[Endpoint]) -> Vec<String> {
        let family = self.node.family();
        let count = endpoints.len();
        if service.affinity.is_none() {
            let shares = numbered(endpoints, |address| format!("{} . {}", address.ip(), address.port()));
            let protocol = service.protocol;
            return vec![format!(
                "meta l4proto {protocol} dnat {family} to numgen random mod {count} map {{ {shares} }}"
            )];
        }
        let chain = |address| nftables_endpoint_chain(&service.name, service.protocol, address);
        let mut rules: Vec<String> = endpoints
            .iter()
            .map(|endpoint| {
                let set = nftables_affinity_set(&service.name, service.protocol, endpoint.address);
                format!("{family} saddr @{set} goto {}", chain(endpoint.address))
            })
            .collect();
        let shares = numbered(endpoints, |address| format!("goto {}", chain(address)));
        rules.push(format!("numgen random mod {count} vmap {{ {shares} }}"));
        rules
    }

    fn external(&self, service: &ServicePort, cluster: &str, to: &str) -> Vec<String> {
        let Node { pods, .. } = self.node;
        let mut rules = if service.external == TrafficPolicy::Local {
            vec![
                format!("{} saddr {pods} goto {cluster} comment \"short-circuit pod traffic\"", self.node.family()),
                format!("fib saddr type local {MARK} comment \"masquerade local traffic\""),
                format!("fib saddr type local goto {cluster} comment \"short-circuit local traffic\""),
            ]
        } else {
            vec![format!("{MARK} comment \"masquerade\"")]
        };
        if service.external_refusal().is_none() {
            rules.push(format!("goto {to}"));
        }
        rules
    }

    fn chain(&mut self, name: &str, rules: &[String]) {
        let _ = write!(self.chains, "\n\tchain {name} {{\n\t\t{}\n\t}}\n", rules.join("\n\t\t"));
        self.names.insert(name.to_owned());
    }

    fn address_type(&self) -> &'static str {
        if self.node.is_v6() { "ipv6_addr" } else { "ipv4_addr" }
    }

    /// What takes out of the table what is written anew, and what is left over from services that are gone.
    fn emptied(&self, existing: &Existing) -> String {
        let mut out = String::new();
        let at = format!("{} {TABLE}", self.node.family());
        // `service-endpoints-check` is none: all of theirs spell the service port out.
        let own = |name: &&String| name.contains('/') && OWN.iter().any(|prefix| name.starts_with(prefix));
        for map in &existing.maps {
            let _ = writeln!(out, "flush map {at} {map}");
        }
        // Clients stay with their endpoints.
        for set in existing.sets.iter().filter(|name| !own(name)) {
            let _ = writeln!(out, "flush set {at} {set}");
        }
        for chain in &existing.chains {
            let _ = writeln!(out, "flush chain {at} {chain}");
        }
        let gone = |name: &&String| own(name) && !self.names.contains(*name);
        for chain in existing.chains.iter().filter(gone) {
            let _ = writeln!(out, "delete chain {at} {chain}");
        }
        for set in existing.sets.iter().filter(gone) {
            let _ = writeln!(out, "delete set {at} {set}");
        }
        out
    }

    fn write(&self, out: &mut String) {
        let (family, address) = (self.node.family(), self.address_type());
        let to = format!("{address} . inet_proto . inet_service");
        let node_ips: Vec<String> = self.node.addresses.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "table {family} {TABLE} {{\n\tcomment \"rules for kube-proxy\"");
        let verdicts = |keys: &str| format!("{keys} : verdict");
        let ports = "inet_proto . inet_service";
        for (kind, name, keys, comment, elements) in [
            ("set", "hairpin-connections", format!("{address} . {to}"), "service hairpin connections", &self.hairpin),
            ("set", "cluster-ips", address.to_owned(), "Active ClusterIPs", &self.cluster_ips),
            ("set", "nodeport-ips", address.to_owned(), "IPs that accept NodePort traffic", &node_ips),
            (
                "map",
                "no-endpoint-services",
                verdicts(&to),
                "vmap to drop or reject packets to services with no endpoints",
                &self.no_endpoint_services,
            ),
            (
                "map",
                "no-endpoint-nodeports",
                verdicts(ports),
                "vmap to drop or reject packets to service nodeports with no endpoints",
                &self.no_endpoint_nodeports,
            ),
            (
                "map",
                "firewall-ips",
                verdicts(&to),
                "destinations that are subject to LoadBalancerSourceRanges",
                &self.firewall_ips,
            ),
            (
                "map",
                "service-ips",
                verdicts(&to),
                "ClusterIP, ExternalIP and LoadBalancer IP traffic",
                &self.service_ips,
            ),
            ("map", "service-nodeports", verdicts(ports), "NodePort traffic", &self.service_nodeports),
        ] {
            let _ = write!(out, "\t{kind} {name} {{\n\t\ttype {keys}\n\t\tcomment \"{comment}\"\n");
            if !elements.is_empty() {
                let _ = writeln!(out, "\t\telements = {{ {} }}", elements.join(",\n\t\t\t     "));
            }
            out.push_str("\t}\n\n");
        }
        out.push_str(&self.sets);
        out.push_str(&self.fixed_chains());
        out.push_str(&self.chains);
        out.push_str("}\n");
    }

    /// The chains that do not depend on the services.
    fn fixed_chains(&self) -> String {
        let family = self.node.family();
        let Node { pods, services, .. } = self.node;
        let base = |name: &str, kind: &str, rules: &[&str]| {
            let rules = rules.join("\n\t\t");
            format!("\tchain {name} {{\n\t\ttype {kind}; policy accept;\n\t\t{rules}\n\t}}\n")
        };
        let plain = |name: &str, rules: &[String]| format!("\tchain {name} {{\n\t\t{}\n\t}}\n", rules.join("\n\t\t"));
        let vmap = |map: &str| format!("{family} daddr . meta l4proto . th dport vmap @{map}");
        let node_port = |map: &str| format!("{family} daddr @nodeport-ips meta l4proto . th dport vmap @{map}");
        let hairpin =
            format!("ct status dnat {family} saddr . {family} daddr . meta l4proto . th dport @hairpin-connections");
        let firewall = ["ct state new jump firewall-check"];
        let checked = ["ct state new jump service-endpoints-check", "ct state new jump cluster-ips-check"];
        let input = ["ct state new jump nodeport-endpoints-check", "ct state new jump service-endpoints-check"];
        [
            base("filter-prerouting-pre-dnat", "filter hook prerouting priority dstnat - 10", &firewall),
            base("filter-output-pre-dnat", "filter hook output priority -110", &firewall),
            base("filter-input", "filter hook input priority filter", &input),
            base("filter-forward", "filter hook forward priority filter", &checked),
            base("filter-output", "filter hook output priority filter", &checked),
            base("nat-prerouting", "nat hook prerouting priority dstnat", &["jump services"]),
            base("nat-output", "nat hook output priority -100", &["jump services"]),
            base("nat-postrouting", "nat hook postrouting priority srcnat", &["jump masquerading"]),
            plain("nodeport-endpoints-check", &[node_port("no-endpoint-nodeports")]),
            plain("service-endpoints-check", &[vmap("no-endpoint-services")]),
            plain("firewall-check", &[vmap("firewall-ips")]),
            plain(
                "services",
                &[
                    format!(
                        "{family} daddr @cluster-ips {family} saddr != {pods} {MARK} comment \"masquerade clusterIP traffic from outside cluster\""
                    ),
                    vmap("service-ips"),
                    node_port("service-nodeports"),
                ],
            ),
            plain(
                "masquerading",
                &[
                    "meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 masquerade fully-random".to_owned(),
                    format!("{hairpin} masquerade fully-random"),
                ],
            ),
            plain(
                "cluster-ips-check",
                &[
                    format!("{family} daddr @cluster-ips reject comment \"Reject traffic to invalid ports of ClusterIPs\""),
                    format!("{family} daddr {services} drop comment \"Drop traffic to unallocated ClusterIPs\""),
                ],
            ),
            plain(
                "reject-chain",
                &[
                    "comment \"helper for @no-endpoint-services / @no-endpoint-nodeports\"".to_owned(),
                    "reject".to_owned(),
                ],
            ),
        ]
        .join("\n")
    }
}

fn verdict(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Reject => "goto reject-chain",
        Refusal::Drop => "drop",
    }
}

/// `0 : FIRST, 1 : SECOND`.
fn numbered(endpoints: &[Endpoint], what: impl Fn(SocketAddr) -> String) -> String {
    let shares: Vec<String> =
        endpoints.iter().enumerate().map(|(at, endpoint)| format!("{at} : {}", what(endpoint.address))).collect();
    shares.join(", ")
}

/// Without the length where it is one address.
fn source(range: &ipnet::IpNet) -> String {
    if range.prefix_len() == range.max_prefix_len() { range.addr().to_string() } else { range.to_string() }
}
