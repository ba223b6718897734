//! A lab's services: what is behind them, and their rules on every worker.
//!
//! May import model and sys. Each worker's rules are made anew from the state file, so it is the one truth.

mod change;
mod stale;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use change::{Added, add, list, remove};

use super::error::{Context, LabError};
use super::nfacct;
use super::programs::Programs;
use super::proxy::{Endpoint, Node, ServicePort, iptables, nftables};
use crate::model::kube_proxy::Protocol;
use crate::model::lab::{LabPod, LabState, LabWorker};
use crate::model::lab_service::{
    LabEndpoint, LabService, LabServicePort, SERVICE_CIDR, SERVICE_CIDR_V6, TrafficPolicy,
};
use crate::sys::netns::NsThread;

/// All pods of the lab: 10.200.i.0/24 on worker-i.
const PODS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 200, 0, 0), 16);

/// The same in IPv6: `fd00:200:0:i::/64`. Only those of a dual-stack lab have addresses there.
const PODS_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x200, 0, 0, 0, 0, 0, 0), 48);

/// The services of every lab.
pub fn usual(dual_stack: bool) -> Vec<LabService> {
    let six = |last| Ipv6Addr::new(0xfd00, 0x32, 0, 0, 0, 0, 0, last);
    let service = |namespace: &str, name: &str, last, last_v6, label: (&str, &str), ports| LabService {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        cluster_ip: Ipv4Addr::new(10, 32, 0, last),
        cluster_ip_v6: dual_stack.then(|| six(last_v6)),
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        internal_policy: TrafficPolicy::Cluster,
        external_policy: TrafficPolicy::Cluster,
        affinity: None,
        selector: [(label.0.to_owned(), label.1.to_owned())].into(),
        ports,
    };
    let port = |name: Option<&str>, protocol, port, node_port| LabServicePort {
        name: name.map(ToOwned::to_owned),
        protocol,
        port,
        target_port: port,
        node_port,
        endpoints: Vec::new(),
    };
    let dns = vec![port(Some("dns"), Protocol::Udp, 53, None), port(Some("dns-tcp"), Protocol::Tcp, 53, None)];
    vec![
        service("default", "nginx", 53, 0x53, ("run", "nginx"), vec![port(None, Protocol::Tcp, 80, Some(31088))]),
        service("kube-system", "kube-dns", 10, 0x10, ("k8s-app", "kube-dns"), dns),
    ]
}

/// What is behind a service's port.
fn behind(state: &LabState, service: &LabService, port: &LabServicePort) -> Vec<LabEndpoint> {
    let pods = || state.workers.iter().flat_map(|worker| worker.pods.iter().map(move |pod| (worker, pod)));
    let selected = || {
        let fits = |labels: &std::collections::BTreeMap<String, String>| {
            service.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        pods()
            .filter(|(_, pod)| pod.namespace == service.namespace && fits(&pod.labels))
            .flat_map(|(_, pod)| addresses_of(pod).map(|address| SocketAddr::new(address, port.target_port)))
            .collect()
    };
    let mut addresses: Vec<SocketAddr> = if !port.endpoints.is_empty() {
        port.endpoints.clone()
    } else if service.selector.is_empty() {
        Vec::new()
    } else {
        selected()
    };
    // As kube-proxy sorts them: by text, each family for itself.
    addresses.sort_by_key(|address| (address.is_ipv6(), address.to_string()));
    addresses.dedup();
    addresses
        .into_iter()
        .map(|address| {
            let ip = address.ip();
            let pod = pods().find(|(_, pod)| addresses_of(pod).any(|own| own == ip));
            let is_its = |worker: &&LabWorker| {
                worker.address.addr() == ip || worker.v6.is_some_and(|six| IpAddr::V6(six.address.addr()) == ip)
            };
            let node = || state.workers.iter().find(is_its);
            LabEndpoint {
                address,
                worker: pod.map(|(worker, _)| worker).or_else(node).map(|worker| worker.name.clone()),
                pod: pod.map(|(_, pod)| format!("{}/{}", pod.namespace, pod.name)),
            }
        })
        .collect()
}

/// A pod's addresses, IPv4's first.
fn addresses_of(pod: &LabPod) -> impl Iterator<Item = IpAddr> {
    std::iter::once(pod.address.addr()).chain(pod.address_v6.map(|six| IpAddr::V6(six.addr())))
}

/// The service ports as a worker's kube-proxy of one family sees them.
fn seen_by(state: &LabState, worker: &LabWorker, is_v6: bool) -> Vec<ServicePort> {
    let of_family = |ips: &[IpAddr]| ips.iter().copied().filter(|ip| ip.is_ipv6() == is_v6).collect();
    let at = |service: &LabService| service.cluster_ips().find(|ip| ip.is_ipv6() == is_v6);
    let services = state.services.iter().filter_map(|service| Some((service, at(service)?)));
    let ports = services.flat_map(|(service, ip)| service.ports.iter().map(move |port| (service, ip, port)));
    ports
        .map(|(service, cluster_ip, port)| ServicePort {
            name: service.port_name(port),
            protocol: port.protocol,
            cluster_ip,
            port: port.port,
            node_port: port.node_port,
            external_ips: of_family(&service.external_ips),
            load_balancer_ips: of_family(&service.load_balancer_ips),
            source_ranges: service
                .source_ranges
                .iter()
                .copied()
                .filter(|range| range.addr().is_ipv6() == is_v6)
                .collect(),
            health_check_node_port: None,
            internal: service.internal_policy,
            external: service.external_policy,
            affinity: service.affinity,
            endpoints: behind(state, service, port)
                .into_iter()
                .filter(|endpoint| endpoint.address.is_ipv6() == is_v6)
                .map(|endpoint| Endpoint {
                    address: endpoint.address,
                    local: endpoint.worker.as_ref() == Some(&worker.name),
                })
                .collect(),
        })
        .collect()
}

/// What writes rules on workers.
pub struct Writer<'a> {
    /// Enters them.
    pub thread: &'a NsThread,
    /// What loads rules.
    pub programs: &'a Programs,
}

