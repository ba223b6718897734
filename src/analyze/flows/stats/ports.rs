//! How many ports of a masquerade address are taken towards one destination.
//!
//! May import model and its siblings only.
//!
//! Two flows of one protocol may have the same masquerade address and port as long as their destinations
//! differ, so the limit is per protocol, masquerade address, destination address and port. The kernel keeps a
//! source port in its class (`nf_nat_l4proto_unique_tuple`): up to 511, up to 1023, or above.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::flow::Flow;
use crate::model::flow::status::Status;
use crate::model::flow::tuple::Key as L4Key;

/// How many destinations are held at a time.
const MOST: usize = 65_536;
/// 1024 to 65535.
pub(super) const UNPRIVILEGED: u64 = 64_512;
/// The identifiers of echoes, all of them.
pub(super) const IDENTIFIERS: u64 = 65_536;

/// What has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Towards {
    pub(super) protocol: u8,
    pub(super) address: IpAddr,
    pub(super) destination: IpAddr,
    /// `None` for echoes.
    pub(super) port: Option<u16>,
}

/// What is taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken {
    /// Masqueraded flows.
    pub(super) masqueraded: u32,
    /// Flows of the node's own, from the same address to the same destination: their ports are taken too.
    pub(super) own: u32,
    /// Flows whose port is below 1024: those ports have limits of their own.
    pub(super) privileged: u32,
    /// Masqueraded flows by who began them.
    pub(super) shares: Vec<(Option<u32>, u32)>,
}

impl Taken {
    fn all(&self) -> u32 {
        self.masqueraded.saturating_add(self.own).saturating_add(self.privileged)
    }
}

/// Counts taken ports, in bounded memory: where there are too many destinations, those with few flows are let go.
#[derive(Default)]
pub(super) struct Ports {
    held: BTreeMap<Towards, Taken>,
    /// How many flows a destination may have lost by being let go.
    pub(super) short_by: u32,
}

impl Ports {
    /// Counts a flow. `client` is who began it, and `is_nodes` whether that is the node itself.
    pub(super) fn count(&mut self, flow: &Flow, client: Option<u32>, is_nodes: bool) {
        let is_masqueraded = flow.status.has(Status::SRC_NAT) && flow.reply.dst != flow.original.src;
        if !is_masqueraded && !is_nodes {
            return;
        }
        let (port, taken) = match flow.reply.key {
            L4Key::Ports { src, dst } => (Some(src), dst),
            L4Key::Icmp { id, .. } => (None, id),
            L4Key::None => return,
        };
        let towards =
            Towards { protocol: flow.original.protocol, address: flow.reply.dst, destination: flow.reply.src, port };
        if self.held.len() >= MOST && !self.held.contains_key(&towards) {
            self.let_go();
        }
        let entry = self.held.entry(towards).or_default();
        if port.is_some() && taken < 1024 {
            entry.privileged += 1;
        } else if is_masqueraded {
            entry.masqueraded += 1;
            match entry.shares.iter_mut().find(|(who, _)| *who == client) {
                Some((_, count)) => *count += 1,
                None => entry.shares.push((client, 1)),
            }
        } else {
            entry.own += 1;
        }
    }

    /// Lets go of the destinations with the fewest flows until a quarter is free. Which are let go does not
    /// depend on the order in which they are held.
    fn let_go(&mut self) {
        let mut fewest = 0;
        while self.held.len() > MOST / 4 * 3 {
            fewest += 1;
            self.held.retain(|_, taken| taken.all() > fewest);
        }
        self.short_by = self.short_by.saturating_add(fewest);
    }

    /// Those to which something is masqueraded, the fullest first.
    pub(super) fn done(self) -> Vec<(Towards, Taken)> {
        let mut all: Vec<_> = self.held.into_iter().filter(|(_, taken)| taken.masqueraded > 0).collect();
        all.sort_by_key(|(towards, taken)| (std::cmp::Reverse(taken.masqueraded.saturating_add(taken.own)), *towards));
        all
    }
}
