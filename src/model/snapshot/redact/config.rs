//! The configuration of a CNI plugin: any JSON that somebody wrote, secrets included.
//!
//! Must not import anything from the crate but its sibling model types. Every text, number and key is
//! masked but for the words of the CNI specification and of the plugins that everybody uses.

use serde_json::Value;

use super::super::mask::Masks;
use super::{address, generic, name, version};
use crate::model::sysctl;

/// The programs of plugins that everybody may have.
const PLUGINS: &[&str] = &[
    "bridge",
    "ptp",
    "macvlan",
    "ipvlan",
    "vlan",
    "host-device",
    "dummy",
    "tap",
    "sriov",
    "loopback",
    "portmap",
    "bandwidth",
    "firewall",
    "tuning",
    "sbr",
    "vrf",
    "host-local",
    "static",
    "dhcp",
    "flannel",
    "calico",
    "calico-ipam",
    "cilium-cni",
    "aws-cni",
    "azure-vnet",
    "azure-vnet-ipam",
    "multus",
    "multus-shim",
    "kindnet",
    "weave-net",
    "weave-ipam",
    "ovn-k8s-cni-overlay",
    "antrea",
    "kube-router",
    "terway",
    "istio-cni",
    "linkerd-cni",
    "whereabouts",
];

/// Members that have a meaning to those plugins.
const KEYS: &[&str] = &[
    "cniVersion",
    "cniVersions",
    "name",
    "type",
    "plugins",
    "disableCheck",
    "disableGC",
    "capabilities",
    "args",
    "cni",
    "ipMasq",
    "ipMasqBackend",
    "ipam",
    "dns",
    "bridge",
    "isGateway",
    "isDefaultGateway",
    "forceAddress",
    "mtu",
    "hairpinMode",
    "promiscMode",
    "vlan",
    "vlanTrunk",
    "minID",
    "maxID",
    "id",
    "preserveDefaultVlan",
    "enabledad",
    "macspoofchk",
    "disableContainerInterface",
    "portIsolation",
    "master",
    "mode",
    "linkInContainer",
    "vlanId",
    "device",
    "hwaddr",
    "kernelpath",
    "pciBusID",
    "runtimeConfig",
    "sysctl",
    "mac",
    "promisc",
    "allmulti",
    "txQLen",
    "dataDir",
    "resolvConf",
    "ranges",
    "subnet",
    "rangeStart",
    "rangeEnd",
    "gateway",
    "routes",
    "dst",
    "gw",
    "advmss",
    "priority",
    "table",
    "scope",
    "addresses",
    "address",
    "nameservers",
    "domain",
    "search",
    "options",
    "daemonSocketPath",
    "request",
    "provide",
    "snat",
    "conditionsV4",
    "conditionsV6",
    "markMasqBit",
    "externalSetMarkChain",
    "masqAll",
    "backend",
    "ingressPolicy",
    "firewalldZone",
    "iptablesAdminChainName",
    "ingressRate",
    "ingressBurst",
    "egressRate",
    "egressBurst",
    "shapedSubnets",
    "unshapedSubnets",
    "vrfname",
    "vrfName",
    "multiQueue",
    "delegate",
    "delegates",
    "kubeconfig",
    "clusterNetwork",
    "confDir",
    "cniDir",
    "binDir",
    "logFile",
    "logLevel",
    "log_level",
    "log_file_path",
    "datastore_type",
    "nodename",
    "kubernetes",
    "policy",
    "container_settings",
    "allow_ip_forwarding",
    "feature_control",
    "floating_ips",
    "assign_ipv4",
    "assign_ipv6",
    "ipv4_pools",
    "ipv6_pools",
    "subnetFile",
    "portMappings",
    "bandwidth",
    "ips",
    "ipRanges",
    "infinibandGUID",
    "deviceID",
    "aliases",
    "cgroupPath",
    "hostPort",
    "containerPort",
    "hostIP",
    "protocol",
    "supportedVersions",
];

