//! Snapshot files that are not what they should be: a clear error, in bounded memory.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::{NODE, assert_refused};

const GIB: u64 = 1 << 30;
const BEGIN: &[u8] = br#"{"format":"podnet-snapshot/1","x":"#;

#[test]
fn a_broken_file_says_how_it_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(NODE).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let other = String::from_utf8(whole.clone()).unwrap().replacen("podnet-snapshot/1", "podnet-snapshot/2", 1);
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, expected) in [
        (folder.path().join("none").to_str().unwrap().to_owned(), "No such file"),
        (folder.path().to_str().unwrap().to_owned(), "is a folder, not a snapshot file"),
        (fifo.to_str().unwrap().to_owned(), "is a FIFO, not a snapshot file"),
        ("/dev/zero".to_owned(), "is a device, not a snapshot file"),
        (file("empty", b""), "cut short"),
        (file("cut", &whole[..whole.len() / 2]), "cut short: EOF while parsing"),
        (
            file("version", other.as_bytes()),
            "format \"podnet-snapshot/2\", but this podnet reads \"podnet-snapshot/1\"",
        ),
        (file("text", b"hello"), "not JSON: expected value at line 1 column 1"),
        (file("json", b"{}"), "not a podnet snapshot"),
        (file("bad.gz", b"\x1f\x8b\x08\x00garbage"), "bad.gz: "),
    ] {
        assert_refused(&["--from", &path, "pods"], expected);
    }
}

/// Gzip of `BEGIN`, `start` and `count` times `block`: each block a member of its own, so that it is packed once.
fn bomb(path: &Path, start: &[u8], block: &[u8], count: u64) {
    let pack = |bytes: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    };
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    file.write_all(&pack(&[BEGIN, start].concat())).unwrap();
    let member = pack(block);
    for _ in 0..count {
        file.write_all(&member).unwrap();
    }
    file.flush().unwrap();
}

/// A file of 1 GiB that holds `BEGIN`, `start` and then zero bytes, and takes no room on the disk.
fn sparse(path: &Path, start: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(BEGIN).unwrap();
    file.write_all(start).unwrap();
    file.set_len(GIB).unwrap();
}

#[test]
fn a_gibibyte_of_nesting_of_one_string_or_of_nothing_fits_in_64_mebibytes() {
    let folder = tempfile::tempdir().unwrap();
    let mebibyte = |byte: u8| vec![byte; 1 << 20];
    let cases = [
        ("nesting.json", "nested deeper than 64"),
        ("string.json", "a string of more than 1048576 bytes"),
        ("nesting.gz", "nested deeper than 64"),
        ("string.gz", "a string of more than 1048576 bytes"),
        ("space.gz", "more than 268435456 bytes of JSON"),
        ("values.gz", "more than 4000000 values"),
    ];
    let path = |name: &str| folder.path().join(name);
    sparse(&path("nesting.json"), &mebibyte(b'['));
    sparse(&path("string.json"), &[b"\"".to_vec(), mebibyte(b'a'), mebibyte(b'a')].concat());
    bomb(&path("nesting.gz"), b"", &mebibyte(b'['), 1024);
    bomb(&path("string.gz"), b"\"", &mebibyte(b'a'), 1024);
    bomb(&path("space.gz"), b"", &mebibyte(b' '), 1024);
    bomb(&path("values.gz"), b"[", &b"0,".repeat(1 << 19), 1024);
    let ask = |data: u64, file: &str| {
        let mut command = Command::new("prlimit");
        command.arg(format!("--data={data}")).arg(env!("CARGO_BIN_EXE_podnet")).args(["--from", file, "pods"]);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (name, expected) in cases {
        let (code, err) = ask(64 << 20, path(name).to_str().unwrap());
        assert_eq!(code, Some(2), "{name}: {err}");
        assert!(err.starts_with("podnet: ") && err.contains(expected), "{name}: {err}");
    }
    // The limit works: with too little even the recorded node is too much.
    assert_eq!(ask(64 << 20, NODE).0, Some(0));
    assert_ne!(ask(1 << 18, NODE).0, Some(0));
}
