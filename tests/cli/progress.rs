//! Words for a person who waits: only on a terminal, only after a while, and gone at the end.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::run;

/// A runtime that never answers makes every question take the whole deadline, on a node that has no
/// processes: what else runs on this machine takes no time.
fn slow(folder: &tempfile::TempDir, timeout: &str) -> (UnixListener, Command) {
    let proc = folder.path().join("proc");
    let root = proc.join("1/root");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(proc.join("1/stat"), "").unwrap();
    let listener = UnixListener::bind(root.join("runtime.sock")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_podnet"));
    command.arg("--proc-root").arg(proc).args(["--host-netns", "/proc/self/ns/net"]);
    command.args(["--runtime-endpoint", "/runtime.sock", "--timeout", timeout, "veth", "nope"]);
    (listener, command)
}

/// What a terminal gets to see of stderr.
fn seen_on_a_terminal(command: &mut Command) -> String {
    let terminal = nix::pty::openpty(None, None).unwrap();
    command.stdout(Stdio::null()).stderr(terminal.slave);
    let mut child = command.spawn().unwrap();
    // The command holds the other end too, and would keep it open.
    command.stderr(Stdio::null());
    let mut seen = Vec::new();
    // A terminal whose other end is closed gives EIO.
    let _ = File::from(terminal.master).read_to_end(&mut seen);
    child.wait().unwrap();
    String::from_utf8(seen).unwrap()
}

#[test]
fn a_long_read_is_told_on_a_terminal_and_erased() {
    let folder = tempfile::tempdir().unwrap();
    let (_listener, mut command) = slow(&folder, "1200ms");
    let seen = seen_on_a_terminal(&mut command);
    assert!(seen.starts_with("\r\x1b[Kreading the node … 0."), "{seen:?}");
    let (shown, told) = seen.rsplit_once("\r\x1b[K").unwrap();
    assert!(shown.matches("reading the node").count() >= 2, "{seen:?}");
    assert!(told.starts_with("podnet: containerd at ") && told.contains("\"nope\" names no pod"), "{seen:?}");
    assert!(!told.contains("reading the node …"), "{seen:?}");
}

#[test]
fn a_short_read_or_a_file_shows_nothing() {
    // On a busy machine a short read may take long: what counts is one that did not.
    let (mut tries, mut seen) = (0, None);
    while seen.is_none() {
        tries += 1;
        assert!(tries < 50, "the machine is too busy for a read of less than half a second");
        let folder = tempfile::tempdir().unwrap();
        let (_listener, mut command) = slow(&folder, "100ms");
        let begun = Instant::now();
        let told = seen_on_a_terminal(&mut command);
        seen = (begun.elapsed() < Duration::from_millis(450)).then_some(told);
    }
    assert!(seen.is_some_and(|seen| seen.starts_with("podnet: ")));
}

#[test]
fn where_nobody_looks_there_is_no_progress() {
    let folder = tempfile::tempdir().unwrap();
    let (_listener, command) = slow(&folder, "1200ms");
    let ran = run(&mut assert_cmd::Command::from_std(command));
    assert!(!ran.err.contains('\r') && ran.err.starts_with("podnet: "), "{:?}", ran.err);
}
