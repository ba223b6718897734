//! Services: a table of all, or each one told with its endpoints, who is masqueraded, and the rules.
//!
//! May import model and analyze's answer types only.

mod foreign;
mod one;

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::finding::{Code, Finding};
use crate::analyze::services::types::{FrontKind, Mode, Policy, Proxy, Refusal, RefusalReason, ServicePort, Services};
use crate::model::kube_proxy::ChainRole;
use crate::model::netfilter::table::BackEnd;
use crate::render::style::{Style, escape};
use crate::render::table::Table;
use crate::render::words::{self, ABSENT, count};

/// Writes each service port in full.
pub fn write(answer: &Answer<Services>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let data = &answer.data;
    if data.pod.is_some() {
        return list(answer, style, out);
    }
    for (at, port) in data.services.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        one::write(port, &proxy_of(data, port), style, out)?;
    }
    if data.services.is_empty() {
        proxies(data, out)?;
    }
    if style.wide {
        one::masquerading(data, style, out)?;
    }
    foreign::write(data, style, out)?;
    findings(data.findings.iter(), style, out)
}

/// Writes a table of all service ports.
pub fn list(answer: &Answer<Services>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let data = &answer.data;
    if let Some(pod) = &data.pod {
        let ips: Vec<String> = pod.ips.iter().map(ToString::to_string).collect();
        let name = style.strong(&escape(&pod.pod.to_string()));
        let services = count(data.services.len(), "service has", "services have");
        writeln!(out, "{name}  {}: {services} it as an endpoint, as this node sees it", ips.join(" "))?;
    }
    if !data.services.is_empty() {
        table(data, style).write(style, out)?;
    }
    proxies(data, out)?;
    if style.wide {
        for left in &data.leftovers {
            let name = left.name.as_ref().map_or_else(|| "?".to_owned(), |name| escape(&name.to_string()));
            let chain = escape(&left.chain.name.to_string());
            writeln!(out, "no rule leads to {chain}  {name}  {}", count(left.rules, "rule", "rules"))?;
        }
    }
    foreign::write(data, style, out)?;
    // The table's last column says it already.
    findings(data.findings.iter().filter(|finding| finding.code != Code::NoEndpoints), style, out)
}

fn findings<'f>(mut findings: impl Iterator<Item = &'f Finding>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    findings.try_for_each(|finding| writeln!(out, "{}", words::finding(finding, style)))
}

fn proxies(data: &Services, out: &mut dyn Write) -> io::Result<()> {
    for proxy in &data.proxies {
        let here = data.services.iter().filter(|port| port.node == proxy.node).count();
        let node = proxy.node.as_ref().map_or_else(String::new, |node| format!(" on {}", escape(node)));
        writeln!(out, "{}{node} ({})", count(here, "service port", "service ports"), proxy_words(proxy))?;
    }
    Ok(())
}

/// `kube-proxy, iptables (nf_tables)`.
fn proxy_words(proxy: &Proxy) -> String {
    let mode = |mode: Mode| match mode {
        Mode::Iptables => "iptables",
        Mode::Nftables => "nftables",
        Mode::Mixed => "mixed",
        Mode::Ipvs => "ipvs",
        Mode::Bpf => "BPF",
        Mode::None => "none",
    };
    match proxy.mode {
        Mode::None => "no rules of kube-proxy's are hooked in".to_owned(),
        Mode::Bpf => "BPF programs, which podnet does not read".to_owned(),
        Mode::Ipvs => "kube-proxy, ipvs, which podnet does not read".to_owned(),
        _ => {
            let mut kinds: Vec<String> = Vec::new();
            for set in &proxy.rules {
                let text = match (set.mode, set.back_end) {
                    (Mode::Nftables, _) => "nftables".to_owned(),
                    (one, BackEnd::NfTables) => format!("{} (nf_tables)", mode(one)),
                    (one, BackEnd::Legacy) => format!("{} (legacy)", mode(one)),
                };
                if !kinds.contains(&text) {
                    kinds.push(text);
                }
            }
            format!("kube-proxy, {}", kinds.join(" and "))
        }
    }
}

