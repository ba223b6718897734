use super::*;
use crate::collect::runtime::tests::{FakePod, id, own_netns};

fn found(root: &HostRoot, pod: &FakePod) -> Vec<Sandbox> {
    // Others run pods here, too: only what is told at each of them is this one's own.
    let read = each(root, Some(own_netns()), &SandboxFilter::All);
    read.value.into_iter().filter(|sandbox| sandbox.pod.uid.as_ref() == Some(&pod.uid)).collect()
}

fn node(folder: &Path) -> HostRoot {
    HostRoot::at(Path::new("/proc"), folder).unwrap()
}

#[test]
fn a_pod_is_named_by_its_log_folder_and_its_containers_by_their_links() {
    let files = tempfile::tempdir().unwrap();
    let mut pod = FakePod::new(10);
    let pause = pod.run(&id('a'), "pause", &["unshare", "--net"]);
    let netns = format!("--net=/proc/{pause}/ns/net");
    let web = pod.run(&id('b'), "web", &["nsenter", &netns]);
    fs::create_dir_all(files.path().join(format!("var/log/pods/shop_web-0_{}", pod.uid))).unwrap();
    fs::create_dir_all(files.path().join("var/log/containers")).unwrap();
    fs::write(files.path().join(format!("var/log/containers/web-0_shop_http-{}.log", id('b'))), "").unwrap();
    let root = node(files.path());

    let expected = Sandbox {
        id: SandboxId(id('a')),
        pod: pod.name("shop", "web-0"),
        attempt: 0,
        state: SandboxState::Ready,
        created_at: None,
        labels: None,
        pid: Some(pause),
        netns: Some(netns_id_of(&root, pause).unwrap()),
        netns_path: None,
        host_network: false,
        ips: None,
        cni_interfaces: Vec::new(),
        containers: Some(vec![Container {
            id: ContainerId(id('b')),
            name: Some("http".to_owned()),
            pid: Some(web),
            image: None,
        }]),
        cgroup: Some(format!("{}/{}", pod.cgroup(), id('a'))),
        source: SandboxSource::Proc,
        issues: Vec::new(),
    };
    assert_eq!(found(&root, &pod), [expected]);
    assert_eq!(netns_id_of(&root, web).ok(), netns_id_of(&root, pause).ok());
    let by_name = |name: &str| {
        let filter = SandboxFilter::PodName(name.to_owned());
        sandboxes(&root, None, &filter).value.iter().filter(|found| found.pod.uid.as_ref() == Some(&pod.uid)).count()
    };
    assert_eq!((by_name("web-0"), by_name("web")), (1, 0));
}

#[test]
fn a_host_network_pod_without_a_log_folder_has_no_name_and_not_the_nodes() {
    let files = tempfile::tempdir().unwrap();
    let mut pod = FakePod::new(11);
    pod.run(&id('c'), "pause", &[]);
    let found = found(&node(files.path()), &pod);
    let seen: Vec<_> = found.iter().map(|pod| (pod.host_network, pod.pod.name.as_deref(), pod.issues.len())).collect();
    assert_eq!(seen, [(true, None, 1)]);
}

#[test]
fn a_pod_that_only_its_hostname_names_says_so() {
    let files = tempfile::tempdir().unwrap();
    let mut pod = FakePod::new(12);
    let script = "hostname web-7; exec \"$@\"";
    pod.run(&id('d'), "pause", &["unshare", "--net", "--uts", "sh", "-c", script, "sh"]);
    let found = found(&node(files.path()), &pod);
    let expected = PodName { namespace: None, name: Some("web-7".to_owned()), uid: Some(pod.uid.clone()) };
    assert_eq!(found.iter().map(|pod| &pod.pod).collect::<Vec<_>>(), [&expected]);
    assert!(found[0].issues[0].why.detail().starts_with("taken from its hostname"));
}

#[test]
fn several_pods_that_only_their_hostnames_name_are_one_issue() {
    let issue = |pid: u32, detail: &str| {
        Issue::incomplete(format!("name of the pod of process {pid}"), Why::Unsupported { detail: detail.to_owned() })
    };
    let sandbox = |issues: Vec<Issue>| Sandbox {
        id: SandboxId(id('a')),
        pod: PodName::default(),
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
        source: SandboxSource::Proc,
        issues,
    };
    let mut pods = [
        sandbox(vec![issue(7, "hostname")]),
        sandbox(vec![issue(8, "nothing tells it")]),
        sandbox(Vec::new()),
        sandbox(vec![issue(9, "hostname")]),
    ];
    let why = Why::Unsupported { detail: "hostname".to_owned() };
    assert_eq!(together(&mut pods), [Issue::incomplete("names of 2 pods", why)]);
    // The one that is alone with its reason keeps it.
    let left: Vec<_> = pods.into_iter().map(|pod| pod.issues).collect();
    assert_eq!(left, [vec![], vec![issue(8, "nothing tells it")], vec![], vec![]]);
}

#[test]
fn a_bundle_tells_the_sandbox_from_an_older_container() {
    let files = tempfile::tempdir().unwrap();
    let mut pod = FakePod::new(13);
    // The container is older and its program is called pause: only the bundle tells.
    pod.run(&id('e'), "pause", &[]);
    let real = pod.run(&id('f'), "holder", &["unshare", "--net"]);
    for (id, kind) in [(id('e'), "container"), (id('f'), "sandbox")] {
        let bundle = files.path().join("run/containerd/io.containerd.runtime.v2.task/k8s.io").join(id);
        fs::create_dir_all(&bundle).unwrap();
        let json = serde_json::json!({"annotations": {
            "io.kubernetes.cri.container-type": kind,
            "io.kubernetes.cri.container-name": "main",
            "io.kubernetes.cri.sandbox-name": "web-0",
            "io.kubernetes.cri.sandbox-namespace": "shop",
        }});
        fs::write(bundle.join("config.json"), json.to_string()).unwrap();
    }
    let found = found(&node(files.path()), &pod);
    let seen: Vec<_> =
        found.iter().map(|pod| (pod.pid, pod.pod.clone(), pod.containers.as_ref().unwrap()[0].name.clone())).collect();
    assert_eq!(seen, [(Some(real), pod.name("shop", "web-0"), Some("main".to_owned()))]);
}

#[test]
fn a_shims_folder_names_the_sandbox_only_in_kubernetes_own_namespace() {
    let tasks = Path::new("/run/k3s/containerd/io.containerd.runtime.v2.task");
    assert_eq!(shims_sandbox(&tasks.join("k8s.io/abc")), Some("abc".to_owned()));
    assert_eq!(shims_sandbox(&tasks.join("moby/abc")), None);
    assert_eq!(shims_sandbox(Path::new("/")), None);
}

#[test]
fn a_container_that_runc_is_still_making_is_no_pod_yet() {
    let files = tempfile::tempdir().unwrap();
    let mut pod = FakePod::new(14);
    pod.run(&id('9'), "runc:[2:INIT]", &[]);
    assert_eq!(found(&node(files.path()), &pod), []);
}
