//! A snapshot that can be shown to others: names, labels and addresses masked, each always by the
//! same mask, so that every command still answers as before.
//!
//! Must not import anything from the crate but its sibling model types. Every text is masked unless
//! a list here says that it names nobody: a new field of the model is masked until somebody decides.

mod config;
mod flows;
mod free;
mod rules;
mod sockets;

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::mask::Masks;
use super::{NetnsSections, Snapshot};
use crate::model::ids::MacAddr;
use crate::model::issue::Section;
use crate::model::netns::NetnsName;
use crate::model::sysctl;

/// Fields whose words are the kernel's or podnet's own.
const OWN_WORDS: [&str; 24] = [
    "format",
    "written_by",
    "level",
    "kind",
    "state",
    "source",
    "taken_at",
    "created_at",
    "scope",
    "flags",
    "states",
    "type",
    "oper_state",
    "mode",
    "protocol",
    "origin",
    "hook",
    "action",
    "family",
    "preference",
    "policy",
    "port_kind",
    "metrics",
    "setting",
];

/// Fields of free text: sentences of podnet's, and of others that it passes on.
const FREE_TEXT: [&str; 5] = ["what", "detail", "hint", "error", "chosen_by"];

/// Names that every cluster has.
const COMMON_NAMES: &[&str] = &[
    "default",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "kube-dns",
    "coredns",
    "kube-proxy",
    "pause",
    "containerd",
    "cri-o",
    "crio",
    "docker",
    "lab",
    "k8s.io",
    "bridge",
    "ptp",
    "macvlan",
    "ipvlan",
    "vlan",
    "portmap",
    "bandwidth",
    "firewall",
    "tuning",
    "loopback",
    "host-local",
    "static",
    "dhcp",
    "host-device",
    "flannel",
    "proc",
    "run",
    "var",
    "lib",
    "etc",
    "sys",
    "fs",
    "log",
    "pods",
    "tmp",
    "ns",
    "net",
    "net.d",
    "netns",
    "cni",
    "results",
    "networks",
    "cgroup",
    "kubepods",
    "burstable",
    "besteffort",
    "guaranteed",
    "pod",
    "cri",
    "containerd.sock",
    "crio.sock",
    "slice",
    "scope",
    "system",
    "kubelet",
    "host",
    "podnet",
    "self",
    "stat",
    "status",
    "comm",
    "root",
    "mountinfo",
    "hostname",
    "crictl",
    "yaml",
    "state",
    "unix:",
    "rancher",
    "k3s",
    "agent",
    "opt",
    "bin",
    "lock",
];

/// What the names of links begin with that a kernel, a distribution or a CNI plugin chose; digits follow.
const LINK_STEMS: [&str; 21] = [
    "lo", "eth", "ens", "eno", "enp", "net", "veth", "cni", "cnio", "br", "docker", "vxlan", "flannel", "dummy", "tun",
    "tap", "bond", "virbr", "wlan", "macvlan", "ipvlan",
];

