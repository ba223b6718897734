//! Answers on worker-0 as it was recorded: the whole text and the whole JSON.

use insta::assert_snapshot;
use podnet::analyze::bridge::bridge;
use podnet::analyze::identity::PodQuery;
use podnet::analyze::netns::netns;
use podnet::analyze::pods::{PodsQuestion, pods};
use podnet::analyze::trace::trace;
use podnet::analyze::veth::{End, veth};
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;
use podnet::render;
use podnet::render::style::Style;

use crate::support::recorded::{folder, worker_0};
use crate::support::told::{WIDE, json, text};

#[test]
fn the_snapshot_in_the_fixtures_is_what_the_recordings_say() {
    let path = folder().join("worker-0.json");
    let built = serde_json::to_string_pretty(&worker_0()).unwrap() + "\n";
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    if stored != built {
        std::fs::write(&path, built).unwrap();
        panic!("{} was not current and has been written anew: look at the difference", path.display());
    }
    assert_eq!(serde_json::from_str::<Snapshot>(&stored).unwrap(), worker_0());
}

#[test]
fn pods_of_the_node() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    assert_snapshot!("pods", text(&pods(&nodes, &PodsQuestion::default()), render::pods::write, Style::PLAIN));
    let answer = pods(&nodes, &PodsQuestion { pids: true, ..PodsQuestion::default() });
    assert_snapshot!("pods_wide", text(&answer, render::pods::write, WIDE));
    assert_snapshot!("pods_json", json(&answer));
}

#[test]
fn pods_by_namespace_and_selector() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let names = |namespace: Option<&str>, selector: &str| {
        let selector = (!selector.is_empty()).then(|| selector.parse().unwrap());
        let question = PodsQuestion { namespace: namespace.map(Into::into), selector, ..PodsQuestion::default() };
        let answer = pods(&nodes, &question);
        answer.data.pods.iter().map(|row| row.pod.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(Some("kube-system"), ""), ["kube-system/coredns-a"]);
    assert_eq!(names(None, "app=web"), ["default/web-0", "default/web-1"]);
    assert_eq!(names(None, "app in (nginx,two)"), ["default/nginx", "default/two-containers"]);
    assert_eq!(names(Some("default"), "app notin (web,client),app!=two"), ["default/hostnet", "default/nginx"]);
    assert_eq!(names(None, "!app"), [""; 0]);
    assert_eq!(names(Some("none"), ""), [""; 0]);
}

#[test]
fn both_ends_of_nginx() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = veth(&nodes, &PodQuery::new("nginx")).unwrap();
    assert_snapshot!("veth_nginx", text(&answer, render::veth::write, Style::PLAIN));
    assert_snapshot!("veth_nginx_wide", text(&answer, render::veth::write, WIDE));
    assert_snapshot!("veth_nginx_json", json(&answer));
}

/// The oracle is `ethtool -S eth0` (`peer_ifindex`) in each pod's namespace, and the CNI result,
/// which names the host's end of the same pod.
#[test]
fn every_pods_other_end_is_what_ethtool_and_the_cni_result_say() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let expected = [
        ("client", 32, "veth7dcde9a9"),
        ("two-containers", 33, "veth81ae1412"),
        ("nginx", 34, "veth02e7367b"),
        ("web-0", 35, "veth4383a98b"),
        ("web-1", 36, "veth47669e87"),
        ("coredns-a", 37, "veth69407af6"),
    ];
    for (pod, ifindex, name) in expected {
        let answer = veth(&nodes, &PodQuery::new(pod)).unwrap();
        let [interface] = answer.data.interfaces.as_slice() else { panic!("{pod} has one interface") };
        let End::Peer(peer) = &interface.other_end else { panic!("{pod} has a pair") };
        let sandbox = node.sandboxes.value.iter().find(|sandbox| sandbox.pod.name.as_deref() == Some(pod)).unwrap();
        let cni = sandbox.cni_interfaces.iter().find(|other| other.name.starts_with("veth")).unwrap();
        assert_eq!((peer.link.ifindex.0, peer.link.name.to_string().as_str()), (ifindex, name));
        assert_eq!((&cni.name, cni.mac.as_ref()), (&name.to_owned(), Some(&peer.link.mac)));
        assert_eq!(answer.exit_code(), 0);
    }
}

#[test]
fn a_host_network_pod_has_the_nodes_interfaces() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = veth(&nodes, &PodQuery::new("hostnet")).unwrap();
    assert_snapshot!("veth_hostnet", text(&answer, render::veth::write, Style::PLAIN));
}

