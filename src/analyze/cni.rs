//! The node's CNI files: which configuration wins, what its plugins do, and what was given to which pod.
//!
//! May import model only.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::cni::{CniCacheEntry, CniFile, CniLease, CniState};
use crate::model::ids::{ContainerId, MacAddr, NetnsId};
use crate::model::issue::{Issue, Level, Why};
use crate::model::sandbox::{PodName, Sandbox, SandboxFilter, SandboxSource, SandboxState};
use crate::model::view::NodeView;

use super::answer::{Answer, Gathered, node_label};
use super::cni_words::describe;

/// The CNI files of several nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CniAnswer {
    /// One a node, in the order of the nodes.
    pub nodes: Vec<CniNode>,
}

/// The CNI files of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CniNode {
    /// Its name, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The folder of configurations.
    pub conf_dir: String,
    /// The runtime whose rules decide which file wins; `None` when it is not known.
    pub runtime: Option<String>,
    /// The files in the order in which a runtime takes them.
    pub files: Vec<FileRow>,
    /// What the results cache holds, by pod, container and interface.
    pub attachments: Vec<Attachment>,
    /// host-local's leases, by network and address.
    pub leases: Vec<LeaseRow>,
}

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileRow {
    /// Its path.
    pub path: String,
    /// The network's name; `None` for a broken file.
    pub network: Option<String>,
    /// `cniVersion`.
    pub cni_version: Option<String>,
    /// Whether pods get this network.
    pub used: Used,
    /// Why, or why not.
    pub why: String,
    /// What is wrong with it, with line and column; or why it was not read.
    pub error: Option<String>,
    /// The plugins in the order in which they are called.
    pub plugins: Vec<PluginRow>,
}

/// Whether a configuration is the one that pods get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Used {
    /// It wins.
    Yes,
    /// Another one wins, or none.
    No,
    /// It is not valid.
    Broken,
    /// It hangs on the runtime, which is not known, or on a file that podnet did not read.
    Unknown,
}

/// One plugin of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PluginRow {
    /// `type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it does.
    pub does: Vec<String>,
    /// Its configuration as it stands in the file.
    pub config: serde_json::Value,
}

/// One interface that CNI made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attachment {
    /// Which pod, as the cache has it.
    pub pod: PodName,
    /// Its sandbox.
    pub container: ContainerId,
    /// The network.
    pub network: String,
    /// The interface within the pod.
    pub interface: String,
    /// Its address there.
    pub mac: Option<MacAddr>,
    /// The addresses given.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<ipnet::IpNet>,
    /// Links in the host namespace that were made for it.
    pub host_links: Vec<String>,
    /// The namespace's path.
    pub netns_path: Option<String>,
    /// Whether its sandbox is gone and this was left behind.
    pub left_over: Verdict,
    /// What is wrong with the cache file.
    pub error: Option<String>,
    /// The cache file.
    pub path: String,
}

/// One lease of host-local.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeaseRow {
    /// The network.
    pub network: String,
    /// The address.
    pub address: IpAddr,
    /// Who holds it.
    pub container: ContainerId,
    /// The interface within the pod.
    pub interface: Option<String>,
    /// Which pod that is, from the sandbox or the cache.
    pub pod: Option<PodName>,
    /// Whether nobody uses it any more.
    pub leaked: Verdict,
    /// The lease's file.
    pub path: String,
}

/// Yes, no, or unknown, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// It is so.
    Yes {
        /// What that rests on.
        why: String,
    },
    /// It is not so.
    No {
        /// What that rests on.
        why: String,
    },
    /// It cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// Answers `podnet cni`.
pub fn cni(nodes: &[&dyn NodeView]) -> Answer<CniAnswer> {
    let mut gathered = Gathered::default();
    let rows = nodes.iter().map(|node| one(*node, node_label(nodes, *node), &mut gathered)).collect();
    Answer::new(nodes, CniAnswer { nodes: rows }, gathered)
}

fn one(node: &dyn NodeView, label: Option<String>, gathered: &mut Gathered) -> CniNode {
    let section = node.cni();
    let state = gathered.take(&section).clone();
    let owners = Owners::read(node, gathered);
    let files = files(&state.files, owners.runtime.as_deref());
    if !files.is_empty() && !files.iter().any(|file| matches!(file.used, Used::Yes | Used::Unknown)) {
        gathered.bad = true;
    }
    for file in files.iter().filter(|file| file.used == Used::Unknown) {
        gathered
            .issue(Issue::incomplete(format!("choosing {}", file.path), Why::Unsupported { detail: file.why.clone() }));
    }
    let attachments = attachments(&state, &owners);
    let leases = leases(node, &state, &owners, gathered);
    for lease in &leases {
        match &lease.leaked {
            Verdict::Yes { .. } => gathered.bad = true,
            Verdict::No { .. } => {}
            Verdict::Unknown { why } => gathered.issue(Issue::incomplete(
                format!("finding the holder of lease {}", lease.address),
                Why::Unsupported { detail: why.clone() },
            )),
        }
    }
    CniNode { node: label, conf_dir: state.conf_dir, runtime: owners.runtime, files, attachments, leases }
}