impl Snapshot {
    /// The same node with names, labels and addresses masked. `random` gives numbers that nobody can foresee.
    pub fn redacted(&self, random: &mut dyn FnMut() -> u64) -> Result<Self, serde_json::Error> {
        // Rules, flows and sockets are masked by their types, all else by the names of its fields.
        let mut plain = self.clone();
        let taken = |netns: &mut NetnsSections| (netns.netfilter.take(), netns.flows.take(), netns.sockets.take());
        let mut typed: Vec<_> = plain.netns.iter_mut().map(taken).collect();
        let mut document = serde_json::to_value(plain)?;
        let mut masks = Masks::new(random);
        let mut walk_all = |masks: &mut Masks<'_>, free_text| {
            walk(&mut document, &Place { key: "", parent: "", free_text }, masks);
        };
        walk_all(&mut masks, false);
        for (rules, flows, sockets) in &mut typed {
            if let Some(rules) = rules {
                rules::RuleMasks::mask(&mut masks, rules);
            }
            if let Some(flows) = flows {
                flows::mask(&mut masks, flows);
            }
            if let Some(sockets) = sockets {
                sockets::mask(&mut masks, sockets);
            }
        }
        // Free text last: what it may not tell is known by then.
        walk_all(&mut masks, true);
        for (rules, flows, sockets) in &mut typed {
            if let Some(rules) = rules {
                rules::issues(&mut masks, rules);
            }
            if let Some(flows) = flows {
                flows::issues(&mut masks, flows);
            }
            if let Some(sockets) = sockets {
                rules::of(&mut masks, sockets);
            }
        }
        let mut masked: Self = serde_json::from_value(document)?;
        for (netns, (rules, flows, sockets)) in masked.netns.iter_mut().zip(typed) {
            (netns.netfilter, netns.flows, netns.sockets) = (rules, flows, sockets);
        }
        // It may hold a file's path; whoever opens this one gives it another anyway.
        "redacted".clone_into(&mut masked.node.source);
        masked.sort();
        Ok(masked)
    }

    /// Puts what is sorted by a masked key in its order again.
    fn sort(&mut self) {
        sort(&mut self.sandboxes, |one, other| {
            (&one.pod.namespace, &one.pod.name, other.attempt, &one.id).cmp(&(
                &other.pod.namespace,
                &other.pod.name,
                one.attempt,
                &other.id,
            ))
        });
        let by_path = |one: &NetnsName, other: &NetnsName| one.path.cmp(&other.path);
        sort(&mut self.netns_names, by_path);
        for sandbox in &mut std::sync::Arc::make_mut(&mut self.sandboxes).value {
            if let Some(containers) = &mut sandbox.containers {
                containers.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
            }
        }
        for netns in &mut std::sync::Arc::make_mut(&mut self.namespaces).value {
            netns.names.sort_by(by_path);
        }
        let cni = &mut std::sync::Arc::make_mut(&mut self.cni).value;
        cni.cache.sort_by(|one, other| (&one.container, &one.interface).cmp(&(&other.container, &other.interface)));
        cni.leases.sort_by(|one, other| (&one.network, one.address).cmp(&(&other.network, other.address)));
        for NetnsSections { neighbours, fdb, .. } in &mut self.netns {
            sort(neighbours, |one, other| (one.ifindex, one.address).cmp(&(other.ifindex, other.address)));
            sort(fdb, |one, other| {
                (one.bridge, one.ifindex, &one.mac, one.vlan).cmp(&(
                    other.bridge,
                    other.ifindex,
                    &other.mac,
                    other.vlan,
                ))
            });
        }
    }
}

fn sort<T: Clone>(section: &mut Section<Vec<T>>, by: impl FnMut(&T, &T) -> std::cmp::Ordering) {
    std::sync::Arc::make_mut(section).value.sort_by(by);
}

/// Where in the document a text stands.
struct Place<'a> {
    /// The field it is in, lists and the sections' own `value` not counted.
    key: &'a str,
    /// The field around that.
    parent: &'a str,
    /// Which of the two passes this is.
    free_text: bool,
}

fn walk(value: &mut Value, place: &Place<'_>, masks: &mut Masks<'_>) {
    if place.key == "config" && place.parent == "plugins" {
        // Somebody else's file: none of its words are known to be podnet's.
        if !place.free_text {
            config::mask(value, masks);
        }
        return;
    }
    match value {
        Value::String(text) if FREE_TEXT.contains(&place.key) == place.free_text => {
            *text = masked(text, place, masks);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, place, masks)),
        Value::Object(fields) => {
            if !place.free_text && fields.len() == 2 && fields.contains_key("text") && fields.contains_key("hex") {
                // A name that is no UTF-8: its raw bytes stand beside it.
                let raw = fields.get("hex").and_then(Value::as_str).unwrap_or_default().to_owned();
                *value = Value::String(masks.name(&raw));
                return;
            }
            if !place.free_text && matches!(place.key, "labels" | "sysctls" | "pod_processes" | "cgroup_bpf") {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(key, value)| (map_key(&key, place, masks), value))
                    .collect();
            }
            walk_fields(fields, place, masks);
        }
        _ => {}
    }
}

fn walk_fields(fields: &mut Map<String, Value>, place: &Place<'_>, masks: &mut Masks<'_>) {
    let entry = match place.key {
        "labels" => Some("label"),
        "sysctls" => Some("setting"),
        "nsids" | "link_bpf" | "pod_processes" | "processes" | "cgroup_bpf" => Some("entry"),
        _ => None,
    };
    for (key, value) in fields {
        let inner = match entry {
            Some(entry) => Place { key: entry, parent: place.key, free_text: place.free_text },
            None if key == "value" => Place { key: place.key, parent: place.parent, free_text: place.free_text },
            None => Place { key, parent: place.key, free_text: place.free_text },
        };
        walk(value, &inner, masks);
    }
}

