//! What containerd itself tells, as records that still have to be checked against `/proc`.
//!
//! May import model, wire and sys. The only place with an asynchronous runtime: one thread, alive for
//! the length of a call. No type of containerd's client leaves this module.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Duration;

use containerd_client::services::v1 as api;
use containerd_client::types::v1::Status as TaskStatus;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::filter;
use crate::model::issue::Why;
use crate::model::sandbox::SandboxFilter;
use crate::wire::cri::container::ContainerMetadata;
use crate::wire::cri::sandbox::SandboxMetadata;
use crate::wire::cri::{container, sandbox};

/// containerd sends up to this much in one message; tonic's own limit is 4 MiB.
const RECEIVE_LIMIT: usize = 16 * 1024 * 1024;
/// A stopped shim holds the list of all tasks for 2 s.
const ALL_TASKS_EXTRA: Duration = Duration::from_secs(3);
/// A list may stream for this many deadlines as long as each message keeps its own.
const STREAM_DEADLINES: u32 = 5;

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

/// What containerd says of the first process of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// There is none: never started, or removed after its end.
    None,
    /// It runs, with this number in containerd's own pid namespace.
    Running(u32),
    /// It was made but not started, or it ended.
    Stopped,
    /// containerd could not tell.
    Unanswered(Why),
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
}

/// One container of a pod.
#[derive(Debug)]
pub(super) struct ContainerRecord {
    pub(super) id: String,
    pub(super) metadata: ContainerMetadata,
    pub(super) image: String,
    pub(super) task: Task,
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

    /// Sandboxes and containers with their tasks; an error only when not even the containers came.
    pub(super) fn list(&self, filter: &SandboxFilter) -> Result<Listing, CallError> {
        tracing::trace!("asking containerd {} for sandboxes, containers and tasks", self.version);
        self.runtime.block_on(async {
            match filter {
                SandboxFilter::All => self.all().await,
                SandboxFilter::PodName(name) => self.one(name).await,
            }
        })
    }

    /// A stopped shim holds the list of all tasks for 2 s a container: when the list is late, each task
    /// is asked for by itself as well, and what comes first is taken.
    async fn all(&self) -> Result<Listing, CallError> {
        let mut calls = JoinSet::new();
        calls.spawn(all_tasks(self.channel.clone(), self.timeout + ALL_TASKS_EXTRA));
        let store = tokio::spawn(stored_sandboxes(self.channel.clone(), Vec::new(), self.timeout));
        let mut listing = self.containers(Vec::new()).await?;
        merge_store(&mut listing, store.await);
        let mut pending: BTreeSet<String> =
            listing.sandboxes.keys().chain(listing.containers.keys()).cloned().collect();
        let mut first = tokio::time::timeout(self.timeout, calls.join_next()).await.ok().flatten();
        if !matches!(first, Some(Ok(Answer::All(Ok(_))))) {
            for id in &pending {
                calls.spawn(one_task(self.channel.clone(), id.clone(), self.timeout));
            }
        }
        while let Some(answer) = match first.take() {
            Some(answer) => Some(answer),
            None => calls.join_next().await,
        } {
            match answer {
                Ok(Answer::All(Ok(mut tasks))) => {
                    for id in pending {
                        let task = tasks.remove(&id).unwrap_or(Task::None);
                        listing.set_task(&id, task);
                    }
                    break;
                }
                Ok(Answer::One(id, task)) => {
                    pending.remove(&id);
                    listing.set_task(&id, task);
                    if pending.is_empty() {
                        break;
                    }
                }
                Ok(Answer::All(Err(_))) | Err(_) => {}
            }
        }
        Ok(listing)
    }