impl Writer<'_> {
    /// Everything of a new worker's: the kubelet's rules and kube-proxy's. Gives what had to be left out.
    pub fn first(&self, state: &LabState, worker: &LabWorker) -> Result<Option<String>, LabError> {
        let (four, six) = nodes(worker);
        let netns = &worker.netns;
        self.programs.restore(self.thread, netns, &self.programs.restore, &iptables::kubelet(&four))?;
        let note = self.again(state, worker, true)?;
        if let Some((restore, _)) = &self.programs.v6 {
            self.programs.restore(self.thread, netns, restore, &iptables::kubelet(&six))?;
        }
        Ok(note)
    }

    /// kube-proxy's rules, from what the state has now. `is_new` is for a worker that has none yet.
    pub fn again(&self, state: &LabState, worker: &LabWorker, is_new: bool) -> Result<Option<String>, LabError> {
        let (services, services_v6) = (seen_by(state, worker, false), seen_by(state, worker, true));
        let (mut four, mut six) = nodes(worker);
        if let Some(nft) = &self.programs.nft {
            // Both families in one transaction.
            let mut text = String::new();
            for (node, services) in [(&four, &services), (&six, &services_v6)] {
                if node.is_v6() && self.programs.v6.is_none() {
                    continue;
                }
                let existing = if is_new { String::new() } else { self.listed(nft, worker, node.family())? };
                text.push_str(&nftables::rules(node, services, &nftables::Existing::parse(&existing)));
            }
            self.programs.run(self.thread, &worker.netns, nft, &["-f", "-"], &text)?;
            return Ok(None);
        }
        let mut note = self.accounts(worker).err();
        four.accounting = note.is_none();
        if let Err(error) = self.iptables(worker, &four, &services, is_new) {
            if !four.accounting {
                return Err(error);
            }
            // The kernel has the counters, but not the match that counts with them.
            four.accounting = false;
            self.iptables(worker, &four, &services, is_new)?;
            // Without the worker, so that all say the same.
            note = Some(match error {
                LabError::Program { output, .. } => output,
                other => other.to_string(),
            });
        }
        six.accounting = four.accounting;
        if self.programs.v6.is_some() {
            self.iptables(worker, &six, &services_v6, is_new)?;
        }
        Ok(note.map(|why| {
            format!("the rules of services count with no nfacct objects, unlike on a Kubernetes node: {why}")
        }))
    }

    fn iptables(
        &self,
        worker: &LabWorker,
        node: &Node,
        services: &[ServicePort],
        is_new: bool,
    ) -> Result<(), LabError> {
        let (restore, save) = match &self.programs.v6 {
            Some((restore, save)) if node.is_v6() => (restore, save),
            _ => (&self.programs.restore, &self.programs.save),
        };
        let saved =
            if is_new { String::new() } else { self.programs.run(self.thread, &worker.netns, save, &[], "")? };
        let text = iptables::rules(node, services, &iptables::Existing::parse(&saved));
        self.programs.restore(self.thread, &worker.netns, restore, &text)
    }

    /// The table as it is; nothing where it is not.
    fn listed(&self, nft: &std::path::Path, worker: &LabWorker, family: &str) -> Result<String, LabError> {
        let run = |arguments: &[&str]| self.programs.run(self.thread, &worker.netns, nft, arguments, "");
        let table = format!("table {family} {}", nftables::TABLE);
        if !run(&["list", "tables", family])?.lines().any(|line| line == table) {
            return Ok(String::new());
        }
        run(&["list", "table", family, nftables::TABLE])
    }

    /// Makes the counters that rules name; `Err` says in words why there are none.
    fn accounts(&self, worker: &LabWorker) -> Result<(), String> {
        let make = || {
            let file = File::open(&worker.netns).context(|| format!("opening {}", worker.netns))?;
            nfacct::make(self.thread, &file, &iptables::ACCOUNTS).context(|| "making nfacct objects".to_owned())
        };
        make().map_err(|error: LabError| error.to_string())
    }
}

/// The worker in IPv4 and in IPv6.
fn nodes(worker: &LabWorker) -> (Node, Node) {
    let four = Node {
        pods: IpNet::V4(PODS),
        services: IpNet::V4(SERVICE_CIDR),
        addresses: vec![worker.address.addr()],
        accounting: false,
    };
    let six = Node {
        pods: IpNet::V6(PODS_V6),
        services: IpNet::V6(SERVICE_CIDR_V6),
        addresses: worker.v6.iter().map(|six| IpAddr::V6(six.address.addr())).collect(),
        accounting: false,
    };
    (four, six)
}
