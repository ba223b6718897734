//! What rules of iptables do.
//!
//! May import model and analyze's siblings only.

use super::Effect;
use crate::analyze::netfilter::deed::TranslationKind;
use crate::analyze::path::flow::Tracking;
use crate::analyze::path::nat::Mapping;
use crate::analyze::path::refusal::Refusal;
use crate::analyze::path::types::Stop;
use crate::analyze::path::walk::{Crossing, Walk};
use crate::model::netfilter::xt::XtTarget;
use crate::model::netfilter::xt::targets::{Connmark, Ct, NatRange, Target, TtlChange};
use crate::model::route::Family;

impl Walk<'_, '_> {
    pub(super) fn xt_target(&mut self, at: &Crossing, target: &XtTarget) -> Result<Effect, Stop> {
        let map = |kind, to: &NatRange| Effect::Map(Mapping { kind, to: to.clone() });
        Ok(match &target.does {
            Target::Accept => Effect::Accept,
            Target::Drop => Effect::Drop,
            Target::Return => Effect::Return,
            Target::Jump(chain) => Effect::Jump(chain.clone()),
            Target::Goto(chain) => Effect::Goto(chain.clone()),
            Target::Dnat(to) => map(TranslationKind::Dnat, to),
            Target::Snat(to) => map(TranslationKind::Snat, to),
            Target::Masquerade(to) => map(TranslationKind::Masquerade, to),
            Target::Redirect(to) => map(TranslationKind::Redirect, to),
            Target::Netmap(to) => map(TranslationKind::Netmap, to),
            Target::Reject(kind) => {
                let family = self.packet.family();
                Effect::Reject(reject_words(*kind, family).to_owned(), Refusal::of_xt(*kind, family))
            }
            Target::Mark(set) => {
                self.packet.mark = (self.packet.mark & !set.clear) ^ set.value;
                Effect::Did(format!("marks it {:#x}", self.packet.mark))
            }
            Target::Connmark(change) => self.connmark(change),
            Target::Notrack => self.keep_untracked(),
            Target::Ct(ct) => self.ct_target(ct)?,
            Target::Ttl(TtlChange { op, value }) => {
                self.packet.ttl = match op {
                    0 => *value,
                    1 => self.packet.ttl.saturating_add(*value),
                    _ => self.packet.ttl.saturating_sub(*value),
                };
                Effect::Did(format!("sets its ttl to {}", self.packet.ttl))
            }
            Target::Queue | Target::Nfqueue(_) => {
                return Err(Stop::unknown("a program that gets the packet by a queue decides"));
            }
            Target::Tproxy(_) => return Err(Stop::unknown("TPROXY hands it to a socket, which is not followed")),
            Target::Set(change) if change.map.is_some() => {
                return Err(Stop::unknown("a set's entry changes the packet (SET --map-set), which is not followed"));
            }
            Target::Set(change) => {
                self.change_ipset(at, change)?;
                Effect::Next
            }
            Target::Unknown(_) => {
                return Err(Stop::unknown(format!(
                    "the target {} (revision {}) is not decoded",
                    target.name, target.revision
                )));
            }
            Target::Nothing
            | Target::Log(_)
            | Target::Nflog(_)
            | Target::Tcpmss(_)
            | Target::Trace
            | Target::Classify(_)
            | Target::Checksum(_)
            | Target::Tee(_) => Effect::Next,
        })
    }

    /// Mirrors `connmark_tg_shift`.
    fn connmark(&mut self, change: &Connmark) -> Effect {
        let mark = self.packet.mark;
        let Some(flow) = self.flow_mut() else { return Effect::Next };
        let shifted = |value: u32| {
            let shift = u32::from(change.shift);
            if change.shift_right {
                value.checked_shr(shift).unwrap_or(0)
            } else {
                value.checked_shl(shift).unwrap_or(0)
            }
        };
        match change.op {
            0 => {
                flow.mark = shifted((flow.mark & !change.flow_mask) ^ change.flow_mark);
                Effect::Did(format!("marks the flow {:#x}", flow.mark))
            }
            1 => {
                flow.mark = (flow.mark & !change.flow_mask) ^ shifted(mark & change.packet_mask);
                Effect::Did(format!("marks the flow {:#x}", flow.mark))
            }
            _ => {
                let kept = shifted(flow.mark & change.flow_mask);
                self.packet.mark = (mark & !change.packet_mask) ^ kept;
                Effect::Did(format!("marks it {:#x}, as the flow says", self.packet.mark))
            }
        }
    }

    pub(super) fn keep_untracked(&mut self) -> Effect {
        if self.tracking == Tracking::Not {
            self.tracking = Tracking::Untracked;
            return Effect::Did("keeps conntrack away".to_owned());
        }
        Effect::Next
    }

    fn ct_target(&mut self, ct: &Ct) -> Result<Effect, Stop> {
        const NOTRACK: u16 = 1 | 2;
        const ZONE_OF_ONE_DIRECTION: u16 = 4 | 8;
        const ZONE_FROM_MARK: u16 = 16;
        if ct.flags & NOTRACK != 0 {
            return Ok(self.keep_untracked());
        }
        if ct.flags & ZONE_OF_ONE_DIRECTION != 0 {
            return Err(Stop::unknown("a zone of one direction only (CT --zone-orig), which is not followed"));
        }
        if self.tracking == Tracking::Not {
            let mark = u16::try_from(self.packet.mark & 0xffff).unwrap_or(0);
            self.zone = if ct.flags & ZONE_FROM_MARK == 0 { ct.zone } else { mark };
            self.tracking = Tracking::Zoned;
        }
        Ok(Effect::Did(format!("tracks it in zone {}", self.zone)))
    }
}

/// What the sender sees. Source: `enum ipt_reject_with`, `enum ip6t_reject_with`.
fn reject_words(kind: u32, family: Family) -> &'static str {
    match (family, kind) {
        (Family::Ipv4, 0) => "network unreachable",
        (Family::Ipv4, 1) => "host unreachable",
        (Family::Ipv4, 2) => "protocol unreachable",
        (Family::Ipv4, 3) | (Family::Ipv6, 4) => "port unreachable",
        (Family::Ipv4, 5) => "network prohibited",
        (Family::Ipv4, 6) => "host prohibited",
        (Family::Ipv4, 7) | (Family::Ipv6, 6) => "TCP reset",
        (Family::Ipv4, 8) | (Family::Ipv6, 1) => "administratively prohibited",
        (Family::Ipv6, 0) => "no route",
        (Family::Ipv6, 2) => "not a neighbour",
        (Family::Ipv6, 3) => "address unreachable",
        (Family::Ipv6, 7) => "policy failed",
        (Family::Ipv6, 8) => "route rejected",
        _ => "an error",
    }
}
