use super::super::mask::numbers;
use super::super::tests::example;
use super::*;

fn redacted() -> (Snapshot, String) {
    let masked = example().redacted(&mut numbers()).unwrap();
    let text = serde_json::to_string(&masked).unwrap();
    (masked, text)
}

#[test]
fn nothing_that_names_somebody_is_left() {
    let (_, text) = redacted();
    let secrets = [
        "customer",
        "nginx",
        "worker-0",
        "tier",
        "red\"",
        "app\"",
        "registry",
        "uplink",
        "10.200.",
        "10.240.",
        "2e1c5739",
        "f412_447c",
        "7b15dcb5f793",
        "106da83d06a0",
        "0949584a",
        "52:00:81",
        "ae:3c:5a",
        "ae3c5a",
        "fd42",
        "0ac80020",
        "76ff1b",
        "1.27",
    ];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is still in it: {text}");
    }
}

#[test]
fn what_names_nobody_stays() {
    let (masked, text) = redacted();
    for word in [
        "eth0",
        "cnio0",
        "veth02e7367b",
        "/run/netns/cni-",
        "127.0.0.1/8",
        "kubepods-besteffort-pod",
        "10-bridge.conf",
        "host-local",
    ] {
        assert!(text.contains(word), "{word} is gone: {text}");
    }
    assert_eq!(masked.node.taken_at, example().node.taken_at);
}

#[test]
fn what_belonged_together_still_does() {
    let (masked, _) = redacted();
    let sandbox = &masked.sandboxes.value[0];
    assert!(masked.pod_processes.contains_key(&sandbox.id));
    assert_eq!(masked.cni.value.leases[0].container.0, sandbox.id.0);
    assert_eq!(masked.cni.value.cache[0].pod, sandbox.pod);
    assert_eq!(masked.cni.value.leases[0].address, sandbox.ips.as_ref().unwrap()[0]);
    let pod = &masked.netns[1];
    assert_eq!(pod.addresses.value[1].address.addr(), sandbox.ips.as_ref().unwrap()[0]);
    assert_eq!(pod.routes.value[1].dst, pod.addresses.value[1].address.trunc());
    assert_eq!(masked.netns[0].neighbours.value[0].mac, Some(pod.links.value[1].mac.clone()));
    assert_eq!(
        masked.netns[0].addresses.value[2].address.addr(),
        pod.routes.value[0].nexthops[0].gateway.unwrap(),
        "the bridge's address is the pod's gateway"
    );
    assert_eq!(sandbox.netns_path.as_deref(), masked.netns_names.value[0].path.as_str());
    let uid = sandbox.pod.uid.as_ref().unwrap();
    assert!(sandbox.cgroup.as_ref().unwrap().contains(&uid.replace('-', "_")));
    for link in &masked.netns[0].links.value {
        let sysctl = sysctl::of_link("ipv4", &link.name, "rp_filter").unwrap();
        let has_file =
            example().netns[0].links.value.iter().any(|old| old.ifindex == link.ifindex && old.name.as_str().is_some());
        assert_eq!(masked.netns[0].sysctls.contains_key(&sysctl), has_file, "{sysctl}");
    }
    assert!(masked.runtime.issues[0].what.starts_with("reading x-"), "{:?}", masked.runtime.issues);
}

#[test]
fn flows_keep_what_joins_them_and_lose_what_names() {
    let (masked, text) = redacted();
    let sections = masked.netns[0].flows.as_ref().unwrap();
    let flow = &sections.flows.value[0];
    let sandbox = &masked.sandboxes.value[0];
    assert_eq!(flow.original.src, sandbox.ips.as_ref().unwrap()[0]);
    assert_eq!(flow.reply.dst, masked.netns[0].addresses.value[1].address.addr(), "masqueraded to the node's address");
    assert_eq!((flow.original.src_port(), flow.original.dst_port()), (Some(44312), Some(21)));
    let expectation = &sections.expectations.value[0];
    assert_eq!(expectation.master, flow.original);
    assert_eq!(expectation.helper.as_ref().and_then(|name| name.as_str()), Some("ftp"));
    let more = flow.more.as_ref().unwrap();
    assert!(more.helper.as_ref().unwrap().name.to_string().starts_with("x-"));
    assert_eq!(more.labels.as_ref().unwrap().0, [0; 4]);
    assert!(!text.contains("198.51.100.7"));
}

