//! The lab's state file: what a practice network is made of, who made it and how to undo it.
//!
//! Must not import anything from the crate but its sibling model types. The lab writes it before it
//! makes anything; the readers use it as one more container runtime. It is not trusted: `parse`
//! refuses a file that names anything outside the lab's own names.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ContainerId, Pid, SandboxId};
use super::lab_service::{LabProxy, LabService, check_services};
use super::sandbox::CniInterface;

/// The format this podnet writes and reads.
pub const FORMAT: &str = "podnet-lab/1";

/// The folder that holds a folder for each lab.
pub const STATE_ROOT: &str = "/run/podnet-lab";

/// The name of the state file within a lab's folder.
pub const STATE_FILE: &str = "state.json";

/// The name a lab has when none is given.
pub const DEFAULT_NAME: &str = "podnet";

/// Where network namespaces are bound.
pub const NETNS_FOLDER: &str = "/run/netns";

/// A lab as it was planned, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabState {
    /// [`FORMAT`].
    pub format: String,
    /// The version of podnet that wrote it.
    pub written_by: String,
    /// The lab's name: its namespaces begin with it.
    pub name: String,
    /// `/proc/sys/kernel/random/boot_id` as it was made: process ids of another boot mean nothing.
    pub boot_id: String,
    /// When it was planned.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// How far it got.
    pub phase: LabPhase,
    /// What was asked for.
    pub options: LabOptions,
    /// The lab's own folder.
    pub folder: String,
    /// The fabric: the VPC's gateway.
    pub gateway: LabHost,
    /// A host beyond the gateway.
    pub outside: LabHost,
    /// The workers, `worker-0` first.
    pub workers: Vec<LabWorker>,
    /// Where the pods' cgroups are; `None` when this machine offers none that can be written.
    pub cgroup: Option<LabCgroup>,
    /// Its services, by namespace and name: every worker's rules are made from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<LabService>,
    /// Whether the services changed and not every worker has the rules yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub services_due: bool,
    /// What is made, in order; undone in reverse.
    pub steps: Vec<LabStep>,
    /// Which namespace the lab made for each path; written before it is bound there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<String, LabNetns>,
    /// What could not be had and was left out, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How far a lab got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabPhase {
    /// Being made, or left half made.
    Building,
    /// Complete.
    Up,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabOptions {
    /// How many workers.
    pub workers: u8,
    /// How many pods, over all workers.
    pub pods: u16,
    /// Whether the bridge sends a frame back out of the port it came from.
    pub hairpin: bool,
    /// `net.bridge.bridge-nf-call-iptables` of each worker; `None` when the kernel has no such setting.
    pub bridge_nf: Option<bool>,
    /// Whether the bridge plugin's masquerade chains are written.
    pub masquerade: bool,
    /// What programs the services.
    #[serde(default)]
    pub proxy: LabProxy,
    /// Whether everything has an IPv6 address beside the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dual_stack: bool,
}

/// A machine of the lab that is no worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabHost {
    /// `gateway` or `outside`.
    pub name: String,
    /// Where its namespace is bound.
    pub netns: String,
    /// Its address.
    pub address: IpAddr,
    /// Its IPv6 address; only in a dual-stack lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_v6: Option<Ipv6Addr>,
    /// Its server; `None` where it has none, or not yet.
    pub app: Option<LabProcess>,
}

/// A worker: one network namespace that plays a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabWorker {
    /// `worker-0`.
    pub name: String,
    /// Where its namespace, the host namespace of this worker, is bound.
    pub netns: String,
    /// Its address and prefix in the VPC.
    #[schemars(with = "String")]
    pub address: IpNet,
    /// Its pods' addresses.
    #[schemars(with = "String")]
    pub pod_cidr: IpNet,
    /// The bridge's name.
    pub bridge: String,
    /// The bridge's address, the pods' gateway.
    #[schemars(with = "String")]
    pub bridge_address: IpNet,
    /// The same in IPv6; only in a dual-stack lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6: Option<LabWorkerV6>,
    /// The folder that plays the worker's `/`: `etc/cni`, `var/lib/cni`, `var/log/pods`.
    pub root: String,
    /// Its pods, in the order in which they got their addresses.
    pub pods: Vec<LabPod>,
}

