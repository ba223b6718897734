use std::fs;
use std::os::unix::net::UnixListener;

use super::*;

struct Node {
    folder: tempfile::TempDir,
    root: HostRoot,
}

fn node() -> Node {
    let folder = tempfile::tempdir().unwrap();
    let root = HostRoot::at(Path::new("/proc"), folder.path()).unwrap();
    Node { folder, root }
}

impl Node {
    fn listen(&self, path: &str) {
        let path = self.folder.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        UnixListener::bind(path).unwrap();
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn find(&self, flag: Option<&str>, env: Option<&str>) -> Option<(String, String, bool)> {
        let found = find(flag, env, &self.root).unwrap().endpoint?;
        Some((found.path, found.chosen_by, found.explicit))
    }
}

fn told(path: &str, by: &str, explicit: bool) -> (String, String, bool) {
    (path.to_owned(), by.to_owned(), explicit)
}

#[test]
fn the_flag_beats_the_environment_beats_crictl_beats_the_known_places() {
    let node = node();
    assert_eq!(node.find(None, None), None);
    node.listen("/run/k3s/containerd/containerd.sock");
    assert_eq!(node.find(None, None), Some(told("/run/k3s/containerd/containerd.sock", "known place", false)));
    node.listen("/srv/c.sock");
    node.write("/etc/crictl.yaml", "runtime-endpoint: unix:///srv/c.sock\ntimeout: 7\n");
    assert_eq!(node.find(None, None), Some(told("/srv/c.sock", "/etc/crictl.yaml", false)));
    node.listen("/srv/e.sock");
    assert_eq!(
        node.find(None, Some("unix:///srv/e.sock")),
        Some(told("/srv/e.sock", "CONTAINER_RUNTIME_ENDPOINT", true))
    );
    node.listen("/srv/f.sock");
    assert_eq!(
        node.find(Some("/srv/f.sock"), Some("unix:///srv/e.sock")),
        Some(told("/srv/f.sock", "--runtime-endpoint", true))
    );
}

#[test]
fn crictls_socket_that_is_gone_leads_on_to_the_known_places() {
    let node = node();
    node.write("/etc/crictl.yaml", "runtime-endpoint: unix:///srv/gone.sock\n");
    node.listen("/run/containerd/containerd.sock");
    assert_eq!(node.find(None, None), Some(told("/run/containerd/containerd.sock", "known place", false)));
}

#[test]
fn a_named_endpoint_that_cannot_be_used_is_an_error_that_says_why() {
    let node = node();
    node.write("/srv/file", "");
    let error = |endpoint: &str| find(Some(endpoint), None, &node.root).unwrap_err().to_string();
    assert_eq!(
        error("tcp://1.2.3.4:80"),
        "--runtime-endpoint \"tcp://1.2.3.4:80\": only unix:///PATH or /PATH can be used"
    );
    assert_eq!(error("/srv/none"), "--runtime-endpoint /srv/none: No such file or directory (os error 2)");
    assert_eq!(error("unix:///srv/file"), "--runtime-endpoint /srv/file: not a socket");
}

#[test]
fn a_link_out_of_the_nodes_root_stays_inside_it() {
    let node = node();
    let outside = tempfile::tempdir().unwrap();
    let socket = outside.path().join("c.sock");
    UnixListener::bind(&socket).unwrap();
    std::os::unix::fs::symlink(&socket, node.folder.path().join("link.sock")).unwrap();
    assert!(find(Some("/link.sock"), None, &node.root).is_err());
}
