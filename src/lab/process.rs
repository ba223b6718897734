//! The pods' processes: podnet started again under another name, waiting to be told what it is.
//!
//! May import model and sys. A started process does nothing until its number is on disk: it
//! reads its orders from a pipe, and ends by itself when whoever made the lab dies before it writes them.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use procfs::ProcError;
use procfs::process::{Process, Stat};
use serde::{Deserialize, Serialize};

use super::server::{Answers, Server};
use crate::model::ids::Pid;
use crate::model::lab::LabProcess;
use crate::sys::pidfd::PidFd;

/// The arguments that make podnet such a process.
const ARGUMENTS: [&str; 2] = ["lab", "process"];

/// Names the lab in the environment of its processes: for people who look at them, and before they are ended.
const LAB_VARIABLE: &str = "PODNET_LAB_NAME";

/// The longest orders.
const ORDERS_BYTES: u64 = 64 * 1024;

/// How long an ended process may take to be gone.
const ENDING: Duration = Duration::from_secs(5);

/// What a started process is to be.
#[derive(Debug, Serialize, Deserialize)]
pub struct Orders {
    /// Its `comm`.
    pub comm: String,
    /// The network namespace to enter.
    pub netns: String,
    /// The host name of the UTS namespace it makes (a pause process); `None` to make none.
    pub hostname: Option<String>,
    /// The process whose UTS and IPC namespaces it joins (a container).
    pub joins: Option<u32>,
    /// What it answers on; `None` to only sleep.
    pub answers: Option<Answers>,
}

/// A process that waits for its orders.
pub struct Started {
    child: Child,
    /// What names it.
    pub process: LabProcess,
}

impl Started {
    /// Starts podnet from `program`, which shows itself as `shown` and bears the lab's name in its environment.
    pub fn new(program: &Path, shown: &str, lab: &str) -> io::Result<Self> {
        let child = Command::new(program)
            .arg0(shown)
            .args(ARGUMENTS)
            .env_clear()
            .env(LAB_VARIABLE, lab)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let pid = child.id();
        let stat = stat(pid)?.ok_or_else(|| io::Error::other("it ended at once"))?;
        Ok(Self { child, process: LabProcess { pid: Pid(pid), start_ticks: stat.starttime } })
    }

    /// Gives the orders; the process goes on while the next ones are given theirs.
    pub fn order(&mut self, orders: &Orders) -> io::Result<()> {
        let mut line = serde_json::to_vec(orders)?;
        line.push(b'\n');
        self.child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(&line))
    }

    /// Waits until it is what it was ordered to be.
    pub fn ready(mut self) -> io::Result<()> {
        let mut said = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            BufReader::new(stdout).take(ORDERS_BYTES).read_line(&mut said)?;
        }
        match said.trim_end() {
            "ready" => Ok(()),
            "" => Err(io::Error::other("it ended without a word")),
            other => Err(io::Error::other(other.to_owned())),
        }
    }
}

/// The process's side: waits for orders, becomes what they say, and stays so until it is ended.
///
/// Returns only when there are no orders, or they cannot be followed.
pub fn serve() -> io::Result<()> {
    // Away from the terminal's signals: the lab outlives the command that makes it.
    let _ = nix::unistd::setsid();
    let mut line = String::new();
    BufReader::new(io::stdin()).take(ORDERS_BYTES).read_line(&mut line)?;
    if line.is_empty() {
        return Ok(());
    }
    let become_it = || -> io::Result<Option<Server>> {
        let orders: Orders = serde_json::from_str(&line)?;
        enter(&orders)?;
        orders.answers.map(Server::open).transpose()
    };
    let mut stdout = io::stdout();
    let server = match become_it() {
        Ok(server) => server,
        Err(error) => {
            let _ = writeln!(stdout, "{error}");
            return Err(error);
        }
    };
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    if let Some(server) = server {
        server.run();
    }
    loop {
        nix::unistd::pause();
    }
}

