//! The table of pods.
//!
//! May import model and analyze's answer types only.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::pods::{LinksState, NodeRuntime, Outlet, PodInterface, PodRow, Pods};
use crate::model::sandbox::SandboxState;
use crate::render::style::{Style, escape};
use crate::render::table::Table;
use crate::render::words::{ABSENT, UNKNOWN, count, link_ref, or_absent, or_unknown, sandbox_state, shortened};

/// Writes the table; a pod's further interfaces stand on lines of their own below it.
pub fn write(answer: &Answer<Pods>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let several = answer.nodes.len() > 1;
    let mut headings = vec!["NAMESPACE", "POD", "IP", "INTERFACE", "HOST LINK", "PORT OF", "NETNS", "PAUSE"];
    if several {
        headings.insert(0, "NODE");
    }
    if style.wide {
        headings.extend(["SANDBOX", "ATTEMPT", "STATE", "INODE", "MAC", "PIDS", "CONTAINERS", "LABELS"]);
    }
    headings.push("NODE LINKS");
    let mut table = Table::new(&headings);
    for row in &answer.data.pods {
        let interfaces = row.interfaces.as_deref().unwrap_or_default();
        table.row(first_line(row, interfaces.first(), several, style));
        for interface in interfaces.iter().skip(1) {
            table.row(next_line(row, interface, several, style));
        }
    }
    if !table.is_empty() {
        table.write(style, out)?;
    }
    writeln!(out, "{}", footer(&answer.data))
}

fn footer(data: &Pods) -> String {
    let pods = count(data.pods.len(), "pod", "pods");
    let nodes: Vec<_> = data.runtimes.iter().map(node).collect();
    let undecided = match data.undecided.len() {
        0 => String::new(),
        some => format!("; {} with unknown labels left out", count(some, "pod", "pods")),
    };
    format!("{pods} on {}{undecided}", nodes.join(", "))
}

fn node(runtime: &NodeRuntime) -> String {
    let node = escape(&runtime.node);
    match (&runtime.runtime.name, &runtime.runtime.version) {
        (Some(name), Some(version)) => format!("{node} ({} {})", escape(name), escape(version)),
        (Some(name), None) => format!("{node} ({})", escape(name)),
        (None, _) => format!("{node} (from /proc alone)"),
    }
}

fn first_line(row: &PodRow, interface: Option<&PodInterface>, several: bool, style: Style) -> Vec<String> {
    let netns = match (&row.netns_name, row.netns) {
        _ if row.host_network => "host".to_owned(),
        (Some(name), _) if style.wide => escape(&name.to_string()),
        (Some(name), _) => shortened(&escape(&name.to_string())),
        (None, Some(netns)) => netns.to_string(),
        (None, None) if row.state == SandboxState::NotReady => ABSENT.to_owned(),
        (None, None) => UNKNOWN.to_owned(),
    };
    let mut cells = if several { vec![or_absent(row.node.as_ref())] } else { Vec::new() };
    cells.push(or_unknown(row.pod.namespace.as_ref()));
    cells.push(match (&row.pod.name, &row.pod.uid) {
        (Some(name), _) => escape(name),
        (None, Some(uid)) => format!("? (uid {})", escape(uid)),
        (None, None) => format!("? (sandbox {})", escape(row.sandbox.short())),
    });
    cells.push(addresses(row, interface));
    cells.extend(outlet_cells(row, interface));
    cells.push(netns);
    cells.push(or_absent(row.pause_pid));
    if style.wide {
        cells.extend(wide_cells(row, interface));
    }
    cells.push(links(row, interface, style));
    cells
}

fn next_line(row: &PodRow, interface: &PodInterface, several: bool, style: Style) -> Vec<String> {
    let mut cells = vec![String::new(); 2 + usize::from(several)];
    cells.push(addresses(row, Some(interface)));
    cells.extend(outlet_cells(row, Some(interface)));
    cells.extend([String::new(), String::new()]);
    if style.wide {
        cells.extend(vec![String::new(); 4]);
        cells.push(interface.mac.to_string());
        cells.extend(vec![String::new(); 3]);
    }
    cells.push(links(row, Some(interface), style));
    cells
}

