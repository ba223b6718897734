//! Netfilter rules: the bridge plugin's masquerade chains and the fabric's TTL, through iptables-restore.
//!
//! May import model and sys. The program is started directly, never through a shell.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::{Context, LabError};
use super::names::cni_chain;
use super::plan::NETWORK;
use crate::model::lab::LabWorker;
use crate::sys::netns::NsThread;

/// The program, whichever back end it is linked to.
const PROGRAM: &str = "iptables-restore";

/// Where it is looked for when it is not on the PATH (a plain user's PATH lacks sbin).
const FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// Finds the program.
pub fn program() -> Result<PathBuf, LabError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find(std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from)))
}

fn find(folders: impl Iterator<Item = PathBuf>) -> Result<PathBuf, LabError> {
    folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .ok_or(LabError::Missing { program: PROGRAM, package: "iptables" })
}

/// The fabric's: what a router takes off the TTL is put on before, for a cloud's fabric does not show.
pub fn gateway() -> String {
    "*mangle\n-A PREROUTING -m comment --comment \"the fabric does not lower the TTL\" -j TTL --ttl-inc 1\nCOMMIT\n"
        .to_owned()
}

/// A worker's: for each pod the chain that the bridge plugin 1.1 writes with ipMasq, rule by rule.
pub fn masquerade(worker: &LabWorker) -> String {
    let mut text = String::from("*nat\n");
    for pod in &worker.pods {
        let _ = writeln!(text, ":{} - [0:0]", cni_chain(NETWORK, &pod.sandbox.0));
    }
    for pod in &worker.pods {
        let chain = cni_chain(NETWORK, &pod.sandbox.0);
        let comment = format!(r#"-m comment --comment "name: \"{NETWORK}\" id: \"{}\"""#, pod.sandbox);
        let _ = writeln!(text, "-A POSTROUTING -s {}/32 {comment} -j {chain}", pod.address.addr());
        let _ = writeln!(text, "-A {chain} -d {} {comment} -j ACCEPT", worker.pod_cidr);
        let _ = writeln!(text, "-A {chain} ! -d 224.0.0.0/4 {comment} -j MASQUERADE");
    }
    text.push_str("COMMIT\n");
    text
}

/// Loads rules into a namespace. `lock` is the file that the legacy back end locks, in the lab's folder.
pub fn restore(thread: &NsThread, netns: &str, program: &Path, lock: &Path, text: &str) -> Result<(), LabError> {
    let file = File::open(netns).context(|| format!("opening {netns}"))?;
    let mut command = Command::new(program);
    command
        .args(["--noflush", "--wait", "5"])
        .env("XTABLES_LOCKFILE", lock)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A child begins in the namespace of the thread that starts it.
    let mut child = thread
        .within(&file, move || command.spawn())
        .context(|| format!("starting {} in {netns}", program.display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended early has told why on stderr.
        let _ = stdin.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().context(|| format!("waiting for {}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(500).collect();
    Err(LabError::Program {
        program: format!("{} in {netns}", program.display()),
        output: format!("{said} ({})", output.status),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_with_its_package() {
        let error = find(["/nonexistent", "relative"].map(PathBuf::from).into_iter()).expect_err("not there");
        assert_eq!(
            error.to_string(),
            "the program iptables-restore is not installed; Debian and Ubuntu have it in the package iptables: apt-get install iptables"
        );
    }
}
