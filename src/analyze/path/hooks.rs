//! The places at which netfilter is hooked in, in the kernel's order: base chains of both back ends,
//! conntrack, and nat at its own place.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;
use std::rc::Rc;

use super::error::Tells;
use super::flow::{Flow, Side, Tracking};
use super::frame::priority;
use super::packet::{ICMPV6, Packet, SCTP, TCP, UDP};
use super::rules::Ruling;
use super::types::{Acted, Beneath, StepKind, Stop, Tried};
use super::walk::{Crossing, Egress, Walk};
use super::world::{Place, World};
use crate::analyze::netfilter::text::{RuleRef, counters, text_within};
use crate::model::ids::MacAddr;
use crate::model::netfilter::chain::{Chain, ChainKind, ChainRef, Hook};
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::table::Family as TableFamily;
use crate::model::route::Family;

/// `NF_IP_PRI_CONNTRACK`
const CONNTRACK: i32 = -200;
/// `NF_IP_PRI_NAT_DST`
const NAT_DESTINATION: i32 = -100;
/// `NF_IP_PRI_NAT_SRC`
const NAT_SOURCE: i32 = 100;

/// `NF_IP_PRI_CONNTRACK_DEFRAG`
const DEFRAG: i32 = -400;

/// How many rules that did nothing are told of one hook.
const MOST_TRIED: usize = 100;

/// What runs at a hook.
pub(super) enum Op {
    Conntrack,
    Nat(Vec<Rc<Chain>>),
    /// Chains of one priority, whose order nothing tells.
    Chains(Vec<Rc<Chain>>),
}

impl Walk<'_, '_> {
    /// The packet crosses a hook. Where rules of output had it routed again: its new way.
    pub fn cross(&mut self, at: &mut Crossing) -> Result<Option<Egress>, Stop> {
        let mut before = self.packet.clone();
        self.stands_at(at);
        self.begin_hook();
        let mut egress = None;
        let result = self.run(at, &mut egress, &mut before);
        self.told_hook(at, &before);
        // The last thing there is conntrack, which keeps the flow. Mirrors `nf_confirm`.
        if result.is_ok()
            && matches!(at.hook, Hook::Postrouting | Hook::Input)
            && !self.is_related()
            && let Some(flow) = self.flow_mut()
        {
            flow.confirmed = true;
        }
        if let (true, Some(here)) = (result.is_ok(), &mut self.here) {
            here.hook = None;
        }
        result.map(|()| egress)
    }

    /// Nothing was done yet at the hook that is crossed.
    pub fn begin_hook(&mut self) {
        self.acted.clear();
        self.tried = Tried::default();
    }

    /// Tells what was done beneath IP, and what the frame's addresses were changed to.
    pub fn told_frame(
        &mut self,
        at: &Crossing,
        beneath: Beneath,
        before: &Packet,
        (from, to): &(Option<MacAddr>, Option<MacAddr>),
    ) {
        let mut changed = Vec::new();
        if *from != self.mac {
            changed.extend(self.mac.as_ref().map(|mac| format!("its frame comes from {mac} now")));
        }
        if *to != self.frame.to {
            changed.extend(self.frame.to.as_ref().map(|mac| format!("its frame goes to {mac} now")));
        }
        if !self.is_told
            || (self.acted.is_empty() && self.tried.is_empty() && changed.is_empty() && *before == self.packet)
        {
            return;
        }
        let rules = std::mem::take(&mut self.acted);
        let tried = std::mem::take(&mut self.tried);
        let beneath = Some(beneath);
        let what = StepKind::Hooked { hook: at.hook, in_bridge: false, beneath, state: None, rules, tried };
        self.step(at.place, what, Some(before));
        if let Some(step) = self.steps.last_mut() {
            step.changed.append(&mut changed);
        }
    }

    fn told_hook(&mut self, at: &Crossing, before: &Packet) {
        if !self.is_told || (self.acted.is_empty() && self.tried.is_empty() && *before == self.packet) {
            return;
        }
        let rules = std::mem::take(&mut self.acted);
        let tried = std::mem::take(&mut self.tried);
        let state = self.flow_state();
        let what = StepKind::Hooked { hook: at.hook, in_bridge: at.in_bridge, beneath: None, state, rules, tried };
        self.step(at.place, what, Some(before));
    }

