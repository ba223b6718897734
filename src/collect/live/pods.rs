//! Who tells of this node's pods: its container runtime, asked when the first pod is asked for, or
//! the state file of a lab.
//!
//! May import model, wire and sys.

use std::cell::OnceCell;

use crate::collect::root::HostRoot;
use crate::collect::runtime::endpoint::EndpointError;
use crate::collect::runtime::{self, Runtime, RuntimeOptions};
use crate::model::issue::Read;
use crate::model::lab::LabState;
use crate::model::netns::Process;
use crate::model::sandbox::{RuntimeInfo, Sandbox, SandboxFilter};

/// The source of pods of one node.
#[derive(Debug)]
pub(super) enum Pods {
    /// A container runtime, or `/proc` where none answers.
    Runtime {
        /// How to find it.
        options: RuntimeOptions,
        /// Set when it was asked first.
        connected: OnceCell<Box<Runtime>>,
    },
    /// A worker of a lab.
    Lab {
        /// The lab.
        state: Box<LabState>,
        /// The worker's name.
        worker: String,
    },
}

impl Pods {
    /// A socket that the user named must work, and is connected to at once; otherwise nothing is opened yet.
    pub(super) fn of_runtime(options: RuntimeOptions, root: &HostRoot) -> Result<Self, EndpointError> {
        let connected = OnceCell::new();
        if options.endpoint.is_some() || options.env_endpoint.is_some() {
            let _ = connected.set(Box::new(Runtime::connect(&options, root)?));
        }
        Ok(Self::Runtime { options, connected })
    }

    pub(super) fn info(&self, root: &HostRoot) -> Read<RuntimeInfo> {
        match self {
            Self::Runtime { options, connected } => connected_to(options, connected, root).info(),
            Self::Lab { state, .. } => Read::ok(runtime::lab::runtime(state)),
        }
    }

    pub(super) fn sandboxes(&self, root: &HostRoot, filter: &SandboxFilter) -> Read<Vec<Sandbox>> {
        match self {
            Self::Runtime { options, connected } => connected_to(options, connected, root).sandboxes(root, filter),
            Self::Lab { state, worker } => {
                let mut sandboxes = runtime::lab::sandboxes(state, worker);
                sandboxes.value.retain(|sandbox| filter.accepts(sandbox));
                sandboxes
            }
        }
    }

    pub(super) fn processes(root: &HostRoot, sandbox: &Sandbox) -> Read<Vec<Process>> {
        runtime::pod_processes(root, sandbox)
    }
}

fn connected_to<'a>(options: &RuntimeOptions, connected: &'a OnceCell<Box<Runtime>>, root: &HostRoot) -> &'a Runtime {
    connected.get_or_init(|| {
        Box::new(Runtime::connect(options, root).unwrap_or_else(|error| Runtime::without(options, error.to_string())))
    })
}
