//! What an answer looks like, plain and with hostile names.

use serde_json::json;

use super::write;
use crate::analyze::answer::{Answer, Gathered};
use crate::analyze::cni::{Attachment, CniAnswer, CniNode, FileRow, LeaseRow, PluginRow, Used, Verdict};
use crate::model::ids::ContainerId;
use crate::model::sandbox::PodName;
use crate::render::style::Style;

fn pod(name: &str) -> PodName {
    PodName { namespace: Some("default".to_owned()), name: Some(name.to_owned()), uid: None }
}

fn answer() -> Answer<CniAnswer> {
    let plugin = PluginRow {
        kind: "bridge".to_owned(),
        does: vec!["each pod gets a veth".to_owned(), "nothing is masqueraded by it".to_owned()],
        config: json!({}),
    };
    let file = |path: &str, used, why: &str, error: Option<&str>| FileRow {
        path: path.to_owned(),
        network: error.is_none().then(|| "bridge".to_owned()),
        cni_version: error.is_none().then(|| "0.3.1".to_owned()),
        used,
        why: why.to_owned(),
        error: error.map(str::to_owned),
        plugins: if error.is_none() { vec![plugin.clone()] } else { Vec::new() },
    };
    let lease = |address: &str, pod: Option<PodName>, leaked| LeaseRow {
        network: "bridge".to_owned(),
        address: address.parse().unwrap(),
        container: ContainerId("7b15dcb5f79362d434b6".to_owned()),
        interface: Some("eth0".to_owned()),
        pod,
        leaked,
        path: format!("/var/lib/cni/networks/bridge/{address}"),
    };
    let attachment = Attachment {
        pod: pod("nginx"),
        container: ContainerId("7b15dcb5f79362d434b6".to_owned()),
        network: "bridge".to_owned(),
        interface: "eth0".to_owned(),
        mac: Some("52:00:81:09:fd:42".parse().unwrap()),
        addresses: vec!["10.200.0.32/24".parse().unwrap()],
        host_links: vec!["cnio0".to_owned(), "veth02e7367b".to_owned()],
        netns_path: Some("/var/run/netns/cni-1".to_owned()),
        left_over: Verdict::No { why: "held by the sandbox of default/nginx".to_owned() },
        error: None,
        path: "/var/lib/cni/results/x".to_owned(),
    };
    let node = CniNode {
        node: None,
        conf_dir: "/etc/cni/net.d".to_owned(),
        runtime: Some("containerd".to_owned()),
        files: vec![
            file("/etc/cni/net.d/10-bridge.conf", Used::Yes, "the first by name", None),
            file(
                "/etc/cni/net.d/20-\x1b[31m.conf",
                Used::Broken,
                "it is not valid, and 10-bridge.conf comes first",
                Some("line 3"),
            ),
        ],
        attachments: vec![attachment],
        leases: vec![
            lease("10.200.0.32", Some(pod("nginx")), Verdict::No { why: "held".to_owned() }),
            lease("10.200.0.99", None, Verdict::Yes { why: "containerd has no sandbox 7b15".to_owned() }),
        ],
    };
    Answer::new(&[], CniAnswer { nodes: vec![node] }, Gathered::default())
}

fn told(style: Style) -> String {
    let mut out = Vec::new();
    write(&answer(), style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn files_then_leases() {
    assert_eq!(
        told(Style::PLAIN),
        "\
/etc/cni/net.d/10-bridge.conf  network bridge  cni 0.3.1  used: the first by name
  1. bridge
       each pod gets a veth
       nothing is masqueraded by it
/etc/cni/net.d/20-\\x1b[31m.conf  broken: it is not valid, and 10-bridge.conf comes first
    line 3

NETWORK  ADDRESS      POD            INTERFACE  SANDBOX       LEAKED
bridge   10.200.0.32  default/nginx  eth0       7b15dcb5f793  no
bridge   10.200.0.99  ?              eth0       7b15dcb5f793  yes: containerd has no sandbox 7b15
2 leases; 1 entry in the results cache; 1 leaked
"
    );
}

#[test]
fn wide_has_the_attachments_too() {
    let text = told(Style { color: false, wide: true });
    let expected = "\
POD            NETWORK  INTERFACE  ADDRESSES       MAC                HOST LINKS          NETNS                 FILE                    LEFT OVER
default/nginx  bridge   eth0       10.200.0.32/24  52:00:81:09:fd:42  cnio0,veth02e7367b  /var/run/netns/cni-1  /var/lib/cni/results/x  no: held by the sandbox of default/nginx
";
    assert!(text.contains(expected), "{text}");
}
