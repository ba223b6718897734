//! Opening a live node: which `/proc`, which host namespace, which runtime.
//!
//! May import model, wire and sys. The clock and the environment come in as arguments.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use super::places::Places;
use super::pods::Pods;
use super::{LiveNode, Memory};
use crate::collect::handle::NetnsHandle;
use crate::collect::kernel::Kernel;
use crate::collect::root::HostRoot;
use crate::collect::runtime::endpoint::EndpointError;
use crate::collect::runtime::{self, RuntimeOptions};
use crate::model::issue::{Issue, Why};
use crate::model::lab::{LabState, LabWorker};
use crate::model::netns::NetnsName;
use crate::model::node::NodeInfo;
use crate::model::text::ByteText;
use crate::sys;

/// Where and how to read.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// Where the node's processes are; `/proc` unless podnet runs inside a container.
    pub proc_root: PathBuf,
    /// The node's own namespace; `None` takes that of process 1.
    pub host_netns: Option<PathBuf>,
    /// `--runtime-endpoint`.
    pub endpoint: Option<String>,
    /// The value of `CONTAINER_RUNTIME_ENDPOINT`.
    pub env_endpoint: Option<String>,
    /// The deadline of one call to the container runtime.
    pub timeout: Duration,
    /// The time that the answer bears.
    pub now: Timestamp,
}

/// Which worker of which lab.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// The lab's name.
    pub lab: String,
    /// The worker's; `None` for all of them.
    pub worker: Option<String>,
    /// The time that the answer bears.
    pub now: Timestamp,
}

