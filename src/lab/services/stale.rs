//! UDP flows that still go to an endpoint that a service has no more: kube-proxy of today deletes them after each
//! change, while the service has any endpoint at all. Flows of TCP it leaves alone.
//!
//! May import model and sys.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::error::LabError;
use super::super::programs::Programs;
use super::seen_by;
use crate::model::kube_proxy::Protocol;
use crate::model::lab::{LabState, LabWorker};
use crate::sys::netns::NsThread;

/// Where a service port answers: an address, or any of the worker's for a node port.
type Front = (Option<IpAddr>, u16);

/// A flow as `conntrack -L` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Flow {
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
    destination_port: u16,
    /// Who answers.
    answers: IpAddr,
}

/// Deletes a worker's stale flows. Nothing where the program `conntrack` is not installed, as kube-proxy's own image has it.
pub(super) fn delete(
    thread: &NsThread,
    programs: &Programs,
    state: &LabState,
    worker: &LabWorker,
) -> Result<(), LabError> {
    let Some(conntrack) = &programs.conntrack else { return Ok(()) };
    let fronts = fronts(state, worker);
    if fronts.is_empty() {
        return Ok(());
    }
    let list = |family: &str| programs.run(thread, &worker.netns, conntrack, &["-L", "-p", "udp", "-f", family], "");
    let mut listed = list("ipv4")?;
    if state.options.dual_stack {
        listed.push_str(&list("ipv6")?);
    }
    for flow in listed.lines().filter_map(flow).filter(|flow| is_stale(flow, &fronts)) {
        let (source, destination) = (flow.source.to_string(), flow.destination.to_string());
        let (from, to) = (flow.source_port.to_string(), flow.destination_port.to_string());
        let arguments = [
            "-D",
            "-p",
            "udp",
            "-f",
            if flow.source.is_ipv6() { "ipv6" } else { "ipv4" },
            "--orig-src",
            &source,
            "--orig-dst",
            &destination,
            "--orig-port-src",
            &from,
            "--orig-port-dst",
            &to,
        ];
        // It fails where the flow ended meanwhile.
        let _ = programs.run(thread, &worker.netns, conntrack, &arguments, "");
    }
    Ok(())
}

/// Where UDP services with endpoints answer, and from where.
fn fronts(state: &LabState, worker: &LabWorker) -> BTreeMap<Front, BTreeSet<IpAddr>> {
    let mut fronts: BTreeMap<Front, BTreeSet<IpAddr>> = BTreeMap::new();
    for port in seen_by(state, worker, false).into_iter().chain(seen_by(state, worker, true)) {
        if port.protocol != Protocol::Udp || port.endpoints.is_empty() {
            continue;
        }
        let addresses =
            std::iter::once(port.cluster_ip).chain(port.external_ips.iter().chain(&port.load_balancer_ips).copied());
        let places = addresses.map(|address| (Some(address), port.port));
        for place in places.chain(port.node_port.map(|number| (None, number))) {
            fronts.entry(place).or_default().extend(port.endpoints.iter().map(|endpoint| endpoint.address.ip()));
        }
    }
    fronts
}

fn is_stale(flow: &Flow, fronts: &BTreeMap<Front, BTreeSet<IpAddr>>) -> bool {
    let port = flow.destination_port;
    let endpoints = fronts.get(&(Some(flow.destination), port)).or_else(|| fronts.get(&(None, port)));
    // A family without endpoints is none that a client could be led to.
    let serves = |endpoints: &BTreeSet<IpAddr>| endpoints.iter().any(|ip| ip.is_ipv6() == flow.answers.is_ipv6());
    endpoints.is_some_and(|endpoints| serves(endpoints) && !endpoints.contains(&flow.answers))
}

/// `udp 17 29 src=A dst=B sport=1 dport=2 [UNREPLIED] src=C dst=D sport=2 dport=1 …`
fn flow(line: &str) -> Option<Flow> {
    let values =
        |name: &str| line.split(' ').filter_map(|word| word.strip_prefix(name)).map(str::to_owned).collect::<Vec<_>>();
    let (sources, destinations) = (values("src="), values("dst="));
    Some(Flow {
        source: sources.first()?.parse().ok()?,
        destination: destinations.first()?.parse().ok()?,
        source_port: values("sport=").first()?.parse().ok()?,
        destination_port: values("dport=").first()?.parse().ok()?,
        answers: sources.get(1)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_stale_where_its_service_has_other_endpoints() {
        // conntrack 1.4.7
        let line = "udp      17 25 src=10.200.0.3 dst=10.32.0.60 sport=4000 dport=7 [UNREPLIED] src=10.200.0.4 dst=10.200.0.3 sport=7 dport=4000 mark=0 use=1";
        let flow = flow(line).expect("a flow");
        assert_eq!((flow.source_port, flow.answers.to_string()), (4000, "10.200.0.4".to_owned()));
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let front = |place: Option<&str>, port, endpoint| {
            BTreeMap::from([((place.map(ip), port), BTreeSet::from([ip(endpoint)]))])
        };
        assert!(is_stale(&flow, &front(Some("10.32.0.60"), 7, "10.200.0.5")));
        assert!(!is_stale(&flow, &front(Some("10.32.0.60"), 7, "10.200.0.4")));
        assert!(!is_stale(&flow, &front(Some("10.32.0.61"), 7, "10.200.0.5")));
        assert!(is_stale(&flow, &front(None, 7, "10.200.0.5")));
        assert_eq!(super::flow("conntrack v1.4.7 (conntrack-tools): 0 flow entries have been shown."), None);
    }
}
