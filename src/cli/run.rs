//! Opens the nodes that a question is about and asks it.
//!
//! May import every layer.

use std::env;
use std::io::{self, Write};
use std::mem::ManuallyDrop;

use jiff::Timestamp;
use serde::Serialize;

use super::args::Global;
use super::error::Failure;
use super::output;
use super::progress::Progress;
use crate::analyze::answer::Answer;
use crate::analyze::identity::{FindError, PodQuery};
use crate::collect::live::{LabOptions, LiveNode, LiveOptions, OpenError};
use crate::collect::rules;
use crate::collect::snapshot::{self, SnapshotError};
use crate::lab::{self, LabError};
use crate::model::issue::Why;
use crate::model::lab::LabPhase;
use crate::model::sandbox::SandboxFilter;
use crate::model::snapshot::Snapshot;
use crate::model::view::NodeView;
use crate::render::style::Style;

/// A node that can be asked.
pub enum Node {
    /// This machine, or a worker of the lab.
    Live(Box<LiveNode>),
    /// A file.
    File(Box<Snapshot>),
}

impl Node {
    /// What analysis knows of it.
    pub fn view(&self) -> &dyn NodeView {
        match self {
            Self::Live(node) => node.as_ref(),
            Self::File(node) => node.as_ref(),
        }
    }
}

/// Opens what `--from`, `--rules` or `--lab` names, else this machine.
pub fn open(global: &Global) -> Result<Vec<Node>, Failure> {
    if !global.from.is_empty() {
        let open = |path: &std::path::PathBuf| match snapshot::open(path) {
            Ok(node) => Ok(Node::File(Box::new(node))),
            Err(error) => Err(told(error)),
        };
        return global.from.iter().map(open).collect();
    }
    if !global.rules.is_empty() {
        let node = rules::open(&global.rules).map_err(|error| match error.hint() {
            Some(hint) => Failure::from(error).hint(hint),
            None => Failure::from(error),
        })?;
        return Ok(vec![Node::File(Box::new(node))]);
    }
    let now = Timestamp::now();
    let live = |node| Node::Live(Box::new(node));
    if let Some(wanted) = &global.lab {
        let (lab, worker) = lab_and_worker(wanted);
        let lab = match lab {
            Some(lab) => lab.to_owned(),
            None => only(&labs_up()?)?,
        };
        let options = LabOptions { lab, worker: worker.map(str::to_owned), now };
        let nodes = LiveNode::open_lab(&options).map_err(unopened)?;
        return Ok(nodes.into_iter().map(live).collect());
    }
    let options = LiveOptions {
        proc_root: global.proc_root.clone().unwrap_or_else(|| "/proc".into()),
        host_netns: global.host_netns.clone(),
        endpoint: global.runtime_endpoint.clone(),
        env_endpoint: env::var("CONTAINER_RUNTIME_ENDPOINT").ok().filter(|value| !value.is_empty()),
        timeout: global.timeout,
        now,
    };
    Ok(vec![live(LiveNode::open(&options).map_err(unopened)?)])
}

fn unopened(error: OpenError) -> Failure {
    let hint = match &error {
        OpenError::HostNetns { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            "run as root, or with CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_NET_ADMIN"
        }
        OpenError::Lab(issue) if matches!(issue.why, Why::Permission { .. }) => "run as root",
        OpenError::Lab(_) => "`podnet lab status` lists the labs, `podnet lab up` makes one",
        _ => return Failure::from(error),
    };
    Failure::from(error).hint(hint)
}

/// `WORKER`, `LAB/WORKER`, `LAB/` or nothing: the lab's name unless it is the only one, and one worker's unless
/// all are meant.
fn lab_and_worker(wanted: &str) -> (Option<&str>, Option<&str>) {
    let (lab, worker) = match wanted.split_once('/') {
        Some((lab, worker)) => (Some(lab), worker),
        None => (None, wanted),
    };
    (lab, Some(worker).filter(|worker| !worker.is_empty()))
}

