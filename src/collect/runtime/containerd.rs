//! What containerd itself tells, as records that still have to be checked against `/proc`.
//!
//! May import model, wire and sys. The only place with an asynchronous runtime: one thread, alive for
//! the length of a call. No type of containerd's client leaves this module.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use containerd_client::services::v1 as api;
use jiff::Timestamp;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::filter;
use super::tasks::{self, Task};
use crate::collect::netns_names::namespace_at;
use crate::collect::root::HostRoot;
use crate::model::ids::NetnsId;
use crate::model::issue::Why;
use crate::model::sandbox::SandboxFilter;
use crate::wire::cri::container::ContainerMetadata;
use crate::wire::cri::sandbox::SandboxMetadata;
use crate::wire::cri::{container, sandbox};

/// containerd sends up to this much in one message; tonic's own limit is 4 MiB.
pub(super) const RECEIVE_LIMIT: usize = 16 * 1024 * 1024;
/// A list may stream for this many deadlines as long as each message keeps its own.
const STREAM_DEADLINES: u32 = 5;

/// The shims that write down the number of a container's first process and tell that of its task. Those
/// of virtual machines and of gVisor may tell another.
const RUNC: &str = "io.containerd.runc.";

/// Why containerd did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum CallError {
    /// It accepted, and nothing came.
    #[error("did not answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The socket refused.
    #[error("{0}")]
    Refused(String),
    /// It answered with an error.
    #[error("{}: {message}", kind.description())]
    Answer {
        /// gRPC's code.
        kind: Code,
        /// Its words.
        message: String,
    },
}

impl CallError {
    /// Sorted by what can be done about it.
    pub(super) fn why(&self) -> Why {
        let detail = self.to_string();
        match self {
            Self::Timeout(_) => Why::Timeout { detail },
            Self::Refused(text) if text.contains("ermission denied") => Why::Permission { detail },
            Self::Answer { kind: Code::PermissionDenied, .. } => Why::Permission { detail },
            Self::Answer { kind: Code::Unimplemented, .. } => Why::Unsupported { detail },
            _ => Why::Io { detail },
        }
    }

    fn is_unimplemented(&self) -> bool {
        matches!(self, Self::Answer { kind: Code::Unimplemented, .. })
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Answer { kind: status.code(), message: status.message().to_owned() }
    }
}

/// One sandbox.
#[derive(Debug)]
pub(super) struct SandboxRecord {
    pub(super) id: String,
    pub(super) created_at: Option<Timestamp>,
    /// The extension's text, read; the error where it could not be.
    pub(super) metadata: Result<SandboxMetadata, String>,
    /// containerd's labels, which hold the pod's.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) task: Task,
    /// Whether it has a pause container; a shim sandboxer's has none.
    pub(super) has_container: bool,
    /// Whether runc's shim runs it.
    pub(super) by_runc: bool,
    /// The namespace that is bound where the metadata says, once it was looked for.
    pub(super) bound: Option<NetnsId>,
}

/// One container of a pod.
#[derive(Debug)]
pub(super) struct ContainerRecord {
    pub(super) id: String,
    pub(super) metadata: ContainerMetadata,
    pub(super) image: String,
    pub(super) task: Task,
    /// Whether runc's shim runs it.
    pub(super) by_runc: bool,
}

/// All that was asked for.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// By id.
    pub(super) sandboxes: BTreeMap<String, SandboxRecord>,
    /// By id.
    pub(super) containers: BTreeMap<String, ContainerRecord>,
    /// What failed apart from single tasks: what it was, and why.
    pub(super) failed: Vec<(&'static str, CallError)>,
}

/// A connection to containerd.
#[derive(Debug)]
pub(super) struct Containerd {
    runtime: tokio::runtime::Runtime,
    channel: Channel,
    timeout: Duration,
    /// `1.6.20`.
    pub(super) version: String,
    /// Named by the channel's path in case it has to connect again.
    _socket: File,
}