#[test]
fn namespaces_of_the_node() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = netns(&nodes, None).unwrap();
    assert_snapshot!("netns", text(&answer, render::netns::write, Style::PLAIN));
    assert_snapshot!("netns_wide", text(&answer, render::netns::write, WIDE));
    assert_snapshot!("netns_json", json(&answer));
}

#[test]
fn one_namespace_by_pid_inode_and_name() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let by_pid = netns(&nodes, Some("25399")).unwrap();
    assert_snapshot!("netns_of_two_containers", text(&by_pid, render::netns::write, Style::PLAIN));
    for which in [
        "pid:25368",
        "4026532905",
        "net:[4026532905]",
        "netns:4026532905",
        "cni-2d989524-9fdc-7897-3b87-4c95b74891b9",
        "/run/netns/cni-2d989524-9fdc-7897-3b87-4c95b74891b9",
        "cni-2d",
    ] {
        assert_eq!(netns(&nodes, Some(which)).unwrap().data, by_pid.data, "{which}");
    }
    let host = netns(&nodes, Some("host")).unwrap();
    assert_eq!(host.data.namespaces[0].id, node.node.host_netns);
    assert_eq!(
        netns(&nodes, Some("nothing")).unwrap_err().to_string(),
        "\"nothing\" is no process, inode or name of a network namespace on worker-0"
    );
    assert_eq!(
        netns(&nodes, Some("cni-b")).unwrap_err().to_string(),
        "\"cni-b\" is ambiguous: cni-b0cbfcbf-2f21-4d73-a84c-28f234dd3501, cni-be2344bb-a63d-7808-5f6b-f25e4bf25d47, \
         cni-bf13d742-9cec-7c20-bf88-3679e7ad9e7c"
    );
}

#[test]
fn ports_of_the_bridge() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = bridge(&nodes, None).unwrap();
    assert_snapshot!("bridge", text(&answer, render::bridge::write, Style::PLAIN));
    assert_snapshot!("bridge_wide", text(&answer, render::bridge::write, WIDE));
    assert_snapshot!("bridge_json", json(&answer));
    assert_eq!(bridge(&nodes, Some(&"cnio0".into())).unwrap().data, answer.data);
    assert_eq!(
        bridge(&nodes, Some(&"docker0".into())).unwrap_err().to_string(),
        "\"docker0\" is no bridge of worker-0; there is cnio0"
    );
}

#[test]
fn the_road_of_nginx() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = trace(&nodes, &PodQuery::new("nginx")).unwrap();
    assert_snapshot!("trace_nginx", text(&answer, render::trace::write, Style::PLAIN));
    assert_snapshot!("trace_nginx_wide", text(&answer, render::trace::write, WIDE));
    assert_snapshot!("trace_nginx_json", json(&answer));
}

#[test]
fn the_road_of_a_pod_with_two_containers() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = trace(&nodes, &PodQuery::new("two-containers")).unwrap();
    assert_snapshot!("trace_two_containers", text(&answer, render::trace::write, Style::PLAIN));
}

#[test]
fn the_road_of_a_host_network_pod() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = trace(&nodes, &PodQuery::new("hostnet")).unwrap();
    assert_snapshot!("trace_hostnet", text(&answer, render::trace::write, Style::PLAIN));
}

/// The schema that `podnet schema COMMAND` prints is made from these types.
#[test]
fn each_answer_has_a_schema() {
    fn properties<T: schemars::JsonSchema>() -> Vec<String> {
        let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    }
    use podnet::analyze::{bridge::Bridges, netns::Namespaces, pods::Pods, trace::Trace, veth::Veth};
    assert_eq!(properties::<Pods>(), ["pods", "runtimes", "undecided"]);
    assert_eq!(properties::<Namespaces>(), ["gone", "namespaces"]);
    assert_eq!(properties::<Veth>(), ["findings", "interfaces", "left_out", "pod"]);
    assert_eq!(properties::<Bridges>(), ["bridges", "findings"]);
    assert_eq!(properties::<Trace>(), ["headline", "pod", "steps"]);
}

#[test]
fn colour_changes_no_column_and_comes_from_the_style_alone() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = pods(&nodes, &PodsQuestion::default());
    let told = |color| {
        let mut out = Vec::new();
        render::pods::write(&answer, Style { color, wide: false }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let mut plain = told(true);
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[32m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, told(false));
    assert_ne!(told(true), told(false));
}
