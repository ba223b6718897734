//! The CNI files of a node.
//!
//! May import model and wire. Reads only below the node's root, a bounded number of files of bounded
//! size; a broken file is told of in its own row.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde_json::Value;

use crate::collect::root::HostRoot;
use crate::model::cni::{CniFile, CniNetwork, CniState};
use crate::model::issue::{Issue, Read, Why};
use crate::wire::cni::{cache, conf, lease};

/// Largest file that is read, in bytes.
const FILE_LIMIT: u64 = 1 << 20;
/// Largest lease that is read, in bytes.
const LEASE_LIMIT: u64 = 4096;
/// How many configuration files, and folders of networks, are read.
const FEW: usize = 256;
/// How many cache entries and leases are read.
const MANY: usize = 16 * 1024;

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CniDirs {
    /// The folders of configurations: the first that exists is taken.
    pub conf: Vec<PathBuf>,
    /// libcni's results cache.
    pub cache: PathBuf,
    /// host-local's leases, one folder a network.
    pub networks: PathBuf,
}

impl Default for CniDirs {
    fn default() -> Self {
        Self {
            conf: vec!["/etc/cni/net.d".into(), "/var/lib/rancher/k3s/agent/etc/cni/net.d".into()],
            cache: "/var/lib/cni/results".into(),
            networks: "/var/lib/cni/networks".into(),
        }
    }
}

/// Reads all of them. A folder that is missing is empty; a missing folder of configurations is a note.
pub fn read(root: &HostRoot, dirs: &CniDirs) -> Read<CniState> {
    let mut reader = Reader { root, issues: Vec::new() };
    let (conf_dir, files) = reader.configurations(&dirs.conf);
    let cache = reader.cache(&dirs.cache);
    let mut folders: BTreeSet<(String, PathBuf)> = reader
        .names(&dirs.networks, FEW)
        .into_iter()
        .filter(|name| !name.starts_with('.'))
        .map(|name| (name.clone(), dirs.networks.join(name)))
        .collect();
    for network in files.iter().filter_map(|file| file.network.as_ref()) {
        folders.extend(data_dirs(network).map(|dir| (network.name.clone(), dir.join(&network.name))));
    }
    let mut leases = Vec::new();
    for (network, folder) in folders {
        reader.leases(&network, &folder, &mut leases);
    }
    leases.sort_by(|one, other| {
        (&one.network, one.address, &one.path).cmp(&(&other.network, other.address, &other.path))
    });
    let mut issues = reader.issues;
    issues.sort();
    Read { value: CniState { conf_dir, files, cache, leases }, issues }
}

/// Other folders of leases that a network's host-local is told to use.
fn data_dirs(network: &CniNetwork) -> impl Iterator<Item = PathBuf> {
    let sound = !network.name.contains('/') && network.name != "." && network.name != "..";
    let dir = |ipam: &Value| {
        let dir = ipam.get("dataDir")?.as_str()?;
        (ipam.get("type")?.as_str()? == "host-local" && dir.starts_with('/')).then(|| PathBuf::from(dir))
    };
    network
        .plugins
        .iter()
        .filter(move |_| sound)
        .flat_map(|plugin| {
            [plugin.config.get("ipam"), plugin.config.get("delegate").and_then(|inner| inner.get("ipam"))]
        })
        .flatten()
        .filter_map(dir)
}

struct Reader<'a> {
    root: &'a HostRoot,
    issues: Vec<Issue>,
}