    fn run(&mut self, at: &mut Crossing, egress: &mut Option<Egress>, before: &mut Packet) -> Result<(), Stop> {
        let ops = self.ops(at.place, at.hook)?;
        for op in ops.iter() {
            self.puts_together(at, op)?;
            let entered = self.packet.clone();
            let mut reroutes = false;
            match op {
                Op::Conntrack => self.track(at.place)?,
                Op::Nat(chains) => {
                    self.nat(at, chains)?;
                    reroutes = entered.tuple.destination != self.packet.tuple.destination;
                }
                Op::Chains(chains) => {
                    for chain in self.in_some_order(at, chains)? {
                        match self.base_chain(at, &chain)? {
                            Ruling::Accept => {}
                            Ruling::Ends(stop) => return Err(stop),
                            Ruling::Maps(_) => {
                                return Err(Stop::unknown(format!("{} translates outside of nat", chain.id.name)));
                            }
                        }
                        let is_route = chain.base.as_ref().is_some_and(|base| base.kind == ChainKind::Route);
                        reroutes |= is_route && routes_anew(&entered, &self.packet);
                    }
                }
            }
            if at.hook == Hook::Output && reroutes {
                // Rules that follow still see the link that it would have left by (`nf_hook_state` is made once).
                self.told_hook(at, before);
                let new = self.reroute(at.place)?;
                *egress = Some(new);
                before.clone_from(&self.packet);
            }
        }
        Ok(())
    }

    /// Where conntrack looks at packets, pieces are put together before most rules see them. Mirrors
    /// `nf_ct_netns_get`.
    fn puts_together(&mut self, at: &Crossing, next: &Op) -> Result<(), Stop> {
        let joins_here = matches!(at.hook, Hook::Prerouting | Hook::Output);
        if self.piece.is_none() || self.joined || !joins_here || !self.world.tracks(at.place, self.packet.family())? {
            return Ok(());
        }
        if let Op::Chains(chains) = next
            && let Some(chain) = chains.first()
        {
            match priority(chain).cmp(&DEFRAG) {
                std::cmp::Ordering::Less => return Ok(()),
                std::cmp::Ordering::Greater => {}
                std::cmp::Ordering::Equal => {
                    return Err(Stop::unknown(format!(
                        "{} has the priority at which pieces are put together, and which is first nothing tells",
                        chain.id.name
                    )));
                }
            }
        }
        self.join()
    }

    /// The base chains of the packet's family at a hook, those of dormant tables left out, by priority.
    fn chains_at(&self, place: Place, hook: Hook) -> Result<Vec<Rc<Chain>>, Stop> {
        let netfilter = self.world.view(place)?.netfilter();
        let chains = World::whole(netfilter.base_chains(place.netns))?;
        if chains.value.is_empty() {
            return Ok(Vec::new());
        }
        let tables = World::whole(netfilter.tables(place.netns))?;
        let seen_by = |family| match self.packet.family() {
            Family::Ipv4 => matches!(family, TableFamily::Ip | TableFamily::Inet),
            Family::Ipv6 => matches!(family, TableFamily::Ip6 | TableFamily::Inet),
        };
        let is_dormant = |chain: &Chain| tables.value.iter().any(|table| table.id == chain.id.table && table.dormant);
        let mut found: Vec<Rc<Chain>> = chains
            .value
            .iter()
            .filter(|chain| chain.base.as_ref().is_some_and(|base| base.hook == hook))
            .filter(|chain| seen_by(chain.id.table.family) && !is_dormant(chain))
            .map(|chain| Rc::new(chain.clone()))
            .collect();
        found.sort_by_key(|chain| priority(chain));
        Ok(found)
    }

    /// nat stands at all four of its hooks as soon as one chain at any of them asks for it, and at none before
    /// (`nf_nat_register_fn`).
    fn has_nat(&self, place: Place) -> Result<bool, Stop> {
        let chains = World::whole(self.world.view(place)?.netfilter().base_chains(place.netns))?;
        let sees = |family| match self.packet.family() {
            Family::Ipv4 => matches!(family, TableFamily::Ip | TableFamily::Inet),
            Family::Ipv6 => matches!(family, TableFamily::Ip6 | TableFamily::Inet),
        };
        let is_nat = |chain: &&Chain| chain.base.as_ref().is_some_and(|base| base.kind == ChainKind::Nat);
        Ok(chains.value.iter().filter(is_nat).any(|chain| sees(chain.id.table.family)))
    }

