use proptest::prelude::*;

use super::*;
use crate::model::ids::{ContainerId, Pid};
use crate::model::netns::PodCgroup;
use crate::model::text::ByteText;

const UID: &str = "2e1c5739-f412-447c-93cc-47e6c9660c34";
const ID: &str = "7b15dcb5f79362d434b66fe2622215f9433b30e72a237d91f9b81b3699d4adbe";
const NODE: &str = "aaaadcb5f79362d434b66fe2622215f9433b30e72a237d91f9b81b3699d4aaaa";

fn shape(pattern: &str) -> String {
    pattern
        .replace("{uid}", UID)
        .replace("{uid_}", &UID.replace('-', "_"))
        .replace("{id}", ID)
        .replace("{node}", NODE)
        .replace("{static}", "0123456789abcdef0123456789abcdef")
}

#[test]
fn every_shape_of_a_pods_cgroup_path() {
    let uid = Some(UID);
    let id = Some(ID);
    let cases: &[(&str, &str, Option<&str>, Option<&str>)] = &[
        ("cgroupfs, best effort", "/kubepods/besteffort/pod{uid}/{id}", uid, id),
        ("cgroupfs, guaranteed", "/kubepods/pod{uid}/{id}", uid, id),
        ("cgroupfs, the pod itself", "/kubepods/burstable/pod{uid}", uid, None),
        ("cgroupfs, a uid that is no uuid", "/kubepods/burstable/podmy-uid/{id}", Some("my-uid"), id),
        ("a pod from a file", "/kubepods/burstable/pod{static}/{id}", Some("0123456789abcdef0123456789abcdef"), id),
        (
            "systemd, containerd",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid_}.slice/cri-containerd-{id}.scope",
            uid,
            id,
        ),
        ("systemd, CRI-O, guaranteed", "/kubepods.slice/kubepods-pod{uid_}.slice/crio-{id}.scope", uid, id),
        (
            "systemd, CRI-O's inner cgroup",
            "/kubepods.slice/kubepods-pod{uid_}.slice/crio-{id}.scope/container",
            uid,
            id,
        ),
        ("systemd, CRI-O's monitor", "/kubepods.slice/kubepods-pod{uid_}.slice/crio-conmon-{id}.scope", uid, None),
        (
            "systemd, docker",
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid_}.slice/docker-{id}.scope",
            uid,
            id,
        ),
        ("cgroupfs, CRI-O", "/kubepods/burstable/pod{uid}/crio-{id}", uid, id),
        (
            "a systemd path in the hands of the cgroupfs driver",
            "/system.slice/containerd.service/kubepods-burstable-pod{uid_}.slice:cri-containerd:{id}",
            uid,
            id,
        ),
        (
            "kind, systemd",
            "/system.slice/docker-{node}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{uid_}.slice/cri-containerd-{id}.scope",
            uid,
            id,
        ),
        ("kind, cgroupfs", "/docker/{node}/kubelet/kubepods/besteffort/pod{uid}/{id}", uid, id),
        ("a lab's prefix", "/podnet-lab/worker-0/kubepods/besteffort/pod{uid}/{id}", uid, id),
        ("seen from another cgroup namespace", "/../../kubepods/besteffort/pod{uid}/{id}", uid, id),
        ("a container with cgroups of its own", "/kubepods/besteffort/pod{uid}/{id}/init.scope", uid, id),
        ("docker in a pod", "/kubepods/besteffort/pod{uid}/{id}/docker/{node}", uid, id),
        ("CRI by hand", "/k8s.io/{id}", None, id),
        ("docker without a pod", "/docker/{id}", None, id),
        ("docker without a pod, systemd", "/system.slice/docker-{id}.scope", None, id),
    ];
    for (name, path, pod_uid, container) in cases {
        let path = shape(path);
        let expected = PodCgroup {
            pod_uid: pod_uid.map(str::to_owned),
            container: container.map(|id| ContainerId(id.to_owned())),
            path: path.clone(),
        };
        assert_eq!(cgroup::pod_cgroup(&path), Some(expected), "{name}");
    }
}

#[test]
fn paths_outside_pods() {
    for path in [
        "/",
        "/init.scope",
        "/user.slice/user-1000.slice/session-2.scope",
        "/podman/foo",
        "/kubepods",
        "/system.slice/cron.service",
    ] {
        assert_eq!(cgroup::pod_cgroup(path), None, "{path}");
    }
}

#[test]
fn the_pods_own_path_ends_at_the_component_that_names_it() {
    assert_eq!(cgroup::pod_path("/kubepods/besteffort/podmy/abc"), Some("/kubepods/besteffort/podmy"));
    let systemd = shape("/kubepods.slice/kubepods-pod{uid_}.slice");
    assert_eq!(cgroup::pod_path(&format!("{systemd}/crio-1.scope")), Some(systemd.as_str()));
    assert_eq!(cgroup::pod_path("/k8s.io/abc"), None);
}

