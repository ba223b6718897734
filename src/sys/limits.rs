//! The process's own limits, and how it asks for memory.
//!
//! Must not import anything from the crate.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::unistd::close;

/// What the limit was before it was raised.
static GIVEN: OnceLock<rlim_t> = OnceLock::new();

/// A node of some hundred pods takes as many: two files a pod.
const ROOM: libc::c_int = 2047;

/// Raises the number of files this process may open to what it is allowed at most, and makes room for many.
///
/// The kernel's table of them grows as they are opened; in a process of several threads it waits each
/// time for all processors (`synchronize_rcu`), many milliseconds. Before there are threads it does not.
pub fn raise_open_files() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    GIVEN.get_or_init(|| soft);
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let file = File::open("/dev/null")?;
    fcntl(&file, FcntlArg::F_DUPFD_CLOEXEC(ROOM)).map(close)??;
    Ok(())
}

/// How much the heap grows at a time. What is not written to takes no memory.
#[cfg(target_env = "gnu")]
const HEAP_STEP: libc::c_int = 1 << 20;

/// Lets the heap grow in large steps. By default it grows by 128 KiB at a time, which for the rules of a large node
/// is a thousand system calls, each of which makes the page faults of other threads wait.
#[allow(unsafe_code)]
pub fn grow_heap_in_large_steps() {
    // SAFETY: mallopt takes two numbers and touches nothing of ours; it fails only for a parameter it does not know.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, HEAP_STEP);
    }
}

/// Gives the pages back in which nothing is held any more. What was taken apart stays the process's otherwise.
#[allow(unsafe_code)]
pub fn give_memory_back() {
    // SAFETY: malloc_trim takes a number and touches nothing that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Sets the limit back to what this process was started with, for the program that takes its place:
/// one that uses `select` may break with more, one that closes every possible file takes long.
pub fn restore_open_files() -> io::Result<()> {
    let Some(given) = GIVEN.get() else { return Ok(()) };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, *given, hard).map_err(io::Error::from)
}