/// Which file wins: the first by name, if it is valid. What a broken one before it does hangs on the
/// runtime: containerd then loads none at all, CRI-O passes it over.
fn files(files: &[CniFile], runtime: Option<&str>) -> Vec<FileRow> {
    let passes_over = match runtime {
        Some("containerd") => Some(false),
        Some("cri-o") => Some(true),
        _ => None,
    };
    let mut ahead = Ahead::Nothing;
    let mut rows = Vec::new();
    for file in files {
        let base = file.path.rsplit('/').next().unwrap_or(&file.path).to_owned();
        let (used, why) = if file.unread {
            judge_unread(&ahead, passes_over)
        } else if file.error.is_some() {
            let why = match &ahead {
                Ahead::Winner(winner) => format!("it is not valid, and {winner} comes first"),
                _ => "it is not valid".to_owned(),
            };
            (Used::Broken, why)
        } else {
            judge_valid(&ahead, passes_over)
        };
        ahead = match ahead {
            Ahead::Winner(_) => ahead,
            _ if file.error.is_none() && matches!(used, Used::Yes | Used::Unknown) => Ahead::Winner(base),
            Ahead::Nothing if file.unread => Ahead::Unread(base),
            Ahead::Nothing => Ahead::Broken(base),
            // Only containerd stops at the first: others may get as far as this one.
            Ahead::Broken(_) if file.unread && passes_over != Some(false) => Ahead::Unread(base),
            other => other,
        };
        rows.push(row(file, used, why));
    }
    rows
}

/// What comes before a file and decides about it.
enum Ahead {
    Nothing,
    Broken(String),
    /// Not read by podnet: broken or not, that is not known.
    Unread(String),
    /// The file that wins, or does if any does.
    Winner(String),
}

fn judge_valid(ahead: &Ahead, passes_over: Option<bool>) -> (Used, String) {
    match (ahead, passes_over) {
        (Ahead::Winner(first), _) | (Ahead::Unread(first), Some(false)) => {
            (Used::No, format!("{first} comes first by name"))
        }
        (Ahead::Nothing, _) => (Used::Yes, "the first by name".to_owned()),
        (Ahead::Unread(first), _) => {
            (Used::Unknown, format!("{first} comes first and was not read: if it is valid, it wins"))
        }
        (Ahead::Broken(_), Some(true)) => (Used::Yes, "the first valid one by name".to_owned()),
        (Ahead::Broken(broken), Some(false)) => {
            (Used::No, format!("{broken} comes first and is broken: containerd then loads no network at all"))
        }
        (Ahead::Broken(broken), None) => (
            Used::Unknown,
            format!("{broken} comes first and is broken: CRI-O passes it over, containerd loads no network at all"),
        ),
    }
}

fn judge_unread(ahead: &Ahead, passes_over: Option<bool>) -> (Used, String) {
    match (ahead, passes_over) {
        (Ahead::Winner(first), _) | (Ahead::Unread(first), Some(false)) => {
            (Used::No, format!("it was not read, and {first} comes first by name"))
        }
        (Ahead::Broken(broken), Some(false)) => (
            Used::No,
            format!("it was not read, and {broken} comes first and is broken: containerd then loads no network at all"),
        ),
        (Ahead::Nothing, _) => (Used::Unknown, "it was not read: if it is valid, it wins".to_owned()),
        (Ahead::Broken(first) | Ahead::Unread(first), _) => {
            (Used::Unknown, format!("it was not read, and {first} before it is broken or was not read"))
        }
    }
}

fn row(file: &CniFile, used: Used, why: String) -> FileRow {
    let plugins = file.network.iter().flat_map(|network| &network.plugins);
    FileRow {
        path: file.path.clone(),
        network: file.network.as_ref().map(|network| network.name.clone()),
        cni_version: file.network.as_ref().and_then(|network| network.cni_version.clone()),
        used,
        why,
        error: file.error.clone(),
        plugins: plugins
            .map(|plugin| PluginRow {
                kind: plugin.kind.clone(),
                does: describe(plugin),
                config: plugin.config.clone(),
            })
            .collect(),
    }
}

/// Who may hold a lease.
struct Owners {
    runtime: Option<String>,
    /// Whether all sandboxes are known: a runtime told of them, without a gap.
    complete: bool,
    /// Why not.
    gap: String,
    sandboxes: BTreeMap<String, Sandbox>,
}

impl Owners {
    fn read(node: &dyn NodeView, gathered: &mut Gathered) -> Self {
        let runtime = node.runtime();
        let name = gathered.take(&runtime).name.clone();
        let section = node.sandboxes(&SandboxFilter::All);
        let found = gathered.take(&section);
        let issue = runtime.issues.iter().chain(&section.issues).find(|issue| issue.level == Level::Incomplete);
        let told = found.iter().all(|sandbox| sandbox.source != SandboxSource::Proc);
        let gap = issue.map_or_else(|| "no runtime was asked".to_owned(), |issue| format!("{} failed", issue.what));
        Self {
            complete: name.is_some() && issue.is_none() && told,
            runtime: name,
            gap,
            sandboxes: found.iter().map(|sandbox| (sandbox.id.0.clone(), sandbox.clone())).collect(),
        }
    }