/// `cat /proc/25570/cgroup` on worker-0 (Linux 6.18, cgroup v1 and v2 mixed), trimmed by hand to three lines.
#[test]
fn a_node_with_both_versions_of_cgroups() {
    let text = include_bytes!("../../../fixtures/proc/cgroup-hybrid.txt");
    let path = shape("/kubepods/besteffort/pod{uid}/{id}");
    let lines = cgroup::parse(text);
    assert_eq!(
        lines,
        [
            cgroup::Membership { controllers: vec!["name=systemd".to_owned()], path: path.clone() },
            cgroup::Membership { controllers: vec!["cpu".to_owned(), "cpuacct".to_owned()], path: "/".to_owned() },
            cgroup::Membership { controllers: vec![], path: path.clone() },
        ]
    );
    let expected = PodCgroup { pod_uid: Some(UID.to_owned()), container: Some(ContainerId(ID.to_owned())), path };
    assert_eq!(cgroup::pod_of(&lines), Some(expected));
}

/// `cat /proc/16400/stat` (Linux 6.18).
#[test]
fn stat_of_a_pause_process() {
    let found = stat::parse(include_bytes!("../../../fixtures/proc/stat-pause.txt")).unwrap();
    let expected = stat::Stat {
        pid: Pid(16400),
        comm: ByteText::from("pause"),
        state: 'S',
        parent: Some(Pid(16379)),
        start_ticks: 188_017,
    };
    assert_eq!(found, expected);
}

#[test]
fn a_name_with_parentheses_and_bytes_that_are_no_utf8() {
    let found = stat::parse(b"7 (a) (\xff\n) S 0 1 1 0 -1 1 1 1 1 1 1 1 1 1 20 0 1 0 55 1").unwrap();
    let expected =
        stat::Stat { pid: Pid(7), comm: ByteText::new(*b"a) (\xff\n"), state: 'S', parent: None, start_ticks: 55 };
    assert_eq!(found, expected);
}

#[test]
fn a_cut_stat_says_what_is_missing() {
    assert_eq!(stat::parse(b"7 (a) S 0 1").unwrap_err().to_string(), "line 1: starttime: expected a number");
}

#[test]
fn numbers_in_nested_pid_namespaces() {
    let told = status::parse(b"Name:\tpa\\nuse\nPid:\t25570\nPPid:\t77\nNSpid:\t25570\t812\t1\nNSpgid:\t1\n");
    let numbers = vec![Pid(25570), Pid(812), Pid(1)];
    assert_eq!(told, status::Status { name: b"pa\\nuse".to_vec(), parent: Some(Pid(77)), numbers });
    let old = status::parse(b"Name:\tinit\nPPid:\t0\n");
    assert_eq!(old, status::Status { name: b"init".to_vec(), parent: None, numbers: Vec::new() });
}

/// Lines of `cat /proc/self/mountinfo` (Linux 6.18), the last one made by mounting at a name with a space.
#[test]
fn namespaces_and_cgroups_among_the_mounts() {
    let (mounts, errors) =
        mountinfo::parse(include_bytes!("../../../fixtures/proc/mountinfo.txt"), &["nsfs", "cgroup", "cgroup2"]);
    assert_eq!(errors, []);
    let seen: Vec<_> = mounts
        .iter()
        .map(|mount| (mount.mount_point.to_string(), mount.fs_type.to_string(), mount.device, mount.namespace()))
        .collect();
    assert_eq!(
        seen,
        [
            ("/sys/fs/cgroup/systemd".to_owned(), "cgroup".to_owned(), (0, 37), None),
            ("/sys/fs/cgroup/unified".to_owned(), "cgroup2".to_owned(), (0, 38), None),
            ("/run/netns/cni-4bb4f6e7".to_owned(), "nsfs".to_owned(), (0, 4), Some(("net", 4_026_532_246))),
            ("/run/netns/a b\\c".to_owned(), "nsfs".to_owned(), (0, 4), Some(("net", 4_026_532_328))),
        ]
    );
    assert!(mounts.iter().any(|mount| mount.has_option("name=systemd")));
}

#[test]
fn a_broken_mountinfo_line_costs_only_itself() {
    let (mounts, errors) = mountinfo::parse(b"1 2 x\n1 2 0:4 net:[5] /a rw - nsfs nsfs rw\n", &["nsfs"]);
    assert_eq!(mounts.len(), 1);
    assert_eq!(errors, [TextError { line: 1, item: "root", expected: "a fourth field" }]);
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[/a-z:0-9._ ()-]{0,80}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let _ = stat::parse(bytes);
            let _ = status::parse(bytes);
            let _ = mountinfo::parse(bytes, &["nsfs"]);
            let _ = cgroup::pod_of(&cgroup::parse(bytes));
        }
        let _ = cgroup::pod_cgroup(&text);
        let _ = cgroup::pod_path(&text);
    }

    #[test]
    fn a_changed_or_cut_capture_makes_no_parser_panic(cut in 0usize..2000, at in 0usize..2000, bit in 0u8..8) {
        for capture in [
            include_bytes!("../../../fixtures/proc/stat-pause.txt").as_slice(),
            include_bytes!("../../../fixtures/proc/mountinfo.txt").as_slice(),
            include_bytes!("../../../fixtures/proc/cgroup-hybrid.txt").as_slice(),
        ] {
            let mut bytes = capture.to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            bytes.truncate(cut);
            let _ = stat::parse(&bytes);
            let _ = mountinfo::parse(&bytes, &["nsfs"]);
            let _ = cgroup::pod_of(&cgroup::parse(&bytes));
        }
    }
}

