//! Real files and their meaning; and any damage to them gives a value or an error.

use proptest::prelude::*;
use serde_json::json;

use super::{cache, conf, lease};
use crate::model::cni::{CniCacheEntry, CniLease, CniNetwork, CniPlugin};
use crate::model::ids::ContainerId;
use crate::model::sandbox::{CniInterface, PodName};

const BRIDGE: &[u8] = include_bytes!("../../../fixtures/cni/net.d/10-bridge.conf");
const NGINX: &str = "bridge-7b15dcb5f79362d434b66fe2622215f9433b30e72a237d91f9b81b3699d4adbe-eth0";
const NGINX_BYTES: &[u8] = include_bytes!(
    "../../../fixtures/cni/results/bridge-7b15dcb5f79362d434b66fe2622215f9433b30e72a237d91f9b81b3699d4adbe-eth0"
);
const LOOPBACK: &str = "cni-loopback-7b15dcb5f79362d434b66fe2622215f9433b30e72a237d91f9b81b3699d4adbe-lo";
const LOOPBACK_BYTES: &[u8] = include_bytes!(
    "../../../fixtures/cni/results/cni-loopback-7b15dcb5f79362d434b66fe2622215f9433b30e72a237d91f9b81b3699d4adbe-lo"
);
const LEASE: &[u8] = include_bytes!("../../../fixtures/cni/networks/bridge/10.200.0.32");
const SANDBOX: &str = "7b15dcb5f79362d434b66fe2622215f9433b30e72a237d91f9b81b3699d4adbe";

fn nginx() -> PodName {
    PodName {
        namespace: Some("default".to_owned()),
        name: Some("nginx".to_owned()),
        uid: Some("2e1c5739-f412-447c-93cc-47e6c9660c34".to_owned()),
    }
}

