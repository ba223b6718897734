//! Rules of xtables.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{RuleMasks, blank};
use crate::model::ids::MacAddr;
use crate::model::netfilter::xt::matches::{Conntrack, Iprange, Match, Physdev, SetName, SetTest};
use crate::model::netfilter::xt::targets::{Ct, NatRange, SetChange, SetKey, Target, Tee, Tproxy};
use crate::model::netfilter::xt::{Header, MaskedAddress, Test, XtMatch, XtRule, XtTarget};

impl RuleMasks<'_, '_> {
    pub(super) fn xt_rule(&mut self, rule: &mut XtRule) {
        let XtRule { header, matches, target, counters: _ } = rule;
        let Header { source, destination, in_interface, out_interface, protocol: _, fragment: _, unknown } = header;
        self.masked(source);
        self.masked(destination);
        for link in [in_interface, out_interface].into_iter().flatten() {
            self.link_name(&mut link.value);
        }
        blank(unknown);
        for found in matches.iter_mut() {
            self.xt_match(found);
        }
        self.xt_target(target);
    }

    fn masked(&mut self, test: &mut Option<Test<MaskedAddress>>) {
        let Some(test) = test else { return };
        let MaskedAddress { address, mask } = &mut test.value;
        *address = match IpNet::with_netmask(*address, *mask) {
            Ok(net) => self.masks.net(net).addr(),
            Err(_) => self.masks.address(*address),
        };
    }

    pub(super) fn xt_match(&mut self, found: &mut XtMatch) {
        let XtMatch { name: _, revision: _, is } = found;
        match is {
            Match::Comment(text) => self.words(text),
            Match::Conntrack(flow) => {
                let Conntrack {
                    original_source,
                    original_destination,
                    reply_source,
                    reply_destination,
                    states: _,
                    protocol: _,
                    original_source_port: _,
                    original_destination_port: _,
                    reply_source_port: _,
                    reply_destination_port: _,
                    status: _,
                    expires: _,
                    reply: _,
                } = flow.as_mut();
                for address in [original_source, original_destination, reply_source, reply_destination] {
                    self.masked(address);
                }
            }
            Match::Set(test) => {
                let SetTest { set, .. } = &mut test.value;
                self.set(set);
            }
            Match::Recent(recent) => self.chain_name(&mut recent.value.name),
            Match::Physdev(Physdev { input, output, is_in: _, is_out: _, is_bridged: _ }) => {
                for link in [input, output].into_iter().flatten() {
                    self.link_name(&mut link.value);
                }
            }
            Match::Hashlimit(limit) => self.other_name(&mut limit.name),
            Match::Iprange(Iprange { source, destination }) => {
                for range in [source, destination].into_iter().flatten() {
                    (range.value.min, range.value.max) = self.range(range.value.min, range.value.max);
                }
            }
            Match::Mac(mac) => {
                let masked = self.masks.mac(&MacAddr(mac.value.to_vec()));
                mac.value = masked.0.try_into().unwrap_or_default();
            }
            Match::Nfacct(name) => self.other_name(name),
            Match::Unknown(bytes) => blank(bytes),
            // Ports, marks, ids of users, kinds of address and of packet name nobody.
            Match::Tcp(_)
            | Match::Udp(_)
            | Match::Sctp(_)
            | Match::Icmp(_)
            | Match::Icmp6(_)
            | Match::Multiport(_)
            | Match::Mark(_)
            | Match::Connmark(_)
            | Match::State(_)
            | Match::Statistic(_)
            | Match::Addrtype(_)
            | Match::Limit(_)
            | Match::Owner(_)
            | Match::Length(_)
            | Match::Rpfilter(_)
            | Match::Pkttype(_)
            | Match::Ttl(_)
            | Match::Dscp(_)
            | Match::Tcpmss(_)
            | Match::Socket(_) => {}
        }
    }

    fn set(&mut self, set: &mut SetName) {
        match set {
            SetName::Index(_) => {}
            SetName::Name(name) => self.set_name(name),
        }
    }

    pub(super) fn xt_target(&mut self, target: &mut XtTarget) {
        // A target that is not known may be the name of a chain in another's words.
        let XtTarget { name, revision: _, does } = target;
        match does {
            Target::Jump(chain) | Target::Goto(chain) => self.chain_name(chain),
            Target::Dnat(range)
            | Target::Snat(range)
            | Target::Masquerade(range)
            | Target::Redirect(range)
            | Target::Netmap(range) => self.nat(range),
            Target::Log(log) => self.words(&mut log.prefix),
            Target::Nflog(log) => self.words(&mut log.prefix),
            Target::Ct(ct) => {
                let Ct { flags: _, zone: _, events: _, expectation_events: _, helper, timeout } = &mut **ct;
                self.other_name(helper);
                self.other_name(timeout);
            }
            Target::Tproxy(Tproxy { address, port: _, mark: _ }) => *address = self.masks.address(*address),
            Target::Set(change) => {
                let SetChange { add, delete, map, timeout: _, exist: _, map_mark: _, map_priority: _, map_queue: _ } =
                    change.as_mut();
                for SetKey { set, from_source: _ } in [add, delete, map].into_iter().flatten() {
                    self.set(set);
                }
            }
            Target::Tee(Tee { gateway, out_interface }) => {
                *gateway = self.masks.address(*gateway);
                self.link_name(out_interface);
            }
            Target::Unknown(bytes) => {
                self.chain_name(name);
                blank(bytes);
            }
            Target::Nothing
            | Target::Accept
            | Target::Drop
            | Target::Return
            | Target::Queue
            | Target::Mark(_)
            | Target::Connmark(_)
            | Target::Reject(_)
            | Target::Tcpmss(_)
            | Target::Notrack
            | Target::Trace
            | Target::Classify(_)
            | Target::Checksum(_)
            | Target::Nfqueue(_)
            | Target::Ttl(_) => {}
        }
    }

    fn nat(&mut self, range: &mut NatRange) {
        let NatRange { addresses, ports: _, base_port: _, random: _, random_fully: _, persistent: _ } = range;
        if let Some((min, max)) = addresses {
            let masked: (IpAddr, IpAddr) = self.range(*min, *max);
            (*min, *max) = masked;
        }
    }
}
