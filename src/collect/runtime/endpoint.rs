//! Which socket the container runtime listens on, and who said so.
//!
//! A socket that the user named must be a containerd's: one that closes the connection or answers with
//! something else is an error (exit code 2), for a typing error must not look like a node without a
//! runtime. One that accepts and stays silent is a runtime in trouble, which podnet is there to look
//! at: the pods are then read from `/proc` (exit code 3). A socket that nobody named never is an error.
//!
//! May import model, wire and sys. Paths are those of the node: below its root, never outside it.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::collect::root::HostRoot;
use crate::wire::cri::crictl;

/// Where containerd listens by default, and where distributions put it.
const KNOWN_PLACES: [&str; 6] = [
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
    "/var/run/containerd/containerd.sock",
    "/run/dockershim/containerd/containerd.sock",
];

/// crictl's configuration.
const CRICTL: &str = "/etc/crictl.yaml";

/// A socket that was asked for but cannot be used: the command is wrong, not the node.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not a unix socket's path.
    #[error("{source_of_it} {endpoint:?}: only unix:///PATH or /PATH can be used")]
    Scheme {
        /// What named it.
        source_of_it: String,
        /// As it was written.
        endpoint: String,
    },
    /// Nothing that listens is there.
    #[error("{source_of_it} {path}: {error}")]
    Unusable {
        /// What named it.
        source_of_it: String,
        /// The path.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// Something else than containerd answers there.
    #[error("{source_of_it} {path}: {detail}")]
    NotContainerd {
        /// What named it.
        source_of_it: String,
        /// The path.
        path: String,
        /// What it answered.
        detail: String,
    },
    /// podnet itself could not start.
    #[error("starting the runtime's client: {0}")]
    Client(io::Error),
}

/// A socket that exists.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Held open without access; `/proc/self/fd/N` of it is what is connected to.
    pub(super) socket: File,
    /// Its path on the node.
    pub(super) path: String,
    /// What named it.
    pub(super) chosen_by: String,
    /// Whether the user named it: then it must work.
    pub(super) explicit: bool,
}

/// What the search found.
#[derive(Debug)]
pub(super) struct Found {
    /// The socket; `None` when none of the places has one.
    pub(super) endpoint: Option<Endpoint>,
    /// The places that were looked at in vain, with the error of each that is not just missing.
    pub(super) looked_at: Vec<(String, io::Error)>,
}

/// Finds the socket: the flag, the environment's value, crictl's file, the known places.
pub(super) fn find(flag: Option<&str>, env: Option<&str>, root: &HostRoot) -> Result<Found, EndpointError> {
    let named = [("--runtime-endpoint", flag), ("CONTAINER_RUNTIME_ENDPOINT", env)];
    if let Some((by, endpoint)) =
        named.into_iter().find_map(|(by, value)| Some((by, value.filter(|text| !text.is_empty())?)))
    {
        let path = path_of(endpoint)
            .ok_or_else(|| EndpointError::Scheme { source_of_it: by.to_owned(), endpoint: endpoint.to_owned() })?;
        let socket = open_named(root, &path).map_err(|error| EndpointError::Unusable {
            source_of_it: by.to_owned(),
            path: path.display().to_string(),
            error,
        })?;
        let endpoint = Endpoint { socket, path: path.display().to_string(), chosen_by: by.to_owned(), explicit: true };
        return Ok(Found { endpoint: Some(endpoint), looked_at: Vec::new() });
    }
    let file = root.read(Path::new(CRICTL), 1 << 20).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let crictl = file.map(|text| crictl::parse(&text)).unwrap_or_default();
    let mut looked_at = Vec::new();
    let configured = crictl.runtime_endpoint.as_deref().and_then(path_of).map(|path| (path, CRICTL));
    let known = KNOWN_PLACES.map(|path| (PathBuf::from(path), "known place"));
    let mut endpoint = None;
    for (path, by) in configured.into_iter().chain(known) {
        match open(root, &path) {
            Ok(socket) => {
                let path = path.display().to_string();
                endpoint = Some(Endpoint { socket, path, chosen_by: by.to_owned(), explicit: false });
                break;
            }
            Err(error) => looked_at.push((path.display().to_string(), error)),
        }
    }
    Ok(Found { endpoint, looked_at })
}

/// `unix:///run/x.sock`, `unix:/run/x.sock` or `/run/x.sock`; `None` for anything else.
fn path_of(endpoint: &str) -> Option<PathBuf> {
    let path = endpoint.strip_prefix("unix://").or_else(|| endpoint.strip_prefix("unix:")).unwrap_or(endpoint);
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// A path through `/proc/PID/root`, to a node in a container, leads out of any root; where podnet
/// reads its own machine the user may mean just that.
fn open_named(root: &HostRoot, path: &Path) -> io::Result<File> {
    match open(root, path) {
        Err(error) if error.raw_os_error() == Some(libc::EXDEV) && root.proc() == Path::new("/proc") => {
            let flags = libc::O_PATH | libc::O_CLOEXEC;
            socket(File::options().read(true).custom_flags(flags).open(path)?)
        }
        result => result,
    }
}

fn open(root: &HostRoot, path: &Path) -> io::Result<File> {
    socket(root.handle(path)?)
}

fn socket(handle: File) -> io::Result<File> {
    if handle.metadata()?.file_type().is_socket() {
        Ok(handle)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a socket"))
    }
}

#[cfg(test)]
mod tests;
