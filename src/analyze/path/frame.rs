//! The frame around a packet, and the rules that ask it: chains of the bridge family, and those of one link
//! (netdev's, and inet's ingress).
//!
//! May import model and analyze's siblings only. Who asks for a neighbour sends frames too, and those of ARP bear no
//! packet: [`Arp`] stands in its place.

use std::net::Ipv4Addr;
use std::rc::Rc;

use super::error::Here;
use super::rules::Ruling;
use super::types::{Beneath, Stop};
use super::walk::{Crossing, Walk};
use super::world::{Link, Place, World};
use crate::analyze::naming::LinkRef;
use crate::model::ids::{IfIndex, MacAddr};
use crate::model::netfilter::chain::{Base, Chain, Hook};
use crate::model::netfilter::table::Family as TableFamily;

/// `PACKET_*`
pub(super) const HOST: u16 = 0;
const BROADCAST: u16 = 1;
const MULTICAST: u16 = 2;
pub(super) const OTHERHOST: u16 = 3;

/// Whose rules are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) enum Layer {
    /// IP's, of both families.
    #[default]
    Ip,
    /// A bridge's.
    Bridge,
    /// One link's: netdev's.
    Device,
    /// One link's, in a table of the family inet.
    DeviceInet,
}

/// What is told of the frame that bears the packet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Frame {
    /// Whose rules are being asked.
    pub layer: Layer,
    /// Its destination address; `None` where nothing tells.
    pub to: Option<MacAddr>,
    /// `PACKET_*`: whose the namespace takes it for.
    pub kind: u16,
    /// What it bears in a packet's place.
    pub arp: Option<Arp>,
    /// The link whose rules rejected it as it came in.
    pub rejected_on: Option<IfIndex>,
}

/// A question or an answer of ARP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arp {
    /// `ARPOP_*`
    pub operation: u16,
    pub sender: (MacAddr, Ipv4Addr),
    pub target: (MacAddr, Ipv4Addr),
}

impl Arp {
    /// The bytes of its body, of Ethernet and IPv4.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0, 1, 8, 0, 6, 4];
        bytes.extend(self.operation.to_be_bytes());
        for (mac, address) in [&self.sender, &self.target] {
            bytes.extend(&mac.0);
            bytes.extend(address.octets());
        }
        bytes
    }
}

/// Bridge chains that run before what `br_netfilter` hands to IP, and those that run behind it.
pub(super) struct Around {
    pub before: Vec<Rc<Chain>>,
    pub behind: Vec<Rc<Chain>>,
}

impl Walk<'_, '_> {
    /// A frame comes in by a link: whose it is (`eth_type_trans`).
    pub fn arrives_at(&mut self, link: &Link) {
        self.frame.kind = match &self.frame.to {
            Some(to) if to.0.iter().all(|byte| *byte == 0xff) && !to.0.is_empty() => BROADCAST,
            Some(to) if to.0.first().is_some_and(|first| first & 1 != 0) => MULTICAST,
            Some(to) if *to != link.mac => OTHERHOST,
            _ => HOST,
        };
    }

    /// Base chains of one layer, by priority.
    fn chains_of(&self, place: Place, is_one: impl Fn(&Chain, &Base) -> bool) -> Result<Vec<Rc<Chain>>, Stop> {
        if !self.world.has_beneath(place)? {
            return Ok(Vec::new());
        }
        let netfilter = self.world.view(place)?.netfilter();
        let chains = World::whole(netfilter.base_chains(place.netns))?;
        let wanted = |chain: &&Chain| chain.base.as_ref().is_some_and(|base| is_one(chain, base));
        let mut found: Vec<Rc<Chain>> =
            chains.value.iter().filter(wanted).map(|chain| Rc::new(chain.clone())).collect();
        if found.is_empty() {
            return Ok(found);
        }
        let tables = World::whole(netfilter.tables(place.netns))?;
        let is_dormant = |chain: &Chain| tables.value.iter().any(|table| table.id == chain.id.table && table.dormant);
        found.retain(|chain| !is_dormant(chain));
        found.sort_by_key(|chain| priority(chain));
        Ok(found)
    }

    /// The chains of a bridge at a hook. Where its frames go through IP's hooks too (`filtered`) these run at a place
    /// among them: at `at`, which of two of one priority is first nothing tells. Mirrors `br_nf_ops`.
    pub fn bridge_chains(
        &mut self,
        place: Place,
        hook: Hook,
        filtered: Option<std::ops::RangeInclusive<i32>>,
    ) -> Result<Around, Stop> {
        let all =
            self.chains_of(place, |chain, base| chain.id.table.family == TableFamily::Bridge && base.hook == hook)?;
        let Some(at) = filtered else { return Ok(Around { before: all, behind: Vec::new() }) };
        let mut around = Around { before: Vec::new(), behind: Vec::new() };
        for chain in all {
            let is_before = match priority(&chain) {
                earlier if earlier < *at.start() => true,
                later if later > *at.end() => false,
                _ if self.is_idle(place, &chain)? => true,
                _ => self.chance.holds(
                    &format!("{} of {} is asked before IP's hooks in the bridge", chain.id.name, chain.id.table.name),
                    None,
                ),
            };
            if is_before { around.before.push(chain) } else { around.behind.push(chain) }
        }
        Ok(around)
    }

