//! Counts flows as they pass: by protocol, by pod, and the ports that they take.
//!
//! May import model and its siblings only. Its memory does not grow with the table.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::ports::Ports;
use crate::model::flow::Flow;
use crate::model::flow::status::Status;
use crate::model::keyed::Keyed;

/// Whose addresses are: a number for each pod, and one for the node.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// The pods' addresses.
    pub(super) pods: Keyed<IpAddr, u32>,
    /// The node's own addresses.
    pub(super) node: Keyed<IpAddr, u32>,
    /// Whose 127.0.0.0/8 and `::1` are.
    pub(super) loopback: Option<u32>,
}

impl Holders {
    /// Who has an address, and whether it is the node.
    fn of(&self, address: IpAddr) -> (Option<u32>, bool) {
        if let Some(pod) = self.pods.get(&address) {
            return (Some(*pod), false);
        }
        if let Some(node) = self.node.get(&address) {
            return (Some(*node), true);
        }
        // Every address of 127.0.0.0/8 is local, and one alone is configured. None of them is masqueraded.
        (self.loopback.filter(|_| address.is_loopback()), false)
    }
}

/// Flows of one pod, or of the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) flows: u64,
    pub(super) begun: u64,
    pub(super) served: u64,
}

/// Flows of one protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OfProtocol {
    pub(super) flows: u64,
    pub(super) unanswered: u64,
    pub(super) assured: u64,
}

/// All that is counted.
pub(super) struct Tally<'h> {
    holders: &'h Holders,
    pub(super) flows: u64,
    pub(super) protocols: BTreeMap<u8, OfProtocol>,
    /// By holder; `None`: neither end is a pod of this node or the node itself.
    pub(super) parts: BTreeMap<Option<u32>, Part>,
    pub(super) ports: Ports,
}

impl<'h> Tally<'h> {
    pub(super) fn new(holders: &'h Holders) -> Self {
        Self { holders, flows: 0, protocols: BTreeMap::new(), parts: BTreeMap::new(), ports: Ports::default() }
    }

    /// Counts one flow.
    pub(super) fn count(&mut self, flow: &Flow) {
        self.flows += 1;
        let protocol = self.protocols.entry(flow.original.protocol).or_default();
        protocol.flows += 1;
        protocol.unanswered += u64::from(!flow.status.has(Status::SEEN_REPLY));
        protocol.assured += u64::from(flow.status.has(Status::ASSURED));
        let (client, is_nodes) = self.holders.of(flow.original.src);
        let (server, _) = self.holders.of(flow.reply.src);
        self.ports.count(flow, client, is_nodes);
        if client.is_none() && server.is_none() {
            self.parts.entry(None).or_default().flows += 1;
            return;
        }
        if client.is_some() {
            let part = self.parts.entry(client).or_default();
            part.flows += 1;
            part.begun += 1;
        }
        if server.is_some() {
            let part = self.parts.entry(server).or_default();
            part.flows += u64::from(server != client);
            part.served += 1;
        }
    }
}