/// The labs that can be asked. One whose state cannot be read is among them: asked for, it says why.
fn labs_up() -> Result<Vec<String>, Failure> {
    let mut names = lab::names()?;
    names.retain(|name| match lab::load(name) {
        Ok(state) => state.phase == LabPhase::Up,
        Err(error) => !matches!(error, LabError::Absent { .. }),
    });
    Ok(names)
}

/// The lab that is meant where none is named.
fn only(up: &[String]) -> Result<String, Failure> {
    match up {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new("no lab is up").hint("`podnet lab up` makes one")),
        several => Err(Failure::new(format!("several labs are up: {}", several.join(", ")))
            .hint("name one: --lab=LAB/WORKER, or --lab=LAB/ for all of its workers")),
    }
}

/// Asks those nodes a question and writes the answer; gives the exit code.
pub fn answer<T: Serialize>(
    global: &Global,
    command: &str,
    ask: impl FnOnce(&[&dyn NodeView]) -> Result<Answer<T>, Failure>,
    table: impl FnOnce(&Answer<T>, Style, &mut dyn Write) -> io::Result<()>,
) -> Result<u8, Failure> {
    // Before anything is opened: the runtime may take its whole deadline to answer.
    let progress = progress(global, "reading the node");
    // Neither is taken apart: the process ends, and the rules of a large node are a million pieces.
    let nodes = ManuallyDrop::new(open(global)?);
    let nodes: Vec<&dyn NodeView> = nodes.iter().map(Node::view).collect();
    let answer = ManuallyDrop::new(ask(&nodes)?);
    drop(progress);
    output::write(global, command, &answer, table)
}

/// The same for a question about one pod.
pub fn answer_pod<T: Serialize>(
    global: &Global,
    command: &str,
    ask: impl FnOnce(&[&dyn NodeView]) -> Result<Answer<T>, FindError>,
    table: impl FnOnce(&Answer<T>, Style, &mut dyn Write) -> io::Result<()>,
) -> Result<u8, Failure> {
    answer(global, command, |nodes| ask(nodes).map_err(|error| not_found(error, nodes)), table)
}

/// Waits to show that a live read takes long; a file is read at once.
pub fn progress(global: &Global, what: &str) -> Option<Progress> {
    (global.from.is_empty() && global.rules.is_empty()).then(|| Progress::start(what))
}

/// The pod that the words of a command line name.
pub fn pod(global: &Global, text: &str, all: bool) -> PodQuery {
    PodQuery { text: text.to_owned(), namespace: global.namespace.clone(), all }
}

/// A pod that was not found may be one that could not be seen: says what could not be read.
pub fn not_found(error: FindError, nodes: &[&dyn NodeView]) -> Failure {
    let mut issues = Vec::new();
    if matches!(error, FindError::NotFound { .. }) {
        for node in nodes {
            issues.extend(node.runtime().issues.iter().cloned());
            issues.extend(node.sandboxes(&SandboxFilter::All).issues.iter().cloned());
        }
    }
    issues.sort();
    issues.dedup();
    Failure::from(error).after(issues)
}

fn told(error: SnapshotError) -> Failure {
    let hint = error.hint();
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_named_by_worker_by_lab_or_by_both() {
        assert_eq!(lab_and_worker(""), (None, None));
        assert_eq!(lab_and_worker("worker-1"), (None, Some("worker-1")));
        assert_eq!(lab_and_worker("mine/"), (Some("mine"), None));
        assert_eq!(lab_and_worker("mine/worker-0"), (Some("mine"), Some("worker-0")));
    }

    #[test]
    fn a_lab_is_meant_without_its_name_while_it_is_the_only_one() {
        let only = |names: &[&str]| only(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(only(&["mine"]).unwrap(), "mine");
        let told = |names| format!("{:?}", only(names).unwrap_err());
        let several = told(&["mine", "podnet"]);
        assert!(several.contains("mine, podnet") && several.contains("--lab=LAB/WORKER"), "{several}");
        assert!(told(&[]).contains("podnet lab up"));
    }
}