    /// Chains of the family arp, which are not followed: those that do nothing are none.
    pub fn no_arp_chains(&self, place: Place, hook: Hook) -> Result<(), Stop> {
        let is_one = |chain: &Chain, base: &Base| chain.id.table.family == TableFamily::Arp && base.hook == hook;
        for chain in self.chains_of(place, is_one)? {
            if !self.is_idle(place, &chain)? {
                let name = &chain.id.name;
                return Err(Stop::unknown(format!("the chain {name} of the family arp, which is not followed")));
            }
        }
        Ok(())
    }

    /// Asks a bridge's chains.
    pub fn ask_bridge(
        &mut self,
        place: Place,
        bridge: &Link,
        hook: Hook,
        (input, output): (Option<&Link>, Option<&Link>),
        chains: &[Rc<Chain>],
    ) -> Result<(), Stop> {
        let mut at = Crossing::new(place, hook, input, output);
        self.ask(&mut at, Layer::Bridge, Beneath::Bridge { link: LinkRef::of(bridge) }, chains)
    }

    /// The rules of a link itself, as a frame comes in by it. Behind tc's and before bridges get it
    /// (`__netif_receive_skb_core`).
    pub fn ingress(&mut self, place: Place, link: &Link) -> Result<(), Stop> {
        self.at_link(place, link, Hook::Ingress)
    }

    /// The same as it leaves, before tc's and before captures see it (`__dev_queue_xmit`).
    pub fn egress_of(&mut self, place: Place, link: &Link) -> Result<(), Stop> {
        self.at_link(place, link, Hook::Egress)
    }

    fn at_link(&mut self, place: Place, link: &Link, hook: Hook) -> Result<(), Stop> {
        let is_arp = self.frame.arp.is_some();
        let chains = self.chains_of(place, |chain, base| {
            let sees = match chain.id.table.family {
                TableFamily::Netdev => true,
                TableFamily::Inet => !is_arp,
                _ => false,
            };
            sees && base.hook == hook
                && base.devices.iter().any(|device| is_device(device.as_bytes(), link.name.as_bytes()))
        })?;
        if chains.is_empty() {
            return Ok(());
        }
        let (input, output) = if hook == Hook::Ingress { (Some(link), None) } else { (None, Some(link)) };
        let mut at = Crossing::new(place, hook, input, output);
        let asked = self.ask(&mut at, Layer::Device, Beneath::Netdev { link: LinkRef::of(link) }, &chains);
        match (&asked, hook) {
            (Err(Stop::Rejected { .. }), Hook::Ingress) => {
                self.here = Some(Here { place, hook: None, input: Some(link.ifindex), port: None, is_local: false });
                self.frame.rejected_on = Some(link.ifindex);
            }
            (Err(Stop::Dropped { .. }), Hook::Egress) => self.refused_by_link = self.is_first_link() && !self.waited,
            _ => {}
        }
        asked
    }

    fn ask(&mut self, at: &mut Crossing, layer: Layer, beneath: Beneath, chains: &[Rc<Chain>]) -> Result<(), Stop> {
        if chains.is_empty() {
            return Ok(());
        }
        let before = self.packet.clone();
        let mac = (self.mac.clone(), self.frame.to.clone());
        self.begin_hook();
        let asked = self.ask_each(at, layer, chains);
        self.frame.layer = Layer::Ip;
        self.told_frame(at, beneath, &before, &mac);
        asked
    }

    fn ask_each(&mut self, at: &mut Crossing, layer: Layer, chains: &[Rc<Chain>]) -> Result<(), Stop> {
        for equal in chains.chunk_by(|one, other| priority(one) == priority(other)) {
            for chain in self.in_some_order(at, equal)? {
                let is_inet = layer == Layer::Device && chain.id.table.family == TableFamily::Inet;
                self.frame.layer = if is_inet { Layer::DeviceInet } else { layer };
                match self.base_chain(at, &chain)? {
                    Ruling::Accept => {}
                    Ruling::Ends(stop) => return Err(stop),
                    Ruling::Maps(_) => {
                        return Err(Stop::unknown(format!("{} translates outside of nat", chain.id.name)));
                    }
                }
            }
        }
        Ok(())
    }
}

impl World<'_> {
    /// Whether a namespace has base chains beneath IP: of a bridge, of a link, of ARP.
    fn has_beneath(&self, place: Place) -> Result<bool, Stop> {
        if let Some(known) = self.memory.beneath.borrow().get(&(place, ())) {
            return Ok(*known);
        }
        let chains = Self::whole(self.view(place)?.netfilter().base_chains(place.netns))?;
        let is_beneath = |chain: &Chain| {
            let family = chain.id.table.family;
            let at_link = chain.base.as_ref().is_some_and(|base| matches!(base.hook, Hook::Ingress | Hook::Egress));
            at_link || matches!(family, TableFamily::Bridge | TableFamily::Netdev | TableFamily::Arp)
        };
        let found = chains.value.iter().any(is_beneath);
        self.memory.beneath.borrow_mut().insert((place, ()), found);
        Ok(found)
    }
}

pub(super) fn priority(chain: &Chain) -> i32 {
    chain.base.as_ref().map_or(0, |base| base.priority)
}

fn is_device(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_last() {
        Some((b'*', beginning)) => name.starts_with(beginning),
        _ => pattern == name,
    }
}
