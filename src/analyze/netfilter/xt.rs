//! Reading rules of iptables, of either back end.
//!
//! May import model and its siblings only. What a match asks beyond the vocabulary of [`Ask`] is told
//! in iptables' own words.

use super::condition::{Addresses, Ask, Condition, WhichPort};
use super::deed::{Deed, MarkChange, Translation, TranslationKind};
use super::read::Reading;
use crate::analyze::notation::save;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::matches::{AddressRange, Addrtype, Conntrack, Match, Ports};
use crate::model::netfilter::xt::targets::{NatRange, Target};
use crate::model::netfilter::xt::{Header, MaskedAddress, Test, XtMatch, XtRule, XtTarget};
use crate::model::text::{ByteText, Bytes};

/// `IPS_DST_NAT`
pub(super) const DST_NAT: u32 = 1 << 5;
/// `XT_CT_NOTRACK` and `XT_CT_NOTRACK_ALIAS`
const NOTRACK: u16 = 1 | 2;

pub(super) fn read(rule: &XtRule, family: Family) -> Reading {
    let mut when = Vec::new();
    header(&rule.header, &mut when);
    for found in &rule.matches {
        matched(found, family, &mut when);
    }
    let (marks, deed) = done(&rule.target);
    let untracks = match &rule.target.does {
        Target::Notrack => true,
        Target::Ct(ct) => ct.flags & NOTRACK != 0,
        _ => false,
    };
    Reading { when, marks, untracks, deed }
}

fn tested<T: Clone>(test: &Test<T>, ask: impl FnOnce(T) -> Ask) -> Condition {
    Condition { not: test.not, ask: ask(test.value.clone()) }
}

fn header(header: &Header, when: &mut Vec<Condition>) {
    let Header { source, destination, in_interface, out_interface, protocol, fragment, unknown } = header;
    let masked = |masked: MaskedAddress| Addresses::from(masked);
    when.extend(source.iter().map(|test| tested(test, |value| Ask::Source { addresses: masked(value) })));
    when.extend(destination.iter().map(|test| tested(test, |value| Ask::Destination { addresses: masked(value) })));
    when.extend(in_interface.iter().map(|test| tested(test, |name| Ask::InLink { name: link(&name) })));
    when.extend(out_interface.iter().map(|test| tested(test, |name| Ask::OutLink { name: link(&name) })));
    when.extend(protocol.iter().map(|test| {
        tested(test, |number| match u8::try_from(number) {
            Ok(number) => Ask::Protocol { number },
            Err(_) => Ask::Other { text: format!("-p {number}") },
        })
    }));
    when.extend(fragment.iter().map(|test| tested(test, |()| Ask::Other { text: "-f".to_owned() })));
    if *unknown != Bytes::default() {
        when.push(Condition::is(Ask::Undecoded { why: "bits of a rule's head are not decoded".to_owned() }));
    }
}

/// iptables ends a beginning with `+`, podnet with `*`.
fn link(name: &ByteText) -> ByteText {
    match name.as_bytes().split_last() {
        Some((b'+', beginning)) => ByteText::new([beginning, b"*"].concat()),
        _ => name.clone(),
    }
}

fn ports(ports: &Ports, when: &mut Vec<Condition>) {
    for (which, test) in [(WhichPort::Source, &ports.source), (WhichPort::Destination, &ports.destination)] {
        when.extend(test.iter().map(|test| tested(test, |range| Ask::Ports { which, ranges: vec![range] })));
    }
}

