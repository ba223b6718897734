//! Rules for many services, in the shape in which kube-proxy 1.36 writes them.
//!
//! Service N is `ns-(N mod 100)/svc-N:http` with three endpoints; each tenth has a node port. A few
//! more have no endpoints. nfacct's matches are left out: kube-proxy writes them where the kernel has it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use podnet::model::kube_proxy::{
    ChainRole, HashForm, Protocol, ServicePortName, iptables_chain, iptables_endpoint_chain, nftables_chain,
};

const ENDPOINTS: usize = 3;
/// How many services without endpoints there are beside the others.
const EMPTY: usize = 20;
const PODS: &str = "10.200.0.0/16";
const NODE: &str = "10.240.0.20";

/// One service port.
#[derive(Debug, Clone)]
pub struct Service {
    pub name: ServicePortName,
    pub address: Ipv4Addr,
    pub node_port: Option<u16>,
    endpoints: Vec<SocketAddr>,
}

impl Service {
    /// The service of that number; the same on every node.
    pub fn numbered(number: usize) -> Self {
        let endpoint = |at: usize| SocketAddr::new(IpAddr::V4(address(10, 200, number * ENDPOINTS + at)), 8080);
        let node_port = number.is_multiple_of(10).then(|| u16::try_from(30_000 + number / 10).expect("a node port"));
        Self { endpoints: (0..ENDPOINTS).map(endpoint).collect(), ..Self::bare(number, node_port) }
    }

    fn empty(number: usize) -> Self {
        Self::bare(60_000 + number, None)
    }

    fn bare(number: usize, node_port: Option<u16>) -> Self {
        let name = ServicePortName {
            namespace: format!("ns-{}", number % 100),
            name: format!("svc-{number}"),
            port: Some("http".to_owned()),
        };
        Self { name, address: address(10, 32, number + 1), node_port, endpoints: Vec::new() }
    }

    fn chain(&self, role: ChainRole) -> String {
        iptables_chain(role, &self.name, Protocol::Tcp, HashForm::Plain)
    }

    fn own_chain(&self, role: ChainRole) -> String {
        nftables_chain(role, &self.name, Protocol::Tcp).expect("a chain of nftables mode")
    }
}

fn address(first: u8, second: u8, rest: usize) -> Ipv4Addr {
    let [third, fourth] = u16::try_from(rest).expect("an address").to_be_bytes();
    Ipv4Addr::new(first, second, third, fourth)
}

/// What `iptables-restore` reads.
pub fn iptables(count: usize) -> String {
    let services: Vec<Service> = (0..count).map(Service::numbered).collect();
    format!("{}{}", filter(), nat(&services))
}

fn filter() -> String {
    let mut refused = String::new();
    for service in (0..EMPTY).map(Service::empty) {
        let Service { name, address, .. } = service;
        add(
            &mut refused,
            format_args!(
                "-A KUBE-SERVICES -m comment --comment \"{name} has no endpoints\" -m tcp -p tcp -d {address} --dport 80 -j REJECT"
            ),
        );
    }
    format!(
        "*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment \"kubernetes health check service ports\" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes externally-visible service portals\" -j KUBE-EXTERNAL-SERVICES
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes externally-visible service portals\" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming localnet connections\" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
{refused}COMMIT
"
    )
}

fn nat(services: &[Service]) -> String {
    let mut chains = String::new();
    let (mut first, mut node_ports, mut own) = (String::new(), String::new(), String::new());
    for service in services {
        let Service { name, address, .. } = service;
        let svc = service.chain(ChainRole::Cluster);
        add(&mut chains, format_args!(":{svc} - [0:0]"));
        let head = format!("-m comment --comment \"{name} cluster IP\" -m tcp -p tcp -d {address} --dport 80");
        add(&mut first, format_args!("-A KUBE-SERVICES {head} -j {svc}"));
        if let Some(port) = service.node_port {
            let ext = service.chain(ChainRole::External);
            add(&mut chains, format_args!(":{ext} - [0:0]"));
            let head = format!("-m comment --comment {name} -m tcp -p tcp");
            add(&mut node_ports, format_args!("-A KUBE-NODEPORTS {head} -d 127.0.0.0/8 --dport {port} -j {ext}"));
            add(&mut node_ports, format_args!("-A KUBE-NODEPORTS {head} --dport {port} -j {ext}"));
            let why = format!("masquerade traffic for {name} external destinations");
            add(&mut own, format_args!("-A {ext} -m comment --comment \"{why}\" -j KUBE-MARK-MASQ"));
            add(&mut own, format_args!("-A {ext} -j {svc}"));
        }
        add(&mut own, format_args!("-A {svc} {head} ! -s {PODS} -j KUBE-MARK-MASQ"));
        for (at, endpoint) in service.endpoints.iter().enumerate() {
            let sep = iptables_endpoint_chain(name, Protocol::Tcp, *endpoint, HashForm::Plain);
            add(&mut chains, format_args!(":{sep} - [0:0]"));
            let chance = match service.endpoints.len() - at {
                1 => String::new(),
                2 => " -m statistic --mode random --probability 0.5000000000".to_owned(),
                _ => " -m statistic --mode random --probability 0.3333333333".to_owned(),
            };
            add(&mut own, format_args!("-A {svc} -m comment --comment \"{name} -> {endpoint}\"{chance} -j {sep}"));
            let (comment, ip) = (format!("-m comment --comment {name}"), endpoint.ip());
            add(&mut own, format_args!("-A {sep} {comment} -s {ip} -j KUBE-MARK-MASQ"));
            add(&mut own, format_args!("-A {sep} {comment} -m tcp -p tcp -j DNAT --to-destination {endpoint}"));
        }
    }
    format!(
        "*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SERVICES - [0:0]
{chains}-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully
{first}-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
{node_ports}{own}COMMIT
"
    )
}

