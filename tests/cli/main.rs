//! The program from outside: what it prints, where, and with which exit code.

mod generated;
mod help;
mod hostile;
mod live;
mod output;
mod progress;
mod refused;
mod schema;
mod setup;

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

use assert_cmd::Command;

/// A recorded node: see fixtures/nodes/README.md.
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/nodes/worker-0.json");

/// Every command that answers a question, with arguments that fit the recorded node. What it did not
/// record (most sysctls, CNI files) makes some answers incomplete: 3 is as good as 0 here.
const QUESTIONS: [&[&str]; 10] = [
    &["pods"],
    &["netns"],
    &["veth", "nginx"],
    &["bridge"],
    &["routes", "nginx"],
    &["routes", "host", "198.51.100.10"],
    &["cni"],
    &["trace", "nginx"],
    &["conntrack"],
    &["conntrack", "nginx"],
];

fn podnet(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podnet"));
    command.args(arguments).env_remove("CONTAINER_RUNTIME_ENDPOINT").env_remove("NO_COLOR");
    command
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn is_answer(ran: &Ran) -> bool {
    matches!(ran.code, 0 | 3)
}

/// Asserts a failure: nothing on stdout, this on stderr, exit code 2.
fn assert_refused(arguments: &[&str], expected: &str) {
    let ran = run(&mut podnet(arguments));
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
    assert!(ran.err.contains(expected), "{arguments:?}: {:?} does not contain {expected:?}", ran.err);
    assert!(ran.err.starts_with("podnet: "), "{arguments:?}: {:?}", ran.err);
}

/// Runs a command on a machine of its own: a fresh network, an empty `/run` and none of this machine's
/// processes, but 40 of root's. Nothing that else stands on this machine is seen there. Needs root.
fn alone(command: &[&str]) -> Ran {
    let script = r#"
        for folder in /run /var/log; do mount -t tmpfs tmpfs "$folder" || exit 99; done
        for number in 0 1 2 3; do for digit in 0 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; done
        "$@"
    "#;
    let namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let mut shell = Command::new("unshare");
    // The shell is process 1 there: all others end with it.
    shell.args(namespaces).args(["sh", "-c", script, "sh"]).args(command).env_remove("CONTAINER_RUNTIME_ENDPOINT");
    run(&mut shell)
}

/// The program where everybody may start it: the build folder may be closed to others.
fn program_for_all() -> (tempfile::TempDir, String) {
    use std::os::unix::fs::PermissionsExt as _;
    let open = std::fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().prefix("podnet-").permissions(open).tempdir().unwrap();
    let program = folder.path().join("podnet");
    std::fs::copy(env!("CARGO_BIN_EXE_podnet"), &program).unwrap();
    let program = program.to_str().unwrap().to_owned();
    (folder, program)
}

/// Whether this runs as root; in CI it has to.
fn is_root() -> bool {
    let root = own_uid() == 0;
    assert!(root || std::env::var_os("CI").is_none(), "CI has to run the tests as root");
    if !root {
        let _ = writeln!(std::io::stderr(), "left out: needs root");
    }
    root
}

fn own_uid() -> u32 {
    std::fs::metadata("/proc/self").unwrap().uid()
}