    async fn one(&self, pod: &str) -> Result<Listing, CallError> {
        let store = tokio::spawn(stored_sandboxes(self.channel.clone(), filter::sandboxes_of(pod), self.timeout));
        let mut listing = self.containers(filter::containers_of(pod)).await?;
        merge_store(&mut listing, store.await);
        // What bears no label of the kubelet came along unasked.
        listing.sandboxes.retain(|_, sandbox| sandbox.is_of(pod));
        let wanted: BTreeSet<_> = listing.sandboxes.keys().cloned().collect();
        listing
            .containers
            .retain(|_, container| container.metadata.sandbox.as_ref().is_some_and(|id| wanted.contains(id)));
        let mut calls = JoinSet::new();
        for id in listing.sandboxes.keys().chain(listing.containers.keys()) {
            calls.spawn(one_task(self.channel.clone(), id.clone(), self.timeout));
        }
        while let Some(answer) = calls.join_next().await {
            if let Ok(Answer::One(id, task)) = answer {
                listing.set_task(&id, task);
            }
        }
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

/// The answer of one of several calls that run at once.
enum Answer {
    /// All tasks by id.
    All(Result<HashMap<String, Task>, CallError>),
    /// One task.
    One(String, Task),
}

impl Listing {
    fn set_task(&mut self, id: &str, task: Task) {
        if let Some(sandbox) = self.sandboxes.get_mut(id) {
            sandbox.task = task;
        } else if let Some(container) = self.containers.get_mut(id) {
            container.task = task;
        }
    }

    fn take(&mut self, found: api::Container) {
        let extension = |name: &str| found.extensions.get(name).map(|any| any.value.as_slice());
        match found.labels.get("io.cri-containerd.kind").map(String::as_str) {
            Some("sandbox") => {
                let record = SandboxRecord {
                    metadata: sandbox_metadata(extension("io.cri-containerd.sandbox.metadata")),
                    created_at: found.created_at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok()),
                    labels: found.labels.into_iter().collect(),
                    task: Task::None,
                    has_container: true,
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
                let record = ContainerRecord { metadata, image: found.image, task: Task::None, id: found.id.clone() };
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
            id: found.sandbox_id,
        }
    });
    Ok(records.collect())
}

async fn all_tasks(channel: Channel, timeout: Duration) -> Answer {
    let mut client = api::tasks_client::TasksClient::new(channel).max_decoding_message_size(RECEIVE_LIMIT);
    let request = in_namespace(api::ListTasksRequest::default());
    Answer::All(match tokio::time::timeout(timeout, client.list(request)).await {
        Ok(Ok(answer)) => {
            let tasks = answer.into_inner().tasks.into_iter();
            Ok(tasks.map(|task| (task.id.clone(), state(task.status(), task.pid))).collect())
        }
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(CallError::Timeout(timeout)),
    })
}

async fn one_task(channel: Channel, id: String, timeout: Duration) -> Answer {
    let mut client = api::tasks_client::TasksClient::new(channel);
    let request = in_namespace(api::GetRequest { container_id: id.clone(), exec_id: String::new() });
    let task = match tokio::time::timeout(timeout, client.get(request)).await {
        Ok(Ok(answer)) => answer.into_inner().process.map_or(Task::None, |task| state(task.status(), task.pid)),
        Ok(Err(status)) if status.code() == Code::NotFound => Task::None,
        Ok(Err(status)) => Task::Unanswered(CallError::from(status).why()),
        Err(_) => Task::Unanswered(CallError::Timeout(timeout).why()),
    };
    Answer::One(id, task)
}

fn state(status: TaskStatus, pid: u32) -> Task {
    match status {
        TaskStatus::Running | TaskStatus::Paused | TaskStatus::Pausing if pid != 0 => Task::Running(pid),
        TaskStatus::Created | TaskStatus::Stopped => Task::Stopped,
        _ => Task::Unanswered(Why::Timeout { detail: "its shim did not answer containerd".to_owned() }),
    }
}

/// Kubernetes' containers are in containerd's namespace `k8s.io`.
fn in_namespace<T>(message: T) -> Request<T> {
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
