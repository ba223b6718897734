//! Which file wins, what plugins do, and whose leases are whose.

use std::collections::BTreeMap;

use serde_json::json;

use super::{CniNode, Used, Verdict, cni};
use crate::model::address::{Address, Scope};
use crate::model::cni::{CniCacheEntry, CniFile, CniLease, CniNetwork, CniPlugin, CniState};
use crate::model::ids::{ContainerId, IfIndex, NetnsId, SandboxId};
use crate::model::issue::{Issue, Read, Section, Why};
use crate::model::netns::Netns;
use crate::model::node::NodeInfo;
use crate::model::sandbox::{PodName, RuntimeInfo, Sandbox, SandboxSource, SandboxState};
use crate::model::snapshot::{FORMAT, NetnsSections, Snapshot};

const POD_NETNS: NetnsId = NetnsId { dev: 4, ino: 9 };

fn file(name: &str, error: Option<&str>) -> CniFile {
    let plugin = CniPlugin { kind: "loopback".to_owned(), config: json!({"type": "loopback"}) };
    let network = CniNetwork { name: name.to_owned(), cni_version: None, plugins: vec![plugin] };
    CniFile {
        path: format!("/etc/cni/net.d/{name}"),
        network: error.is_none().then_some(network),
        error: error.map(str::to_owned),
        unread: false,
    }
}

fn unread(name: &str) -> CniFile {
    CniFile { unread: true, ..file(name, Some("could not be read: larger than 1048576 bytes")) }
}

fn lease(address: &str, container: &str) -> CniLease {
    CniLease {
        path: format!("/var/lib/cni/networks/bridge/{address}"),
        network: "bridge".to_owned(),
        address: address.parse().unwrap(),
        container: ContainerId(container.to_owned()),
        interface: Some("eth0".to_owned()),
    }
}

fn name(pod: &str) -> PodName {
    PodName { namespace: Some("default".to_owned()), name: Some(pod.to_owned()), uid: None }
}

fn sandbox(id: &str, pod: &str, source: SandboxSource) -> Sandbox {
    Sandbox {
        id: SandboxId(id.to_owned()),
        pod: name(pod),
        attempt: 0,
        state: SandboxState::Ready,
        created_at: None,
        labels: None,
        pid: None,
        netns: None,
        netns_path: None,
        host_network: false,
        ips: None,
        cni_interfaces: Vec::new(),
        containers: None,
        cgroup: None,
        source,
        issues: Vec::new(),
    }
}

/// A node with one pod namespace that holds 10.0.0.7.
fn node(runtime: Option<&str>, sandboxes: Vec<Sandbox>, state: CniState) -> Snapshot {
    let runtime = match runtime {
        Some(runtime) => Read::ok(RuntimeInfo { name: Some(runtime.to_owned()), ..RuntimeInfo::default() }),
        None => Read::with(
            RuntimeInfo::default(),
            Issue::incomplete("asking the runtime", Why::Timeout { detail: "2 s".to_owned() }),
        ),
    };
    let address = Address {
        ifindex: IfIndex(2),
        address: "10.0.0.7/24".parse().unwrap(),
        peer: None,
        broadcast: None,
        scope: Scope::Universe,
        flags: Vec::new(),
        label: None,
        valid_s: None,
        preferred_s: None,
    };
    let netns = NetnsSections {
        learned_routes: None,
        id: POD_NETNS,
        links: Section::default(),
        addresses: Read::ok(vec![address]).section(),
        neighbours: Section::default(),
        fdb: Section::default(),
        rules: Section::default(),
        routes: Section::default(),
        nexthops: Section::default(),
        link_bpf: BTreeMap::new(),
        sysctls: BTreeMap::new(),
        nsids: BTreeMap::new(),
        flows: None,
        sockets: None,
        netfilter: None,
    };
    let seen = Netns { id: POD_NETNS, names: Vec::new(), nsid: None, cookie: None, pids: Vec::new() };
    Snapshot {
        format: FORMAT.to_owned(),
        written_by: "test".to_owned(),
        node: NodeInfo {
            name: "worker-0".to_owned(),
            source: "test".to_owned(),
            taken_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            host_netns: POD_NETNS,
        },
        runtime: runtime.section(),
        sandboxes: Read::ok(sandboxes).section(),
        pod_processes: BTreeMap::new(),
        processes: BTreeMap::new(),
        namespaces: Read::ok(vec![seen]).section(),
        netns_names: Section::default(),
        cgroup_bpf: BTreeMap::new(),
        cni: Read::ok(state).section(),
        netns: vec![netns],
    }
}

