//! A line on a terminal's stderr while a read takes long, erased when it ends.
//!
//! Must not import any other layer.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nothing is shown before this: most answers are quicker.
const PATIENCE: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(200);

/// Shows that something is going on, until it is dropped. Does nothing where stderr is no terminal.
#[derive(Debug)]
pub struct Progress {
    worker: Option<(Sender<String>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts to wait; `what` is shown with the seconds it has taken so far.
    pub fn start(what: &str) -> Self {
        if !io::stderr().is_terminal() {
            return Self { worker: None };
        }
        let (words, heard) = mpsc::channel::<String>();
        let mut what = what.to_owned();
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let begun = Instant::now();
            let mut shown = false;
            let mut wait = PATIENCE;
            loop {
                match heard.recv_timeout(wait) {
                    Ok(words) => {
                        what = words;
                        wait = if shown { STEP } else { PATIENCE.saturating_sub(begun.elapsed()) };
                        if shown || !wait.is_zero() {
                            continue;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                shown = true;
                wait = STEP;
                let _ = write!(io::stderr(), "\r\x1b[K{what} … {:.1} s", begun.elapsed().as_secs_f32());
            }
            if shown {
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
        });
        Self { worker: thread.ok().map(|thread| (words, thread)) }
    }

    /// Changes the words.
    pub fn say(&self, what: String) {
        if let Some((words, _)) = &self.worker {
            let _ = words.send(what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((words, thread)) = self.worker.take() {
            drop(words);
            let _ = thread.join();
        }
    }
}