fn matched(found: &XtMatch, family: Family, when: &mut Vec<Condition>) {
    let own_words = || Condition::is(Ask::Other { text: save::matching(found, family) });
    match &found.is {
        // They ask nothing.
        Match::Comment(_) | Match::Nfacct(_) => {}
        Match::Tcp(tcp) if tcp.flags.is_none() && tcp.option.is_none() => ports(&tcp.ports, when),
        Match::Udp(its) => ports(its, when),
        Match::Sctp(sctp) if sctp.chunks.is_none() => ports(&sctp.ports, when),
        Match::Multiport(test) => when.push(tested(test, |value| {
            let which = match value.which {
                0 => WhichPort::Source,
                1 => WhichPort::Destination,
                _ => WhichPort::Either,
            };
            Ask::Ports { which, ranges: value.ports }
        })),
        Match::Mark(test) => {
            when.push(tested(test, |mark| Ask::Mark { value: mark.value, mask: mark.mask }));
        }
        Match::State(test) => when.push(tested(test, |bits| Ask::State { bits })),
        Match::Conntrack(asked) => conntrack(asked, own_words, when),
        Match::Addrtype(asked) if !asked.limit_in && !asked.limit_out => addrtype(asked, when),
        Match::Iprange(range) => {
            let addresses = |range: AddressRange| Addresses::Range { min: range.min, max: range.max };
            when.extend(
                range.source.iter().map(|test| tested(test, |value| Ask::Source { addresses: addresses(value) })),
            );
            let destination = range.destination.iter();
            when.extend(destination.map(|test| tested(test, |value| Ask::Destination { addresses: addresses(value) })));
        }
        Match::Unknown(_) => {
            let why = format!("the match {} (revision {}) is not decoded", found.name, found.revision);
            when.push(Condition::is(Ask::Undecoded { why }));
        }
        _ => when.push(own_words()),
    }
}

/// State and status alone have words of their own.
fn conntrack(asked: &Conntrack, own_words: impl FnOnce() -> Condition, when: &mut Vec<Condition>) {
    let Conntrack { states, status, .. } = asked;
    if *asked != (Conntrack { states: *states, status: *status, ..Conntrack::default() }) {
        return when.push(own_words());
    }
    match status {
        Some(Test { value: DST_NAT, not }) => when.push(Condition { not: *not, ask: Ask::Translated }),
        Some(_) => return when.push(own_words()),
        None => {}
    }
    when.extend(states.iter().map(|test| tested(test, |bits| Ask::State { bits })));
}

fn addrtype(asked: &Addrtype, when: &mut Vec<Condition>) {
    when.extend(asked.source.iter().map(|test| tested(test, |kinds| Ask::SourceKind { kinds })));
    when.extend(asked.destination.iter().map(|test| tested(test, |kinds| Ask::DestinationKind { kinds })));
}

/// What a target does in the end.
pub fn deed_of_target(target: &XtTarget) -> Deed {
    done(target).1
}

fn done(target: &XtTarget) -> (Vec<MarkChange>, Deed) {
    let translate = |kind, to: &NatRange| Deed::Translate(Translation { kind, to: to.clone(), unknown: None });
    let deed = match &target.does {
        Target::Accept => Deed::Accept,
        Target::Drop | Target::Reject(_) => Deed::Drop,
        Target::Queue | Target::Nfqueue(_) => Deed::Queue,
        Target::Return => Deed::Return,
        Target::Jump(chain) => Deed::Jump(chain.clone()),
        Target::Goto(chain) => Deed::Goto(chain.clone()),
        Target::Dnat(to) => translate(TranslationKind::Dnat, to),
        Target::Snat(to) => translate(TranslationKind::Snat, to),
        Target::Masquerade(to) => translate(TranslationKind::Masquerade, to),
        Target::Redirect(to) => translate(TranslationKind::Redirect, to),
        Target::Netmap(to) => translate(TranslationKind::Netmap, to),
        Target::Mark(set) => {
            return (vec![MarkChange::Known { keep: !set.clear, xor: set.value }], Deed::Nothing);
        }
        // From the flow's mark, which is not known.
        Target::Connmark(change) if change.op == 2 => return (vec![MarkChange::Unknown], Deed::Nothing),
        // To a socket of this node: the packet goes on with another mark.
        Target::Tproxy(_) => return (vec![MarkChange::Unknown], Deed::Socket),
        Target::Set(change) if change.map_mark => return (vec![MarkChange::Unknown], Deed::Nothing),
        Target::Unknown(_) => {
            Deed::Undecoded(format!("the target {} (revision {}) is not decoded", target.name, target.revision))
        }
        Target::Nothing
        | Target::Connmark(_)
        | Target::Log(_)
        | Target::Nflog(_)
        | Target::Tcpmss(_)
        | Target::Ct(_)
        | Target::Notrack
        | Target::Trace
        | Target::Set(_)
        | Target::Classify(_)
        | Target::Checksum(_)
        | Target::Tee(_)
        | Target::Ttl(_) => Deed::Nothing,
    };
    (Vec::new(), deed)
}