/// What `nft -f` reads for nftables mode.
pub fn nftables(count: usize) -> String {
    let (mut chains, mut elements) = (String::new(), String::new());
    for service in (0..count).map(Service::numbered) {
        let own = service.own_chain(ChainRole::Cluster);
        let Service { address, .. } = service;
        add(&mut chains, format_args!("add chain ip kube-proxy {own}"));
        let choices: Vec<String> = service
            .endpoints
            .iter()
            .enumerate()
            .map(|(at, endpoint)| format!("{at} : {} . {}", endpoint.ip(), endpoint.port()))
            .collect();
        let draw = format!("numgen random mod {} map {{ {} }}", choices.len(), choices.join(", "));
        add(&mut elements, format_args!("add rule ip kube-proxy {own} meta l4proto tcp dnat ip to {draw}"));
        let to =
            |map: &str, key: &str, chain: &str| format!("add element ip kube-proxy {map} {{ {key} : goto {chain} }}");
        add(&mut elements, format_args!("add element ip kube-proxy cluster-ips {{ {address} }}"));
        add(&mut elements, format_args!("{}", to("service-ips", &format!("{address} . tcp . 80"), &own)));
        if let Some(port) = service.node_port {
            let external = service.own_chain(ChainRole::External);
            add(&mut chains, format_args!("add chain ip kube-proxy {external}"));
            let mark = "meta mark set meta mark or 0x4000 comment \"masquerade\"";
            add(&mut elements, format_args!("add rule ip kube-proxy {external} {mark}"));
            add(&mut elements, format_args!("add rule ip kube-proxy {external} goto {own}"));
            add(&mut elements, format_args!("{}", to("service-nodeports", &format!("tcp . {port}"), &external)));
        }
    }
    for Service { name, address, .. } in (0..EMPTY).map(Service::empty) {
        add(&mut elements, format_args!("add element ip kube-proxy cluster-ips {{ {address} }}"));
        let key = format!("{address} . tcp . 80 comment \"{name}\"");
        add(
            &mut elements,
            format_args!("add element ip kube-proxy no-endpoint-services {{ {key} : goto reject-chain }}"),
        );
    }
    format!("{}{chains}{elements}", table())
}

fn table() -> String {
    format!(
        r#"table ip kube-proxy {{
  comment "rules for kube-proxy"
  set hairpin-connections {{ type ipv4_addr . ipv4_addr . inet_proto . inet_service; comment "service hairpin connections"; }}
  set cluster-ips {{ type ipv4_addr; comment "Active ClusterIPs"; }}
  set nodeport-ips {{ type ipv4_addr; comment "IPs that accept NodePort traffic"; elements = {{ {NODE} }} }}
  map no-endpoint-services {{ type ipv4_addr . inet_proto . inet_service : verdict; comment "vmap to drop or reject packets to services with no endpoints"; }}
  map no-endpoint-nodeports {{ type inet_proto . inet_service : verdict; comment "vmap to drop or reject packets to service nodeports with no endpoints"; }}
  map firewall-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; comment "destinations that are subject to LoadBalancerSourceRanges"; }}
  map service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; comment "ClusterIP, ExternalIP and LoadBalancer IP traffic"; }}
  map service-nodeports {{ type inet_proto . inet_service : verdict; comment "NodePort traffic"; }}
  chain nodeport-endpoints-check {{ ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports; }}
  chain service-endpoints-check {{ ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }}
  chain firewall-check {{ ip daddr . meta l4proto . th dport vmap @firewall-ips; }}
  chain services {{
    ip daddr @cluster-ips ip saddr != {PODS} meta mark set meta mark or 0x4000 comment "masquerade clusterIP traffic from outside cluster"
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }}
  chain masquerading {{
    meta mark and 0x4000 != 0 meta mark set meta mark xor 0x4000 masquerade fully-random
    ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random
  }}
  chain cluster-ips-check {{
    ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
    ip daddr 10.32.0.0/16 drop comment "Drop traffic to unallocated ClusterIPs"
  }}
  chain reject-chain {{ comment "helper for @no-endpoint-services / @no-endpoint-nodeports"; reject; }}
  chain filter-prerouting-pre-dnat {{ type filter hook prerouting priority dstnat - 10; ct state new jump firewall-check; }}
  chain filter-output-pre-dnat {{ type filter hook output priority -110; ct state new jump firewall-check; }}
  chain filter-input {{ type filter hook input priority filter; ct state new jump nodeport-endpoints-check; ct state new jump service-endpoints-check; }}
  chain filter-forward {{ type filter hook forward priority filter; ct state new jump service-endpoints-check; ct state new jump cluster-ips-check; }}
  chain filter-output {{ type filter hook output priority filter; ct state new jump service-endpoints-check; ct state new jump cluster-ips-check; }}
  chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
  chain nat-output {{ type nat hook output priority -100; jump services; }}
  chain nat-postrouting {{ type nat hook postrouting priority srcnat; jump masquerading; }}
}}
"#
    )
}

fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes everything");
}
