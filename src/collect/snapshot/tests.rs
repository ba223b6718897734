use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::write::{WriteError, document, save};
use super::*;
use crate::model::issue::{Issue, Why};
use crate::model::snapshot::example;

fn json(snapshot: &Snapshot) -> String {
    let mut bytes = Vec::new();
    document(snapshot, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.0.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn refusal(path: &Path, limits: Limits) -> String {
    open_within(path, limits).unwrap_err().to_string().replace(&path.display().to_string(), "FILE")
}

#[test]
fn facts_are_kept_and_advice_for_the_node_is_not() {
    let folder = Folder::new();
    let issue = |what: &str| Issue::note(what, Why::Permission { detail: "permission denied".to_owned() });
    let mut snapshot = example();
    Arc::make_mut(&mut snapshot.namespaces).issues = vec![issue("sweep").hint("run as root")];
    Arc::make_mut(&mut snapshot.sandboxes).issues = vec![issue("runtime").hint("run as root")];
    Arc::make_mut(&mut snapshot.sandboxes).value[0].issues = vec![issue("a pod").hint("run as root")];
    Arc::make_mut(&mut snapshot.netns[0].links).issues = vec![issue("links").hint("run as root")];
    let path = folder.path("node.json");
    save(&snapshot, &path, false).unwrap();
    let opened = open(&path).unwrap();
    assert_eq!(opened.namespaces.issues, [issue("sweep")]);
    assert_eq!(opened.sandboxes.issues, [issue("runtime")]);
    assert_eq!(opened.sandboxes.value[0].issues, [issue("a pod")]);
    assert_eq!(opened.netns[0].links.issues, [issue("links")]);
    assert!(opened.issues().iter().all(|issue| issue.hint.is_none()));
}

#[test]
fn what_was_saved_is_what_is_opened_plain_and_gzip() {
    let folder = Folder::new();
    for name in ["node.json", "node.json.gz"] {
        let path = folder.path(name);
        save(&example(), &path, false).unwrap();
        let mut expected = example();
        expected.node.source = path.display().to_string();
        expected.drop_hints();
        assert_eq!(open(&path).unwrap(), expected, "{name}");
    }
    assert_eq!(folder.names(), ["node.json", "node.json.gz"]);
    assert_eq!(std::fs::read(folder.path("node.json.gz")).unwrap()[..2], GZIP_MAGIC);
}

#[test]
fn gzip_is_told_by_its_bytes_not_by_its_name() {
    let folder = Folder::new();
    let packed = folder.file("packed.json", &gzip(json(&example()).as_bytes()));
    let plain = folder.file("plain.gz", json(&example()).as_bytes());
    assert!(open(&packed).is_ok());
    assert!(open(&plain).is_ok());
}

#[test]
fn a_saved_file_is_for_its_owner_alone_and_is_never_overwritten_unasked() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let path = folder.path("node.json");
    save(&example(), &path, false).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);

    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(save(&example(), &path, false), Err(WriteError::Exists(found)) if found == path));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    save(&example(), &path, true).unwrap();
    assert!(open(&path).is_ok());
    assert_eq!(folder.names(), ["node.json"]);
}

#[test]
fn a_link_or_a_folder_under_the_name_is_not_written_through() {
    let folder = Folder::new();
    let victim = folder.file("victim", b"precious");
    let link = folder.path("link.json");
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    assert!(matches!(save(&example(), &link, false), Err(WriteError::Exists(_))));
    save(&example(), &link, true).unwrap();
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_file());

    let inner = folder.path("folder");
    std::fs::create_dir(&inner).unwrap();
    assert!(matches!(save(&example(), &inner, true), Err(WriteError::NotAFile(_))));
    assert!(matches!(save(&example(), &folder.path("none/x.json"), false), Err(WriteError::Io { .. })));
}

