//! The process's own limits.
//!
//! Must not import anything from the crate.

use std::io;
use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// What the limit was before it was raised.
static GIVEN: OnceLock<rlim_t> = OnceLock::new();

/// Raises the number of files this process may open to what it is allowed at most.
pub fn raise_open_files() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    GIVEN.get_or_init(|| soft);
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(io::Error::from)
}

/// Sets the limit back to what this process was started with, for the program that takes its place:
/// one that uses `select` may break with more, one that closes every possible file takes long.
pub fn restore_open_files() -> io::Result<()> {
    let Some(given) = GIVEN.get() else { return Ok(()) };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, *given, hard).map_err(io::Error::from)
}
