//! `lab service list` as a table and as JSON.
//!
//! May import model only.

use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

use super::lab::{columns, row};
use super::style::{Style, escape};
use crate::model::issue::Issue;
use crate::model::lab_service::{LabEndpoint, LabService, LabServices, TrafficPolicy};
use crate::model::node::NodeInfo;

/// The schema's name.
pub const SCHEMA: &str = "podnet/lab-services/v1";

/// What stands for nothing.
const NOTHING: &str = "–";

/// The envelope of the JSON form.
#[derive(Serialize)]
struct Envelope<'a> {
    schema: &'static str,
    nodes: &'a [NodeInfo],
    data: &'a LabServices,
    issues: &'a [Issue],
}

/// One JSON document.
pub fn json(services: &LabServices, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Envelope { schema: SCHEMA, nodes: &[], data: services, issues: &[] })?;
    writeln!(out)
}

/// A table for people: a line for each port.
pub fn table(services: &LabServices, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "lab {}  services by {}", style.strong(&escape(&services.lab)), services.proxy)?;
    if services.services.is_empty() {
        return writeln!(out, "no services; `podnet lab service add` makes one");
    }
    let mut rows =
        vec![row(["NAMESPACE", "SERVICE", "CLUSTER IP", "PORT", "NODE PORT", "EXTERNAL IPS", "POLICY", "ENDPOINTS"])];
    for report in &services.services {
        let service = &report.service;
        for (port, behind) in service.ports.iter().zip(&report.behind) {
            let name = port.name.as_ref().map_or_else(String::new, |name| format!(":{name}"));
            let mut externals: Vec<String> = service.external_ips.iter().map(ToString::to_string).collect();
            externals.extend(service.load_balancer_ips.iter().map(|ip| balancer(service, *ip)));
            rows.push(vec![
                service.namespace.clone(),
                format!("{}{name}", service.name),
                listed(&service.cluster_ips().map(|ip| ip.to_string()).collect::<Vec<_>>()),
                format!("{}/{}", port.port, port.protocol),
                port.node_port.map_or_else(|| NOTHING.to_owned(), |port| port.to_string()),
                listed(&externals),
                policy(service),
                listed(&behind.iter().map(endpoint).collect::<Vec<_>>()),
            ]);
        }
    }
    columns(&rows, style, out)
}

fn endpoint(endpoint: &LabEndpoint) -> String {
    match &endpoint.worker {
        Some(worker) => format!("{} ({worker})", endpoint.address),
        None => endpoint.address.to_string(),
    }
}

/// `198.51.100.7 (load balancer, for 192.0.2.0/24)`: its ranges are those of the address's family.
fn balancer(service: &LabService, ip: IpAddr) -> String {
    let of_family = service.source_ranges.iter().filter(|range| range.addr().is_ipv6() == ip.is_ipv6());
    let ranges: Vec<String> = of_family.map(ToString::to_string).collect();
    if ranges.is_empty() {
        format!("{ip} (load balancer)")
    } else {
        format!("{ip} (load balancer, for {})", ranges.join(" and "))
    }
}

/// What is not as usual.
fn policy(service: &LabService) -> String {
    let mut said = Vec::new();
    if service.internal_policy == TrafficPolicy::Local {
        said.push("internal Local".to_owned());
    }
    if service.external_policy == TrafficPolicy::Local {
        said.push("external Local".to_owned());
    }
    said.extend(service.affinity.map(|seconds| format!("affinity {seconds}s")));
    listed(&said)
}

fn listed(words: &[String]) -> String {
    if words.is_empty() { NOTHING.to_owned() } else { words.join(", ") }
}
