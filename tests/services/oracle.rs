//! What the rules must say of each service port, worked out from the API objects alone, and the same of an answer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use podnet::analyze::services::share::Share;
use podnet::analyze::services::types::{
    Behind, FrontKind, Masqueraded, MasqueradedTo, NodePortOn, Policy, Refusal, ServicePort,
};
use podnet::model::kube_proxy::{Protocol, ServicePortName};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Port, Service};
use crate::world::Rules;

const NODE: &str = "worker-0";
const PODS: [&str; 2] = ["10.200.0.0/16", "fd00:200::/48"];

/// An endpoint: address, port, the node it is on.
struct Backend {
    address: IpAddr,
    port: u16,
    here: bool,
}

/// What `services` must say, by name and protocol.
pub fn expected(rules: Rules) -> Vec<Value> {
    let cluster = Cluster::read();
    let mut ports = Vec::new();
    for service in &cluster.services {
        // Headless and ExternalName services leave nothing in the kernel.
        if service.spec.cluster_ips.iter().any(|ip| ip != "None") {
            ports.extend(service.spec.ports.iter().map(|port| one(&cluster, service, port, rules)));
        }
    }
    ports.sort_by_key(|port| ServicePortName::parse(port["name"].as_str().unwrap()));
    ports
}

fn backends(cluster: &Cluster, service: &Service, port: &Port) -> Vec<Backend> {
    let mut found = Vec::new();
    for slice in &cluster.endpointslices {
        if (&slice.namespace, &slice.service) != (&service.namespace, &service.name) {
            continue;
        }
        for at in slice.ports.iter().filter(|at| at.name == port.name) {
            assert!(["IPv4", "IPv6"].contains(&slice.address_type.as_str()));
            found.extend(slice.endpoints.iter().map(|endpoint| Backend {
                address: endpoint.address.parse().unwrap(),
                port: at.port,
                here: endpoint.node_name.as_deref() == Some(NODE),
            }));
        }
    }
    found.sort_by_key(|backend| (backend.address, backend.port));
    found
}

fn is_local(policy: Option<&String>) -> bool {
    policy.is_some_and(|policy| policy == "Local")
}

fn one(cluster: &Cluster, service: &Service, port: &Port, rules: Rules) -> Value {
    let spec = &service.spec;
    let backends = backends(cluster, service, port);
    let outside = port.node_port.is_some() || !spec.external_ips.is_empty() || !service.ingress.is_empty();
    let internal_local = is_local(spec.internal_traffic_policy.as_ref());
    let external_local = is_local(spec.external_traffic_policy.as_ref());
    let here = backends.iter().filter(|backend| backend.here).count();
    // Without any endpoint the rules look alike whatever the policy.
    let policy = |local: bool| (!backends.is_empty()).then_some(if local { "local" } else { "cluster" });
    let refused = |local: bool| match (backends.len(), here) {
        (0, _) => json!(["reject no endpoints"]),
        (_, 0) if local => json!(["drop no local endpoints"]),
        _ => json!([]),
    };
    let ranges = !spec.load_balancer_source_ranges.is_empty();
    let mut addresses = Vec::new();
    let mut add = |kind: &str, ip: &str, refused: Value| addresses.push(json!([kind, ip, port.port, refused]));
    spec.cluster_ips.iter().for_each(|ip| add("cluster", ip, refused(internal_local)));
    let (external, balancer) = match (rules.is_nftables(), ranges) {
        (false, _) => ("external", "load balancer"),
        // Its maps do not say which is which; only a load balancer's address has source ranges.
        (true, false) => ("external or load balancer", "external or load balancer"),
        (true, true) => ("external or load balancer", "load balancer"),
    };
    spec.external_ips.iter().for_each(|ip| add(external, ip, refused(external_local)));
    for ip in &service.ingress {
        add(balancer, ip, if ranges { json!(["drop source ranges"]) } else { refused(external_local) });
    }
    let uses_all = !internal_local || outside;
    let uses_own = internal_local || (outside && external_local);
    let endpoints: Vec<Value> = backends
        .iter()
        .filter_map(|backend| {
            let family = |other: &&Backend| other.address.is_ipv4() == backend.address.is_ipv4();
            let all = backends.iter().filter(family).count();
            let own = backends.iter().filter(family).filter(|other| other.here).count();
            let cluster = uses_all.then(|| format!("1/{all}"));
            let local = (uses_own && backend.here).then(|| format!("1/{own}"));
            let behind = behind(self::cluster(), backend.address);
            (cluster.is_some() || local.is_some())
                .then(|| json!([backend.address.to_string(), backend.port, behind, cluster, local]))
        })
        .collect();
    json!({
        "name": format!("{}/{}{}", service.namespace, service.name, port.name.as_ref().map(|name| format!(":{name}")).unwrap_or_default()),
        "protocol": port.protocol.to_lowercase(),
        "known_by": if endpoints.is_empty() { "Comment" } else { "Hash" },
        "addresses": addresses,
        "node_port": port.node_port.map(|number| {
            let on: Vec<Value> = spec.cluster_ips.iter().map(|ip| node_port_on(rules, ip.contains(':'))).collect();
            json!([number, on, refused(external_local)])
        }),
        "health_check_node_port": spec.health_check_node_port.filter(|_| !rules.is_nftables()),
        "internal": policy(internal_local),
        "external": policy(external_local).filter(|_| outside),
        "source_ranges": spec.load_balancer_source_ranges.iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
        "affinity": spec.session_affinity_config.as_ref().map(|config| &config["clientIP"]["timeoutSeconds"]),
        "endpoints": endpoints,
        "masquerades": masquerades(spec, &endpoints, (outside, external_local), refused(internal_local) != json!([]), rules),
    })
}

