use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use super::*;
use crate::sys;

#[test]
fn names_in_the_folder_stale_ones_and_names_bound_elsewhere() {
    let node = tempfile::tempdir().unwrap();
    let folder = node.path().join("run/netns");
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("../run", node.path().join("var-run")).unwrap();
    let odd = OsStr::from_bytes(b"v\xff\x1b[31m");
    let bound = [folder.join("cni-a"), folder.join(odd), node.path().join("elsewhere")];
    let ids: Vec<_> = bound
        .iter()
        .map(|path| {
            let file = sys::netns::create_bound(path).unwrap();
            let (dev, ino) = sys::netns::identity(&file).unwrap();
            NetnsId { dev, ino }
        })
        .collect();
    fs::write(folder.join("left-over"), "").unwrap();
    let root = HostRoot::at(Path::new("/proc"), node.path()).unwrap();

    let read = all(&root);
    let cheap = names(&root);
    for path in &bound {
        sys::netns::remove_bound(path).unwrap();
    }

    let name = |at: usize, path: &[u8]| NetnsName {
        id: ids[at],
        name: ByteText::new(path.rsplit(|byte| *byte == b'/').next().unwrap()),
        path: ByteText::new(path),
    };
    // The mount point of the third lies outside the node's root, as mountinfo writes it.
    assert_eq!(read.value, [name(0, b"/run/netns/cni-a"), name(1, b"/run/netns/v\xff\x1b[31m")]);
    assert_eq!(cheap, Read::ok(read.value));
    let stale: Vec<_> = read.issues.iter().map(|issue| issue.what.as_str()).collect();
    assert_eq!(stale, ["/run/netns/left-over"]);
}

#[test]
fn a_namespace_bound_outside_the_usual_folders_is_found_through_the_mounts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("somewhere");
    let (dev, ino) = sys::netns::identity(&sys::netns::create_bound(&path).unwrap()).unwrap();

    let read = all(&HostRoot::open(Path::new("/proc")).unwrap());
    sys::netns::remove_bound(&path).unwrap();

    let found: Vec<_> = read.value.iter().filter(|name| name.id == NetnsId { dev, ino }).collect();
    assert_eq!(found, [&named(NetnsId { dev, ino }, &path)]);
}
