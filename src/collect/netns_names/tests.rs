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

/// The letter of a thread's state: `S` is one that sleeps, as in an `open` that waits for the other end.
fn state(thread: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn what_is_no_namespace_is_told_for_what_it_is_and_never_opened() {
    let node = tempfile::tempdir().unwrap();
    let folder = node.path().join("run/netns");
    fs::create_dir_all(folder.join("folder")).unwrap();
    fs::write(folder.join("after-reboot"), "").unwrap();
    fs::write(folder.join("written"), "notes").unwrap();
    let fifo = folder.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    // A namespace outside the node's root, to which a link leads if it is followed from `/`.
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path().join("netns");
    sys::netns::create_bound(&outside).unwrap();
    for (name, target) in [
        ("link-away", outside.as_os_str()),
        ("link-gone", OsStr::new("/nowhere")),
        ("link-loop", OsStr::new("link-loop")),
        ("link-to-file", OsStr::new("written")),
    ] {
        std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
    }
    // Whoever writes to the FIFO waits until somebody opens it for reading.
    let (send, thread) = std::sync::mpsc::channel();
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || {
            send.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
            fs::OpenOptions::new().write(true).open(fifo).unwrap();
        }
    });
    let thread = thread.recv().unwrap();
    let thread = thread.file_name().unwrap().to_str().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while state(thread) != Some('S') {
        assert!(std::time::Instant::now() < deadline, "the writer does not wait");
        std::thread::yield_now();
    }

    let root = HostRoot::at(Path::new("/proc"), node.path()).unwrap();
    let read = all(&root);
    let cheap = names(&root);
    let untouched = !writer.is_finished() && state(thread) == Some('S');
    fs::File::open(&fifo).unwrap();
    writer.join().unwrap();
    sys::netns::remove_bound(&outside).unwrap();

    assert!(untouched, "somebody opened the FIFO");
    assert_eq!((read.value, cheap), (Vec::new(), Read::ok(Vec::new())));
    let told: Vec<_> = read.issues.iter().map(|issue| (issue.what.as_str(), issue.why.detail().to_owned())).collect();
    let link = |target: &str, more: &str| format!("a symbolic link to {target}{more}, no network namespace");
    assert_eq!(
        told,
        [
            ("/run/netns/after-reboot", "a file to which no namespace is bound any more".to_owned()),
            ("/run/netns/fifo", "a FIFO, no network namespace".to_owned()),
            ("/run/netns/folder", "a folder, no network namespace".to_owned()),
            ("/run/netns/link-away", link(outside.to_str().unwrap(), ", which is not there")),
            ("/run/netns/link-gone", link("/nowhere", ", which is not there")),
            (
                "/run/netns/link-loop",
                link("link-loop", ", which is not followed (Too many levels of symbolic links (os error 40))")
            ),
            ("/run/netns/link-to-file", link("written", "")),
            ("/run/netns/socket", "a socket, no network namespace".to_owned()),
            ("/run/netns/written", "a file of 5 bytes, no network namespace".to_owned()),
        ]
    );
    assert!(read.issues.iter().all(|issue| issue.level == crate::model::issue::Level::Note));
}
