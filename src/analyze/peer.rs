//! The other end of a link: the link with that ifindex in the namespace that the nsid resolves
//! to, checked from both ends.
//!
//! May import model and its siblings only. Equal ifindexes in different namespaces are normal:
//! nothing here compares an ifindex without its namespace.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Gathered;
use crate::model::ids::{IfIndex, NetnsId, Nsid};
use crate::model::issue::{Issue, Why};
use crate::model::link::{Link, LinkKind};
use crate::model::view::NodeView;

/// Where a link leads, as far as the kernel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtherEnd {
    /// A pair (veth, netkit): its other end.
    Peer {
        /// The namespace it is in.
        netns: NetnsId,
        /// The link there.
        link: Box<Link>,
        /// Whether that link names this one in turn.
        agreement: Agreement,
    },
    /// Stacked (macvlan, ipvlan, vlan, a tunnel): the link below.
    Parent {
        /// The namespace it is in.
        netns: NetnsId,
        /// The link there.
        link: Box<Link>,
    },
    /// A device of the machine.
    Device,
    /// It leads to no other link (a bridge, a tunnel, a dummy).
    Nowhere,
    /// There is another end, but it cannot be told which.
    Lost(Lost),
}

/// Whether the two ends of a pair name each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Agreement {
    /// Each names the other.
    Both,
    /// Only one side could be resolved; the other could not be checked.
    OneSide {
        /// Why not.
        why: String,
    },
    /// The other side names another link.
    Disagree {
        /// What it names.
        why: String,
    },
}

/// Another end that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lost {
    /// Why.
    pub reason: LostReason,
    /// The ifindex it has in its namespace.
    pub ifindex: Option<IfIndex>,
    /// The number this namespace uses for that namespace; `None` for this namespace itself.
    pub nsid: Option<Nsid>,
    /// The namespace, where that is known.
    pub netns: Option<NetnsId>,
}

/// Why the other end cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LostReason {
    /// The kernel has given no number to the other namespace (-1).
    NotAssigned,
    /// The number leads to no namespace that can be seen from here.
    Unseen,
    /// The namespace has no link of that ifindex: it was removed, or made, while this was read.
    NoSuchLink,
    /// The kernel does not tell the other end's ifindex.
    NoIndex,
    /// The namespace's links could not be read.
    Unreadable,
}

impl Lost {
    /// The issue for a cell that is unknown because of it. What went, or came, while it was read
    /// is only worth a note.
    pub fn issue(&self, link: &Link, netns: NetnsId) -> Issue {
        let what = format!("telling the other end of {} of {netns}", link.name);
        match self.reason {
            LostReason::NoSuchLink => Issue::note(what, Why::Gone { detail: self.words() }),
            LostReason::Unreadable => Issue::incomplete(what, Why::Io { detail: self.words() }),
            _ => Issue::incomplete(what, Why::Unsupported { detail: self.words() }),
        }
    }

    /// The reason as a sentence's end.
    pub fn words(&self) -> String {
        let nsid = self.nsid.map_or_else(|| "this namespace".to_owned(), |nsid| format!("nsid {nsid}"));
        let ifindex = self.ifindex.map_or_else(|| "?".to_owned(), |ifindex| ifindex.to_string());
        match (self.reason, self.netns) {
            (LostReason::NotAssigned, _) => "the kernel has given its namespace no number".to_owned(),
            (LostReason::NoIndex, _) => "the kernel does not tell its ifindex".to_owned(),
            (LostReason::Unseen, _) => {
                format!("ifindex {ifindex} in {nsid}, a namespace that cannot be seen from here")
            }
            (LostReason::NoSuchLink, Some(netns)) => {
                format!("ifindex {ifindex} in {netns}, where there is no such link any more")
            }
            (_, Some(netns)) => format!("ifindex {ifindex} in {netns}, whose links could not be read"),
            (_, None) => format!("ifindex {ifindex} in {nsid}, which could not be read"),
        }
    }
}

/// Finds the other end of `link`, a link of `netns`.
pub fn other_end(node: &dyn NodeView, netns: NetnsId, link: &Link, gathered: &mut Gathered) -> OtherEnd {
    let pair = is_pair(link);
    match (pair, link.link, &link.kind) {
        (true, None, _) => OtherEnd::Lost(lost(link, LostReason::NoIndex, None)),
        (true, Some(ifindex), _) => peer(node, netns, link, ifindex, gathered),
        (false, Some(ifindex), _) => parent(node, netns, link, ifindex, gathered),
        (false, None, LinkKind::Physical) => OtherEnd::Device,
        (false, None, _) => OtherEnd::Nowhere,
    }
}

/// Whether the kind is one of two ends that are made together.
pub fn is_pair(link: &Link) -> bool {
    matches!(link.kind, LinkKind::Veth | LinkKind::Netkit { .. })
}