/// Values that are words of those plugins.
const VALUES: &[&str] = &[
    "private",
    "vepa",
    "passthru",
    "l2",
    "l3",
    "l3s",
    "iptables",
    "nftables",
    "firewalld",
    "open",
    "same-bridge",
    "isolated",
    "debug",
    "info",
    "warning",
    "error",
    "kubernetes",
    "k8s",
    "tcp",
    "udp",
    "sctp",
];

/// Members whose number is one of a few that everybody uses: at most 65535.
const SMALL: &[&str] = &[
    "mtu",
    "vlan",
    "vlanId",
    "minID",
    "maxID",
    "id",
    "advmss",
    "priority",
    "table",
    "scope",
    "txQLen",
    "markMasqBit",
    "hostPort",
    "containerPort",
];

/// Members whose number is a rate.
const RATES: [&str; 4] = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"];

/// Words that stand in the names of sysctls, besides those that podnet reads.
const SYSCTL_WORDS: [&str; 9] = ["net", "core", "ipv4", "ipv6", "conf", "neigh", "all", "default", "somaxconn"];

/// Masks a configuration in place.
pub(super) fn mask(config: &mut Value, masks: &mut Masks<'_>) {
    member("", config, masks);
}

/// The program's name.
pub(super) fn plugin(program: &str, masks: &mut Masks<'_>) -> String {
    if PLUGINS.contains(&program) { program.to_owned() } else { generic(program, masks) }
}

/// Whether a word is one of the specification or of a plugin that everybody may have.
pub(super) fn is_standard(word: &str) -> bool {
    KEYS.contains(&word) || PLUGINS.contains(&word)
}

fn member(key: &str, value: &mut Value, masks: &mut Masks<'_>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            let small = SMALL.contains(&key) && number.as_u64().is_some_and(|number| number <= 0xffff);
            if !small && !RATES.contains(&key) {
                *value = Value::from(0);
            }
        }
        Value::String(text) => *text = words(key, text, masks),
        Value::Array(items) => items.iter_mut().for_each(|item| member(key, item, masks)),
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(inner, mut value)| {
                    if key == "sysctl" {
                        setting(&mut value, masks);
                        return (sysctl_name(&inner, masks), value);
                    }
                    member(&inner, &mut value, masks);
                    let inner = if KEYS.contains(&inner.as_str()) { inner } else { strict(&inner, masks) };
                    (inner, value)
                })
                .collect();
        }
    }
}

fn words(key: &str, text: &str, masks: &mut Masks<'_>) -> String {
    match key {
        "type" => plugin(text, masks),
        "cniVersion" | "cniVersions" | "supportedVersions" => version(text, masks),
        _ if VALUES.contains(&text) => text.to_owned(),
        _ => strict(text, masks),
    }
}

/// A number may be anything here: a telephone's, a password.
fn strict(text: &str, masks: &mut Masks<'_>) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { masks.name(text) } else { generic(text, masks) }
}

/// What the plugin tuning sets: `net.ipv4.conf.LINK.rp_filter`, or with slashes.
fn sysctl_name(text: &str, masks: &mut Masks<'_>) -> String {
    let separator = if text.contains('/') { '/' } else { '.' };
    let known = |part: &str| {
        let of_node =
            sysctl::GLOBAL.iter().chain(sysctl::CONNTRACK).any(|known| known.rsplit('.').next() == Some(part));
        of_node
            || SYSCTL_WORDS.contains(&part)
            || sysctl::IPV4_LINK.contains(&part)
            || sysctl::IPV6_LINK.contains(&part)
    };
    let parts = text.split(separator).map(|part| if known(part) { part.to_owned() } else { name(part, masks) });
    parts.collect::<Vec<_>>().join(&separator.to_string())
}

/// The value of a sysctl: numbers, which stay while they are short.
fn setting(value: &mut Value, masks: &mut Masks<'_>) {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number <= 0xffff) => {}
        Value::String(text) => {
            let short = |word: &str| word.len() <= 5 && word.bytes().all(|byte| byte.is_ascii_digit());
            if !text.split_whitespace().all(short) {
                *text = address(text, masks).unwrap_or_else(|| masks.name(text));
            }
        }
        other => member("", other, masks),
    }
}
