//! A pod by each of its names, and what happens where a name is not enough.

use podnet::analyze::answer::Gathered;
use podnet::analyze::identity::{FindError, PodQuery, find_pod};
use podnet::model::sandbox::SandboxState;
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;

use crate::support::built::{HOST, Node};
use crate::support::recorded::worker_0;

fn find(nodes: &[&dyn NodeView], text: &str) -> Result<String, FindError> {
    find_in(nodes, text, None)
}

fn find_in(nodes: &[&dyn NodeView], text: &str, namespace: Option<&str>) -> Result<String, FindError> {
    let query = PodQuery { text: text.to_owned(), namespace: namespace.map(Into::into), all: false };
    let found = find_pod(nodes, &query, &mut Gathered::default())?;
    Ok(format!("{} {}", found.node.node().name, found.sandbox.pod))
}

#[test]
fn each_way_of_naming_finds_the_pod() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    for text in [
        "nginx",
        "default/nginx",
        "pod:nginx",
        "pod:default/nginx",
        "ng",
        "default/ng",
        "pod:ng",
        "10.200.0.32",
        "ip:10.200.0.32",
        "ip:fe80::5000:81ff:fe09:fd42",
        "7b15dcb5f79362d434b66fe2622215f9433b30e72a237d91f9b81b3699d4adbe",
        "7b15dcb5f793",
        "id:7b",
        "f18bba780009",
        "id:f18bba780009dad6d1b47396ba0e171f39928ae912cd9fac85c9614193d9d2e6",
        "25570",
        "25603",
        "pid:25603",
        "4026532989",
        "net:[4026532989]",
        "netns:4026532989",
        "cni-0949584a-0cce-019c-6dd7-6868f0b761bb",
        "netns:cni-0949",
        "cni-09",
        "/run/netns/cni-0949584a-0cce-019c-6dd7-6868f0b761bb",
        " nginx ",
    ] {
        assert_eq!(find(&nodes, text).unwrap(), "worker-0 default/nginx", "{text}");
    }
    for text in ["hostnet", "25469", "25500", "10.240.0.20", "dbdf3dbbb2ea"] {
        assert_eq!(find(&nodes, text).unwrap(), "worker-0 default/hostnet", "{text}");
    }
}

#[test]
fn a_namespace_narrows_names_and_is_overruled_by_one_in_the_text() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    assert_eq!(find_in(&nodes, "coredns", Some("kube-system")).unwrap(), "worker-0 kube-system/coredns-a");
    assert_eq!(
        find_in(&nodes, "nginx", Some("kube-system")).unwrap_err().to_string(),
        "\"nginx\" names no pod on worker-0"
    );
    assert_eq!(find_in(&nodes, "default/nginx", Some("kube-system")).unwrap(), "worker-0 default/nginx");
}

#[test]
fn what_several_pods_answer_to_is_an_error_that_lists_them() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let error = |text: &str| find(&nodes, text).unwrap_err().to_string();
    assert_eq!(error("web"), "\"web\" is ambiguous: default/web-0, default/web-1");
    assert_eq!(error("default/web-"), "\"default/web-\" is ambiguous: default/web-0, default/web-1");
    assert_eq!(
        error("netns:cni-b"),
        "\"netns:cni-b\" is ambiguous: default/web-0, default/web-1, kube-system/coredns-a"
    );
    assert_eq!(
        error("id:1"),
        "\"id:1\" is ambiguous: default/hostnet (sandbox dbdf3dbbb2ea), default/web-0 (sandbox dfc15a1b4816), \
         default/web-1 (sandbox cee008ad9842)"
    );
}

#[test]
fn what_is_no_pod_says_what_it_is_instead() {
    let mut node = Node::new("worker-0");
    node.process(77, "sshd", HOST);
    node.netns(5000, Some("spare"));
    let node = node.done();
    let nodes: [&dyn NodeView; 1] = [&node];
    let error = |text: &str| find(&nodes, text).unwrap_err().to_string();
    assert_eq!(error("nothing"), "\"nothing\" names no pod on worker-0");
    assert_eq!(error("77"), "\"77\" names no pod on worker-0: process 77 (sshd) is in no pod");
    assert_eq!(error("1000"), "\"1000\" names no pod on worker-0: net:[1000] is the node's own namespace");
    assert_eq!(
        error("10.240.0.20"),
        "\"10.240.0.20\" names no pod on worker-0: 10.240.0.20 is an address of the node worker-0 itself"
    );
    assert_eq!(error("spare"), "\"spare\" names no pod on worker-0: the namespace net:[5000] belongs to no pod");
}

#[test]
fn a_form_that_does_not_fit_its_prefix_is_refused() {
    let node = Node::new("worker-0").done();
    let nodes: [&dyn NodeView; 1] = [&node];
    for text in ["", "pid:x", "pid:-1", "ip:10.0.0", "id:xyz", "id:", "netns:", "pod:", "pod:/x", "a/", "a/b/c", "/"] {
        let error = find(&nodes, text).unwrap_err();
        let refused = matches!(error, FindError::Malformed { .. });
        assert!(refused || (text == "/" && matches!(error, FindError::NotFound { .. })), "{text}: {error:?}");
    }
}

