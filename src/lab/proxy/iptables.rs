//! kube-proxy's mode iptables, and what the kubelet writes beside it, as input of `iptables-restore --noflush`.
//!
//! May import model and its parent.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::{Endpoint, Node, Refusal, ServicePort};
use crate::model::kube_proxy::{ChainRole, HashForm, iptables_chain, iptables_endpoint_chain};
use crate::model::lab_service::TrafficPolicy;

/// The nfacct objects that rules name: for packets of no flow, and for node ports at 127.0.0.0/8.
pub const ACCOUNTS: [&str; 2] = [INVALID, LOCALHOST];
const INVALID: &str = "ct_state_invalid_dropped_pkts";
const LOCALHOST: &str = "localhost_nps_accepted_pkts";

/// How kube-proxy's chains of single services and endpoints begin.
const OWN: [&str; 6] = ["KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-XLB-", "KUBE-FW-", "KUBE-SEP-"];

const FILTER_CHAINS: [&str; 6] = [
    "KUBE-EXTERNAL-SERVICES",
    "KUBE-FORWARD",
    "KUBE-NODEPORTS",
    "KUBE-PROXY-CANARY",
    "KUBE-PROXY-FIREWALL",
    "KUBE-SERVICES",
];
const NAT_CHAINS: [&str; 5] =
    ["KUBE-MARK-MASQ", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-PROXY-CANARY", "KUBE-SERVICES"];

const NEW: &str = "-m conntrack --ctstate NEW ";

/// A rule that leads from a base chain to one of kube-proxy's.
struct Jump {
    table: &'static str,
    base: &'static str,
    matches: &'static str,
    comment: &'static str,
    to: &'static str,
}

const fn jump(
    table: &'static str,
    base: &'static str,
    matches: &'static str,
    comment: &'static str,
    to: &'static str,
) -> Jump {
    Jump { table, base, matches, comment, to }
}

/// In the order in which they stand.
const JUMPS: [Jump; 12] = [
    jump("filter", "INPUT", NEW, "kubernetes load balancer firewall", "KUBE-PROXY-FIREWALL"),
    jump("filter", "INPUT", "", "kubernetes health check service ports", "KUBE-NODEPORTS"),
    jump("filter", "INPUT", NEW, "kubernetes externally-visible service portals", "KUBE-EXTERNAL-SERVICES"),
    jump("filter", "FORWARD", NEW, "kubernetes load balancer firewall", "KUBE-PROXY-FIREWALL"),
    jump("filter", "FORWARD", "", "kubernetes forwarding rules", "KUBE-FORWARD"),
    jump("filter", "FORWARD", NEW, "kubernetes service portals", "KUBE-SERVICES"),
    jump("filter", "FORWARD", NEW, "kubernetes externally-visible service portals", "KUBE-EXTERNAL-SERVICES"),
    jump("filter", "OUTPUT", NEW, "kubernetes load balancer firewall", "KUBE-PROXY-FIREWALL"),
    jump("filter", "OUTPUT", NEW, "kubernetes service portals", "KUBE-SERVICES"),
    jump("nat", "PREROUTING", "", "kubernetes service portals", "KUBE-SERVICES"),
    jump("nat", "OUTPUT", "", "kubernetes service portals", "KUBE-SERVICES"),
    jump("nat", "POSTROUTING", "", "kubernetes postrouting rules", "KUBE-POSTROUTING"),
];

/// What of kube-proxy's is on the node already, from `iptables-save`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Existing {
    /// Chains of single services and endpoints in table nat.
    chains: BTreeSet<String>,
    /// Table, base chain and the chain that is jumped to.
    jumps: BTreeSet<(String, String, String)>,
}