/// The interface's own addresses; those that the runtime remembers where there is no interface to ask.
fn addresses(row: &PodRow, interface: Option<&PodInterface>) -> String {
    let texts: Vec<String> = match interface {
        Some(interface) => interface.addresses.iter().map(ToString::to_string).collect(),
        None if row.host_network => row.node_addresses.iter().map(ToString::to_string).collect(),
        None => match &row.ips {
            Some(ips) => ips.iter().map(ToString::to_string).collect(),
            None => return UNKNOWN.to_owned(),
        },
    };
    if texts.is_empty() { ABSENT.to_owned() } else { texts.join(",") }
}

/// INTERFACE, HOST LINK and PORT OF.
fn outlet_cells(row: &PodRow, interface: Option<&PodInterface>) -> [String; 3] {
    let Some(interface) = interface else {
        let (link, none) = match () {
            () if row.host_network => ("(host network)", ABSENT),
            () if row.interfaces.is_none() && row.netns.is_some() => (UNKNOWN, UNKNOWN),
            () => (ABSENT, ABSENT),
        };
        return [none.to_owned(), link.to_owned(), none.to_owned()];
    };
    let host_link = match (&interface.host_link, &interface.plugged) {
        (Some(link), _) => link_ref(link),
        (None, Outlet::Unknown) => UNKNOWN.to_owned(),
        (None, Outlet::Device) => "(own device)".to_owned(),
        (None, _) => ABSENT.to_owned(),
    };
    let plugged = match &interface.plugged {
        Outlet::Controller { controller, .. } => escape(&controller.name.to_string()),
        Outlet::Route(chosen) => format!("(route {})", chosen.route.dst),
        Outlet::Shares => format!("({})", escape(&interface.kind)),
        Outlet::Device | Outlet::Nothing => ABSENT.to_owned(),
        Outlet::Unknown => UNKNOWN.to_owned(),
    };
    [link_ref(&interface.link), host_link, plugged]
}

fn wide_cells(row: &PodRow, interface: Option<&PodInterface>) -> [String; 8] {
    let joined = |texts: Vec<String>| if texts.is_empty() { ABSENT.to_owned() } else { texts.join(",") };
    [
        escape(row.sandbox.short()),
        row.attempt.to_string(),
        sandbox_state(row.state).to_owned(),
        or_unknown(row.netns.map(|netns| netns.ino)),
        or_absent(interface.map(|interface| &interface.mac)),
        row.pids
            .as_ref()
            .map_or_else(|| UNKNOWN.to_owned(), |pids| joined(pids.iter().map(ToString::to_string).collect())),
        row.containers.as_ref().map_or_else(
            || UNKNOWN.to_owned(),
            |containers| {
                joined(
                    containers
                        .iter()
                        .map(|container| {
                            let name = container.name.as_deref().unwrap_or_else(|| container.id.short());
                            container.pid.map_or_else(|| escape(name), |pid| format!("{}:{pid}", escape(name)))
                        })
                        .collect(),
                )
            },
        ),
        row.labels.as_ref().map_or_else(|| UNKNOWN.to_owned(), |labels| joined(own_labels(labels))),
    ]
}

/// The labels without those that the kubelet and the runtime put there: they repeat other columns.
fn own_labels(labels: &BTreeMap<String, String>) -> Vec<String> {
    let others = |key: &str| !key.starts_with("io.kubernetes.") && !key.starts_with("io.cri-containerd.");
    let own = labels.iter().filter(|(key, _)| others(key));
    own.map(|(key, value)| escape(&format!("{key}={value}"))).collect()
}

fn links(row: &PodRow, interface: Option<&PodInterface>, style: Style) -> String {
    if row.state != SandboxState::Ready {
        return style.odd(sandbox_state(row.state));
    }
    match interface.map(|interface| &interface.state) {
        Some(LinksState::Ok) => style.good("ok"),
        Some(LinksState::Bad { why }) => style.bad(&escape(why)),
        Some(LinksState::Unknown { why }) => style.odd(&format!("? {}", escape(why))),
        None if row.host_network => style.good("ok"),
        None if row.interfaces.is_some() => style.bad("no interface"),
        None => style.odd(UNKNOWN),
    }
}