/// Two pods of one name in two namespaces, one whose name begins with the other's, an id that begins as a name.
#[test]
fn exact_comes_before_prefix_and_a_name_never_hides_an_id() {
    let mut node = Node::new("worker-0");
    for (number, name) in [(2, "a/web"), (3, "a/web-2"), (4, "b/web"), (5, "a/0006")] {
        node.netns(2000 + u64::from(number), Some(&format!("cni-{number:04}")));
        node.sandbox(name, number, 2000 + u64::from(number), &[]);
    }
    node.netns(2006, None);
    node.sandbox("a/other", 6, 2006, &[]);
    let node = node.done();
    let nodes: [&dyn NodeView; 1] = [&node];
    assert_eq!(find(&nodes, "a/web").unwrap(), "worker-0 a/web");
    assert_eq!(find_in(&nodes, "web", Some("a")).unwrap(), "worker-0 a/web");
    assert_eq!(find(&nodes, "web").unwrap_err().to_string(), "\"web\" is ambiguous: a/web, b/web");
    assert_eq!(find(&nodes, "web-").unwrap(), "worker-0 a/web-2");
    // Exactly the name of one pod, the beginning of another's sandbox id.
    assert_eq!(find(&nodes, "0006").unwrap(), "worker-0 a/0006");
    assert_eq!(find(&nodes, "id:0006").unwrap(), "worker-0 a/other");
    // The beginning of both.
    assert_eq!(
        find(&nodes, "000").unwrap_err().to_string(),
        "\"000\" is ambiguous: a/0006 (sandbox 000500000000), a/other (sandbox 000600000000), a/web (sandbox 000200000000), \
         a/web-2 (sandbox 000300000000), b/web (sandbox 000400000000)"
    );
}

#[test]
fn a_number_is_a_pid_before_an_inode() {
    let mut node = Node::new("worker-0");
    node.netns(2002, None);
    node.netns(31, None);
    node.sandbox("a/first", 2, 2002, &[]);
    node.sandbox("a/second", 3, 31, &[]);
    let node = node.done();
    let nodes: [&dyn NodeView; 1] = [&node];
    // 20 and 30 are pause processes; 31 is a process of second and the inode of its namespace.
    assert_eq!(find(&nodes, "20").unwrap(), "worker-0 a/first");
    assert_eq!(find(&nodes, "31").unwrap(), "worker-0 a/second");
    assert_eq!(find(&nodes, "netns:31").unwrap(), "worker-0 a/second");
    assert_eq!(find(&nodes, "2002").unwrap(), "worker-0 a/first");
}

/// A pod whose sandbox was made anew, and a pod of the same name with another uid.
fn attempts() -> Snapshot {
    let mut node = Node::new("worker-0");
    for number in 2..=4 {
        node.netns(2000 + u64::from(number), None);
        node.sandbox("default/web-0", number, 2000 + u64::from(number), &["10.200.0.2"]);
        let sandbox = node.sandbox_named("default/web-0");
        // Each is made first in the list under this name: rename the finished ones apart.
        sandbox.attempt = number - 2;
        sandbox.created_at = Some(format!("2026-11-22T11:0{number}:00Z").parse().unwrap());
        sandbox.pod.name = Some(format!("web-0-{number}"));
        if number != 3 {
            sandbox.state = SandboxState::NotReady;
        }
    }
    for number in 2..=4 {
        node.sandbox_named(&format!("default/web-0-{number}")).pod.name = Some("web-0".to_owned());
    }
    node.done()
}

#[test]
fn of_several_attempts_the_ready_one_is_meant_unless_an_id_names_another() {
    let node = attempts();
    let nodes: [&dyn NodeView; 1] = [&node];
    let find = |text: &str, all: bool| {
        let query = PodQuery { text: text.to_owned(), namespace: None, all };
        let found = find_pod(&nodes, &query, &mut Gathered::default()).unwrap();
        (found.sandbox.attempt, found.older.iter().map(|older| older.attempt).collect::<Vec<_>>())
    };
    assert_eq!(find("web-0", false), (1, vec![]));
    assert_eq!(find("web-0", true), (1, vec![2, 0]));
    assert_eq!(find("10.200.0.2", false), (1, vec![]));
    assert_eq!(find("id:0002", false), (0, vec![]));
    assert_eq!(find("id:0004", true), (2, vec![1, 0]));
}

#[test]
fn the_search_spans_nodes_and_says_where() {
    let mut first = Node::new("worker-0");
    first.bridge(20, "cnio0", "10.200.0.1/24");
    first.bridged_pod("default/a", 2, 102);
    first.bridged_pod("default/twin", 3, 103);
    let mut second = Node::new("worker-1");
    second.bridge(20, "cnio0", "10.200.0.1/24");
    second.bridged_pod("default/b", 4, 102);
    second.bridged_pod("default/twin", 5, 103);
    let (first, second) = (first.done(), second.done());
    let nodes: [&dyn NodeView; 2] = [&first, &second];
    assert_eq!(find(&nodes, "a").unwrap(), "worker-0 default/a");
    assert_eq!(find(&nodes, "b").unwrap(), "worker-1 default/b");
    assert_eq!(find(&nodes, "10.200.0.4").unwrap(), "worker-1 default/b");
    assert_eq!(find(&nodes, "pid:41").unwrap(), "worker-1 default/b");
    assert_eq!(
        find(&nodes, "twin").unwrap_err().to_string(),
        "\"twin\" is ambiguous: default/twin on worker-0, default/twin on worker-1"
    );
    assert_eq!(find(&nodes, "c").unwrap_err().to_string(), "\"c\" names no pod on worker-0, worker-1");
}
