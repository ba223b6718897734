//! The arguments of matches, as the `save` functions of iptables 1.8.9's extensions write them.
//!
//! May import model only. Where the program hides a condition that the kernel asks (`! --sport 0:65535`),
//! podnet writes it.

mod flow;
mod node;
mod packet;
mod ports;
mod rates;

use std::fmt::Write as _;

use super::words::{self, not, quoted};
use crate::model::ids::Mark;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::matches::{Match, Statistic};
use crate::model::netfilter::xt::{Test, XtMatch};
use crate::model::text::{Bytes, hex};

/// Writes ` -m NAME ARGUMENTS`, as the match's own extension does.
///
/// What podnet does not decode is ` [-m NAME rev N 0xDATA]`, which no program takes for a rule.
pub(super) fn write(out: &mut String, family: Family, found: &XtMatch) {
    if let Match::Unknown(bytes) = &found.is {
        unknown(out, found, bytes);
        return;
    }
    // `-m state` has been an alias of conntrack since iptables 1.4.17.
    match &found.is {
        Match::State(_) => out.push_str(" -m state"),
        _ => {
            let _ = write!(out, " -m {}", found.name);
        }
    }
    arguments(out, family, found);
}

fn arguments(out: &mut String, family: Family, found: &XtMatch) {
    match &found.is {
        Match::Comment(text) => {
            out.push_str(" --comment");
            quoted(out, text);
        }
        Match::Tcp(asked) => ports::tcp(out, asked),
        Match::Udp(asked) => ports::ports(out, asked),
        Match::Sctp(asked) => ports::sctp(out, asked),
        Match::Multiport(asked) => ports::multiport(out, asked),
        Match::Icmp(asked) => packet::icmp(out, "icmp", *asked),
        Match::Icmp6(asked) => packet::icmp(out, "icmpv6", *asked),
        Match::Mark(asked) | Match::Connmark(asked) => mark(out, asked),
        Match::Conntrack(asked) => flow::conntrack(out, asked),
        Match::State(asked) => flow::state(out, *asked),
        Match::Statistic(asked) => statistic(out, asked),
        Match::Addrtype(asked) => node::addrtype(out, asked),
        Match::Set(asked) => flow::set(out, asked),
        Match::Recent(asked) => flow::recent(out, asked),
        Match::Physdev(asked) => packet::physdev(out, asked),
        Match::Limit(asked) => rates::limit(out, *asked),
        Match::Hashlimit(asked) => rates::hashlimit(out, family, asked),
        Match::Owner(asked) => node::owner(out, asked),
        Match::Iprange(asked) => packet::iprange(out, asked),
        Match::Mac(asked) => packet::mac(out, *asked),
        Match::Length(asked) => packet::length(out, *asked),
        Match::Rpfilter(asked) => node::rpfilter(out, *asked),
        Match::Pkttype(asked) => packet::pkttype(out, *asked),
        Match::Ttl(asked) => packet::ttl(out, if found.name == "hl" { "hl" } else { "ttl" }, *asked),
        Match::Dscp(asked) => {
            let _ = write!(out, "{} --dscp 0x{:02x}", not(asked), asked.value);
        }
        Match::Tcpmss(asked) => {
            let _ = write!(out, "{} --mss {}", not(asked), words::range(asked.value));
        }
        Match::Socket(asked) => node::socket(out, *asked),
        Match::Nfacct(name) => {
            let _ = write!(out, " --nfacct-name  {name}");
        }
        // Written whole by [`unknown`].
        Match::Unknown(_) => {}
    }
}

fn mark(out: &mut String, asked: &Test<Mark>) {
    let Mark { value, mask } = asked.value;
    let _ = write!(out, "{} --mark {value:#x}", not(asked));
    if mask != u32::MAX {
        let _ = write!(out, "/{mask:#x}");
    }
}

fn statistic(out: &mut String, asked: &Test<Statistic>) {
    let not = not(asked);
    let _ = match asked.value {
        Statistic::Random { n } => {
            write!(out, " --mode random{not} --probability {:.11}", f64::from(n) / f64::from(1_u32 << 31))
        }
        // The program counts in 32 bits, too.
        Statistic::Nth { every, first } => {
            write!(out, " --mode nth{not} --every {} --packet {first}", every.wrapping_add(1))
        }
    };
}

fn unknown(out: &mut String, found: &XtMatch, bytes: &Bytes) {
    let _ = write!(out, " [-m {} rev {}", found.name, found.revision);
    if !bytes.is_empty() {
        let _ = write!(out, " 0x{}", hex(&bytes.0));
    }
    out.push(']');
}
