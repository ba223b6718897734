use std::fs;
use std::path::Path;

use super::*;
use crate::collect::runtime::containerd::{ContainerRecord, SandboxRecord};
use crate::collect::runtime::tests::{FakePod, id, own_netns};
use crate::model::ids::Pid;
use crate::wire::cri::container::ContainerMetadata;
use crate::wire::cri::sandbox::SandboxMetadata;

const SOCKET: &str = "/run/containerd/containerd.sock";

/// A node whose containerd keeps bundles of these containers.
fn node(bundles: &[(String, Pid)]) -> (tempfile::TempDir, HostRoot) {
    let files = tempfile::tempdir().unwrap();
    for (id, pid) in bundles {
        let bundle = files.path().join("run/containerd").join(BUNDLES).join(id);
        fs::create_dir_all(&bundle).unwrap();
        fs::write(bundle.join("init.pid"), pid.to_string()).unwrap();
    }
    let root = HostRoot::at(Path::new("/proc"), files.path()).unwrap();
    (files, root)
}

/// A hostNetwork pod's sandbox `a` with a container `b`.
fn listing() -> Listing {
    let sandbox = SandboxRecord {
        id: id('a'),
        created_at: None,
        metadata: Ok(SandboxMetadata { host_network: true, ..Default::default() }),
        labels: BTreeMap::new(),
        task: Task::None,
        has_container: true,
        by_runc: true,
        bound: None,
    };
    let container = ContainerRecord {
        id: id('b'),
        metadata: ContainerMetadata { sandbox: Some(id('a')), name: None },
        image: String::new(),
        task: Task::None,
        by_runc: true,
    };
    Listing { sandboxes: [(id('a'), sandbox)].into(), containers: [(id('b'), container)].into(), failed: Vec::new() }
}

/// The numbers that are proved, and the ids that are left open.
fn told(root: &HostRoot, listing: &mut Listing, host: Option<NetnsId>) -> (Vec<Pid>, Vec<String>) {
    let open = Firsts::read(root, SOCKET).tell(listing, host);
    let sandboxes = listing.sandboxes.values().map(|sandbox| &sandbox.task);
    let containers = listing.containers.values().map(|container| &container.task);
    let proved = sandboxes.chain(containers).filter_map(|task| match task {
        Task::Proved(process) => Some(process.pid),
        _ => None,
    });
    (proved.collect(), open.into_iter().collect())
}

#[test]
fn a_number_of_its_own_cgroup_and_namespace_is_taken() {
    let mut pod = FakePod::new(40);
    let pause = pod.run(&id('a'), "pause", &[]);
    let web = pod.run(&id('b'), "web", &[]);
    let (_files, root) = node(&[(id('a'), pause), (id('b'), web)]);
    let host = Some(own_netns());
    assert_eq!(told(&root, &mut listing(), host), (vec![pause, web], vec![]));
    // Another namespace than the sandbox's, or none that is known to be it.
    let elsewhere = Some(NetnsId { ino: 1, ..own_netns() });
    assert_eq!(told(&root, &mut listing(), elsewhere), (vec![], vec![id('a'), id('b')]));
    assert_eq!(told(&root, &mut listing(), None), (vec![], vec![id('a'), id('b')]));
    // What another shim than runc's writes there may mean something else.
    let mut other = listing();
    other.containers.values_mut().for_each(|container| container.by_runc = false);
    assert_eq!(told(&root, &mut other, host), (vec![pause], vec![id('b')]));
    // What nobody remembers has no namespace to agree with.
    let mut orphan = listing();
    orphan.sandboxes.clear();
    assert_eq!(told(&root, &mut orphan, host), (vec![], vec![id('b')]));
}

#[test]
fn a_number_that_is_another_containers_or_nobodys_is_left_open() {
    let mut pod = FakePod::new(41);
    let pause = pod.run(&id('a'), "pause", &[]);
    let (_files, root) = node(&[(id('a'), pause), (id('b'), pause)]);
    assert_eq!(told(&root, &mut listing(), Some(own_netns())), (vec![pause], vec![id('b')]));
    drop(pod);
    assert_eq!(told(&root, &mut listing(), Some(own_netns())), (vec![], vec![id('a'), id('b')]));
}

#[test]
fn a_process_that_is_only_being_made_is_left_open() {
    let mut pod = FakePod::new(42);
    let making = pod.run(&id('a'), "runc:[2:INIT]", &[]);
    let (_files, root) = node(&[(id('a'), making)]);
    assert_eq!(told(&root, &mut listing(), Some(own_netns())), (vec![], vec![id('a'), id('b')]));
}

#[test]
fn without_bundles_all_is_left_open() {
    let (_files, root) = node(&[]);
    assert_eq!(told(&root, &mut listing(), Some(own_netns())), (vec![], vec![id('a'), id('b')]));
}