fn ask(node: &Snapshot) -> (CniNode, u8) {
    let mut answer = cni(&[node]);
    let code = answer.exit_code();
    (answer.data.nodes.remove(0), code)
}

fn used(runtime: Option<&str>, files: Vec<CniFile>) -> (Vec<Used>, u8) {
    let state = CniState { files, ..CniState::default() };
    let (found, code) = ask(&node(runtime, Vec::new(), state));
    (found.files.iter().map(|file| file.used).collect(), code)
}

#[test]
fn the_first_file_by_name_wins() {
    let files = || vec![file("10-a.conf", None), file("20-b.conflist", None), file("30-c.conf", Some("line 1"))];
    let expected = vec![Used::Yes, Used::No, Used::Broken];
    assert_eq!(used(Some("containerd"), files()), (expected.clone(), 0));
    assert_eq!(used(Some("cri-o"), files()), (expected, 0));
}

#[test]
fn a_broken_first_file_stops_containerd_and_not_crio() {
    let files = || vec![file("10-a.conf", Some("line 1")), file("20-b.conf", None), file("30-c.conf", None)];
    assert_eq!(used(Some("containerd"), files()), (vec![Used::Broken, Used::No, Used::No], 1));
    assert_eq!(used(Some("cri-o"), files()), (vec![Used::Broken, Used::Yes, Used::No], 0));
    assert_eq!(used(None, files()), (vec![Used::Broken, Used::Unknown, Used::No], 3));
}

#[test]
fn a_file_that_podnet_did_not_read_may_be_valid() {
    let files = || vec![unread("00-large.conf"), file("10-a.conf", None), file("20-b.conf", None)];
    // containerd takes the first or none; CRI-O the second, should the first be broken.
    assert_eq!(used(Some("containerd"), files()), (vec![Used::Unknown, Used::No, Used::No], 3));
    assert_eq!(used(Some("cri-o"), files()), (vec![Used::Unknown, Used::Unknown, Used::No], 3));
    assert_eq!(used(None, files()), (vec![Used::Unknown, Used::Unknown, Used::No], 3));
    let files = || vec![file("00-a.conf", Some("line 1")), unread("10-large.conf"), file("20-b.conf", None)];
    assert_eq!(used(Some("containerd"), files()), (vec![Used::Broken, Used::No, Used::No], 1));
    assert_eq!(used(Some("cri-o"), files()), (vec![Used::Broken, Used::Unknown, Used::Unknown], 3));
    let files = || vec![file("00-a.conf", None), unread("10-large.conf")];
    assert_eq!(used(Some("containerd"), files()), (vec![Used::Yes, Used::No], 0));
    let state = CniState { files: files(), ..CniState::default() };
    let (found, _) = ask(&node(Some("containerd"), Vec::new(), state));
    assert_eq!(found.files[1].why, "it was not read, and 00-a.conf comes first by name");
}

#[test]
fn leases_are_joined_with_sandboxes() {
    let leases = vec![lease("10.0.0.5", "a"), lease("10.0.0.6", "gone"), lease("10.0.0.7", "gone")];
    let state = CniState { leases, ..CniState::default() };
    let (found, code) = ask(&node(Some("containerd"), vec![sandbox("a", "nginx", SandboxSource::Runtime)], state));
    let leaked: Vec<_> = found.leases.iter().map(|lease| lease.leaked.clone()).collect();
    let gone = Verdict::Yes { why: "containerd has no sandbox gone".to_owned() };
    assert_eq!(leaked, [Verdict::No { why: "held by the sandbox of default/nginx".to_owned() }, gone.clone(), gone]);
    assert_eq!(found.leases[0].pod, Some(name("nginx")));
    assert_eq!(code, 1);
}

#[test]
fn without_a_runtime_a_lease_leaked_only_if_no_namespace_holds_its_address() {
    let leases = vec![lease("10.0.0.5", "a"), lease("10.0.0.6", "gone"), lease("10.0.0.7", "gone")];
    let state = CniState { leases, ..CniState::default() };
    let (found, _) = ask(&node(None, vec![sandbox("a", "nginx", SandboxSource::Proc)], state));
    let leaked: Vec<_> = found.leases.iter().map(|lease| lease.leaked.clone()).collect();
    assert_eq!(
        leaked,
        [
            Verdict::No { why: "held by the sandbox of default/nginx".to_owned() },
            Verdict::Yes { why: "no pause process has this id, and no namespace holds the address".to_owned() },
            Verdict::Unknown {
                why: "net:[9] holds the address; whose that is only the runtime knows (asking the runtime failed)"
                    .to_owned()
            },
        ]
    );
}

