//! Services by the address and port that a flow asked for: one reading of where services begin, and the chains
//! of one service when it is first asked for.
//!
//! May import model and its siblings only.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::evidence::Words;
use super::finish::{Detail, Draft};
use super::index::{Does, Group, Key, Place};
use super::pods::Pods;
use super::query::Asked;
use super::select::Indexed;
use super::types::{FrontKind, Mode, ServicePort};
use super::{index, iptables, is_beyond};
use crate::analyze::answer::Gathered;
use crate::model::kube_proxy::Protocol;
use crate::model::netfilter::table::Family;
use crate::model::view::NodeView;

/// A place in the groups, what the address is to it, and its protocol.
type Begins = (usize, FrontKind, Option<Protocol>);

/// The same of a node port.
type Ported = (usize, Option<Protocol>);

/// Where a service port sends packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Its name, or what stands for it.
    pub title: String,
    /// The endpoints, whoever asks.
    pub to: BTreeSet<SocketAddr>,
    /// Whether its chains could be read to their ends: if not, there may be more.
    pub whole: bool,
}

/// Where services of one node begin.
pub struct Beginnings<'a> {
    indexed: Indexed<'a>,
    addresses: Listed<(IpAddr, u16), Begins>,
    node_ports: Listed<(Family, u16), Ported>,
    pods: Option<Pods>,
    doubt: Option<&'static str>,
}

/// Values by key, several of which may have one: there are as many keys as services.
struct Listed<K, V>(Vec<(K, V)>);

impl<K: Ord + Copy, V> Listed<K, V> {
    fn of(mut pairs: Vec<(K, V)>) -> Self {
        // Those of one key stay in their order.
        pairs.sort_by_key(|(key, _)| *key);
        Self(pairs)
    }

    fn at(&self, key: K) -> impl Iterator<Item = &V> {
        let first = self.0.partition_point(|(its, _)| *its < key);
        self.0.iter().skip(first).take_while(move |(its, _)| *its == key).map(|(_, value)| value)
    }
}

/// Says that where services begin is going to be asked for: a live node may read the long chains of iptables mode
/// while something else is asked.
pub fn expect(node: &dyn NodeView) {
    let (view, host) = (node.netfilter(), node.node().host_netns);
    // What could not be read is said when it is asked for.
    for table in view.tables(host).value.iter().filter(|table| table.id.name == *"nat" && !table.dormant) {
        for name in iptables::LONG {
            view.expect_chain(host, &table.id.chain(name));
        }
    }
}

impl<'a> Beginnings<'a> {
    /// Reads where services begin: a chain of rules, or the maps of nftables mode.
    pub fn read(node: &'a dyn NodeView, gathered: &mut Gathered) -> Self {
        // Any address without a port: nothing is looked up by key.
        let asked = Asked::Address(IpAddr::from([0, 0, 0, 0]), None);
        let indexed = index(&[node], &asked, gathered).swap_remove(0);
        let doubt = match indexed.mode {
            Mode::Ipvs => Some("IPVS turns services into endpoints here, which podnet does not read"),
            mode if is_beyond(mode) => Some("BPF programs may turn services into endpoints here"),
            _ if indexed.sets.iter().any(|set| set.source.is_unsure()) => {
                Some("some of the rules of services could not be read")
            }
            _ => None,
        };
        let mut addresses = Vec::with_capacity(indexed.groups.len());
        // Both families of a service stand in one group, and each has rules of its own.
        let mut node_ports = Vec::new();
        for (at, group) in indexed.groups.iter().enumerate() {
            let of_group = match group.key {
                Key::Named(_, protocol) => protocol,
                Key::Hash(_) => None,
            };
            for (set, entry) in indexed.entries(at) {
                if entry.does == Does::LetIn {
                    continue;
                }
                let protocol = entry.protocol.or(of_group);
                match entry.place {
                    Place::Address(kind, address, port) => {
                        addresses.push(((address, port), (at, kind, protocol)));
                    }
                    Place::NodePort(port) => {
                        let family = indexed.sets[set].set.family;
                        node_ports.push(((family, port), (at, protocol)));
                    }
                    Place::HealthCheck(_) => {}
                }
            }
        }
        let (addresses, node_ports) = (Listed::of(addresses), Listed::of(node_ports));
        Self { indexed, addresses, node_ports, pods: None, doubt }
    }

    /// The service port that has this address and port.
    pub fn at(&self, address: IpAddr, port: u16, protocol: u8) -> Option<(usize, FrontKind)> {
        let found = self.addresses.at((address, port));
        let of = |its: Option<Protocol>| its.is_none_or(|its| its.number() == protocol);
        // The least kind is the most definite.
        found.filter(|(_, _, its)| of(*its)).map(|(at, kind, _)| (*at, *kind)).min()
    }