fn map_key(key: &str, place: &Place<'_>, masks: &mut Masks<'_>) -> String {
    if place.key != "sysctls" {
        return generic(key, masks);
    }
    sysctl_key(key, masks)
}

/// `ipv4.conf.LINK.rp_filter`, or `ipv4/conf/LINK/rp_filter` where the link's name has a dot.
fn sysctl_key(key: &str, masks: &mut Masks<'_>) -> String {
    let parts: Vec<&str> = if key.contains('/') { key.split('/').collect() } else { key.split('.').collect() };
    match parts.as_slice() {
        [family @ ("ipv4" | "ipv6"), "conf", link, setting]
            if sysctl::IPV4_LINK.contains(setting) || sysctl::IPV6_LINK.contains(setting) =>
        {
            let link = if matches!(*link, "all" | "default") { (*link).to_owned() } else { name(link, masks) };
            sysctl::of_link(family, &link.as_str().into(), setting).unwrap_or_else(|| masks.name(key))
        }
        _ if sysctl::GLOBAL.contains(&key) || sysctl::CONNTRACK.contains(&key) => key.to_owned(),
        _ => masks.name(key),
    }
}

fn masked(text: &str, place: &Place<'_>, masks: &mut Masks<'_>) -> String {
    if place.free_text {
        return free::text(text, masks);
    }
    match place.key {
        "version" | "cni_version" => version(text, masks),
        "device" => device(text, masks),
        // The program of a CNI plugin; elsewhere the type is the kernel's word.
        "type" if place.parent == "plugins" => config::plugin(text, masks),
        "hex" => "0".repeat(text.len()),
        "mac" => match text.parse::<MacAddr>() {
            Ok(mac) => masks.mac(&mac).to_string(),
            Err(_) => generic(text, masks),
        },
        // 8000.5a160fc08137: the second half is a link-layer address.
        "bridge_id" => bridge_id(text, masks),
        // The name of a kind of link, not of a link.
        "name" if place.parent == "kind" => text.to_owned(),
        key if OWN_WORDS.contains(&key) => match text.parse::<IpAddr>() {
            Ok(address) => masks.address(address).to_string(),
            Err(_) => text.to_owned(),
        },
        _ => generic(text, masks),
    }
}

/// `1.6.20` of `1.6.20~ds1-1`: who built it is not told.
fn version(text: &str, masks: &mut Masks<'_>) -> String {
    let length = text.find(|next: char| !next.is_ascii_digit() && next != '.' && next != 'v').unwrap_or(text.len());
    let plain = text[..length].trim_end_matches('.');
    let fits = |part: &str| (1..=5).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if plain.strip_prefix('v').unwrap_or(plain).split('.').all(fits) { plain.to_owned() } else { masks.name(text) }
}

/// `pci/0000:00:03.0`: the bus, and a place on it that is numbers alone.
fn device(text: &str, masks: &mut Masks<'_>) -> String {
    let (bus, place) = match text.split_once('/') {
        Some((bus, place)) => (Some(bus), place),
        None => (None, text),
    };
    let number = place.strip_prefix("virtio").unwrap_or(place);
    let is_place = (number.len() <= 7 || number.contains(':'))
        && number.len() <= 12
        && number.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
    let place = if is_place { place.to_owned() } else { generic(place, masks) };
    match bus {
        Some(bus @ ("pci" | "virtio" | "usb" | "platform" | "auxiliary" | "vmbus" | "xen" | "netdevsim")) => {
            format!("{bus}/{place}")
        }
        Some(bus) => format!("{}/{place}", generic(bus, masks)),
        None => place,
    }
}

fn bridge_id(text: &str, masks: &mut Masks<'_>) -> String {
    let mac = text.split_once('.').and_then(|(priority, mac)| Some((priority, crate::model::text::unhex(mac)?)));
    match mac {
        Some((priority, bytes)) => {
            format!("{priority}.{}", crate::model::text::hex(&masks.mac(&MacAddr(bytes)).0))
        }
        None => masks.name(text),
    }
}