impl Reader<'_> {
    fn configurations(&mut self, folders: &[PathBuf]) -> (String, Vec<CniFile>) {
        let found = folders.iter().find(|folder| self.root.handle(folder).is_ok());
        let Some(folder) = found else {
            let wanted: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            let detail = format!("there is no {}", wanted.join(" nor "));
            self.issues.push(Issue::note("reading CNI configurations", Why::Gone { detail }));
            return (wanted.into_iter().next().unwrap_or_default(), Vec::new());
        };
        let names = self.names(folder, FEW);
        let files = names.into_iter().filter(|name| conf::is_configuration(name)).filter_map(|name| {
            let path = folder.join(&name);
            match self.root.read(&path, FILE_LIMIT) {
                Ok(bytes) => Some(file(&path, conf::network(&name, &bytes))),
                Err(error) => self.not_a_configuration(&path, &error),
            }
        });
        let files = files.collect();
        (folder.display().to_string(), files)
    }

    /// The row of a name whose content could not be had; `None` where a runtime passes the name over, too.
    ///
    /// libcni takes every name that is no folder itself, links included, and go-cni (containerd) gives
    /// up at the first that it cannot read. So a link that leads nowhere, or to a folder, stays in the
    /// list: it decides which network pods get.
    fn not_a_configuration(&mut self, path: &Path, error: &io::Error) -> Option<CniFile> {
        let entry = match self.root.entry(path) {
            Ok(entry) => entry,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.unread(path, &error);
                return Some(unread(path, &error));
            }
        };
        if entry.is_dir() {
            return None;
        }
        let code = error.raw_os_error().map(Errno::from_raw);
        let detail = if let Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) = code {
            "a symbolic link that leads to no file"
        } else if code == Some(Errno::ENXIO) || error.kind() == io::ErrorKind::InvalidInput {
            // The first is what opening a socket gives.
            "not a regular file"
        } else {
            self.unread(path, error);
            return Some(unread(path, error));
        };
        let why = Why::Malformed { detail: detail.to_owned() };
        self.issues.push(Issue::note(format!("reading {}", path.display()), why));
        Some(file(path, Err(detail.to_owned())))
    }

    fn cache(&mut self, folder: &Path) -> Vec<crate::model::cni::CniCacheEntry> {
        let mut entries = Vec::new();
        for name in self.names(folder, MANY) {
            let path = folder.join(&name);
            if let Some(bytes) = self.bytes(&path, FILE_LIMIT) {
                entries.push(cache::entry(&path.display().to_string(), &bytes));
            }
        }
        entries.sort_by(|one, other| {
            (&one.container, &one.interface, &one.path).cmp(&(&other.container, &other.interface, &other.path))
        });
        entries
    }

    fn leases(&mut self, network: &str, folder: &Path, leases: &mut Vec<crate::model::cni::CniLease>) {
        for name in self.names(folder, MANY) {
            // Known without a look inside.
            if let Ok(None) = lease::lease("", network, &name, b"-") {
                continue;
            }
            let path = folder.join(&name);
            let Some(bytes) = self.bytes(&path, LEASE_LIMIT) else { continue };
            match lease::lease(&folder.display().to_string(), network, &name, &bytes) {
                Ok(lease) => leases.extend(lease),
                Err(detail) => self.issues.push(Issue::incomplete(
                    format!("reading the lease {}", path.display()),
                    Why::Malformed { detail },
                )),
            }
        }
    }

    /// The names in a folder, sorted; none where it does not exist. Names that are no text are told of.
    fn names(&mut self, folder: &Path, limit: usize) -> Vec<String> {
        let names = match self.root.names(folder) {
            Ok(names) => names,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Vec::new();
            }
            Err(error) => {
                self.unread(folder, &error);
                return Vec::new();
            }
        };
        if names.len() > limit {
            let detail = format!("{} files; the first {limit} are read", names.len());
            self.issues.push(Issue::incomplete(format!("reading {}", folder.display()), Why::Unsupported { detail }));
        }
        let mut texts = Vec::new();
        for name in names.into_iter().take(limit) {
            match name.into_string() {
                Ok(name) => texts.push(name),
                Err(name) => self.issues.push(Issue::incomplete(
                    format!("reading {}", folder.join(&name).display()),
                    Why::Malformed { detail: "its name is no UTF-8".to_owned() },
                )),
            }
        }
        texts
    }

    /// A file's content; `None` where it is gone, is no file, or could not be read (an issue says why).
    fn bytes(&mut self, path: &Path, limit: u64) -> Option<Vec<u8>> {
        match self.root.read(path, limit) {
            Ok(bytes) => Some(bytes),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => None,
            Err(error) => {
                self.unread(path, &error);
                None
            }
        }
    }

    fn unread(&mut self, path: &Path, error: &io::Error) {
        self.issues.push(Issue::incomplete(format!("reading {}", path.display()), Why::from_io(error)));
    }
}

fn file(path: &Path, network: Result<CniNetwork, String>) -> CniFile {
    let (network, error) = match network {
        Ok(network) => (Some(network), None),
        Err(error) => (None, Some(error)),
    };
    CniFile { path: path.display().to_string(), network, error, unread: false }
}

fn unread(path: &Path, error: &io::Error) -> CniFile {
    CniFile { unread: true, ..file(path, Err(format!("could not be read: {error}"))) }
}

#[cfg(test)]
mod tests;