#[test]
fn without_a_runtime_and_with_a_namespace_that_cannot_be_read_it_is_unknown() {
    let state = CniState { leases: vec![lease("10.0.0.6", "gone")], ..CniState::default() };
    let mut node = node(None, Vec::new(), state);
    node.netns.clear();
    let (found, code) = ask(&node);
    assert_eq!(
        found.leases[0].leaked,
        Verdict::Unknown {
            why: "not every namespace could be looked into: reading addresses of net:[9] failed".to_owned()
        }
    );
    assert_eq!(code, 3);
}

#[test]
fn cache_entries_tell_the_pod_of_a_lease_and_what_was_left_over() {
    let entry = CniCacheEntry {
        path: "/var/lib/cni/results/bridge-gone-eth0".to_owned(),
        container: ContainerId("gone".to_owned()),
        network: "bridge".to_owned(),
        interface: "eth0".to_owned(),
        pod: name("old"),
        interfaces: Vec::new(),
        addresses: vec!["10.0.0.6/24".parse().unwrap()],
        error: None,
    };
    let state = CniState { cache: vec![entry], leases: vec![lease("10.0.0.6", "gone")], ..CniState::default() };
    let (found, _) = ask(&node(Some("containerd"), Vec::new(), state));
    assert_eq!(found.leases[0].pod, Some(name("old")));
    assert_eq!(found.attachments[0].left_over, Verdict::Yes { why: "containerd has no sandbox gone".to_owned() });
}

fn does(config: serde_json::Value) -> Vec<String> {
    let kind = config["type"].as_str().unwrap().to_owned();
    super::describe(&CniPlugin { kind, config })
}

#[test]
fn plugins_in_words() {
    let bridge = json!({
        "type": "bridge", "bridge": "cnio0", "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.200.0.0/24", "rangeStart": "10.200.0.9"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    });
    assert_eq!(
        does(bridge),
        [
            "each pod gets a veth whose other end is a port of the bridge cnio0",
            "cnio0 holds the gateway's address (isGateway)",
            "traffic that leaves the pod's subnet is masqueraded (ipMasq)",
            "the ports' hairpin mode is off",
            "addresses: host-local, 10.200.0.0/24 from 10.200.0.9",
            "routes in the pod: 0.0.0.0/0",
        ]
    );
    assert_eq!(
        does(json!({"type": "ptp", "mtu": 1400, "ipam": {"type": "dhcp"}})),
        [
            "each pod gets a veth to the host, which routes to it: no bridge",
            "nothing is masqueraded by it",
            "mtu 1400",
            "addresses: from a DHCP server of the network, through the dhcp plugin's daemon",
        ]
    );
    assert_eq!(
        does(json!({"type": "macvlan", "master": "eth1"})),
        [
            "each pod gets a macvlan of eth1, mode bridge: its packets do not pass the host's own interfaces, and it cannot reach the host by eth1"
        ]
    );
    assert_eq!(does(json!({"type": "bandwidth", "ingressRate": 1000})), ["into the pod at most 1000 bit/s"]);
    assert_eq!(
        does(json!({"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}})),
        ["sets net.core.somaxconn = 500 in the pod"]
    );
    assert_eq!(
        does(json!({"type": "static", "ipam": {"type": "static", "addresses": [{"address": "10.1.0.2/24"}]}}))[1],
        "addresses: static, 10.1.0.2/24"
    );
    assert_eq!(does(json!({"type": "acme-net"})), ["a plugin podnet does not know by name: acme-net"]);
}

#[test]
fn every_known_plugin_has_words_of_its_own() {
    for kind in [
        "bridge",
        "ptp",
        "macvlan",
        "ipvlan",
        "vlan",
        "host-device",
        "loopback",
        "portmap",
        "bandwidth",
        "firewall",
        "tuning",
        "sbr",
        "vrf",
        "flannel",
        "calico",
        "cilium-cni",
        "aws-cni",
        "multus",
        "dummy",
        "tap",
        "sriov",
    ] {
        let words = does(json!({"type": kind}));
        assert!(!words.is_empty() && !words[0].contains("does not know"), "{kind}: {words:?}");
    }
}