impl Existing {
    /// Reads what `iptables-save` printed.
    pub fn parse(saved: &str) -> Self {
        let mut existing = Self::default();
        let mut table = "";
        for line in saved.lines() {
            if let Some(name) = line.strip_prefix('*') {
                table = name;
            } else if let Some(chain) = line.strip_prefix(':').and_then(|rest| rest.split(' ').next()) {
                if table == "nat" && OWN.iter().any(|prefix| chain.starts_with(prefix)) {
                    existing.chains.insert(chain.to_owned());
                }
            } else if let Some(rest) = line.strip_prefix("-A ") {
                let base = rest.split(' ').next().unwrap_or_default();
                if let Some((_, to)) = rest.rsplit_once(" -j ").filter(|_| !base.starts_with("KUBE-")) {
                    existing.jumps.insert((table.to_owned(), base.to_owned(), to.to_owned()));
                }
            }
        }
        existing
    }
}

/// What the kubelet 1.36 writes, whatever the mode of kube-proxy.
pub fn kubelet(node: &Node) -> String {
    let mut filter = String::from(
        "*mangle\n:KUBE-IPTABLES-HINT - [0:0]\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n*filter\n:KUBE-FIREWALL - [0:0]\n:KUBE-KUBELET-CANARY - [0:0]\n-I INPUT -j KUBE-FIREWALL\n-I OUTPUT -j KUBE-FIREWALL\n",
    );
    if !node.is_v6() {
        filter.push_str("-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming localnet connections\" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n");
    }
    filter.push_str("COMMIT\n*nat\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n");
    filter
}

/// kube-proxy's rules for all services. Its chains are rewritten whole, and those of services that are gone are removed.
pub fn rules(node: &Node, services: &[ServicePort], existing: &Existing) -> String {
    let mut text = Text { node, filter: String::new(), nat: String::new(), chains: BTreeSet::new() };
    for service in services {
        text.service(service);
    }
    text.whole(existing)
}

struct Text<'a> {
    node: &'a Node,
    filter: String,
    nat: String,
    /// The chains of single services and endpoints.
    chains: BTreeSet<String>,
}