/// A worker's IPv6 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabWorkerV6 {
    /// Its address and prefix in the VPC.
    #[schemars(with = "String")]
    pub address: Ipv6Net,
    /// Its pods' addresses.
    #[schemars(with = "String")]
    pub pod_cidr: Ipv6Net,
    /// The bridge's address, the pods' gateway.
    #[schemars(with = "String")]
    pub bridge_address: Ipv6Net,
}

/// A pod of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabPod {
    /// Its Kubernetes namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its sandbox's id.
    pub sandbox: SandboxId,
    /// Its address.
    #[schemars(with = "String")]
    pub address: IpNet,
    /// Its IPv6 address; only in a dual-stack lab.
    #[schemars(with = "Option<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_v6: Option<Ipv6Net>,
    /// Where its namespace is bound.
    pub netns: String,
    /// The host end of its veth pair.
    pub host_link: String,
    /// Its interfaces as the CNI result would list them; empty until they are made.
    pub interfaces: Vec<CniInterface>,
    /// The process that holds its namespaces; `None` until it is started.
    pub pause: Option<LabProcess>,
    /// Its one container.
    pub container: LabContainer,
}

/// A pod's container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabContainer {
    /// Its id.
    pub id: ContainerId,
    /// Its name within the pod.
    pub name: String,
    /// The image it would be made from.
    pub image: String,
    /// Its process; `None` until it is started.
    pub process: Option<LabProcess>,
}

/// A process that the lab started: only together do both numbers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabProcess {
    /// Its id in the pid namespace of `podnet lab up`.
    pub pid: Pid,
    /// Clock ticks from boot to its start.
    pub start_ticks: u64,
}

/// A network namespace that the lab made: the inode alone could be another's by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabNetns {
    /// Device of nsfs.
    pub dev: u64,
    /// Its inode there.
    pub ino: u64,
    /// Its cookie, never used twice; `None` where the kernel gives none.
    pub cookie: Option<u64>,
}

/// Where the pods' cgroups are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabCgroup {
    /// The mount point of the hierarchy.
    pub mount: String,
    /// What `/proc/PID/cgroup` puts before a path below `mount`; empty as a rule.
    pub prefix: String,
    /// The lab's subtree below `mount`, without a slash: `podnet-lab-NAME`.
    pub subtree: String,
}

impl LabCgroup {
    /// The path of one container's cgroup within the hierarchy, as `/proc/PID/cgroup` has it.
    pub fn container_path(&self, worker: &LabWorker, pod: &LabPod, container: &str) -> String {
        format!("{}/{}/{}/kubepods/besteffort/pod{}/{container}", self.prefix, self.subtree, worker.name, pod.uid)
    }
}

/// One step: what it makes is what its undoing removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabStep {
    /// What kind of thing.
    pub kind: LabStepKind,
    /// Which machine or pod of the lab it is for.
    pub subject: String,
    /// The names of what it makes: paths, links, chains; those that hold others first.
    pub makes: Vec<String>,
}

/// What a step makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabStepKind {
    /// Folders and files below the lab's folder.
    Files,
    /// Cgroups.
    Cgroups,
    /// A bound network namespace.
    Netns,
    /// Sysctls of a namespace; they go with it.
    Settings,
    /// Links, addresses and routes of the fabric or a worker; they go with the namespace.
    Links,
    /// A pod's veth pair, addresses and routes; they go with the namespace.
    PodLinks,
    /// Netfilter rules; they go with the namespace.
    Rules,
    /// The kubelet's and kube-proxy's rules of a worker; they go with the namespace.
    Services,
    /// Pause processes of a worker's pods.
    Pauses,
    /// Application processes of a worker's pods, or of the outside host.
    Apps,
    /// The CNI results cache of a worker, below the lab's folder.
    CniResults,
}

impl std::fmt::Display for LabStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            LabStepKind::Files => "files",
            LabStepKind::Cgroups => "cgroups",
            LabStepKind::Netns => "network namespace",
            LabStepKind::Settings => "sysctls",
            LabStepKind::Links | LabStepKind::PodLinks => "links",
            LabStepKind::Rules => "netfilter rules",
            LabStepKind::Services => "service rules",
            LabStepKind::Pauses => "pause processes",
            LabStepKind::Apps => "application processes",
            LabStepKind::CniResults => "CNI results cache",
        };
        write!(f, "{kind} of {}", self.subject)
    }
}

