//! What a CNI plugin does with a pod, in words, from its configuration.
//!
//! May import model only.

use serde_json::Value;

use crate::model::cni::CniPlugin;

/// One sentence or more on a plugin, and on the ipam plugin it calls.
pub(super) fn describe(plugin: &CniPlugin) -> Vec<String> {
    let config = &plugin.config;
    let mut words = match plugin.kind.as_str() {
        "bridge" => bridge(config),
        "ptp" => ptp(config),
        "macvlan" | "ipvlan" => vlan_like(&plugin.kind, config),
        "vlan" => vec![format!(
            "each pod gets a VLAN link of id {} on {}",
            number(config, "vlanId").map_or_else(|| "?".to_owned(), |id| id.to_string()),
            text(config, "master").unwrap_or("the default route's link")
        )],
        "host-device" => vec![host_device(config)],
        "dummy" => vec!["each pod gets a dummy link, which leads nowhere".to_owned()],
        "tap" => vec!["each pod gets a tap device".to_owned()],
        "sriov" => vec!["each pod gets a virtual function of an SR-IOV device, moved into it".to_owned()],
        "loopback" => vec!["sets lo up in the pod".to_owned()],
        "portmap" => portmap(config),
        "bandwidth" => bandwidth(config),
        "firewall" => vec![firewall(config)],
        "tuning" => tuning(config),
        "sbr" => vec!["gives each interface's addresses a table of their own, and a rule by source that leads there".to_owned()],
        "vrf" => vec![format!("puts the pod's interface into the VRF {}", text(config, "vrfname").unwrap_or("?"))],
        "flannel" => flannel(config),
        "calico" => vec![
            "each pod gets a veth that is plugged into no bridge: a host route leads to each pod, and the host answers ARP for 169.254.1.1".to_owned(),
        ],
        "cilium-cni" => vec!["each pod gets a veth (or netkit) whose packets BPF programs of Cilium route".to_owned()],
        "aws-cni" => vec!["each pod gets a veth that is plugged into no bridge, with an address of the VPC; rules by source choose the network card".to_owned()],
        "azure-vnet" => vec!["each pod gets an address of the virtual network, behind a bridge or by host routes".to_owned()],
        "multus" | "multus-shim" => vec!["calls other plugins: the cluster's default network, and those the pod's annotation names".to_owned()],
        "kindnet" | "weave-net" | "ovn-k8s-cni-overlay" | "antrea" | "kube-router" | "terway" | "istio-cni" | "linkerd-cni" => {
            vec![format!("the plugin of {}; what it does stands not in its configuration", plugin.kind)]
        }
        other => vec![format!("a plugin podnet does not know by name: {other}")],
    };
    if let Some(delegate) = config.get("delegate").filter(|_| plugin.kind != "flannel")
        && let Some(kind) = text(delegate, "type")
    {
        words.push(format!("hands the work to the plugin {kind}"));
    }
    words.extend(config.get("ipam").into_iter().flat_map(ipam));
    words
}

fn text<'a>(config: &'a Value, key: &str) -> Option<&'a str> {
    config.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn number(config: &Value, key: &str) -> Option<u64> {
    config.get(key).and_then(Value::as_u64).filter(|number| *number != 0)
}