impl Text<'_> {
    fn whole(self, existing: &Existing) -> String {
        let mut out = String::from("*mangle\n:KUBE-PROXY-CANARY - [0:0]\nCOMMIT\n*filter\n");
        let declare = |out: &mut String, chain: &str| {
            let _ = writeln!(out, ":{chain} - [0:0]");
        };
        for chain in FILTER_CHAINS {
            declare(&mut out, chain);
        }
        jumps(&mut out, "filter", existing);
        out.push_str(&self.filter);
        let accounting =
            if self.node.accounting { format!(" -m nfacct --nfacct-name {INVALID}") } else { String::new() };
        let _ = writeln!(out, "-A KUBE-FORWARD -m conntrack --ctstate INVALID{accounting} -j DROP");
        out.push_str("-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT\n");
        out.push_str("-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n");
        out.push_str("COMMIT\n*nat\n");
        for chain in NAT_CHAINS {
            declare(&mut out, chain);
        }
        for chain in self.chains.union(&existing.chains) {
            declare(&mut out, chain);
        }
        jumps(&mut out, "nat", existing);
        out.push_str(&self.nat);
        let not_loopback = if self.node.is_v6() { "! -d ::1/128 " } else { "" };
        let _ = writeln!(
            out,
            "-A KUBE-SERVICES {not_loopback}-m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
        );
        out.push_str("-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n");
        out.push_str("-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n");
        out.push_str("-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n");
        out.push_str("-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully\n");
        for gone in existing.chains.difference(&self.chains) {
            let _ = writeln!(out, "-X {gone}");
        }
        out.push_str("COMMIT\n");
        out
    }

    fn service(&mut self, service: &ServicePort) {
        let name = &service.name;
        let chain = |role| iptables_chain(role, name, service.protocol, HashForm::Plain);
        let (cluster, local) = (chain(ChainRole::Cluster), chain(ChainRole::Local));
        let (external, firewall) = (chain(ChainRole::External), chain(ChainRole::Firewall));
        let of = |policy| if policy == TrafficPolicy::Local { &local } else { &cluster };
        let internal_to = of(service.internal).clone();
        let has_endpoints = !service.endpoints.is_empty();
        match service.internal_refusal() {
            None => {
                let comment = format!("{name} cluster IP");
                self.nat_rule("KUBE-SERVICES", service, service.cluster_ip, &comment, &internal_to);
                let mark = format!("! -s {} {}", self.node.pods, at(service, service.cluster_ip, &comment));
                self.nat(&internal_to, &mark, "KUBE-MARK-MASQ");
            }
            Some(refusal) => self.refuse("KUBE-SERVICES", service, service.cluster_ip, refusal),
        }
        for (ips, kind, to) in [
            (&service.external_ips, "external IP", &external),
            (
                &service.load_balancer_ips,
                "loadbalancer IP",
                if service.uses_firewall() { &firewall } else { &external },
            ),
        ] {
            for ip in ips {
                if has_endpoints {
                    self.nat_rule("KUBE-SERVICES", service, *ip, &format!("{name} {kind}"), to);
                }
                if let Some(refusal) = service.external_refusal() {
                    self.refuse("KUBE-EXTERNAL-SERVICES", service, *ip, refusal);
                }
            }
        }
        if let Some(port) = service.node_port {
            self.node_port(service, port, &external);
        }
        if let Some(port) = service.health_check_node_port {
            let _ = writeln!(
                self.filter,
                "-A KUBE-NODEPORTS -p tcp -m comment --comment \"{name} health check node port\" -m tcp --dport {port} -j ACCEPT"
            );
        }
        if service.uses_external() {
            self.external(service, &external, &cluster, of(service.external));
        }
        if service.uses_firewall() {
            self.firewall(service, &firewall, &external);
        }
        if service.uses_cluster() {
            self.balance(service, &cluster, service.cluster());
        }
        if service.uses_local() {
            self.balance(service, &local, &service.local());
        }
        for endpoint in service.reachable() {
            self.endpoint(service, endpoint.address);
        }
    }

    /// Counted apart at 127.0.0.0/8, which few know to work at all.
    fn node_port(&mut self, service: &ServicePort, port: u16, external: &str) {
        let (name, protocol) = (&service.name, service.protocol);
        let local = format!("-p {protocol} -m comment --comment \"{name}\" -m {protocol} --dport {port}");
        if !service.endpoints.is_empty() {
            if self.node.accounting && !self.node.is_v6() {
                let counted = format!("-d 127.0.0.0/8 {local} -m nfacct --nfacct-name {LOCALHOST}");
                self.nat("KUBE-NODEPORTS", &counted, external);
            }
            self.nat("KUBE-NODEPORTS", &local, external);
        }
        if let Some(refusal) = service.external_refusal() {
            let _ = writeln!(
                self.filter,
                "-A KUBE-EXTERNAL-SERVICES -p {protocol} -m comment --comment \"{name} {}\" -m addrtype --dst-type LOCAL -m {protocol} --dport {port} -j {}",
                why(refusal),
                target(refusal)
            );
        }
    }

    fn external(&mut self, service: &ServicePort, external: &str, cluster: &str, to: &str) {
        let comment =
            |what: &str| format!("-m comment --comment \"{what} for {} external destinations\"", service.name);
        self.chains.insert(external.to_owned());
        if service.external == TrafficPolicy::Local {
            let pods = format!("-s {} {}", self.node.pods, comment("pod traffic"));
            self.nat(external, &pods, cluster);
            let local = "-m addrtype --src-type LOCAL";
            self.nat(external, &format!("{} {local}", comment("masquerade LOCAL traffic")), "KUBE-MARK-MASQ");
            self.nat(external, &format!("{} {local}", comment("route LOCAL traffic")), cluster);
        } else {
            self.nat(external, &comment("masquerade traffic"), "KUBE-MARK-MASQ");
        }
        if service.external_refusal().is_none() {
            let _ = writeln!(self.nat, "-A {external} -j {to}");
        }
    }

    fn firewall(&mut self, service: &ServicePort, firewall: &str, external: &str) {
        let name = &service.name;
        self.chains.insert(firewall.to_owned());
        for source in &service.source_ranges {
            self.nat(firewall, &format!("-s {source} -m comment --comment \"{name} loadbalancer IP\""), external);
        }
        let _ = writeln!(
            self.nat,
            "-A {firewall} -m comment --comment \"other traffic to {name} will be dropped by KUBE-PROXY-FIREWALL\""
        );
        for ip in &service.load_balancer_ips {
            let comment = format!("{name} traffic not accepted by {firewall}");
            let _ = writeln!(self.filter, "-A KUBE-PROXY-FIREWALL {} -j DROP", at(service, *ip, &comment));
        }
    }

    /// One endpoint after the other, each with its share of what is left.
    fn balance(&mut self, service: &ServicePort, chain: &str, endpoints: &[Endpoint]) {
        self.chains.insert(chain.to_owned());
        let comment = |address: SocketAddr| format!("-m comment --comment \"{} -> {address}\"", service.name);
        let own = |address| iptables_endpoint_chain(&service.name, service.protocol, address, HashForm::Plain);
        if let Some(seconds) = service.affinity {
            for endpoint in endpoints {
                let to = own(endpoint.address);
                let known = format!("-m recent --rcheck --seconds {seconds} --reap --name {to} --rsource");
                self.nat(chain, &format!("{} {known}", comment(endpoint.address)), &to);
            }
        }
        for (endpoint, left) in endpoints.iter().zip((1..=endpoints.len()).rev()) {
            let mut matches = comment(endpoint.address);
            if left > 1 {
                let _ = write!(matches, " -m statistic --mode random --probability {}", probability(left));
            }
            self.nat(chain, &matches, &own(endpoint.address));
        }
    }

    fn endpoint(&mut self, service: &ServicePort, address: SocketAddr) {
        let (name, protocol) = (&service.name, service.protocol);
        let chain = iptables_endpoint_chain(name, protocol, address, HashForm::Plain);
        let comment = format!("-m comment --comment \"{name}\"");
        self.nat(&chain, &format!("-s {} {comment}", host(address.ip())), "KUBE-MARK-MASQ");
        let affinity = if service.affinity.is_some() {
            format!(" -m recent --set --name {chain} --rsource")
        } else {
            String::new()
        };
        let _ = writeln!(
            self.nat,
            "-A {chain} -p {protocol} {comment}{affinity} -m {protocol} -j DNAT --to-destination {address}"
        );
        self.chains.insert(chain);
    }

    fn nat_rule(&mut self, chain: &str, service: &ServicePort, ip: IpAddr, comment: &str, to: &str) {
        self.nat(chain, &at(service, ip, comment), to);
    }

    fn nat(&mut self, chain: &str, matches: &str, to: &str) {
        let _ = writeln!(self.nat, "-A {chain} {matches} -j {to}");
    }

    fn refuse(&mut self, chain: &str, service: &ServicePort, ip: IpAddr, refusal: Refusal) {
        let comment = format!("{} {}", service.name, why(refusal));
        let _ = writeln!(self.filter, "-A {chain} {} -j {}", at(service, ip, &comment), target(refusal));
    }
}

