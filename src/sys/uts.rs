//! UTS namespaces: the hostname that a pod has.
//!
//! Must not import anything from the crate. A thread of its own enters and ends; no other thread is moved.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::thread;

use nix::sched::{CloneFlags, setns};

/// The hostname in an open UTS namespace (`/proc/PID/ns/uts`). Needs `CAP_SYS_ADMIN`.
pub fn hostname(namespace: File) -> io::Result<OsString> {
    let entered = thread::Builder::new().name("uts".to_owned()).spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWUTS)?;
        nix::unistd::gethostname()
    })?;
    let name = entered.join().map_err(|_| io::Error::other("the thread that reads a hostname panicked"))?;
    name.map_err(io::Error::from)
}