    fn of(&self, container: &ContainerId) -> Option<&Sandbox> {
        self.sandboxes.get(&container.0)
    }

    fn teller(&self) -> &str {
        self.runtime.as_deref().unwrap_or("the runtime")
    }
}

fn held(sandbox: &Sandbox) -> Verdict {
    let state = match sandbox.state {
        SandboxState::Ready => "",
        SandboxState::NotReady => ", which is not ready",
        SandboxState::Unknown => ", whose state is not known",
    };
    Verdict::No { why: format!("held by the sandbox of {}{state}", sandbox.pod) }
}

fn attachments(state: &CniState, owners: &Owners) -> Vec<Attachment> {
    let mut rows: Vec<Attachment> = state.cache.iter().map(|entry| attachment(entry, owners)).collect();
    rows.sort_by(|one, other| {
        (&one.pod, &one.container, &one.interface, &one.path).cmp(&(
            &other.pod,
            &other.container,
            &other.interface,
            &other.path,
        ))
    });
    rows
}

fn attachment(entry: &CniCacheEntry, owners: &Owners) -> Attachment {
    let own = entry.interfaces.iter().find(|one| one.name == entry.interface && one.sandbox.is_some());
    let left_over = match owners.of(&entry.container) {
        Some(sandbox) => held(sandbox),
        None if owners.complete => {
            Verdict::Yes { why: format!("{} has no sandbox {}", owners.teller(), entry.container.short()) }
        }
        None => Verdict::Unknown { why: format!("which sandboxes there are is not known: {}", owners.gap) },
    };
    Attachment {
        pod: entry.pod.clone(),
        container: entry.container.clone(),
        network: entry.network.clone(),
        interface: entry.interface.clone(),
        mac: own.and_then(|own| own.mac.clone()),
        addresses: entry.addresses.clone(),
        host_links: entry.interfaces.iter().filter(|one| one.sandbox.is_none()).map(|one| one.name.clone()).collect(),
        netns_path: own.and_then(|own| own.sandbox.clone()),
        left_over,
        error: entry.error.clone(),
        path: entry.path.clone(),
    }
}

fn leases(node: &dyn NodeView, state: &CniState, owners: &Owners, gathered: &mut Gathered) -> Vec<LeaseRow> {
    // Every namespace's addresses, read only once the runtime does not know a holder.
    let mut everywhere: Option<Everywhere> = None;
    let mut rows = Vec::new();
    for lease in &state.leases {
        let sandbox = owners.of(&lease.container);
        let leaked = match sandbox {
            Some(sandbox) => held(sandbox),
            None if owners.complete => {
                Verdict::Yes { why: format!("{} has no sandbox {}", owners.teller(), lease.container.short()) }
            }
            None => {
                let everywhere = everywhere.get_or_insert_with(|| Everywhere::read(node, gathered));
                everywhere.judge(lease, &owners.gap)
            }
        };
        let cached = state.cache.iter().find(|entry| entry.container == lease.container && entry.pod.name.is_some());
        rows.push(LeaseRow {
            network: lease.network.clone(),
            address: lease.address,
            container: lease.container.clone(),
            interface: lease.interface.clone(),
            pod: sandbox.map(|sandbox| sandbox.pod.clone()).or_else(|| cached.map(|entry| entry.pod.clone())),
            leaked,
            path: lease.path.clone(),
        });
    }
    rows
}

/// The addresses of all namespaces.
struct Everywhere {
    held: BTreeMap<IpAddr, NetnsId>,
    gap: Option<String>,
}

impl Everywhere {
    fn read(node: &dyn NodeView, gathered: &mut Gathered) -> Self {
        let section = node.namespaces();
        let namespaces = gathered.take(&section);
        let mut gap =
            section.issues.iter().find(|issue| issue.level == Level::Incomplete).map(|issue| issue.what.clone());
        let mut held = BTreeMap::new();
        for netns in namespaces {
            let addresses = node.addresses(netns.id);
            for address in gathered.take(&addresses) {
                held.entry(address.address.addr()).or_insert(netns.id);
            }
            let failed = addresses.issues.iter().find(|issue| issue.level == Level::Incomplete);
            gap = gap.or_else(|| failed.map(|issue| issue.what.clone()));
        }
        Self { held, gap }
    }

    fn judge(&self, lease: &CniLease, runtime_gap: &str) -> Verdict {
        match (self.held.get(&lease.address), &self.gap) {
            (Some(netns), _) => Verdict::Unknown {
                why: format!("{netns} holds the address; whose that is only the runtime knows ({runtime_gap})"),
            },
            (None, Some(gap)) => {
                Verdict::Unknown { why: format!("not every namespace could be looked into: {gap} failed") }
            }
            (None, None) => {
                Verdict::Yes { why: "no pause process has this id, and no namespace holds the address".to_owned() }
            }
        }
    }
}

#[cfg(test)]
mod tests;