/// Inserts the jumps of a table that are not there, so that they stand first and in their order.
fn jumps(out: &mut String, table: &str, existing: &Existing) {
    for jump in JUMPS.iter().rev().filter(|jump| jump.table == table) {
        let key = (jump.table.to_owned(), jump.base.to_owned(), jump.to.to_owned());
        if !existing.jumps.contains(&key) {
            let Jump { base, matches, comment, to, .. } = jump;
            let _ = writeln!(out, "-I {base} {matches}-m comment --comment \"{comment}\" -j {to}");
        }
    }
}

/// What matches traffic to a service's port at one of its addresses.
fn at(service: &ServicePort, ip: IpAddr, comment: &str) -> String {
    let (protocol, port) = (service.protocol, service.port);
    format!("-d {} -p {protocol} -m comment --comment \"{comment}\" -m {protocol} --dport {port}", host(ip))
}

fn host(ip: IpAddr) -> String {
    format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 })
}

fn why(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Reject => "has no endpoints",
        Refusal::Drop => "has no local endpoints",
    }
}

fn target(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Reject => "REJECT",
        Refusal::Drop => "DROP",
    }
}

/// The share of one among so many, with kube-proxy's ten digits.
fn probability(among: usize) -> String {
    let among = u32::try_from(among).unwrap_or(u32::MAX);
    format!("{:.10}", 1.0 / f64::from(among))
}