mod recent_lists {
    use super::super::jiffies::Clock;
    use super::super::{ip_vs, recent};
    use crate::model::netfilter::recent::RecentEntry;

    const LIST: &str = "src=10.200.0.30 ttl: 64 last_seen: 4295511497 oldest_pkt: 3 4295510647, 4295511484, 4295511497\n\
        src=fd00:0000:0000:0000:0000:0000:0000:0001 ttl: 255 last_seen: 4295511400 oldest_pkt: 0 4295511400\n";

    #[test]
    fn a_list_is_read_by_address_with_ages() {
        let clock = Clock { now: 4_295_511_747, hz: 250 };
        let (entries, errors) = recent::parse(LIST, Some(clock));
        assert_eq!(errors, []);
        let entry = |address: &str, ttl, age_ms, last_seen_jiffies, stamps| RecentEntry {
            address: address.parse().unwrap(),
            ttl,
            age_ms: Some(age_ms),
            last_seen_jiffies,
            stamps,
        };
        let expected =
            [entry("10.200.0.30", 64, 1000, 4_295_511_497, 3), entry("fd00::1", 255, 1388, 4_295_511_400, 1)];
        assert_eq!(entries, expected);
        assert!(recent::parse(LIST, None).0.iter().all(|entry| entry.age_ms.is_none()));
    }

    #[test]
    fn what_is_no_entry_is_told_by_line() {
        let text = "src=frob ttl: 64\nsrc=10.0.0.1 ttl 64\nsrc=10.0.0.1 ttl: 64 last_seen: x\n\
            src=10.0.0.1 ttl: 64 last_seen: 1 oldest_pkt: 0 1, x\nsrc=10.0.0.1 ttl: 64 last_seen: 1 oldest_pkt: 0\n";
        let (entries, errors) = recent::parse(text, None);
        assert_eq!(entries.len(), 1);
        let told: Vec<(usize, &str)> = errors.iter().map(|error| (error.line, error.item)).collect();
        assert_eq!(told, [(1, "src"), (2, "ttl"), (3, "last_seen"), (4, "stamps")]);
        for length in 0..LIST.len() {
            let _ = recent::parse(&LIST[..length], None);
        }
    }

    #[test]
    fn the_clock_is_told_where_one_rate_fits() {
        let timers = "Timer List Version: v0.10\nHRTIMER_MAX_CLOCK_BASES: 8\nnow at 15831598615298 nsecs\n\ncpu: 0\njiffies: 4298850136\n";
        assert_eq!(Clock::of_timer_list(timers), Some(Clock { now: 4_298_850_136, hz: 250 }));
        let of = |jiffies: u64, uptime: &str| {
            Clock::of_schedstat(&format!("version 17\ntimestamp {jiffies}\ncpu0 0 0\n"), uptime).map(|clock| clock.hz)
        };
        assert_eq!(of(4_298_850_136, "15831.64 10957.40\n"), Some(250));
        assert_eq!(of((1 << 32) + 100 * 1000, "1300.05 1.0"), Some(100));
        assert_eq!(of((1 << 32) + 1000 * 1000, "1300.05 1.0"), Some(1000));
        assert_eq!(of((1 << 32) - 200 * 300, "100.00 1.0"), Some(300));
        // In the fifth minute every rate fits, and after a suspend none.
        assert_eq!(of(1 << 32, "300.01 1.0"), None);
        assert_eq!(of(4_298_850_136, "99999.64 10957.40"), None);
        for (schedstat, uptime) in [("", "1.0"), ("timestamp x", "1.0"), ("timestamp 5", ""), ("timestamp 5", "x.y")] {
            assert_eq!(Clock::of_schedstat(schedstat, uptime), None);
        }
        assert_eq!(Clock { now: 5, hz: 100 }.age_ms(7), 0, "seen since the clock was read");
    }

    /// As the kernel's `ip_vs_info_seq_show` writes it (recorded, for IPVS is not in the kernel of the live tests).
    #[test]
    fn virtual_services_are_counted() {
        let head = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";
        assert_eq!(ip_vs::services(head), 0);
        let text = format!(
            "{head}TCP  0A20000A:0035 rr  \n  -> 0AC80002:0035      Masq    1      0          0         \nUDP  0A20000A:0035 rr  \n\
             TCP  [fd00:0000:0000:0000:0000:0000:0000:0001]:0050 rr \nFWM  00000001 rr  \n"
        );
        assert_eq!(ip_vs::services(&text), 4);
    }
}
