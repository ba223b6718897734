use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::sandbox::{CniInterface, PodName};

const SANDBOX: &[u8] = include_bytes!("../../../fixtures/cri/sandbox-metadata.json");
const HOSTNET: &[u8] = include_bytes!("../../../fixtures/cri/sandbox-metadata-hostnet.json");
const CONTAINER: &[u8] = include_bytes!("../../../fixtures/cri/container-metadata.json");
const BUNDLE: &[u8] = include_bytes!("../../../fixtures/cri/bundle-sandbox.json");
const BUNDLE_HOSTNET: &[u8] = include_bytes!("../../../fixtures/cri/bundle-sandbox-hostnet.json");
const BUNDLE_CONTAINER: &[u8] = include_bytes!("../../../fixtures/cri/bundle-container.json");
const NGINX: &str = "7b15dcb5f79362d434b66fe2622215f9433b30e72a237d91f9b81b3699d4adbe";
const NETNS: &str = "/var/run/netns/cni-0949584a-0cce-019c-6dd7-6868f0b761bb";

fn pod(name: &str, uid: &str) -> PodName {
    PodName { namespace: Some("default".to_owned()), name: Some(name.to_owned()), uid: Some(uid.to_owned()) }
}

fn nginx() -> PodName {
    pod("nginx", "2e1c5739-f412-447c-93cc-47e6c9660c34")
}

fn hostnet() -> PodName {
    pod("hostnet", "18af9d01-208b-40dc-891b-bf5db7c9a654")
}

