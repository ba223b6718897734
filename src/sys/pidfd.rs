//! A process held by a descriptor, so that a signal cannot reach another one that got its number.
//!
//! Must not import anything from the crate.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A process that was alive as this was made.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Takes hold of the process that has this number now; `ESRCH` when there is none.
    #[allow(unsafe_code)]
    pub fn open(pid: u32) -> io::Result<Self> {
        let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0_u32) };
        let fd = i32::try_from(opened).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor (close-on-exec) and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Ends it with `SIGKILL`; fine when it has ended already.
    #[allow(unsafe_code)]
    pub fn kill(&self) -> io::Result<()> {
        // SAFETY: a null siginfo and no flags: no memory of ours is touched.
        let status = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                libc::SIGKILL,
                std::ptr::null::<libc::siginfo_t>(),
                0_u32,
            )
        };
        if status == 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            ended if ended.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_ended_through_its_descriptor() {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().expect("sleep starts");
        let held = PidFd::open(child.id()).expect("it lives");
        held.kill().expect("it can be ended");
        assert!(!child.wait().expect("it ended").success());
        held.kill().expect("ending it again is fine");
    }

    #[test]
    fn a_number_without_a_process_is_an_error() {
        assert_eq!(PidFd::open(u32::MAX).expect_err("no such pid").raw_os_error(), Some(libc::ESRCH));
    }
}