    fn ops(&self, place: Place, hook: Hook) -> Result<Rc<Vec<Op>>, Stop> {
        let key = (place, (hook, self.packet.family()));
        if let Some(known) = self.world.memory.hooks.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let (nat, others): (Vec<Rc<Chain>>, Vec<Rc<Chain>>) = self
            .chains_at(place, hook)?
            .into_iter()
            .partition(|chain| chain.base.as_ref().is_some_and(|base| base.kind == ChainKind::Nat));
        let mut ops: Vec<(i32, Op)> = Vec::new();
        for chain in others {
            match ops.last_mut() {
                Some((at, Op::Chains(equal))) if *at == priority(&chain) => equal.push(chain),
                _ => ops.push((priority(&chain), Op::Chains(vec![chain]))),
            }
        }
        // Between a chain and conntrack or nat of the same priority the order is not known; both are rare and refused.
        let mut insert = |at: i32, op: Op| -> Result<(), Stop> {
            if let Some((_, Op::Chains(chains))) = ops.iter().find(|(priority, _)| *priority == at)
                && let Some(chain) = chains.first()
            {
                return Err(Stop::unknown(format!(
                    "{} has the priority of conntrack's or nat's own place, and which of both is first nothing tells",
                    chain.id.name
                )));
            }
            let index = ops.iter().take_while(|(priority, _)| *priority < at).count();
            ops.insert(index, (at, op));
            Ok(())
        };
        let has_nat = self.has_nat(place)?;
        match hook {
            Hook::Prerouting | Hook::Output => {
                insert(CONNTRACK, Op::Conntrack)?;
                if has_nat {
                    insert(NAT_DESTINATION, Op::Nat(nat))?;
                }
            }
            Hook::Input | Hook::Postrouting if has_nat => insert(NAT_SOURCE, Op::Nat(nat))?,
            _ => {}
        }
        let ops: Rc<Vec<Op>> = Rc::new(ops.into_iter().map(|(_, op)| op).collect());
        self.world.memory.hooks.borrow_mut().insert(key, Rc::clone(&ops));
        Ok(ops)
    }

    /// Of chains with one priority the later registered runs first, which nothing tells.
    pub fn in_some_order(&mut self, at: &Crossing, chains: &[Rc<Chain>]) -> Result<Vec<Rc<Chain>>, Stop> {
        let mut deciding = Vec::new();
        for chain in chains {
            if chains.len() > 1 && !self.is_idle(at.place, chain)? {
                deciding.push(chain.clone());
            }
        }
        match deciding.len() {
            0 if chains.len() == 1 => Ok(chains.to_vec()),
            0 | 1 => Ok(deciding),
            2 | 3 => {
                let words = |order: &Vec<Rc<Chain>>| {
                    let names: Vec<_> =
                        order.iter().map(|chain| format!("{} of {}", chain.id.name, chain.id.table.name)).collect();
                    (names.join(", then "), None)
                };
                let mut orders = orders(&deciding);
                let what = format!("the order of equal priorities at {}", at.hook);
                let taken = self.chance.fork(&what, &orders.iter().map(words).collect::<Vec<_>>());
                Ok(orders.swap_remove(taken.min(orders.len() - 1)))
            }
            several => Err(Stop::unknown(format!(
                "{several} chains of equal priority at {}, whose order nothing tells",
                at.hook
            ))),
        }
    }

    /// Whether a chain lets all pass and does nothing.
    pub fn is_idle(&self, place: Place, chain: &Chain) -> Result<bool, Stop> {
        use crate::model::netfilter::chain::Policy;
        if chain.base.as_ref().is_none_or(|base| base.policy != Policy::Accept) {
            return Ok(false);
        }
        let rules = self.world.chain(place, &chain.id)?;
        Ok(rules.value.as_ref().is_some_and(|rules| rules.rules.is_empty()))
    }