impl Containerd {
    /// Connects to a socket that is held open without access, and asks for the version.
    pub(super) fn connect(socket: File, timeout: Duration) -> Result<Self, CallError> {
        let refused = |error: &dyn std::fmt::Display| CallError::Refused(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| refused(&error))?;
        let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
        let connected = runtime.block_on(async {
            tokio::time::timeout(timeout, async {
                let channel =
                    containerd_client::connect(path).await.map_err(|error| CallError::Refused(innermost(&error)))?;
                let mut client = api::version_client::VersionClient::new(channel.clone());
                let version = client.version(Request::new(())).await?.into_inner().version;
                Ok::<_, CallError>((channel, version))
            })
            .await
        });
        let (channel, version) = connected.map_err(|_| CallError::Timeout(timeout))??;
        Ok(Self { runtime, channel, timeout, version, _socket: socket })
    }

    /// Sandboxes and containers without their tasks; an error only when not even the containers came.
    pub(super) fn list(&self, filter: &SandboxFilter) -> Result<Listing, CallError> {
        tracing::trace!("asking containerd {} for sandboxes and containers", self.version);
        self.runtime.block_on(async {
            match filter {
                SandboxFilter::All => self.records(Vec::new(), Vec::new()).await,
                SandboxFilter::PodName(name) => {
                    let listing = self.records(filter::containers_of(name), filter::sandboxes_of(name)).await;
                    listing.map(|listing| listing.of_pod(name))
                }
            }
        })
    }

    /// Asks for the tasks of these, and sets them.
    pub(super) fn ask_tasks(&self, listing: &mut Listing, ids: BTreeSet<String>) {
        let all = listing.sandboxes.len() + listing.containers.len();
        tracing::trace!("asking containerd for {} of {all} tasks", ids.len());
        let answers = self.runtime.block_on(tasks::of(&self.channel, ids, all, self.timeout));
        for (id, task) in answers {
            listing.set_task(&id, task);
        }
    }

    async fn records(&self, containers: Vec<String>, sandboxes: Vec<String>) -> Result<Listing, CallError> {
        let store = tokio::spawn(stored_sandboxes(self.channel.clone(), sandboxes, self.timeout));
        let mut listing = self.containers(containers).await?;
        merge_store(&mut listing, store.await);
        Ok(listing)
    }

    async fn containers(&self, filters: Vec<String>) -> Result<Listing, CallError> {
        let deadline = tokio::time::Instant::now() + self.timeout * STREAM_DEADLINES;
        let late = |_| CallError::Timeout(self.timeout);
        let mut client = api::containers_client::ContainersClient::new(self.channel.clone())
            .max_decoding_message_size(RECEIVE_LIMIT);
        let request = in_namespace(api::ListContainersRequest { filters });
        let mut stream =
            tokio::time::timeout(self.timeout, client.list_stream(request)).await.map_err(late)??.into_inner();
        let mut listing = Listing::default();
        loop {
            let by = deadline.min(tokio::time::Instant::now() + self.timeout);
            let Some(message) = tokio::time::timeout_at(by, stream.message()).await.map_err(late)?? else { break };
            if let Some(found) = message.container {
                listing.take(found);
            }
        }
        Ok(listing)
    }
}

impl Listing {
    /// Looks where each sandbox's namespace is bound.
    pub(super) fn look_up_namespaces(&mut self, root: &HostRoot) {
        for sandbox in self.sandboxes.values_mut() {
            let path = sandbox.metadata.as_ref().ok().and_then(|metadata| metadata.netns_path.as_deref());
            sandbox.bound = path.and_then(|path| namespace_at(root, Path::new(path)).ok().flatten());
        }
    }

    /// What of it is one pod's: what bears no label of the kubelet came along unasked.
    fn of_pod(mut self, pod: &str) -> Self {
        let Self { sandboxes, containers, .. } = &mut self;
        sandboxes.retain(|_, sandbox| sandbox.is_of(pod));
        containers
            .retain(|_, container| container.metadata.sandbox.as_ref().is_some_and(|id| sandboxes.contains_key(id)));
        self
    }

    fn set_task(&mut self, id: &str, task: Task) {
        if let Some(sandbox) = self.sandboxes.get_mut(id) {
            sandbox.task = task;
        } else if let Some(container) = self.containers.get_mut(id) {
            container.task = task;
        }
    }