fn flag(config: &Value, key: &str) -> bool {
    config.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn mtu(config: &Value) -> Option<String> {
    number(config, "mtu").map(|mtu| format!("mtu {mtu}"))
}

const MASQUERADE: &str = "traffic that leaves the pod's subnet is masqueraded (ipMasq)";

fn bridge(config: &Value) -> Vec<String> {
    let name = text(config, "bridge").unwrap_or("cni0");
    let mut words = vec![format!("each pod gets a veth whose other end is a port of the bridge {name}")];
    if flag(config, "isGateway") || flag(config, "isDefaultGateway") {
        words.push(format!("{name} holds the gateway's address (isGateway)"));
    } else {
        words.push(format!("{name} holds no address: it is no gateway"));
    }
    if flag(config, "isDefaultGateway") {
        words.push("the pod's default route leads there (isDefaultGateway)".to_owned());
    }
    words.push(if flag(config, "ipMasq") { MASQUERADE.to_owned() } else { "nothing is masqueraded by it".to_owned() });
    words.push(if flag(config, "hairpinMode") {
        "a pod can reach itself through a service (hairpinMode)".to_owned()
    } else {
        "the ports' hairpin mode is off".to_owned()
    });
    if flag(config, "promiscMode") {
        words.push(format!("{name} is promiscuous"));
    }
    if let Some(vlan) = number(config, "vlan") {
        words.push(format!("pods are in VLAN {vlan} of the bridge"));
    }
    if flag(config, "portIsolation") {
        words.push("pods of this bridge cannot reach each other directly (portIsolation)".to_owned());
    }
    words.extend(mtu(config));
    words
}

fn ptp(config: &Value) -> Vec<String> {
    let mut words = vec!["each pod gets a veth to the host, which routes to it: no bridge".to_owned()];
    words.push(if flag(config, "ipMasq") { MASQUERADE.to_owned() } else { "nothing is masqueraded by it".to_owned() });
    words.extend(mtu(config));
    words
}

fn vlan_like(kind: &str, config: &Value) -> Vec<String> {
    let parent = text(config, "master").unwrap_or("the default route's link");
    let mode = text(config, "mode").unwrap_or(if kind == "macvlan" { "bridge" } else { "l2" });
    let mut words = vec![format!(
        "each pod gets a {kind} of {parent}, mode {mode}: its packets do not pass the host's own interfaces, and it cannot reach the host by {parent}"
    )];
    words.extend(mtu(config));
    words
}

fn host_device(config: &Value) -> String {
    let device = ["device", "hwaddr", "kernelpath", "pciBusID"].into_iter().find_map(|key| text(config, key));
    format!("moves a device of the node into the pod: {}", device.unwrap_or("the one the runtime names"))
}

fn portmap(config: &Value) -> Vec<String> {
    let backend = text(config, "backend").map_or_else(String::new, |backend| format!(" ({backend})"));
    let mut words =
        vec![format!("hostPorts: what comes to a port of the node is sent on to the pod by DNAT rules{backend}")];
    if config.get("snat").and_then(Value::as_bool) == Some(false) {
        words.push("the node itself cannot use them by 127.0.0.1 (snat is off)".to_owned());
    }
    words
}

fn bandwidth(config: &Value) -> Vec<String> {
    let rate = |key: &str, word: &str| number(config, key).map(|rate| format!("{word} at most {rate} bit/s"));
    let fixed: Vec<String> =
        [rate("ingressRate", "into the pod"), rate("egressRate", "out of the pod")].into_iter().flatten().collect();
    if fixed.is_empty() { vec!["shapes the pod's traffic where its annotations ask for it".to_owned()] } else { fixed }
}

fn firewall(config: &Value) -> String {
    let policy = text(config, "ingressPolicy").map_or_else(String::new, |policy| format!(", ingress policy {policy}"));
    format!(
        "lets the pod's packets through the node's forward chain ({}{policy})",
        text(config, "backend").unwrap_or("iptables or firewalld")
    )
}

fn tuning(config: &Value) -> Vec<String> {
    let mut words: Vec<String> = config
        .get("sysctl")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            format!("sets {name} = {} in the pod", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    for (key, word) in
        [("mac", "the address"), ("mtu", "mtu"), ("promisc", "promiscuous mode"), ("allmulti", "allmulti")]
    {
        if let Some(value) = config.get(key) {
            words.push(format!("sets {word} {value} on the interface"));
        }
    }
    if words.is_empty() {
        words.push("changes settings of the pod's interface".to_owned());
    }
    words
}

fn flannel(config: &Value) -> Vec<String> {
    let mut words = vec![
        "writes a configuration of the plugin bridge, with this node's subnet from /run/flannel/subnet.env, and calls that".to_owned(),
    ];
    if let Some(delegate) = config.get("delegate") {
        if flag(delegate, "hairpinMode") {
            words.push("a pod can reach itself through a service (hairpinMode)".to_owned());
        }
        if flag(delegate, "isDefaultGateway") {
            words.push("the pod's default route leads to the bridge (isDefaultGateway)".to_owned());
        }
    }
    words
}

fn ipam(config: &Value) -> Vec<String> {
    match text(config, "type") {
        None => Vec::new(),
        Some("host-local") => {
            let mut words = vec![format!("addresses: host-local, {}", ranges(config))];
            let routes: Vec<&str> = routes(config);
            if !routes.is_empty() {
                words.push(format!("routes in the pod: {}", routes.join(", ")));
            }
            if let Some(dir) = text(config, "dataDir") {
                words.push(format!("leases are kept in {dir}"));
            }
            words
        }
        Some("dhcp") => {
            vec!["addresses: from a DHCP server of the network, through the dhcp plugin's daemon".to_owned()]
        }
        Some("static") => {
            let addresses = config.get("addresses").and_then(Value::as_array).into_iter().flatten();
            let addresses: Vec<&str> = addresses.filter_map(|address| text(address, "address")).collect();
            vec![format!(
                "addresses: static, {}",
                if addresses.is_empty() { "as asked for".to_owned() } else { addresses.join(", ") }
            )]
        }
        Some("calico-ipam") => vec!["addresses: from blocks that Calico gives to this node".to_owned()],
        Some(other) => vec![format!("addresses: from the plugin {other}")],
    }
}

fn ranges(config: &Value) -> String {
    let range = |range: &Value| {
        let subnet = text(range, "subnet")?;
        let bound = |key: &str, word: &str| text(range, key).map_or_else(String::new, |at| format!(" {word} {at}"));
        Some(format!(
            "{subnet}{}{}{}",
            bound("rangeStart", "from"),
            bound("rangeEnd", "to"),
            bound("gateway", "gateway")
        ))
    };
    let listed =
        config.get("ranges").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_array).flatten();
    let all: Vec<String> = listed.chain(std::iter::once(config)).filter_map(range).collect();
    if all.is_empty() { "ranges as the runtime gives them".to_owned() } else { all.join(", ") }
}

fn routes(config: &Value) -> Vec<&str> {
    config
        .get("routes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|route| text(route, "dst"))
        .collect()
}