/// A text that may be an address, a path or a name.
fn generic(text: &str, masks: &mut Masks<'_>) -> String {
    if let Some(masked) = address(text, masks) {
        masked
    } else if text.contains('/') {
        text.split('/').map(|part| component(part, masks)).collect::<Vec<_>>().join("/")
    } else {
        component(text, masks)
    }
}

fn address(text: &str, masks: &mut Masks<'_>) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(masks.address(address).to_string());
    }
    if let Ok(net) = text.parse::<IpNet>() {
        return Some(masks.net(net).to_string());
    }
    let mac = text.parse::<MacAddr>().ok().filter(|mac| mac.0.len() == 6)?;
    Some(masks.mac(&mac).to_string())
}

/// One part of a path. What orders files (`10-…`) and tells their kind (`….conf`) stays.
fn component(part: &str, masks: &mut Masks<'_>) -> String {
    if let Some(masked) = address(part, masks) {
        return masked;
    }
    let (stem, extension) = match part.rsplit_once('.') {
        Some((stem, extension @ ("conf" | "conflist" | "json" | "sock"))) => (stem, format!(".{extension}")),
        _ => (part, String::new()),
    };
    let digits = stem.len() - stem.trim_start_matches(|next: char| next.is_ascii_digit()).len();
    let (order, stem) = match stem[digits..].strip_prefix('-') {
        Some(rest) if (1..=3).contains(&digits) && !extension.is_empty() => (&stem[..=digits], rest),
        _ => ("", stem),
    };
    format!("{order}{}{extension}", with_ids(stem, masks))
}

/// Masks the ids in a text, and each piece between them as a name.
fn with_ids(text: &str, masks: &mut Masks<'_>) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((at, length)) = find_id(rest) {
        done.push_str(&between(&rest[..at], masks));
        done.push_str(&masks.id(&rest[at..at + length]));
        rest = &rest[at + length..];
    }
    if done.is_empty() { name(rest, masks) } else { done + &between(rest, masks) }
}

/// `customer-net-` before an id: the name without what joins it to the id.
fn between(text: &str, masks: &mut Masks<'_>) -> String {
    let joins = ['-', '_', '.', ':'];
    let inner = text.trim_matches(joins);
    let start = text.len() - text.trim_start_matches(joins).len();
    if inner.is_empty() {
        return text.to_owned();
    }
    format!("{}{}{}", &text[..start], name(inner, masks), &text[start + inner.len()..])
}

/// Where the first id is: a uuid with dashes or underscores, or 12 hex digits and more.
fn find_id(text: &str) -> Option<(usize, usize)> {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let bytes = text.as_bytes();
    let word_before = |at: usize| at.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    // `pod` stands right before a pod's uid in a cgroup's name.
    let starts = (0..bytes.len()).filter(|at| !word_before(*at) || bytes[..*at].ends_with(b"pod"));
    for at in starts {
        let rest = &bytes[at..];
        let is_uuid = rest.len() >= 36
            && rest.iter().take(36).enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => matches!(byte, b'-' | b'_'),
                _ => is_digit(byte),
            });
        if is_uuid {
            return Some((at, 36));
        }
        let run = rest.iter().take_while(|byte| is_digit(byte)).count();
        if run >= 12 && !rest.get(run).is_some_and(u8::is_ascii_alphanumeric) {
            return Some((at, run));
        }
    }
    None
}

fn name(text: &str, masks: &mut Masks<'_>) -> String {
    // Pids and the like; what is longer may be anything.
    let number = text.len() <= 7 && text.bytes().all(|byte| byte.is_ascii_digit());
    if number || COMMON_NAMES.contains(&text) || is_plain_link(text) {
        return text.to_owned();
    }
    // kubepods-burstable-pod, cri-containerd
    if text.split(['-', '.']).all(|word| COMMON_NAMES.contains(&word)) {
        return text.to_owned();
    }
    masks.name(text)
}

fn is_plain_link(text: &str) -> bool {
    let is_rest =
        |rest: &str| rest.len() <= 9 && rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'@'));
    let is_hex = |rest: &str| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    LINK_STEMS
        .iter()
        .any(|stem| text.strip_prefix(stem).is_some_and(|rest| is_rest(rest) || (*stem == "veth" && is_hex(rest))))
}

#[cfg(test)]
mod tests;