    fn take(&mut self, found: api::Container) {
        let by_runc = found.runtime.as_ref().is_some_and(|runtime| runtime.name.starts_with(RUNC));
        let extension = |name: &str| found.extensions.get(name).map(|any| any.value.as_slice());
        match found.labels.get("io.cri-containerd.kind").map(String::as_str) {
            Some("sandbox") => {
                let record = SandboxRecord {
                    metadata: sandbox_metadata(extension("io.cri-containerd.sandbox.metadata")),
                    created_at: found.created_at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok()),
                    labels: found.labels.into_iter().collect(),
                    task: Task::None,
                    has_container: true,
                    by_runc,
                    bound: None,
                    id: found.id.clone(),
                };
                self.sandboxes.insert(found.id, record);
            }
            Some("container") => {
                let mut metadata = extension("io.cri-containerd.container.metadata")
                    .and_then(|json| container::parse(json).ok())
                    .unwrap_or_default();
                metadata.name = metadata.name.or_else(|| found.labels.get("io.kubernetes.container.name").cloned());
                metadata.sandbox = metadata.sandbox.or(Some(found.sandbox).filter(|id| !id.is_empty()));
                let record =
                    ContainerRecord { metadata, image: found.image, task: Task::None, by_runc, id: found.id.clone() };
                self.containers.insert(found.id, record);
            }
            _ => {}
        }
    }
}

impl SandboxRecord {
    /// Whether it is a sandbox of the pod with this name.
    fn is_of(&self, pod: &str) -> bool {
        match &self.metadata {
            Ok(metadata) => metadata.pod.name.as_deref() == Some(pod),
            Err(_) => self.labels.get("io.kubernetes.pod.name").is_some_and(|name| name == pod),
        }
    }
}

fn sandbox_metadata(json: Option<&[u8]>) -> Result<SandboxMetadata, String> {
    let json = json.ok_or("the extension io.cri-containerd.sandbox.metadata is missing")?;
    sandbox::parse(json).map_err(|error| format!("io.cri-containerd.sandbox.metadata: {error}"))
}

/// containerd 2 keeps sandboxes apart from containers as well, and those of a shim sandboxer only so.
fn merge_store(listing: &mut Listing, stored: Result<Result<Vec<SandboxRecord>, CallError>, tokio::task::JoinError>) {
    match stored.unwrap_or_else(|error| Err(CallError::Refused(error.to_string()))) {
        Ok(stored) => {
            for record in stored {
                match listing.sandboxes.get_mut(&record.id) {
                    None => {
                        listing.sandboxes.insert(record.id.clone(), record);
                    }
                    Some(known) => known.complete_from(record),
                }
            }
        }
        // containerd 1.6
        Err(error) if error.is_unimplemented() => {}
        Err(error) => listing.failed.push(("the sandbox store", error)),
    }
}

impl SandboxRecord {
    /// The store's copy is written again once the network stands; the container's may be from before.
    fn complete_from(&mut self, stored: Self) {
        match (&mut self.metadata, stored.metadata) {
            (Ok(known), Ok(stored)) => {
                if known.netns_path.is_none() {
                    known.netns_path = stored.netns_path;
                }
                if known.ips.is_empty() {
                    known.ips = stored.ips;
                }
                if known.interfaces.is_empty() {
                    known.interfaces = stored.interfaces;
                }
            }
            (known @ Err(_), stored @ Ok(_)) => *known = stored,
            _ => {}
        }
    }
}

async fn stored_sandboxes(
    channel: Channel,
    filters: Vec<String>,
    timeout: Duration,
) -> Result<Vec<SandboxRecord>, CallError> {
    let mut client = api::sandbox::store_client::StoreClient::new(channel).max_decoding_message_size(RECEIVE_LIMIT);
    let request = in_namespace(api::sandbox::StoreListRequest { filters });
    let answer =
        tokio::time::timeout(timeout, client.list(request)).await.map_err(|_| CallError::Timeout(timeout))??;
    let records = answer.into_inner().list.into_iter().map(|found| {
        let metadata = found.extensions.get("io.cri-containerd.sandbox.metadata").map(|any| any.value.as_slice());
        SandboxRecord {
            metadata: sandbox_metadata(metadata),
            created_at: found.created_at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok()),
            labels: found.labels.into_iter().collect(),
            task: Task::None,
            has_container: false,
            by_runc: false,
            bound: None,
            id: found.sandbox_id,
        }
    });
    Ok(records.collect())
}

/// Kubernetes' containers are in containerd's namespace `k8s.io`.
pub(super) fn in_namespace<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", MetadataValue::from_static("k8s.io"));
    request
}

/// The cause that has no further cause: the words of the system, not of the layers above.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
