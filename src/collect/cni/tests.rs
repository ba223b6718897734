//! Folders of files: what is read, what is left out, and what is told.

use std::fs;
use std::path::Path;

use super::{CniDirs, read};
use crate::collect::root::HostRoot;
use crate::model::cni::CniState;
use crate::model::issue::Level;

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cni")
}

fn put(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn root(path: &Path) -> HostRoot {
    HostRoot::at(Path::new("/proc"), path).unwrap()
}

fn names(state: &CniState) -> Vec<&str> {
    state.files.iter().map(|file| file.path.rsplit('/').next().unwrap()).collect()
}

#[test]
fn the_recorded_folders() {
    let dirs = CniDirs { conf: vec!["/net.d".into()], cache: "/results".into(), networks: "/networks".into() };
    let found = read(&root(&fixtures()), &dirs);
    assert_eq!(found.issues, []);
    let state = found.value;
    assert_eq!((state.conf_dir.as_str(), names(&state)), ("/net.d", vec!["10-bridge.conf", "99-loopback.conf"]));
    assert!(state.files.iter().all(|file| file.error.is_none()), "{:?}", state.files);
    let cached: Vec<_> = state.cache.iter().map(|entry| (entry.container.short(), entry.interface.as_str())).collect();
    assert_eq!(cached, [("7b15dcb5f793", "eth0"), ("7b15dcb5f793", "lo"), ("a3003184f5ef", "eth0")]);
    let leases: Vec<_> = state
        .leases
        .iter()
        .map(|lease| (lease.network.as_str(), lease.address.to_string(), lease.container.short()))
        .collect();
    assert_eq!(
        leases,
        [
            ("bridge", "10.200.0.32".to_owned(), "7b15dcb5f793"),
            ("bridge", "10.200.0.35".to_owned(), "a3003184f5ef"),
            ("dual", "10.9.0.2".to_owned(), "c0ffee0.2.0"),
            ("dual", "10.9.0.3".to_owned(), "c0ffee1.0.0"),
            ("dual", "fd00:10::2".to_owned(), "c0ffee0.2.0"),
            ("dual", "fd00:10::3".to_owned(), "c0ffee1.0.0"),
        ]
    );
}

#[test]
fn nothing_at_all_is_a_note() {
    let empty = tempfile::tempdir().unwrap();
    let found = read(&root(empty.path()), &CniDirs::default());
    assert_eq!(found.value, CniState { conf_dir: "/etc/cni/net.d".to_owned(), ..CniState::default() });
    assert_eq!(found.issues.iter().map(|issue| issue.level).collect::<Vec<_>>(), [Level::Note]);
}

#[test]
fn the_folder_of_k3s_where_the_usual_one_is_missing() {
    let node = tempfile::tempdir().unwrap();
    put(
        node.path(),
        "/var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist",
        br#"{"name":"cbr0","plugins":[{"type":"flannel"}]}"#,
    );
    let found = read(&root(node.path()), &CniDirs::default());
    assert_eq!(found.value.conf_dir, "/var/lib/rancher/k3s/agent/etc/cni/net.d");
    assert_eq!(names(&found.value), ["10-flannel.conflist"]);
}

#[test]
fn a_data_dir_of_the_configuration_is_honoured_and_stays_below_the_root() {
    let node = tempfile::tempdir().unwrap();
    let conf = br#"{"name":"odd","type":"bridge","ipam":{"type":"host-local","dataDir":"/run/leases"}}"#;
    put(node.path(), "/etc/cni/net.d/10-odd.conf", conf);
    put(node.path(), "/run/leases/odd/10.0.0.9", b"cafe\r\neth0");
    put(node.path(), "/run/leases/other/10.0.0.8", b"beef\r\neth0");
    let up = br#"{"name":"../..","type":"bridge","ipam":{"type":"host-local","dataDir":"/run/leases"}}"#;
    put(node.path(), "/etc/cni/net.d/20-up.conf", up);
    let found = read(&root(node.path()), &CniDirs::default());
    let leases: Vec<_> = found.value.leases.iter().map(|lease| lease.path.as_str()).collect();
    assert_eq!(leases, ["/run/leases/odd/10.0.0.9"]);
}

#[test]
fn broken_files_are_told_and_do_not_hide_the_others() {
    let node = tempfile::tempdir().unwrap();
    put(node.path(), "/etc/cni/net.d/00-broken.conf", b"{\n\"name\":");
    put(node.path(), "/etc/cni/net.d/10-large.conf", &vec![b' '; (1 << 20) + 1]);
    put(node.path(), "/etc/cni/net.d/20-good.conf", br#"{"name":"n","type":"bridge"}"#);
    put(node.path(), "/etc/cni/net.d/README", b"");
    fs::create_dir_all(node.path().join("etc/cni/net.d/30-folder.conf")).unwrap();
    put(node.path(), "/var/lib/cni/networks/n/10.0.0.1", b"");
    put(node.path(), "/var/lib/cni/networks/n/10.0.0.2", b"cafe");
    let found = read(&root(node.path()), &CniDirs::default());
    assert_eq!(names(&found.value), ["00-broken.conf", "10-large.conf", "20-good.conf"]);
    let errors: Vec<_> = found.value.files.iter().map(|file| file.error.as_deref()).collect();
    assert_eq!(
        errors,
        [
            Some("EOF while parsing a value at line 2 column 7"),
            Some("could not be read: larger than 1048576 bytes"),
            None
        ]
    );
    let unread: Vec<_> = found.value.files.iter().map(|file| file.unread).collect();
    assert_eq!(unread, [false, true, false]);
    assert_eq!(found.value.leases.len(), 1);
    let told: Vec<_> = found.issues.iter().map(|issue| issue.what.as_str()).collect();
    assert_eq!(told, ["reading /etc/cni/net.d/10-large.conf", "reading the lease /var/lib/cni/networks/n/10.0.0.1"]);
}

#[test]
fn a_name_without_content_keeps_its_place_for_a_runtime_stumbles_over_it() {
    let node = tempfile::tempdir().unwrap();
    put(node.path(), "/etc/cni/net.d/10-good.conf", br#"{"name":"n","type":"bridge"}"#);
    let folder = node.path().join("etc/cni/net.d");
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
    link("/nowhere", "00-dangling.conflist");
    link("01-circle.conf", "01-circle.conf");
    link("/etc/cni", "02-to-folder.conf");
    link("10-good.conf", "04-good.conf");
    nix::unistd::mkfifo(&folder.join("03-fifo.conf"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("05-socket.json")).unwrap();
    let found = read(&root(node.path()), &CniDirs::default());
    let files: Vec<_> =
        names(&found.value).into_iter().zip(found.value.files.iter().map(|file| file.error.as_deref())).collect();
    let (nowhere, special) = (Some("a symbolic link that leads to no file"), Some("not a regular file"));
    assert_eq!(
        files,
        [
            ("00-dangling.conflist", nowhere),
            ("01-circle.conf", nowhere),
            ("02-to-folder.conf", special),
            ("03-fifo.conf", special),
            ("04-good.conf", None),
            ("05-socket.json", special),
            ("10-good.conf", None),
        ]
    );
    assert!(found.value.files.iter().all(|file| !file.unread));
    let told: Vec<_> = found.issues.iter().map(|issue| (issue.level, issue.what.as_str())).collect();
    let dir = "reading /etc/cni/net.d";
    let broken = ["00-dangling.conflist", "01-circle.conf", "02-to-folder.conf", "03-fifo.conf", "05-socket.json"];
    let expected: Vec<_> = broken.iter().map(|name| format!("{dir}/{name}")).collect();
    assert_eq!(told, expected.iter().map(|what| (Level::Note, what.as_str())).collect::<Vec<_>>());
}