/// The namespace in which `link.link` counts: `Err` when it cannot be told.
fn namespace_of(
    node: &dyn NodeView,
    netns: NetnsId,
    link: &Link,
    gathered: &mut Gathered,
) -> Result<NetnsId, LostReason> {
    match link.link_nsid {
        None => Ok(netns),
        Some(Nsid(..=-1)) => Err(LostReason::NotAssigned),
        Some(nsid) => {
            let section = node.resolve_nsid(netns, nsid);
            gathered.take(&section).ok_or(LostReason::Unseen)
        }
    }
}

fn lost(link: &Link, reason: LostReason, netns: Option<NetnsId>) -> Lost {
    Lost { reason, ifindex: link.link, nsid: link.link_nsid, netns }
}

fn parent(node: &dyn NodeView, netns: NetnsId, link: &Link, ifindex: IfIndex, gathered: &mut Gathered) -> OtherEnd {
    let within = match namespace_of(node, netns, link, gathered) {
        Ok(within) => within,
        Err(reason) => return OtherEnd::Lost(lost(link, reason, None)),
    };
    match link_of(node, within, ifindex, gathered) {
        Ok(found) => OtherEnd::Parent { netns: within, link: Box::new(found) },
        Err(reason) => OtherEnd::Lost(lost(link, reason, Some(within))),
    }
}

fn peer(node: &dyn NodeView, netns: NetnsId, link: &Link, ifindex: IfIndex, gathered: &mut Gathered) -> OtherEnd {
    let within = match namespace_of(node, netns, link, gathered) {
        Ok(within) => within,
        Err(reason) => return from_the_host(node, netns, link, reason, gathered),
    };
    let found = match link_of(node, within, ifindex, gathered) {
        Ok(found) => found,
        Err(reason) => return OtherEnd::Lost(lost(link, reason, Some(within))),
    };
    let agreement = agreement(node, (netns, link), (within, &found), gathered);
    OtherEnd::Peer { netns: within, link: Box::new(found), agreement }
}

fn link_of(node: &dyn NodeView, netns: NetnsId, ifindex: IfIndex, gathered: &mut Gathered) -> Result<Link, LostReason> {
    let section = node.links(netns);
    let links = gathered.take(&section);
    match links.iter().find(|link| link.ifindex == ifindex) {
        Some(link) => Ok(link.clone()),
        None if links.is_empty() => Err(LostReason::Unreadable),
        None => Err(LostReason::NoSuchLink),
    }
}

/// Whether `other` names `this` in turn.
fn agreement(
    node: &dyn NodeView,
    (netns, this): (NetnsId, &Link),
    (other_netns, other): (NetnsId, &Link),
    gathered: &mut Gathered,
) -> Agreement {
    if !is_pair(other) {
        return Agreement::Disagree { why: format!("{} is no {}", other.name, this.kind.name()) };
    }
    if other.link != Some(this.ifindex) {
        let named = other.link.map_or_else(|| "no link".to_owned(), |ifindex| format!("ifindex {ifindex}"));
        return Agreement::Disagree { why: format!("{} names {named} as its other end", other.name) };
    }
    match namespace_of(node, other_netns, other, gathered) {
        Ok(back) if back == netns => Agreement::Both,
        Ok(back) => Agreement::Disagree { why: format!("{} names a link of {back} as its other end", other.name) },
        Err(LostReason::NotAssigned) => {
            Agreement::OneSide { why: "the kernel has given the pod's namespace no number there".to_owned() }
        }
        Err(_) => Agreement::OneSide {
            why: format!("nsid {} of {other_netns} could not be resolved", other.link_nsid.unwrap_or(Nsid(-1))),
        },
    }
}

/// Where this side's number leads nowhere, the host's side may still name this link: an end there
/// with the right ifindex whose own number resolves to this namespace.
fn from_the_host(
    node: &dyn NodeView,
    netns: NetnsId,
    link: &Link,
    reason: LostReason,
    gathered: &mut Gathered,
) -> OtherEnd {
    let host = node.node().host_netns;
    if netns == host {
        return OtherEnd::Lost(lost(link, reason, None));
    }
    let section = node.links(host);
    let candidate = gathered
        .take(&section)
        .iter()
        .find(|other| Some(other.ifindex) == link.link && is_pair(other) && other.link == Some(link.ifindex));
    let Some(candidate) = candidate else { return OtherEnd::Lost(lost(link, reason, None)) };
    match namespace_of(node, host, candidate, gathered) {
        Ok(back) if back == netns => OtherEnd::Peer {
            netns: host,
            link: Box::new(candidate.clone()),
            agreement: Agreement::OneSide { why: lost(link, reason, None).words() },
        },
        _ => OtherEnd::Lost(lost(link, reason, None)),
    }
}
