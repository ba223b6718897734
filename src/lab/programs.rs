//! The programs that load and print rules: found before anything is made, run in a namespace of the lab.
//!
//! May import model and sys. They are started directly, never through a shell.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::error::{Context, LabError};
use crate::model::lab_service::LabProxy;
use crate::sys::netns::NsThread;

/// The file that the legacy back end of iptables locks instead of the machine's.
pub const LOCK_FILE: &str = "xtables.lock";

/// Where they are looked for when they are not on the PATH (a plain user's PATH lacks sbin).
const FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// The programs of a lab.
pub struct Programs {
    /// Loads IPv4 rules of iptables: `iptables-restore` or the legacy one.
    pub restore: PathBuf,
    /// Prints them.
    pub save: PathBuf,
    /// The same for IPv6; `None` where the kernel has none.
    pub v6: Option<(PathBuf, PathBuf)>,
    /// `nft`, in mode nftables.
    pub nft: Option<PathBuf>,
    /// `conntrack`, where it is installed.
    pub conntrack: Option<PathBuf>,
    lock: PathBuf,
}

impl Programs {
    /// Finds what the mode needs. `folder` is the lab's own.
    pub fn find(proxy: LabProxy, folder: &Path) -> Result<Self, LabError> {
        let [restore, save, restore6, save6] = match proxy {
            LabProxy::Iptables | LabProxy::Nftables => {
                ["iptables-restore", "iptables-save", "ip6tables-restore", "ip6tables-save"]
            }
            LabProxy::IptablesLegacy => {
                ["iptables-legacy-restore", "iptables-legacy-save", "ip6tables-legacy-restore", "ip6tables-legacy-save"]
            }
        };
        let iptables = |program| find(program, "iptables", &path());
        let has_v6 = std::fs::exists("/proc/sys/net/ipv6").unwrap_or(false);
        Ok(Self {
            restore: iptables(restore)?,
            save: iptables(save)?,
            v6: if has_v6 { Some((iptables(restore6)?, iptables(save6)?)) } else { None },
            nft: if proxy == LabProxy::Nftables { Some(find("nft", "nftables", &path())?) } else { None },
            conntrack: find("conntrack", "conntrack", &path()).ok(),
            lock: folder.join(LOCK_FILE),
        })
    }

    /// Loads rules, and leaves those of others.
    pub fn restore(&self, thread: &NsThread, netns: &str, program: &Path, text: &str) -> Result<(), LabError> {
        self.run(thread, netns, program, &["--noflush", "--wait", "5"], text).map(drop)
    }

    /// Runs a program in a namespace; gives what it printed.
    pub fn run(
        &self,
        thread: &NsThread,
        netns: &str,
        program: &Path,
        arguments: &[&str],
        input: &str,
    ) -> Result<String, LabError> {
        let output = self.output(thread, netns, program, arguments, input)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(500).collect();
        Err(LabError::Program {
            program: format!("{} in {netns}", program.display()),
            output: format!("{said} ({})", output.status),
        })
    }

    fn output(
        &self,
        thread: &NsThread,
        netns: &str,
        program: &Path,
        arguments: &[&str],
        input: &str,
    ) -> Result<Output, LabError> {
        let file = File::open(netns).context(|| format!("opening {netns}"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("XTABLES_LOCKFILE", &self.lock)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A child begins in the namespace of the thread that starts it.
        let mut child = thread
            .within(&file, move || command.spawn())
            .context(|| format!("starting {} in {netns}", program.display()))?;
        let stdin = child.stdin.take();
        // What it prints meanwhile has to be read: it may be more than a pipe holds.
        let output = thread::scope(|scope| {
            scope.spawn(|| {
                // A program that ended early has told why on stderr.
                stdin.map(|mut stdin| stdin.write_all(input.as_bytes()))
            });
            child.wait_with_output()
        });
        output.context(|| format!("waiting for {}", program.display()))
    }
}

fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from)).collect()
}

fn find(program: &'static str, package: &'static str, folders: &[PathBuf]) -> Result<PathBuf, LabError> {
    folders
        .iter()
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|program| program.is_file())
        .ok_or(LabError::Missing { program, package })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_with_its_package() {
        let nowhere = ["/nonexistent", "relative"].map(PathBuf::from);
        let said = |program, package| find(program, package, &nowhere).expect_err("not there").to_string();
        assert_eq!(
            said("iptables-restore", "iptables"),
            "the program iptables-restore is not installed; Debian and Ubuntu have it in the package iptables: apt-get install iptables"
        );
        assert_eq!(
            said("nft", "nftables"),
            "the program nft is not installed; Debian and Ubuntu have it in the package nftables: apt-get install nftables"
        );
    }
}
