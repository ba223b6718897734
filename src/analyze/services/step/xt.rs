//! Rules of iptables, of either back end.
//!
//! May import model and its siblings only.

use ipnet::IpNet;

use super::{Step, Then, When};
use crate::model::kube_proxy::Protocol;
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::xt::matches::{Addrtype, Conntrack, Match, Ports, Range, RecentOp, Statistic};
use crate::model::netfilter::xt::targets::{NatRange, Target};
use crate::model::netfilter::xt::{Header, MaskedAddress, Test, XtRule};
use crate::model::text::ByteText;

/// `XT_ADDRTYPE_LOCAL`
const LOCAL: u16 = 4;
/// `XT_CONNTRACK_STATE_BIT(IP_CT_NEW)`
const NEW: u32 = 1 << 3;

pub(super) fn read<'a>(rule: &'a Rule, xt: &'a XtRule) -> Step<'a> {
    let mut when = Vec::new();
    header(&xt.header, &mut when);
    let mut notes = None;
    for found in &xt.matches {
        asked(&found.is, &mut when, &mut notes);
    }
    Step { rule, when, then: done(&xt.target.does), notes, counters: xt.counters }
}

fn header(header: &Header, when: &mut Vec<When>) {
    let Header { source, destination, in_interface, out_interface, protocol, fragment, unknown } = header;
    if let Some(test) = source {
        when.push(network(test).map_or(When::Other, |net| When::Source { net, not: test.not }));
    }
    if let Some(test) = destination {
        when.push(network(test).map_or(When::Other, |net| When::Destination { net, not: test.not }));
    }
    if let Some(test) = protocol {
        let known = u8::try_from(test.value).ok().and_then(Protocol::numbered).filter(|_| !test.not);
        when.push(known.map_or(When::Other, When::Protocol));
    }
    if in_interface.is_some() || out_interface.is_some() || fragment.is_some() || !unknown.is_empty() {
        when.push(When::Other);
    }
}

/// A mask that is no prefix is no network.
fn network(test: &Test<MaskedAddress>) -> Option<IpNet> {
    IpNet::with_netmask(test.value.address, test.value.mask).ok()
}

fn asked(found: &Match, when: &mut Vec<When>, notes: &mut Option<ByteText>) {
    match found {
        // They ask nothing.
        Match::Comment(_) | Match::Nfacct(_) => {}
        Match::Tcp(tcp) if tcp.flags.is_none() && tcp.option.is_none() => ports(&tcp.ports, when),
        Match::Udp(its) => ports(its, when),
        Match::Sctp(sctp) if sctp.chunks.is_none() => ports(&sctp.ports, when),
        Match::Statistic(Test { not: false, value: Statistic::Random { n } }) => when.push(When::Chance(*n)),
        Match::Addrtype(found) => local(found, when),
        Match::Conntrack(found) => when.push(match found.states {
            Some(Test { not: false, value: NEW }) if **found == only(found.states) => When::New,
            _ => When::Other,
        }),
        Match::Recent(Test { not: false, value: recent }) if !recent.destination => match recent.op {
            RecentOp::Set => *notes = Some(recent.name.clone()),
            RecentOp::Check => when.push(When::Lately { list: recent.name.clone(), seconds: recent.seconds }),
            RecentOp::Update | RecentOp::Remove => when.push(When::Other),
        },
        _ => when.push(When::Other),
    }
}

fn only(states: Option<Test<u32>>) -> Conntrack {
    Conntrack { states, ..Conntrack::default() }
}

fn ports(ports: &Ports, when: &mut Vec<When>) {
    if ports.source.is_some() {
        when.push(When::Other);
    }
    when.extend(ports.destination.map(|test| match test {
        Test { not: false, value: Range { min, max } } if min == max => When::Port(min),
        _ => When::Other,
    }));
}

fn local(found: &Addrtype, when: &mut Vec<When>) {
    if found.limit_in || found.limit_out {
        when.push(When::Other);
    }
    when.extend(found.source.map(|test| match test.value {
        LOCAL => When::SourceLocal { not: test.not },
        _ => When::Other,
    }));
    when.extend(found.destination.map(|test| match test.value {
        LOCAL => When::DestinationLocal { not: test.not },
        _ => When::Other,
    }));
}

fn done(target: &Target) -> Then {
    match target {
        Target::Nothing => Then::Nothing,
        Target::Jump(chain) | Target::Goto(chain) => Then::to(chain),
        Target::Dnat(range) => translated(range),
        Target::Reject(_) => Then::Reject,
        Target::Drop => Then::Drop,
        Target::Accept | Target::Return => Then::Leave,
        Target::Masquerade(_) => Then::Masquerade,
        _ => Then::Other,
    }
}

/// More than one address or port in one rule is not what kube-proxy writes.
fn translated(range: &NatRange) -> Then {
    match (range.addresses, range.ports) {
        (Some((min, max)), None) if min == max => Then::Dnat(min, None),
        (Some((min, max)), Some((first, last))) if min == max && first == last => Then::Dnat(min, Some(first)),
        _ => Then::Other,
    }
}