    /// The service port that has this node port of one of the node's addresses. On which it answers is not asked.
    pub fn at_node_port(&self, address: IpAddr, port: u16, protocol: u8) -> Option<usize> {
        let family = if address.is_ipv4() { Family::Ip } else { Family::Ip6 };
        let mut found = self.node_ports.at((family, port));
        let of = |its: Option<Protocol>| its.is_none_or(|its| its.number() == protocol);
        found.find(|(_, its)| of(*its)).map(|(at, _)| *at)
    }

    /// All service ports that a packet to there may be sent by: several where two sets of rules are in force.
    pub fn all_at(&self, address: IpAddr, port: u16, protocol: u8, is_nodes: bool) -> Vec<usize> {
        let of = |its: Option<Protocol>| its.is_none_or(|its| its.number() == protocol);
        let by_address = self.addresses.at((address, port));
        let mut all: Vec<usize> = by_address.filter(|(_, _, its)| of(*its)).map(|(at, ..)| *at).collect();
        if all.is_empty() && is_nodes {
            let family = if address.is_ipv4() { Family::Ip } else { Family::Ip6 };
            let by_port = self.node_ports.at((family, port));
            all.extend(by_port.filter(|(_, its)| of(*its)).map(|(at, _)| *at));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The service ports that have this address on any port, by title; none where it is no service's.
    pub fn titles_at(&self, address: IpAddr) -> Vec<String> {
        let found = self.addresses.0.iter().filter(|((its, _), _)| *its == address);
        let mut titles: Vec<String> = found.map(|(_, (at, ..))| self.title(*at)).collect();
        titles.sort_unstable();
        titles.dedup();
        titles
    }

    /// Where some service ports send packets, in the same order. Of many, the chains are read together.
    pub fn endpoints(&mut self, wanted: &[usize], gathered: &mut Gathered) -> Vec<Endpoints> {
        let together = wanted.len() > super::BATCH;
        if together {
            for set in &mut self.indexed.sets {
                set.source.read_whole();
            }
        }
        let mut all = Vec::with_capacity(wanted.len());
        let mut batches = wanted.chunks(super::BATCH).peekable();
        while let Some(batch) = batches.next() {
            if together {
                super::read_batch(&self.indexed, batch, batches.peek().copied());
            }
            for at in batch.iter().copied() {
                let mut draft = Draft::new(self.group(at), Detail { words: Words::Left, partial: false });
                for (place, set) in self.indexed.sets.iter().enumerate() {
                    let entries: Vec<_> =
                        self.indexed.entries(at).filter(|(of, _)| *of == place).map(|(_, entry)| entry).collect();
                    if !entries.is_empty() {
                        draft.add(set, &entries);
                    }
                }
                let port = draft.done(None);
                all.push(Endpoints {
                    title: port.title,
                    to: port.endpoints.iter().map(|to| SocketAddr::new(to.address, to.port)).collect(),
                    whole: port.whole,
                });
            }
        }
        self.issues(gathered);
        all
    }

    fn group(&self, at: usize) -> &Group {
        &self.indexed.groups[at]
    }

    /// Its name, or what stands for it.
    pub fn title(&self, at: usize) -> String {
        match &self.group(at).key {
            Key::Named(name, _) => name.to_string(),
            Key::Hash(hash) => hash.clone(),
        }
    }

    /// Reads the chains of some of them together: each is asked for next.
    pub fn prepare(&self, wanted: &[usize]) {
        super::read_batch(&self.indexed, wanted, None);
    }

    /// All that its chains say.
    pub fn service(&mut self, at: usize, gathered: &mut Gathered) -> ServicePort {
        let mut draft = Draft::new(self.group(at), Detail { words: Words::Told, partial: false });
        for (place, set) in self.indexed.sets.iter().enumerate() {
            let entries: Vec<_> =
                self.indexed.entries(at).filter(|(of, _)| *of == place).map(|(_, entry)| entry).collect();
            if !entries.is_empty() {
                draft.add(set, &entries);
            }
        }
        if self.pods.is_none() {
            self.pods = Some(Pods::read(self.indexed.node, gathered));
        }
        draft.done(self.pods.as_ref())
    }

    /// Lets go of the chains where services begin, which only evidence needs: [`Self::service`] is not to be asked
    /// any more.
    pub fn let_go(&mut self) {
        let host = self.indexed.node.node().host_netns;
        let sets = self.indexed.sets.iter_mut();
        // Their rules go first: who forgets a chain may give its memory back.
        let ids: Vec<_> = sets.flat_map(|set| set.begun.chains.drain(..)).map(|held| held.id).collect();
        for id in ids {
            self.indexed.node.netfilter().forget_chain(host, &id);
        }
    }

    /// Why a service may be there that was not found; `None` where there is none.
    pub fn doubt(&self) -> Option<&'static str> {
        self.doubt
    }

    /// Hands over what could not be read.
    pub fn issues(&self, gathered: &mut Gathered) {
        for set in &self.indexed.sets {
            set.source.issues(gathered);
        }
    }
}