fn proxy_of(data: &Services, port: &ServicePort) -> String {
    let mine = data.proxies.iter().find(|proxy| proxy.node == port.node);
    let words = mine.map_or_else(String::new, proxy_words);
    port.node.as_ref().map_or_else(|| words.clone(), |node| format!("{} on {}", words, escape(node)))
}

fn table(data: &Services, style: Style) -> Table {
    let many = data.services.iter().any(|port| port.node.is_some());
    let mut headings = vec!["SERVICE", "PROTOCOL", "CLUSTER IP", "EXTERNAL", "NODE PORT", "ENDPOINTS", "POLICY"];
    if many {
        headings.insert(0, "NODE");
    }
    if style.wide {
        headings.extend(["AFFINITY", "CHAINS"]);
    }
    headings.push("STATE");
    let mut table = Table::new(&headings);
    for port in &data.services {
        let mut cells = vec![
            escape(&port.title),
            port.protocol.map_or_else(|| words::UNKNOWN.to_owned(), |protocol| protocol.to_string()),
            fronts(port, true),
            fronts(port, false),
            port.node_port.as_ref().map_or_else(|| ABSENT.to_owned(), |node_port| node_port.port.to_string()),
            endpoints(data, port),
            policies(port),
        ];
        if many {
            cells.insert(0, port.node.as_deref().map_or_else(String::new, escape));
        }
        if style.wide {
            cells.push(port.affinity.as_ref().map_or_else(|| ABSENT.to_owned(), one::timeout));
            let chains: Vec<String> = port
                .chains
                .iter()
                .filter(|chain| chain.role != ChainRole::Endpoint)
                .map(|chain| escape(&chain.chain.name.to_string()))
                .collect();
            cells.push(if chains.is_empty() { ABSENT.to_owned() } else { chains.join(" ") });
        }
        cells.push(state(port, style));
        table.row(cells);
    }
    table
}

fn fronts(port: &ServicePort, cluster: bool) -> String {
    let wanted = port.addresses.iter().filter(|front| (front.kind == FrontKind::ClusterIp) == cluster);
    let texts: Vec<String> =
        wanted.map(|front| std::net::SocketAddr::new(front.address, front.port).to_string()).collect();
    if texts.is_empty() { ABSENT.to_owned() } else { texts.join(" ") }
}

/// How many there are; of a pod that was asked for, how likely it is drawn.
fn endpoints(data: &Services, port: &ServicePort) -> String {
    if let Some(pod) = &data.pod {
        let own = port.endpoints.iter().filter(|endpoint| pod.ips.contains(&endpoint.address));
        let texts: Vec<String> =
            own.map(|endpoint| format!("{} of {}", one::shares(endpoint), port.endpoints.len())).collect();
        return texts.join(" ");
    }
    let here = port.endpoints.iter().filter(|endpoint| one::is_here(endpoint)).count();
    match port.endpoints.len() {
        0 if !port.whole => words::UNKNOWN.to_owned(),
        0 => "0".to_owned(),
        all => format!("{all} ({here} here)"),
    }
}

fn policies(port: &ServicePort) -> String {
    let word = |policy: Option<Policy>| match policy {
        Some(Policy::Cluster) => "Cluster",
        Some(Policy::Local) => "Local",
        None => ABSENT,
    };
    format!("{}/{}", word(port.internal_policy), word(port.external_policy))
}

fn state(port: &ServicePort, style: Style) -> String {
    let mut refused: Vec<&str> = port
        .addresses
        .iter()
        .flat_map(|front| &front.refusals)
        .chain(port.node_port.iter().flat_map(|node_port| &node_port.refusals))
        .filter(|refusal| refusal.why != RefusalReason::SourceRanges)
        .map(Refusal::words)
        .collect();
    refused.dedup();
    if refused.is_empty() { "ok".to_owned() } else { style.odd(&refused.join("; ")) }
}