#[test]
fn each_broken_file_says_what_is_wrong_with_it() {
    let folder = Folder::new();
    let whole = json(&example());
    let packed = gzip(whole.as_bytes());
    let mut damaged = packed.clone();
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "FILE: cut short: EOF while parsing a value at line 1 column 0"),
        ("cut", whole.as_bytes()[..whole.len() / 2].to_vec(), "FILE: cut short: EOF while parsing"),
        ("cut in gzip", packed[..packed.len() / 2].to_vec(), "FILE: cut short: the compressed bytes end early"),
        ("damaged gzip", damaged, "FILE: not gzip, or damaged ("),
        (
            "noise.gz",
            b"\x00\x01".to_vec(),
            "FILE: not gzip, or damaged (it begins with [00, 01] where gzip has [1f, 8b])",
        ),
        ("text", b"hello\n".to_vec(), "FILE: not JSON: expected value at line 1 column 1"),
        ("number", b"42".to_vec(), "FILE: malformed: invalid type: integer `42`, expected a podnet snapshot"),
        ("other json", br#"{"a": 1}"#.to_vec(), "FILE: not a podnet snapshot: it has no \"format\" field at its top"),
        ("other format", br#"{"format": "x"}"#.to_vec(), "FILE: not a podnet snapshot: its \"format\" is \"x\""),
        ("a number as format", br#"{"format": 1}"#.to_vec(), "FILE: malformed: invalid type: integer `1`"),
        (
            "later version",
            br#"{"format": "podnet-snapshot/9", "node": 1}"#.to_vec(),
            "FILE: format \"podnet-snapshot/9\", but this podnet reads \"podnet-snapshot/1\"",
        ),
        (
            "a wrong field",
            whole.replace("\"taken_at\":\"2026-01-02T03:04:05Z\"", "\"taken_at\":\"soon\"").into_bytes(),
            "FILE: malformed: ",
        ),
        (
            "two documents",
            format!("{whole}{{}}").into_bytes(),
            "FILE: not JSON: trailing characters at line 2 column 1",
        ),
    ];
    for (name, bytes, expected) in cases {
        let path = folder.file(name, &bytes);
        let message = refusal(&path, Limits::default());
        assert!(message.starts_with(expected), "{name}: {message}");
    }
    assert!(refusal(&folder.path("missing"), Limits::default()).contains("No such file"));
    assert_eq!(refusal(folder.0.path(), Limits::default()), "FILE is a folder, not a snapshot file");
    assert_eq!(refusal(Path::new("/dev/zero"), Limits::default()), "FILE is a device, not a snapshot file");
    let fifo = folder.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert_eq!(refusal(&fifo, Limits::default()), "FILE is a FIFO, not a snapshot file");
}

#[test]
fn the_format_is_found_wherever_it_stands() {
    let folder = Folder::new();
    let whole = json(&example());
    let late = format!(
        "{},\"format\":\"podnet-snapshot/1\"}}",
        whole.trim_end().strip_suffix('}').unwrap().replacen("\"format\":\"podnet-snapshot/1\",", "", 1)
    );
    assert!(open(&folder.file("late.json", late.as_bytes())).is_ok());
}

#[test]
fn every_cut_of_a_snapshot_is_an_error_and_no_panic() {
    let folder = Folder::new();
    let whole = json(&example());
    let length = whole.trim_end().len();
    // Every place near both ends, and a prime stride between: each cut parses all that is before it.
    for length in (0..300).chain((300..length).step_by(97)).chain(length - 100..length) {
        let path = folder.file("cut", &whole.as_bytes()[..length]);
        assert!(open(&path).is_err(), "{length} bytes");
    }
}

#[test]
fn too_much_is_refused_while_it_flows() {
    let folder = Folder::new();
    let limits = Limits { bytes: 100_000, string: 1000, depth: 64, values: 1000 };
    let begin = r#"{"format":"podnet-snapshot/1","x":"#;
    let cases = [
        ("nesting", "[".repeat(65), "FILE: refused: line 1: nested deeper than 64"),
        ("a string", format!("\"{}", "a".repeat(1001)), "FILE: refused: line 1: a string of more than 1000 bytes"),
        ("values", "[".to_owned() + &"0,".repeat(1001), "FILE: refused: line 1: more than 1000 values"),
        ("white space", " ".repeat(100_001), "FILE: refused: line 1: more than 100000 bytes of JSON"),
    ];
    for (name, rest, expected) in cases {
        let text = format!("{begin}{rest}");
        assert_eq!(refusal(&folder.file(name, text.as_bytes()), limits), expected, "{name}");
        assert_eq!(refusal(&folder.file(name, &gzip(text.as_bytes())), limits), expected, "{name}, gzip");
    }
}
