//! Loads and attaches small programs that let every packet pass, for the reader to find.
//!
//! podnet itself never loads anything, so this stands with the tests.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::testbed::run;

pub const SCHED_CLS: u32 = 3;
pub const XDP: u32 = 6;
pub const CGROUP_SOCK_ADDR: u32 = 18;
pub const CGROUP_INET4_CONNECT: u32 = 10;
pub const TCX_INGRESS: u32 = 46;
pub const TCX_EGRESS: u32 = 47;

const PROG_LOAD: libc::c_int = 5;
const OBJ_PIN: libc::c_int = 6;
const PROG_ATTACH: libc::c_int = 8;

/// `union bpf_attr`, as 32-bit words.
type Attr = [u32; 36];

/// Loads `r0 = verdict; exit`.
pub fn load(kind: u32, name: &str, verdict: i32, expected_attach: u32) -> OwnedFd {
    let mut code = Vec::new();
    code.extend_from_slice(&[0xb7, 0, 0, 0]);
    code.extend_from_slice(&verdict.to_ne_bytes());
    code.extend_from_slice(&[0x95, 0, 0, 0, 0, 0, 0, 0]);
    let license = c"GPL";
    let mut attr: Attr = [0; 36];
    attr[0] = kind;
    attr[1] = 2;
    put_u64(&mut attr, 2, code.as_ptr() as u64);
    put_u64(&mut attr, 4, license.as_ptr() as u64);
    for (at, chunk) in name.as_bytes().chunks(4).enumerate() {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        attr[12 + at] = u32::from_ne_bytes(word);
    }
    attr[17] = expected_attach;
    let fd = call(PROG_LOAD, &attr);
    // SAFETY: the kernel has just made it for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Attaches to a cgroup (its fd) or a link of the calling thread's namespace (its index).
pub fn attach(program: &OwnedFd, target: u32, hook: u32) {
    let mut attr: Attr = [0; 36];
    attr[0] = target;
    attr[1] = u32::try_from(program.as_raw_fd()).unwrap();
    attr[2] = hook;
    call(PROG_ATTACH, &attr);
}

fn pin(program: &OwnedFd, path: &Path) {
    let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let mut attr: Attr = [0; 36];
    put_u64(&mut attr, 0, path.as_ptr() as u64);
    attr[2] = u32::try_from(program.as_raw_fd()).unwrap();
    call(OBJ_PIN, &attr);
}

fn put_u64(attr: &mut Attr, at: usize, value: u64) {
    let bytes = value.to_ne_bytes();
    attr[at] = u32::from_ne_bytes(bytes[..4].try_into().unwrap());
    attr[at + 1] = u32::from_ne_bytes(bytes[4..].try_into().unwrap());
}

fn call(command: libc::c_int, attr: &Attr) -> libc::c_int {
    // SAFETY: `attr` is as long as is said, and what its pointers lead to lives on in the caller.
    let status = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_ptr(), size_of::<Attr>()) };
    assert!(status >= 0, "bpf({command}): {}", std::io::Error::last_os_error());
    libc::c_int::try_from(status).unwrap()
}

/// A bpf file system of its own, in which programs are pinned for `tc` and `ip` to attach.
pub struct BpfFs {
    folder: tempfile::TempDir,
}

impl BpfFs {
    pub fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        run(Command::new("mount").args(["-t", "bpf", "bpf"]).arg(folder.path()));
        Self { folder }
    }

    pub fn pin(&self, program: &OwnedFd, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        pin(program, &path);
        path
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder.path()).status();
    }
}

/// A cgroup of this test run; what is attached to it goes with it.
pub struct Cgroup {
    pub path: PathBuf,
}

impl Cgroup {
    pub fn new(name: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("a cgroup2 mount");
        let path = Path::new(root.split(' ').nth(4).unwrap()).join(format!("pnt-kernel-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self { path }
    }

    pub fn open(&self) -> File {
        File::open(&self.path).unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}