    /// Conntrack looks the packet up, or begins a flow. Mirrors `nf_conntrack_in`.
    fn track(&mut self, place: Place) -> Result<(), Stop> {
        if !matches!(self.tracking, Tracking::Not | Tracking::Zoned) {
            return Ok(());
        }
        // Neighbour discovery and group membership are never tracked (`noct_valid_new`).
        if self.packet.tuple.protocol == ICMPV6 && matches!(self.packet.icmp, Some(130..=137 | 143)) {
            self.tracking = Tracking::Untracked;
            return Ok(());
        }
        // Where no rule asks conntrack does not even look.
        if !self.world.tracks(place, self.packet.family())? {
            return Ok(());
        }
        self.tracking = Tracking::Not;
        if let Some(Tells::Icmp { about, echo, .. }) = self.error {
            return self.track_error(place, about, echo);
        }
        let tuple = self.packet.tuple;
        let here = || self.flows.iter().enumerate().filter(|(_, (at, flow))| *at == place && flow.zone == self.zone);
        let by_original = here().find(|(_, (_, flow))| flow.original == tuple).map(|(index, _)| (index, false));
        let by_reply = here().find(|(_, (_, flow))| flow.reply == tuple).map(|(index, _)| (index, true));
        let found = if self.packet.is_answer { by_reply.or(by_original) } else { by_original.or(by_reply) };
        let (flow, is_reply) = match found {
            Some(found) => found,
            None => match self.flow_in_table(place)? {
                Some((flow, is_reply)) => {
                    self.told_flow(place, &flow, is_reply)?;
                    self.flows.push((place, flow));
                    (self.flows.len() - 1, is_reply)
                }
                None if self.is_lost(place)? => {
                    self.tracking = Tracking::Invalid;
                    return Ok(());
                }
                None => {
                    let one_way = self.outer > 0;
                    self.flows.push((place, Flow { one_way, ..Flow::new(tuple, self.zone) }));
                    (self.flows.len() - 1, false)
                }
            },
        };
        self.tracking = Tracking::Of { flow, is_reply };
        Ok(())
    }

    /// Whether a packet without a flow begins none: a SYN-ACK, an echo's reply. Conntrack cannot tell an answer of
    /// UDP from a question.
    fn is_lost(&self, place: Place) -> Result<bool, Stop> {
        if self.later {
            return Ok(!self.begins_anywhere(place)?);
        }
        Ok(self.packet.is_answer && self.packet.tuple.protocol != UDP)
    }

    fn told_flow(&mut self, place: Place, flow: &Flow, is_reply: bool) -> Result<(), Stop> {
        let Some(known) = flow.known.clone() else { return Ok(()) };
        let is_first = !self.later && !self.packet.is_answer && matches!(self.packet.tuple.protocol, TCP | SCTP);
        if is_first && (flow.answered || is_reply) {
            self.joins = true;
            return Err(Stop::unknown("it belongs to a conversation that has begun"));
        }
        self.step(place, StepKind::Tracked { flow: known, is_reply }, None);
        Ok(())
    }

    /// nat at its own place: the flow's first packet asks the chains, each packet is translated.
    fn nat(&mut self, at: &Crossing, chains: &[Rc<Chain>]) -> Result<(), Stop> {
        if self.tracking == Tracking::Zoned {
            return self.nat_of_template(at, chains);
        }
        let Tracking::Of { flow: index, is_reply } = self.tracking else { return Ok(()) };
        let side = match at.hook {
            Hook::Prerouting | Hook::Output => Side::Destination,
            _ => Side::Source,
        };
        if matches!(self.error, Some(Tells::Icmp { .. })) {
            self.translate_error(side);
            return Ok(());
        }
        let is_settled = self.flow().is_none_or(|flow| flow.is_settled(side) || flow.answered);
        // What the table has kept without a translation gets none any more, whatever the rules say.
        if !is_reply && !is_settled && self.flow().is_some_and(|flow| flow.known.is_some()) {
            return self.nat_of_template(at, chains);
        }
        // An answer whose flow is not known begins one of its own, which nat never sees as a first packet's.
        if !is_reply && !is_settled {
            let before = self.counted.len();
            for chain in &self.in_order(at, chains)? {
                match self.base_chain(at, chain)? {
                    Ruling::Accept => {}
                    Ruling::Ends(stop) => return Err(stop),
                    Ruling::Maps(mapping) => {
                        self.map(at, side, &mapping)?;
                        break;
                    }
                }
            }
            if self.outer > 0 && self.packet.tuple.source_port.is_none() {
                self.counted.iter_mut().skip(before).for_each(|counted| counted.is_sure = false);
                if !chains.is_empty() {
                    self.assume("nat does with outer packets what its rules say now".to_owned());
                }
            }
            // A destination's port is never changed to make room, but an echo has one id for both sides.
            if side == Side::Source || self.packet.tuple.is_echo() {
                self.make_room(at.place, side)?;
            }
            if let Some(flow) = self.flow_mut() {
                flow.settle(side);
            }
        }
        if let Some((_, flow)) = self.flows.get(index) {
            flow.translate(&mut self.packet.tuple, side, is_reply);
        }
        Ok(())
    }