fn enter(orders: &Orders) -> io::Result<()> {
    let named = |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
    let netns = File::open(&orders.netns).map_err(|error| named(&orders.netns, error))?;
    setns(&netns, CloneFlags::CLONE_NEWNET).map_err(|error| named("entering the network namespace", error.into()))?;
    if let Some(hostname) = &orders.hostname {
        unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)
            .map_err(|error| named("making UTS and IPC namespaces", error.into()))?;
        nix::unistd::sethostname(hostname)?;
    }
    if let Some(pid) = orders.joins {
        for (name, kind) in [("uts", CloneFlags::CLONE_NEWUTS), ("ipc", CloneFlags::CLONE_NEWIPC)] {
            let path = format!("/proc/{pid}/ns/{name}");
            let file = File::open(&path).map_err(|error| named(&path, error))?;
            setns(&file, kind).map_err(|error| named(&path, error.into()))?;
        }
    }
    nix::sys::prctl::set_name(&CString::new(orders.comm.as_str())?)?;
    Ok(())
}

/// Whether a process of the lab still runs: the number alone could be another's by now, and a zombie has ended.
pub fn alive(process: LabProcess) -> bool {
    matches!(stat(process.pid.0), Ok(Some(stat)) if !matches!(stat.state, 'Z' | 'X' | 'x') && stat.starttime == process.start_ticks)
}

/// Ends processes of a lab and waits until they are gone; gives those that are not, in words.
pub fn end(processes: &[LabProcess], lab: &str) -> Vec<String> {
    let mut left = Vec::new();
    let mut ended = Vec::new();
    for process in processes {
        // Hold it first, then look whether it is ours: nobody can take its number in between.
        let outcome = match PidFd::open(process.pid.0) {
            Ok(held) if alive(*process) => match bears(process.pid.0, lab) {
                Ok(Some(false)) => Err(io::Error::other("it is not the lab's and was left alone")),
                Ok(found) => {
                    ended.push(*process);
                    if found.is_some() { held.kill() } else { Ok(()) }
                }
                Err(error) => Err(error),
            },
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            left.push(format!("ending process {}: {error}", process.pid));
        }
    }
    let deadline = Instant::now() + ENDING;
    for process in ended {
        while alive(process) {
            if Instant::now() > deadline {
                left.push(format!("process {} does not end", process.pid));
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
    left
}

/// Whether a process bears the lab's name in its environment; `None` when it has none, as one that just ends.
fn bears(pid: u32, lab: &str) -> io::Result<Option<bool>> {
    let environment = match fs::read(format!("/proc/{pid}/environ")) {
        // ESRCH: it ended between opening and reading.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => {
            return Ok(None);
        }
        environment => environment?,
    };
    let marker = format!("{LAB_VARIABLE}={lab}");
    let bears = environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes());
    Ok((!environment.is_empty()).then_some(bears))
}

/// `None` where no such process is left; it may end between opening and reading.
fn stat(pid: u32) -> io::Result<Option<Stat>> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    match Process::new(pid).and_then(|process| process.stat()) {
        Ok(stat) => Ok(Some(stat)),
        Err(ProcError::NotFound(_)) => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_and_a_number_used_again_are_not_alive() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let start_ticks = stat(child.id()).unwrap().unwrap().starttime;
        let process = LabProcess { pid: Pid(child.id()), start_ticks };
        assert!(alive(process));
        assert!(!alive(LabProcess { start_ticks: start_ticks + 1, ..process }));
        drop(child.stdin.take());
        let deadline = Instant::now() + ENDING;
        while alive(process) {
            assert!(Instant::now() < deadline, "it does not end");
            thread::yield_now();
        }
        assert_eq!(stat(child.id()).unwrap().unwrap().state, 'Z');
        child.wait().unwrap();
        assert!(!alive(process));
        assert!(stat(child.id()).unwrap().is_none());
    }

    #[test]
    fn only_a_process_that_bears_the_labs_name_is_ended() {
        for (name, ended) in [("pnt-mark", true), ("pnt-mark-2", false)] {
            let mut command = Command::new("cat");
            command.env_clear().env("PATH", "/usr/bin:/bin").env(LAB_VARIABLE, name);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            let start_ticks = stat(child.id()).unwrap().unwrap().starttime;
            let left = end(&[LabProcess { pid: Pid(child.id()), start_ticks }], "pnt-mark");
            drop(child.stdin.take());
            assert_eq!((left.is_empty(), child.wait().unwrap().success()), (ended, !ended), "{left:?}");
        }
    }
}
