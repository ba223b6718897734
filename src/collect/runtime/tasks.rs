//! What containerd says of the first processes of containers: its tasks.
//!
//! May import model, wire and sys. For each task containerd asks the pod's shim, which may be stopped:
//! what can be known without them is not asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use containerd_client::services::v1 as api;
use containerd_client::types::v1::Status as TaskStatus;
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::Channel;

use super::containerd::{CallError, RECEIVE_LIMIT, in_namespace};
use crate::model::issue::Why;
use crate::model::netns::Process;

/// A stopped shim holds the list of all tasks for 2 s.
const LIST_EXTRA: Duration = Duration::from_secs(3);
/// Up to this many are asked for one by one.
const FEW: usize = 16;
/// So are they up to this part of all: a list makes containerd ask every shim of the node, a question
/// for one only the shim that is meant, and none for a container that has ended.
const PART: usize = 4;

/// What containerd says of the first process of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// There is none: never started, or removed after its end.
    None,
    /// It runs, and this is it: the kernel says so, and containerd was not asked.
    Proved(Process),
    /// It runs, with this number in containerd's own pid namespace.
    Running(u32),
    /// It was made but not started, or it ended.
    Stopped,
    /// containerd could not tell.
    Unanswered(Why),
}

/// The tasks of these, which are some of `all` containers, in no order. Those that containerd does not know are [`Task::None`].
pub(super) async fn of(channel: &Channel, ids: BTreeSet<String>, all: usize, timeout: Duration) -> Vec<(String, Task)> {
    let mut calls = JoinSet::new();
    let mut first = None;
    if ids.len() > FEW.max(all / PART) {
        calls.spawn(list(channel.clone(), timeout + LIST_EXTRA));
        first = tokio::time::timeout(timeout, calls.join_next()).await.ok().flatten();
    }
    // A stopped shim holds the list for 2 s a container: when it is late, each task is asked for by
    // itself as well, and what comes first is taken.
    if !matches!(first, Some(Ok(Answer::All(Ok(_))))) {
        for id in &ids {
            calls.spawn(one(channel.clone(), id.clone(), timeout));
        }
    }
    let mut pending = ids;
    let mut told = Vec::with_capacity(pending.len());
    while !pending.is_empty()
        && let Some(answer) = match first.take() {
            Some(answer) => Some(answer),
            None => calls.join_next().await,
        }
    {
        match answer {
            Ok(Answer::All(Ok(mut tasks))) => {
                let rest = std::mem::take(&mut pending).into_iter();
                told.extend(rest.map(|id| {
                    let task = tasks.remove(&id).unwrap_or(Task::None);
                    (id, task)
                }));
            }
            Ok(Answer::One(id, task)) => {
                pending.remove(&id);
                told.push((id, task));
            }
            Ok(Answer::All(Err(_))) | Err(_) => {}
        }
    }
    told
}

/// The answer of one of several calls that run at once.
enum Answer {
    /// All tasks by id.
    All(Result<BTreeMap<String, Task>, CallError>),
    /// One task.
    One(String, Task),
}

async fn list(channel: Channel, timeout: Duration) -> Answer {
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

async fn one(channel: Channel, id: String, timeout: Duration) -> Answer {
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