/// Why a state file is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabStateError {
    /// It is whole, but another podnet's.
    #[error("it is in the format {found:?}, and this podnet reads {FORMAT:?}; run the podnet that made the lab")]
    Foreign {
        /// The format it names.
        found: String,
    },
    /// It is cut, or not JSON, or lacks a field.
    #[error("it is not a lab's state: {0}")]
    Malformed(String),
    /// It names something that no lab of this name would make.
    #[error("it names {0}, which this lab would never make; nothing was touched")]
    Outside(String),
}

impl LabState {
    /// Reads the text of a state file, which stands in `folder` (`STATE_ROOT/NAME`).
    pub fn parse(text: &[u8], folder: &str) -> Result<Self, LabStateError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let malformed = |error: serde_json::Error| LabStateError::Malformed(error.to_string());
        let head: Head = serde_json::from_slice(text).map_err(malformed)?;
        if head.format != FORMAT {
            return Err(LabStateError::Foreign { found: head.format.chars().take(64).collect() });
        }
        let state: Self = serde_json::from_slice(text).map_err(malformed)?;
        state.check(folder)?;
        Ok(state)
    }

    /// The worker with that name.
    pub fn worker(&self, name: &str) -> Option<&LabWorker> {
        self.workers.iter().find(|worker| worker.name == name)
    }

    /// Every process that was started, the pause processes first.
    pub fn processes(&self) -> Vec<LabProcess> {
        let pods = || self.workers.iter().flat_map(|worker| &worker.pods);
        pods()
            .filter_map(|pod| pod.pause)
            .chain(pods().filter_map(|pod| pod.container.process))
            .chain([&self.gateway, &self.outside].into_iter().filter_map(|host| host.app))
            .collect()
    }

    /// Whether everything that would be removed is the lab's own by its name.
    fn check(&self, folder: &str) -> Result<(), LabStateError> {
        let outside =
            |what: &str| Err(LabStateError::Outside(format!("{:?}", what.chars().take(200).collect::<String>())));
        check_name(&self.name).map_err(LabStateError::Malformed)?;
        if self.folder != folder || !folder.ends_with(&format!("/{}", self.name)) {
            return outside(&self.folder);
        }
        for worker in &self.workers {
            if !below(&worker.root, folder) {
                return outside(&worker.root);
            }
        }
        // They are written into rules.
        check_services(&self.services).map_err(LabStateError::Malformed)?;
        // Its subtree is removed even where no step names it.
        if let Some(cgroup) = &self.cgroup {
            if cgroup.subtree != format!("podnet-lab-{}", self.name) {
                return outside(&cgroup.subtree);
            }
            if !below(&cgroup.mount, "") {
                return outside(&cgroup.mount);
            }
        }
        let mut netns = vec![&self.gateway.netns, &self.outside.netns];
        for worker in &self.workers {
            netns.push(&worker.netns);
            netns.extend(worker.pods.iter().map(|pod| &pod.netns));
        }
        for step in &self.steps {
            for made in &step.makes {
                let own = match step.kind {
                    LabStepKind::Files | LabStepKind::CniResults => below(made, folder),
                    LabStepKind::Cgroups => self.cgroup.as_ref().is_some_and(|cgroup| {
                        let top = format!("{}/{}", cgroup.mount, cgroup.subtree);
                        *made == top || below(made, &top)
                    }),
                    LabStepKind::Netns => netns.contains(&made),
                    _ => true,
                };
                if !own {
                    return outside(made);
                }
            }
        }
        for path in netns {
            if !self.own_netns(path) {
                return outside(path);
            }
        }
        Ok(())
    }

    fn own_netns(&self, path: &str) -> bool {
        let Some(name) = path.strip_prefix(NETNS_FOLDER).and_then(|rest| rest.strip_prefix('/')) else { return false };
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let own = name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('-'));
        plain(name) && (own.is_some_and(plain) || name.strip_prefix("cni-").is_some_and(|uuid| uuid.len() == 36))
    }
}

/// Whether `path` is in `folder`, by its text alone.
fn below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

/// Whether a lab may bear this name: 1 to 20 of `a` to `z`, `0` to `9` and `-`.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = (1..=20).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-');
    if fits {
        Ok(())
    } else {
        Err(format!("a lab's name is 1 to 20 of a-z, 0-9 and -, and does not begin with -; {name:?} is not"))
    }
}
