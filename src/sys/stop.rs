//! Ctrl-C and SIGTERM as something to wait for, so that a command that runs on can end cleanly.
//!
//! Must not import anything from the crate.

use std::io::{self, PipeReader, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use nix::sys::signal::{SigSet, Signal};

/// Can be read once somebody asked the process to end.
#[derive(Debug)]
pub struct StopSignal(PipeReader);

impl StopSignal {
    /// Takes the first SIGINT or SIGTERM of this process; a second one ends it at once, as ever.
    ///
    /// To be called before any other thread is started: those that run already would be ended by the first.
    pub fn listen() -> io::Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block()?;
        let (reader, mut writer) = io::pipe()?;
        thread::Builder::new().name("stop".to_owned()).spawn(move || {
            if signals.wait().is_ok() {
                let _ = writer.write_all(b".");
            }
            // From now on this thread takes them, and they do what they do by default: the way out where
            // whoever should read the output does not.
            let _ = signals.thread_unblock();
            loop {
                thread::park();
            }
        })?;
        Ok(Self(reader))
    }
}

impl AsFd for StopSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