/// Why a node could not be opened at all.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is no such `/proc`, or it is none.
    #[error("{path}: {source}; --proc-root must name the node's /proc")]
    Proc {
        /// The path that was tried.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The host namespace could not be opened.
    #[error("opening the host namespace {path}: {source}")]
    HostNetns {
        /// The path that was tried.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The runtime that was named cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// There is no such lab.
    #[error("{}: {}", .0.what, .0.why.detail())]
    Lab(Box<Issue>),
    /// The lab has no such worker.
    #[error("the lab {lab} has no worker {worker:?}; it has {workers}")]
    NoWorker {
        /// The lab.
        lab: String,
        /// What was asked for.
        worker: String,
        /// What it has.
        workers: String,
    },
    /// The kernel refused what every answer needs.
    #[error("{what}: {source}; run as root, or with CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_NET_ADMIN")]
    Kernel {
        /// What was tried.
        what: String,
        /// What the system says.
        source: io::Error,
    },
}

impl LiveNode {
    /// Opens this machine's node.
    pub fn open(options: &LiveOptions) -> Result<Self, OpenError> {
        let proc_error = |source| OpenError::Proc { path: options.proc_root.clone(), source };
        if !options.proc_root.join("self/stat").exists() && !options.proc_root.join("1/stat").exists() {
            return Err(proc_error(io::Error::new(io::ErrorKind::NotFound, "no processes there")));
        }
        let root = HostRoot::open(&options.proc_root).map_err(proc_error)?;
        let kernel_error = |what: &str| {
            let what = what.to_owned();
            move |source| OpenError::Kernel { what, source }
        };
        // Each namespace that is looked at holds a few files open for the length of the command.
        let _ = sys::limits::raise_open_files();
        let (host, opened_with) = host_netns(options)?;
        let kernel = Kernel::new().map_err(kernel_error("starting the namespace thread"))?;
        if let Err(source) = kernel.open(&host).cookie() {
            // Kernels before 5.14 know no cookie; only a refusal to enter matters here.
            if source.kind() == io::ErrorKind::PermissionDenied {
                return Err(kernel_error(&format!("entering the host namespace {}", host.id))(source));
            }
        }
        let runtime = RuntimeOptions {
            endpoint: options.endpoint.clone(),
            env_endpoint: options.env_endpoint.clone(),
            timeout: options.timeout,
            host_netns: Some(host.id),
        };
        let pods = Pods::of_runtime(runtime, &root)?;
        let info =
            NodeInfo { name: node_name(&root), source: "live".to_owned(), taken_at: options.now, host_netns: host.id };
        let bound = HostRoot::open(&options.proc_root).map_err(proc_error)?;
        Ok(Self::new(info, (root, bound), kernel, pods, host, opened_with, None))
    }

    /// Opens the workers of a running lab, in their order.
    pub fn open_lab(options: &LabOptions) -> Result<Vec<Self>, OpenError> {
        let state = runtime::lab::load(&options.lab).map_err(|issue| OpenError::Lab(Box::new(issue)))?;
        let workers: Vec<&LabWorker> = match &options.worker {
            None => state.workers.iter().collect(),
            Some(name) => {
                let found = state.worker(name).ok_or_else(|| OpenError::NoWorker {
                    lab: options.lab.clone(),
                    worker: name.clone(),
                    workers: state.workers.iter().map(|worker| worker.name.as_str()).collect::<Vec<_>>().join(", "),
                })?;
                vec![found]
            }
        };
        let _ = sys::limits::raise_open_files();
        workers.into_iter().map(|worker| Self::open_worker(options, &state, worker)).collect()
    }

    fn open_worker(options: &LabOptions, state: &LabState, worker: &LabWorker) -> Result<Self, OpenError> {
        let proc = Path::new("/proc");
        let host_path = PathBuf::from(&worker.netns);
        let host = NetnsHandle::open(&host_path).map_err(|source| OpenError::HostNetns { path: host_path, source })?;
        let kernel_error = |what: &str| {
            let what = what.to_owned();
            move |source| OpenError::Kernel { what, source }
        };
        let root = HostRoot::at(proc, Path::new(&worker.root));
        let root = root.map_err(kernel_error(&format!("opening the worker's folder {}", worker.root)))?;
        let bound = HostRoot::open(proc).map_err(kernel_error("opening /proc"))?;
        let kernel = Kernel::new().map_err(kernel_error("starting the namespace thread"))?;
        let pods = Pods::Lab { state: Box::new(state.clone()), worker: worker.name.clone() };
        let info = NodeInfo {
            name: worker.name.clone(),
            source: format!("lab {}", state.name),
            taken_at: options.now,
            host_netns: host.id,
        };
        // A pod's namespace that is gone leaves its name behind; it is none of this worker's any more.
        let own = runtime::lab::netns_paths(state, &worker.name);
        let own = own.into_iter().filter_map(|path| bound_name(&path)).collect();
        Ok(Self::new(info, (root, bound), kernel, pods, host, Vec::new(), Some(own)))
    }

    fn new(
        info: NodeInfo,
        (root, bound): (HostRoot, HostRoot),
        kernel: Kernel,
        pods: Pods,
        host: NetnsHandle,
        opened_with: Vec<Issue>,
        scope: Option<Vec<NetnsName>>,
    ) -> Self {
        let places = Places::default();
        places.keep(&host);
        Self { info, root, bound, kernel, pods, host, opened_with, places, scope, memory: Memory::default() }
    }
}

fn bound_name(path: &Path) -> Option<NetnsName> {
    let id = NetnsHandle::open(path).ok()?.id;
    let name = path.file_name()?.as_bytes();
    Some(NetnsName { id, name: ByteText::new(name), path: ByteText::new(path.as_os_str().as_bytes()) })
}

/// The namespace that `--host-netns` names, else that of process 1.
///
/// Where process 1 may not be looked at (podnet has fewer rights than it), podnet's own namespace
/// is taken, and an issue says so.
fn host_netns(options: &LiveOptions) -> Result<(NetnsHandle, Vec<Issue>), OpenError> {
    let open =
        |path: &Path| NetnsHandle::open(path).map_err(|source| OpenError::HostNetns { path: path.to_owned(), source });
    if let Some(path) = &options.host_netns {
        return Ok((open(path)?, Vec::new()));
    }
    let path = options.proc_root.join("1/ns/net");
    match open(&path) {
        Ok(handle) => Ok((handle, Vec::new())),
        Err(OpenError::HostNetns { source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied && nix::unistd::geteuid().is_root() =>
        {
            let own = open(&options.proc_root.join("self/ns/net"))?;
            let issue = Issue::note(
                format!("reading {}", path.display()),
                Why::Permission {
                    detail: format!("{source}; podnet's own namespace {} is taken for the host's", own.id),
                },
            );
            Ok((own, vec![issue.hint("name the host's with --host-netns")]))
        }
        Err(error) => Err(error),
    }
}

/// The node's name: the UTS name where podnet shares it, else what the node's files say.
fn node_name(root: &HostRoot) -> String {
    let own = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let written = || {
        let bytes = root.read(Path::new("/etc/hostname"), 4096).ok()?;
        let name = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!name.is_empty()).then_some(name)
    };
    let name = if root.proc() == Path::new("/proc") { own().or_else(written) } else { written().or_else(own) };
    name.unwrap_or_else(|| "unknown".to_owned())
}