    fn in_order(&mut self, at: &Crossing, chains: &[Rc<Chain>]) -> Result<Vec<Rc<Chain>>, Stop> {
        let mut ordered = Vec::new();
        for equal in chains.chunk_by(|one, other| priority(one) == priority(other)) {
            ordered.extend(self.in_some_order(at, equal)?);
        }
        Ok(ordered)
    }

    /// A zone that was chosen when conntrack had looked already leaves a template in the flow's place: it asks all
    /// chains, and none can translate it (`nf_nat_setup_info` lets be what is confirmed). So it is with a flow that the
    /// table kept before nat was there.
    fn nat_of_template(&mut self, at: &Crossing, chains: &[Rc<Chain>]) -> Result<(), Stop> {
        for chain in &self.in_order(at, chains)? {
            if let Ruling::Ends(stop) = self.base_chain(at, chain)? {
                return Err(stop);
            }
        }
        Ok(())
    }

    /// Notes what a rule did.
    pub fn act(&mut self, at: &Crossing, base: &ChainRef, chain: &ChainRef, rule: Option<&Rule>, did: String) {
        if !self.is_told {
            return;
        }
        let rule = rule.and_then(|rule| self.rule_ref(at, chain, rule));
        self.acted.push(Acted { rule, base: base.clone(), did });
    }

    /// Notes a rule that did nothing, where that is asked for.
    pub fn try_rule(&mut self, at: &Crossing, chain: &ChainRef, rule: &Rule) {
        if !self.tells_rules {
            return;
        }
        if self.tried.rules.len() >= MOST_TRIED {
            self.tried.more += 1;
        } else if let Some(rule) = self.rule_ref(at, chain, rule) {
            self.tried.rules.push((self.acted.len(), rule));
        }
    }

    fn rule_ref(&self, at: &Crossing, chain: &ChainRef, rule: &Rule) -> Option<RuleRef> {
        let view = self.world.view(at.place).ok()?;
        Some(RuleRef {
            chain: chain.clone(),
            number: rule.number,
            handle: rule.handle,
            counters: counters(rule),
            text: text_within(view, at.place.netns, chain, rule),
        })
    }
}

/// All orders of a few chains.
fn orders(chains: &[Rc<Chain>]) -> Vec<Vec<Rc<Chain>>> {
    if chains.len() < 2 {
        return vec![chains.to_vec()];
    }
    let mut all = Vec::new();
    for (at, first) in chains.iter().enumerate() {
        let mut rest = chains.to_vec();
        rest.remove(at);
        for mut order in orders(&rest) {
            order.insert(0, first.clone());
            all.push(order);
        }
    }
    all
}

/// What makes the kernel look a packet's route up again behind a chain of the kind route.
fn routes_anew(before: &Packet, after: &Packet) -> bool {
    let addresses = |packet: &Packet| -> (IpAddr, IpAddr) { (packet.tuple.source, packet.tuple.destination) };
    addresses(before) != addresses(after)
        || before.mark != after.mark
        || match after.family() {
            Family::Ipv4 => before.tos != after.tos,
            Family::Ipv6 => before.ttl != after.ttl,
        }
}
