//! Programs on links and cgroups, against what `ip` and `tc` say, and the ids the kernel gave.

use std::os::fd::AsRawFd;

use podnet::collect::kernel::{Kernel, cgroup_programs};
use podnet::model::bpf::BpfAttachment;
use podnet::model::ids::IfIndex;
use podnet::sys::netns::NsThread;

use crate::loader::{self, BpfFs, Cgroup};
use crate::testbed::Netns;

#[test]
fn programs_on_a_link_are_told_by_name() {
    let netns = Netns::new();
    netns.ip("link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up\n");
    let kernel = Kernel::new().unwrap();
    let namespace = kernel.open(&netns.handle());
    let v0 = namespace.links().value.into_iter().find(|link| link.name == *"v0").unwrap().ifindex;
    let empty = namespace.link_bpf(v0);
    assert_eq!((empty.value, empty.issues), (vec![], vec![]));

    let pins = BpfFs::mount();
    let xdp = pins.pin(&loader::load(loader::XDP, "x_pass", 2, 0), "xdp");
    let tc_in = pins.pin(&loader::load(loader::SCHED_CLS, "tc_in", 0, 0), "tc_in");
    netns.ip(&format!("link set dev v0 xdpgeneric pinned {}\n", xdp.display()));
    netns.batch(
        "tc",
        &format!(
            "qdisc add dev v0 clsact\n\
             filter add dev v0 ingress pref 7 handle 3 bpf da object-pinned {}\n\
             filter add dev v0 egress pref 9 protocol ip chain 2 bpf bytecode '1,6 0 0 4294967295,'\n",
            tc_in.display(),
        ),
    );
    let (first, second) =
        (loader::load(loader::SCHED_CLS, "tcx_one", 0, 0), loader::load(loader::SCHED_CLS, "tcx_two", 0, 0));
    let out = loader::load(loader::SCHED_CLS, "tcx_out", 0, 0);
    NsThread::spawn()
        .unwrap()
        .within(&*netns.handle().file, move || {
            loader::attach(&first, v0.0, loader::TCX_INGRESS);
            loader::attach(&second, v0.0, loader::TCX_INGRESS);
            loader::attach(&out, v0.0, loader::TCX_EGRESS);
            Ok(())
        })
        .unwrap();

    let read = namespace.link_bpf(v0);
    assert_eq!(read.issues, []);
    let told: Vec<(&str, Option<&str>, Option<&str>)> = read
        .value
        .iter()
        .map(|program| (program.hook.as_str(), program.name.as_deref(), program.detail.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("tc_egress", None, Some("pref 9 handle 0x1 chain 2")),
            ("tc_ingress", Some("tc_in"), Some("pref 7 handle 0x3 chain 0")),
            ("tcx_egress", Some("tcx_out"), None),
            ("tcx_ingress", Some("tcx_one"), None),
            ("tcx_ingress", Some("tcx_two"), None),
            ("xdp_generic", Some("x_pass"), None),
        ]
    );

    let id = |hook: &str| read.value.iter().find(|program| program.hook == hook).unwrap().id;
    let link = &netns.json("ip", "link show dev v0")[0]["xdp"];
    assert_eq!(
        link["attached"][0]["prog"]["id"].as_u64().or(link["prog"]["id"].as_u64()),
        id("xdp_generic").map(u64::from)
    );
    let filters = netns.json("tc", "filter show dev v0 ingress");
    let filter = filters.as_array().unwrap().iter().find(|filter| filter["options"]["prog"].is_object()).unwrap();
    assert_eq!(filter["options"]["prog"]["id"].as_u64(), id("tc_ingress").map(u64::from));
    assert_eq!(filter["pref"], 7);
    assert_eq!(filter["options"]["handle"], "0x3");

    let listed = namespace.links().value.into_iter().find(|link| link.ifindex == v0).unwrap().xdp;
    let xdp = BpfAttachment { hook: "xdp_generic".to_owned(), id: id("xdp_generic"), name: None, detail: None };
    assert_eq!(listed, [xdp]);
}

#[test]
fn a_link_that_is_gone_is_an_issue() {
    let netns = Netns::new();
    let read = Kernel::new().unwrap().open(&netns.handle()).link_bpf(IfIndex(4242));
    assert_eq!(read.value, []);
    assert_eq!(read.issues.len(), 1);
    assert_eq!(read.issues[0].why.detail(), "No such device (os error 19)");
}

#[test]
fn programs_on_a_cgroup_are_told_by_name() {
    let cgroup = Cgroup::new("connect");
    let dir = cgroup.open();
    let empty = cgroup_programs(&dir, "/test");
    assert_eq!((empty.value, empty.issues), (vec![], vec![]));
    let program = loader::load(loader::CGROUP_SOCK_ADDR, "connect4", 1, loader::CGROUP_INET4_CONNECT);
    loader::attach(&program, u32::try_from(dir.as_raw_fd()).unwrap(), loader::CGROUP_INET4_CONNECT);
    let read = cgroup_programs(&dir, "/test");
    assert_eq!(read.issues, []);
    assert_eq!(read.value.len(), 1);
    let found = &read.value[0];
    assert_eq!(
        (found.hook.as_str(), found.name.as_deref(), found.detail.as_deref()),
        ("cgroup_inet4_connect", Some("connect4"), Some("/test"))
    );
    assert!(found.id.is_some());
}

#[test]
fn a_folder_that_is_no_cgroup_is_unknown_and_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let read = cgroup_programs(&std::fs::File::open(folder.path()).unwrap(), "/test");
    assert_eq!(read.value, []);
    assert_eq!(read.issues.len(), 1, "one reason, told once: {:?}", read.issues);
    assert_eq!(read.issues[0].why.detail(), "no cgroup of version 2");
}