#[test]
fn a_configuration_of_one_plugin() {
    let config = json!({
        "cniVersion": "0.3.1", "name": "bridge", "type": "bridge", "bridge": "cnio0", "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.200.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    });
    assert_eq!(
        conf::network("10-bridge.conf", BRIDGE),
        Ok(CniNetwork {
            name: "bridge".to_owned(),
            cni_version: Some("0.3.1".to_owned()),
            plugins: vec![CniPlugin { kind: "bridge".to_owned(), config }],
        })
    );
}

#[test]
fn a_chain_of_plugins_in_its_order() {
    let text = br#"{"cniVersion":"1.0.0","name":"k8s","plugins":[{"type":"bridge"},{"type":"portmap","snat":true}]}"#;
    let network = conf::network("10-k8s.conflist", text).unwrap();
    assert_eq!(network.plugins.iter().map(|plugin| plugin.kind.as_str()).collect::<Vec<_>>(), ["bridge", "portmap"]);
    assert_eq!(network.plugins[1].config, json!({"type": "portmap", "snat": true}));
}

#[test]
fn what_is_wrong_with_a_configuration_is_said() {
    let cases: &[(&str, &str, &str)] = &[
        ("a.conf", "{\n  \"name\": \"x\",\n  \"type\" \"bridge\"\n}", "expected `:` at line 3 column 10"),
        ("a.conf", "", "EOF while parsing a value at line 1 column 0"),
        ("a.conf", "[]", "the file holds a list, and not an object"),
        ("a.conf", r#"{"type":"bridge"}"#, "there is no \"name\""),
        ("a.conf", r#"{"name":"x"}"#, "there is no \"type\", which names the program"),
        (
            "a.conf",
            r#"{"name":"x","plugins":[{"type":"bridge"}]}"#,
            "there is no \"type\", but a \"plugins\" list: such a file has to be named .conflist",
        ),
        ("a.conflist", r#"{"name":"x","type":"bridge"}"#, "there is no \"plugins\" list"),
        ("a.conflist", r#"{"name":"x","plugins":[]}"#, "the \"plugins\" list is empty"),
        ("a.conflist", r#"{"name":"x","plugins":{}}"#, "\"plugins\" is an object, and not a list"),
        (
            "a.conflist",
            r#"{"name":"x","plugins":[{"type":"bridge"},{}]}"#,
            "plugin 2 of the list: there is no \"type\", which names the program",
        ),
        ("a.conflist", r#"{"name":"x","cniVersion":1,"plugins":[]}"#, "\"cniVersion\" is a number, and not a string"),
    ];
    for (name, text, wrong) in cases {
        assert_eq!(conf::network(name, text.as_bytes()), Err((*wrong).to_owned()), "{name} {text}");
    }
}

#[test]
fn only_three_endings_are_configurations() {
    let all = ["a.conf", "a.conflist", "a.json", "a.conf.bak", "conf", "a.yaml", ".conf"];
    assert_eq!(all.map(conf::is_configuration), [true, true, true, false, false, false, true]);
}

#[test]
fn a_cache_entry_of_a_bridge() {
    let interface = |name: &str, mac: &str, sandbox: Option<&str>| CniInterface {
        name: name.to_owned(),
        mac: Some(mac.parse().unwrap()),
        sandbox: sandbox.map(str::to_owned),
    };
    let path = format!("/var/lib/cni/results/{NGINX}");
    assert_eq!(
        cache::entry(&path, NGINX_BYTES),
        CniCacheEntry {
            path: path.clone(),
            container: ContainerId(SANDBOX.to_owned()),
            network: "bridge".to_owned(),
            interface: "eth0".to_owned(),
            pod: nginx(),
            interfaces: vec![
                interface("cnio0", "5a:16:0f:c0:81:37", None),
                interface("veth02e7367b", "5e:58:66:fc:30:78", None),
                interface("eth0", "52:00:81:09:fd:42", Some("/var/run/netns/cni-0949584a-0cce-019c-6dd7-6868f0b761bb")),
            ],
            addresses: vec!["10.200.0.32/24".parse().unwrap()],
            error: None,
        }
    );
}

#[test]
fn a_cache_entry_of_loopback_has_both_families() {
    let entry = cache::entry(LOOPBACK, LOOPBACK_BYTES);
    assert_eq!((entry.network.as_str(), entry.interface.as_str(), &entry.pod), ("cni-loopback", "lo", &nginx()));
    assert_eq!(entry.addresses, ["127.0.0.1/8".parse().unwrap(), "::1/128".parse().unwrap()]);
    assert_eq!(entry.error, None);
}

#[test]
fn results_of_the_old_shape_and_of_new_versions() {
    let with = |result: &str| {
        let text = format!(
            r#"{{"kind":"cniCacheV1","containerId":"c","ifName":"eth0","networkName":"n","cniArgs":null,"result":{result}}}"#
        );
        cache::entry("n-c-eth0", text.as_bytes())
    };
    // As host-local 1.1.1 writes them for cniVersion 0.2.0 and 1.0.0.
    let old = with(
        r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.9.0.2/24","gateway":"10.9.0.1"},"ip6":{"ip":"fd00:10::2/64"},"dns":{}}"#,
    );
    assert_eq!(old.addresses, ["10.9.0.2/24".parse().unwrap(), "fd00:10::2/64".parse().unwrap()]);
    let new = with(
        r#"{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mtu":1500,"socketPath":""}],"ips":[{"address":"fd00:10::3/64","interface":0}],"dns":{}}"#,
    );
    assert_eq!(new.addresses, ["fd00:10::3/64".parse().unwrap()]);
    assert_eq!(new.interfaces, [CniInterface { name: "eth0".to_owned(), mac: None, sandbox: None }]);
    assert_eq!((old.error, new.error), (None, None));
}

#[test]
fn a_broken_cache_entry_keeps_what_its_name_tells() {
    let entry = cache::entry(NGINX, b"{\"kind\":");
    assert_eq!(
        (entry.network.as_str(), entry.container.0.as_str(), entry.interface.as_str()),
        ("bridge", SANDBOX, "eth0")
    );
    assert_eq!(entry.error.as_deref(), Some("EOF while parsing a value at line 1 column 8"));
    let entry = cache::entry("n-c-eth0", br#"{"kind":"other","result":{"ips":[{"address":"x"}]}}"#);
    assert_eq!(
        entry.error.as_deref(),
        Some("\"kind\" is \"other\", and not \"cniCacheV1\"; \"x\" is no address with a prefix length")
    );
}

#[test]
fn a_lease_names_its_holder() {
    let lease = |name: &str, bytes: &[u8]| lease::lease("/var/lib/cni/networks/bridge", "bridge", name, bytes);
    let expected = |address: &str, name: &str, container: &str, interface: Option<&str>| CniLease {
        path: format!("/var/lib/cni/networks/bridge/{name}"),
        network: "bridge".to_owned(),
        address: address.parse().unwrap(),
        container: ContainerId(container.to_owned()),
        interface: interface.map(str::to_owned),
    };
    assert_eq!(lease("10.200.0.32", LEASE), Ok(Some(expected("10.200.0.32", "10.200.0.32", SANDBOX, Some("eth0")))));
    let dual = include_bytes!("../../../fixtures/cni/networks/dual/fd00:10::3");
    assert_eq!(lease("fd00:10::3", dual), Ok(Some(expected("fd00:10::3", "fd00:10::3", "c0ffee1.0.0", Some("eth0")))));
    assert_eq!(lease("fd00_10__3", dual), Ok(Some(expected("fd00:10::3", "fd00_10__3", "c0ffee1.0.0", Some("eth0")))));
    assert_eq!(lease("10.0.0.1", b"old\n"), Ok(Some(expected("10.0.0.1", "10.0.0.1", "old", None))));
    assert_eq!(lease("lock", b""), Ok(None));
    assert_eq!(lease("last_reserved_ip.0", b"10.200.0.35"), Ok(None));
    assert_eq!(lease("10.0.0.1", b" \r\n"), Err("the file is empty".to_owned()));
    assert_eq!(lease("x", b"c"), Err("the file's name \"x\" is no address".to_owned()));
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let deep = "[".repeat(1 << 20);
    assert!(conf::network("a.conf", deep.as_bytes()).unwrap_err().starts_with("recursion limit exceeded"));
}

#[test]
fn every_prefix_of_a_real_file_is_a_value_or_an_error() {
    for bytes in [BRIDGE, NGINX_BYTES, LOOPBACK_BYTES, LEASE] {
        for end in 0..bytes.len() {
            let _ = conf::network("a.conf", &bytes[..end]);
            let _ = conf::network("a.conflist", &bytes[..end]);
            let _ = cache::entry(NGINX, &bytes[..end]);
            let _ = lease::lease("/l", "n", "10.0.0.1", &bytes[..end]);
        }
    }
}

proptest! {
    #[test]
    fn any_bit_flip_is_a_value_or_an_error(at in 0usize..2002, bit in 0u8..8) {
        for real in [BRIDGE, NGINX_BYTES, LOOPBACK_BYTES, LEASE] {
            let mut bytes = real.to_vec();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let _ = conf::network("a.conf", &bytes);
            let _ = conf::network("a.conflist", &bytes);
            let _ = cache::entry(NGINX, &bytes);
            let _ = lease::lease("/l", "n", "10.0.0.1", &bytes);
        }
    }

    #[test]
    fn any_bytes_and_names_are_a_value_or_an_error(name in ".{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = conf::network(&name, &bytes);
        let _ = cache::entry(&name, &bytes);
        let _ = lease::lease("/l", "n", &name, &bytes);
    }
}