fn cluster() -> &'static Cluster {
    static READ: std::sync::OnceLock<Cluster> = std::sync::OnceLock::new();
    READ.get_or_init(Cluster::read)
}

fn behind(cluster: &Cluster, address: IpAddr) -> String {
    let own = |pod: &&crate::cluster::Pod| pod.ip == address.to_string();
    if let Some(pod) = cluster.pods_of(NODE).find(own).filter(|pod| !pod.host_network) {
        return format!("{}/{}", pod.namespace, pod.name);
    }
    if ["10.240.0.20", "fd00:240::20"].contains(&address.to_string().as_str()) {
        let pods = cluster.pods_of(NODE).filter(|pod| pod.host_network);
        let pods: Vec<String> = pods.map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
        return format!("this node ({})", pods.join(", "));
    }
    "not here".to_owned()
}

fn node_port_on(rules: Rules, six: bool) -> Value {
    match (rules.is_nftables(), six) {
        (true, false) => json!({"only": ["10.240.0.20/32"], "loopback": false}),
        (true, true) => json!({"only": ["fd00:240::20/128"]}),
        (false, false) => json!({"any": true, "loopback": true}),
        (false, true) => json!({"any": true, "except": ["::1/128"]}),
    }
}

fn masquerades(
    spec: &crate::cluster::Spec,
    endpoints: &[Value],
    (outside, external_local): (bool, bool),
    internal_refused: bool,
    rules: Rules,
) -> Vec<String> {
    let mut told = BTreeSet::new();
    if endpoints.is_empty() {
        return Vec::new();
    }
    // Off-cluster clients of a cluster IP.
    for ip in spec.cluster_ips.iter().filter(|_| !internal_refused) {
        told.insert(format!("to cluster IP: outside {}", PODS[usize::from(ip.contains(':'))]));
    }
    if outside {
        told.insert(format!("to external: {}", if external_local { "this node" } else { "all" }));
    }
    for endpoint in endpoints {
        let address = endpoint[0].as_str().unwrap();
        // 1.36's nftables mode lists the endpoints of its own node alone.
        if rules != Rules::Nftables || endpoint[2] != json!("not here") {
            told.insert(format!("to endpoint: {address} itself"));
        }
    }
    told.into_iter().collect()
}