fn labels(app: &str, pod: &PodName) -> BTreeMap<String, String> {
    [
        ("app", app),
        ("io.kubernetes.pod.name", pod.name.as_deref().unwrap()),
        ("io.kubernetes.pod.namespace", "default"),
        ("io.kubernetes.pod.uid", pod.uid.as_deref().unwrap()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

#[test]
fn a_sandbox_on_the_bridge() {
    let interface = |name: &str, mac: &str, sandbox: Option<&str>| CniInterface {
        name: name.to_owned(),
        mac: Some(mac.parse().unwrap()),
        sandbox: sandbox.map(str::to_owned),
    };
    let expected = sandbox::SandboxMetadata {
        id: Some(NGINX.to_owned()),
        pod: nginx(),
        attempt: 0,
        labels: labels("nginx", &nginx()),
        host_network: false,
        netns_path: Some(NETNS.to_owned()),
        ips: vec!["10.200.0.32".parse().unwrap()],
        interfaces: vec![
            interface("cnio0", "5a:16:0f:c0:81:37", None),
            interface("eth0", "52:00:81:09:fd:42", Some(NETNS)),
            interface("lo", "00:00:00:00:00:00", Some(NETNS)),
            interface("veth02e7367b", "5e:58:66:fc:30:78", None),
        ],
    };
    assert_eq!(sandbox::parse(SANDBOX).unwrap(), expected);
}

#[test]
fn a_sandbox_in_the_nodes_network() {
    let expected = sandbox::SandboxMetadata {
        id: Some("dbdf3dbbb2ea22470b6c4c04ea970116ba2eb06c4e6845cd52c735914f993d20".to_owned()),
        pod: hostnet(),
        labels: labels("hostnet", &hostnet()),
        host_network: true,
        ..Default::default()
    };
    assert_eq!(sandbox::parse(HOSTNET).unwrap(), expected);
}

#[test]
fn nulls_and_missing_fields_are_empty() {
    let nulls = br#"{"Version":"v1","Metadata":{"ID":null,"Config":{"metadata":null,"labels":null,"linux":null},
        "NetNSPath":null,"IP":"","AdditionalIPs":[null,"fd00::5"],"CNIResult":{"Interfaces":{"eth0":null}}}}"#;
    let eth0 = CniInterface { name: "eth0".to_owned(), mac: None, sandbox: None };
    let expected = sandbox::SandboxMetadata {
        ips: vec!["fd00::5".parse().unwrap()],
        interfaces: vec![eth0],
        ..Default::default()
    };
    assert_eq!(sandbox::parse(nulls).unwrap(), expected);
    assert_eq!(sandbox::parse(b"{}").unwrap(), sandbox::SandboxMetadata::default());
    assert_eq!(container::parse(br#"{"Metadata":null}"#).unwrap(), container::ContainerMetadata::default());
}

#[test]
fn a_container_names_its_sandbox() {
    let expected = container::ContainerMetadata { sandbox: Some(NGINX.to_owned()), name: Some("nginx".to_owned()) };
    assert_eq!(container::parse(CONTAINER).unwrap(), expected);
}

#[test]
fn bundles_of_a_sandbox_a_container_and_a_host_network_sandbox() {
    let sandbox = bundle::Bundle {
        is_sandbox: Some(true),
        sandbox: Some(NGINX.to_owned()),
        pod: nginx(),
        container: None,
        image: None,
        netns_path: Some(NETNS.to_owned()),
        own_network: true,
    };
    assert_eq!(bundle::parse(BUNDLE).unwrap(), sandbox);
    let container = bundle::Bundle {
        is_sandbox: Some(false),
        container: Some("nginx".to_owned()),
        image: Some("docker.io/library/nginx:local".to_owned()),
        netns_path: Some("/proc/25570/ns/net".to_owned()),
        ..sandbox
    };
    assert_eq!(bundle::parse(BUNDLE_CONTAINER).unwrap(), container);
    let host = bundle::parse(BUNDLE_HOSTNET).unwrap();
    assert_eq!((host.pod, host.own_network, host.netns_path), (hostnet(), false, None));
}

#[test]
fn a_bundle_of_cri_o() {
    let json = br#"{"annotations":{"io.kubernetes.cri-o.ContainerType":"sandbox","io.kubernetes.cri-o.SandboxID":"abc",
        "io.kubernetes.container.name":"POD","io.kubernetes.pod.name":"nginx","io.kubernetes.pod.namespace":"default",
        "io.kubernetes.pod.uid":"2e1c5739-f412-447c-93cc-47e6c9660c34"},
        "linux":{"namespaces":[{"type":"network","path":"/var/run/netns/x"}]}}"#;
    let expected = bundle::Bundle {
        is_sandbox: Some(true),
        sandbox: Some("abc".to_owned()),
        pod: nginx(),
        container: None,
        image: None,
        netns_path: Some("/var/run/netns/x".to_owned()),
        own_network: true,
    };
    assert_eq!(bundle::parse(json).unwrap(), expected);
}

#[test]
fn names_of_log_folders_and_links() {
    assert_eq!(log_name::pod_folder("default_nginx_2e1c5739-f412-447c-93cc-47e6c9660c34"), Some(nginx()));
    for name in ["", "a_b", "a__b", "a_b_c_d", "_b_c"] {
        assert_eq!(log_name::pod_folder(name), None, "{name}");
    }
    let expected = log_name::ContainerLog {
        pod: PodName { namespace: Some("default".to_owned()), name: Some("two-containers".to_owned()), uid: None },
        container: "side-car".to_owned(),
        id: "6cc80cb6570a".to_owned(),
    };
    assert_eq!(log_name::container_link("two-containers_default_side-car-6cc80cb6570a.log"), Some(expected));
    assert_eq!(log_name::container_link("two-containers_default_side.log"), None);
}

#[test]
fn crictls_configuration() {
    let cases: &[(&str, Option<&str>)] = &[
        ("runtime-endpoint: unix:///run/containerd.sock\ntimeout: 10\n", Some("unix:///run/containerd.sock")),
        ("\"runtime-endpoint\": \"unix:///run/a b.sock\" # why\ndebug: true\n", Some("unix:///run/a b.sock")),
        ("runtime-endpoint: '/run/x.sock'\r\ntimeout: 0\n", Some("/run/x.sock")),
        ("# runtime-endpoint: /run/x.sock\nruntime-endpoint: # none\n", None),
        ("runtime-endpoint: \"\"\nimage-endpoint: /run/y.sock\n", None),
        ("runtime-endpoint: /run/x.sock # spare\n", Some("/run/x.sock")),
        ("", None),
    ];
    for (text, endpoint) in cases {
        let expected = crictl::Crictl { runtime_endpoint: endpoint.map(str::to_owned) };
        assert_eq!(crictl::parse(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[a-z_:\"'# .\n{}-]{0,80}") {
        let _ = sandbox::parse(&bytes);
        let _ = container::parse(&bytes);
        let _ = bundle::parse(&bytes);
        let _ = crictl::parse(&text);
        let _ = log_name::pod_folder(&text);
        let _ = log_name::container_link(&text);
    }

    #[test]
    fn a_changed_or_cut_capture_is_a_value_or_an_error(cut in 0usize..2400, at in 0usize..2400, bit in 0u8..8) {
        for capture in [SANDBOX, HOSTNET, CONTAINER, BUNDLE] {
            let mut bytes = capture.to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            bytes.truncate(cut);
            let _ = sandbox::parse(&bytes);
            let _ = container::parse(&bytes);
            let _ = bundle::parse(&bytes);
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let json = "[".repeat(200_000);
    assert!(sandbox::parse(json.as_bytes()).is_err());
    assert!(bundle::parse(json.as_bytes()).is_err());
}