#[test]
fn sockets_keep_their_ports_and_the_addresses_that_others_have_too() {
    let (masked, _) = redacted();
    let sections = &masked.netns[0];
    let sockets = sections.sockets.as_ref().unwrap();
    let [server, client] = &sockets.value[..] else { panic!("{sockets:?}") };
    assert_eq!((server.port, server.address.to_string().as_str(), client.port), (10250, "::", 44312));
    assert_eq!(client.address, sections.addresses.value[1].address.addr());
    assert_eq!(client.peer.unwrap().address, masked.sandboxes.value[0].ips.as_ref().unwrap()[0]);
    assert_eq!(server.unknown[0].bytes.0, [0; 4]);
}

#[test]
fn ids_are_found_in_paths() {
    for (text, expected) in [
        ("pod2e1c5739_f412_447c_93cc_47e6c9660c34.slice", Some((3, 36))),
        ("cri-containerd-7b15dcb5f793.scope", Some((15, 12))),
        ("bridge", None),
        ("feedbeefcafe0x", None),
    ] {
        assert_eq!(find_id(text), expected, "{text}");
    }
}

/// What nobody but the owner of a node may know.
const CANARY: &str = "zzcanaryzz";

/// Fields that hold words of the kernel or of podnet alone, whatever a node's owner writes; sysctls' values are
/// the kernel's numbers, too. What sentences may hold is tried on its own.
const OWNERS_CANNOT_WRITE: [&str; 16] = [
    "format",
    "written_by",
    "flags",
    "states",
    "origin",
    "hook",
    "port_kind",
    "mode",
    "policy",
    "protocol",
    "metrics",
    "kind",
    "scope",
    "state",
    "what",
    "detail",
];

/// The paths of all texts, as JSON pointers, with the field that each is in.
fn texts(value: &Value, at: &str, field: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(_) => found.push((at.to_owned(), field.to_owned())),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                texts(item, &format!("{at}/{number}"), field, found);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let inner = if key == "value" { field } else { key };
                let pointer = key.replace('~', "~0").replace('/', "~1");
                texts(value, &format!("{at}/{pointer}"), inner, found);
            }
        }
        _ => {}
    }
}

fn redacted_text(document: &Value) -> Option<String> {
    let snapshot: Snapshot = serde_json::from_value(document.clone()).ok()?;
    Some(serde_json::to_string(&snapshot.redacted(&mut numbers()).unwrap()).unwrap())
}

#[test]
fn a_canary_in_any_field_is_masked() {
    let mut whole = example();
    let cni = &mut std::sync::Arc::make_mut(&mut whole.cni).value;
    cni.files[0].error = Some("x".to_owned());
    cni.cache[0].error = Some("x".to_owned());
    let netns = &mut whole.netns[0];
    let links = &mut std::sync::Arc::make_mut(&mut netns.links).value;
    links[1].device = Some("pci/0000:00:03.0".to_owned());
    links[1].phys_port = Some("p0".to_owned());
    links[1].alt_names = vec!["uplink0".into()];
    let whole = serde_json::to_value(whole).unwrap();
    let mut all = Vec::new();
    texts(&whole, "", "", &mut all);
    let mut tried = 0;
    for (pointer, field) in all {
        if OWNERS_CANNOT_WRITE.contains(&field.as_str()) || pointer.contains("/sysctls/") {
            continue;
        }
        let sentence = matches!(field.as_str(), "error" | "hint" | "chosen_by");
        let spellings = if sentence {
            // In a sentence, only what can be told from podnet's own words.
            vec![format!("is \"{CANARY}\""), format!("see /etc/{CANARY}/x"), format!("a={CANARY}")]
        } else {
            vec![
                CANARY.to_owned(),
                format!("a {CANARY} b"),
                format!("/run/{CANARY}/x"),
                format!("10-{CANARY}.conf"),
                format!("1.2-{CANARY}"),
                "4155551234".to_owned(),
            ]
        };
        for spelling in spellings {
            let mut document = whole.clone();
            *document.pointer_mut(&pointer).unwrap() = Value::String(spelling.clone());
            let Some(text) = redacted_text(&document) else { continue };
            tried += 1;
            let canary = if spelling.contains(CANARY) { CANARY } else { &spelling };
            assert!(!text.contains(canary), "{pointer}: {spelling:?} is still in it");
        }
    }
    assert!(tried > 200, "only {tried} fields were tried");
}