/// The same of an answer.
pub fn told(port: &ServicePort) -> Value {
    let node_port = port.node_port.as_ref().map(|node_port| {
        let on: Vec<Value> = node_port.on.iter().map(on).collect();
        json!([node_port.port, on, refusals(&node_port.refusals)])
    });
    let addresses: Vec<Value> = port
        .addresses
        .iter()
        .map(|front| {
            let kind = match front.kind {
                FrontKind::ClusterIp => "cluster",
                FrontKind::ExternalIp => "external",
                FrontKind::LoadBalancerIp => "load balancer",
                FrontKind::ExternalOrLoadBalancerIp => "external or load balancer",
                FrontKind::Unknown => "?",
            };
            json!([kind, front.address.to_string(), front.port, refusals(&front.refusals)])
        })
        .collect();
    let endpoints: Vec<Value> = port
        .endpoints
        .iter()
        .map(|endpoint| {
            let behind = match &endpoint.behind {
                Behind::Pod { pod } => pod.to_string(),
                Behind::Node { host_network_pods } => {
                    let pods: Vec<String> = host_network_pods.iter().map(ToString::to_string).collect();
                    format!("this node ({})", pods.join(", "))
                }
                Behind::NotHere => "not here".to_owned(),
                other => format!("{other:?}"),
            };
            let address = endpoint.address.to_string();
            json!([address, endpoint.port, behind, share(endpoint.cluster), share(endpoint.local)])
        })
        .collect();
    let policy = |policy: Option<Policy>| policy.map(|policy| format!("{policy:?}").to_lowercase());
    let masquerades: BTreeSet<String> =
        port.masquerades.iter().map(|found| masqueraded(&found.who, found.to)).collect();
    json!({
        "name": port.title,
        "protocol": port.protocol.map(Protocol::name),
        "known_by": format!("{:?}", port.known_by),
        "addresses": addresses,
        "node_port": node_port,
        "health_check_node_port": port.health_check_node_port.as_ref().map(|check| check.port),
        "internal": policy(port.internal_policy),
        "external": policy(port.external_policy),
        "source_ranges": port.source_ranges.iter().map(|range| range.range.to_string()).collect::<BTreeSet<_>>(),
        "affinity": port.affinity.as_ref().map(|affinity| affinity.timeout_s),
        "endpoints": endpoints,
        "masquerades": masquerades,
    })
}

/// The fraction, where the decimal agrees with it.
pub fn share(share: Option<Share>) -> Option<String> {
    share.map(|share| {
        let fraction = share.fraction.expect("a fraction");
        #[allow(clippy::cast_precision_loss)] // small numbers
        let exact = fraction.numerator as f64 / fraction.denominator as f64;
        assert!((share.decimal - exact).abs() < 1e-8, "{share:?}");
        format!("{}/{}", fraction.numerator, fraction.denominator)
    })
}

fn refusals(refusals: &[Refusal]) -> Vec<String> {
    let text = |refusal: &Refusal| {
        let verdict = format!("{:?}", refusal.verdict).to_lowercase();
        let why = match format!("{:?}", refusal.why).as_str() {
            "NoEndpoints" => "no endpoints",
            "NoLocalEndpoints" => "no local endpoints",
            _ => "source ranges",
        };
        assert!(!refusal.evidence.is_empty());
        format!("{verdict} {why}")
    };
    refusals.iter().map(text).collect()
}

fn on(on: &NodePortOn) -> Value {
    let nets = |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut told = json!({});
    if on.any_local {
        told["any"] = json!(true);
    }
    if !on.only.is_empty() {
        told["only"] = json!(nets(&on.only));
    }
    if !on.except.is_empty() {
        told["except"] = json!(nets(&on.except));
    }
    if let Some(loopback) = on.loopback {
        told["loopback"] = json!(loopback);
    }
    told
}

fn masqueraded(who: &Masqueraded, to: MasqueradedTo) -> String {
    let who = match who {
        Masqueraded::All => "all".to_owned(),
        Masqueraded::OutsideOf { range } => format!("outside {range}"),
        Masqueraded::ThisNode => "this node".to_owned(),
        Masqueraded::Hairpin { endpoint } => format!("{endpoint} itself"),
        Masqueraded::Where { condition } => format!("where {condition}"),
    };
    let to = match to {
        MasqueradedTo::ClusterIp => "cluster IP",
        MasqueradedTo::External => "external",
        MasqueradedTo::Endpoint => "endpoint",
    };
    format!("to {to}: {who}")
}