#[test]
fn a_canary_in_any_key_is_masked() {
    let whole = serde_json::to_value(example()).unwrap();
    for (pointer, key) in [
        ("/sandboxes/value/0/labels", CANARY.to_owned()),
        ("/netns/0/sysctls", format!("ipv4.conf.{CANARY}.rp_filter")),
        ("/netns/0/sysctls", format!("ipv4/conf/a.{CANARY}/rp_filter")),
        ("/netns/0/sysctls", format!("ipv4.{CANARY}")),
        ("/pod_processes", CANARY.to_owned()),
        ("/cgroup_bpf", CANARY.to_owned()),
    ] {
        let mut document = whole.clone();
        let value = if pointer.ends_with("labels") {
            Value::from("x")
        } else if pointer.ends_with("sysctls") {
            serde_json::json!({"value": "0"})
        } else {
            serde_json::json!({"value": []})
        };
        document.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(key.clone(), value);
        let text = redacted_text(&document).unwrap();
        assert!(!text.contains(CANARY), "{pointer} {key}: {text}");
    }
}

#[test]
fn a_configuration_tells_only_the_words_of_the_specification() {
    let mut config = serde_json::json!({
        "type": "zzcanary-plugin", "cniVersion": "1.0.0-zzcanary", "name": "zzcanary-net", "bridge": "zzcanary0",
        "mode": "zzcanary", "policy": "zzcanary", "device": "zzcanary", "state": "zzcanary", "source": "zzcanary",
        "error": "zzcanary", "what": "zzcanary", "hint": "zzcanary token=zzcanary", "num": 4_155_551_234_u64,
        "phone": "4155551234", "float": 41_555.512_34, "mtu": 4_155_551_234_u64, "vlan": 7, "isGateway": true,
        "capabilities": {"portMappings": true, "zzcanary": true},
        "zzcanary": {"zzcanary": ["zzcanary", 4_155_551_234_u64, null]},
        "4155551234": 1,
        "sysctl": {
            "net.ipv4.conf.zzcanary.rp_filter": "1", "net/ipv4/conf/zz.canary/rp_filter": "zzcanary",
            "net.zzcanary": 4_155_551_234_u64, "net.core.somaxconn": "500", "zzcanary": {"zzcanary": "zzcanary"},
        },
        "ipam": {
            "type": "host-local", "dataDir": "/run/zzcanary/x", "subnet": "10.9.8.0/24",
            "ranges": [[{"subnet": "10.9.8.0/24", "zzcanary": "https://zzcanary:4155551234/zzcanary"}]],
        },
        "delegate": {"type": "bridge", "mode": "l2", "log_level": "info"},
    });
    config::mask(&mut config, &mut Masks::new(&mut numbers()));
    let text = config.to_string();
    // Masks are hex digits: only longer numbers cannot come about by chance.
    for secret in ["zz", "4155551", "41555.5", "10.9.8"] {
        assert!(!text.contains(secret), "{secret} is still in {text}");
    }
    assert!(!text.contains("canary"), "{text}");
    for (pointer, expected) in [
        ("/cniVersion", Value::from("1.0.0")),
        ("/mtu", Value::from(0)),
        ("/vlan", Value::from(7)),
        ("/isGateway", Value::from(true)),
        ("/capabilities/portMappings", Value::from(true)),
        ("/sysctl/net.core.somaxconn", Value::from("500")),
        ("/ipam/type", Value::from("host-local")),
        ("/delegate", serde_json::json!({"type": "bridge", "mode": "l2", "log_level": "info"})),
    ] {
        assert_eq!(config.pointer(pointer), Some(&expected), "{pointer} of {text}");
    }
}

#[test]
fn sentences_keep_podnets_words_and_lose_those_of_others() {
    let mut random = numbers();
    let mut masks = Masks::new(&mut random);
    masks.name("acmelink");
    for secret in [
        "reading /etc/cni/net.d/06-acmebig.conf",
        "reading /etc/cni/net.d/06 acme \"big\".conf",
        "reading the lease /var/lib/cni/networks/acmelease/acme file",
        "the path /var/lib/cni/networks/acmelease/acmefile, read twice",
        "the file's name \"acme\" is no address",
        "\"kind\" is \"acme \\\"acme\\\" acme\", and not \"cniCacheV1\"",
        "missing field `acme` at line 3",
        "naming acme-team/acme-pod",
        "06-acmebig.conf is first",
        "reading ipv4.conf.acmelink.rp_filter",
        "password=acme",
        "unix:///run/acme.sock: refused",
    ] {
        let masked = free::text(secret, &mut masks);
        assert!(!masked.contains("acme") && !masked.contains("big"), "{secret}: {masked}");
    }
    for plain in [
        "reading /proc/25570/ns/net",
        "Input/output error (os error 5)",
        "expected `:` at line 3 column 10",
        "there is no \"kind\": \"cniCacheV1\"",
        "`podnet lab up` makes one",
        "the \"plugins\" list is empty",
    ] {
        assert_eq!(free::text(plain, &mut masks), plain);
    }
}
