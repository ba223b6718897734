//! Matches by name: each has a small function that reads its options.
//!
//! May import model only.

mod flow;
mod packet;
mod places;
mod ports;
mod rates;
mod sets;

use super::args::{Args, Parsed, Unclear};
use crate::model::netfilter::xt::matches::Match;

/// Reads the options of a match, up to the first that is not one.
pub(super) fn read(name: &[u8], args: &mut Args<'_, '_>) -> Parsed<Match> {
    match name {
        b"comment" => comment(args),
        b"tcp" => ports::tcp(args),
        b"udp" | b"udplite" => ports::udp(args),
        b"sctp" => ports::sctp(args),
        b"icmp" => packet::icmp(args),
        b"icmp6" | b"icmpv6" => packet::icmp6(args),
        b"multiport" => ports::multiport(args),
        b"mark" => flow::mark(args),
        b"connmark" => flow::connmark(args),
        b"conntrack" => flow::conntrack(args),
        b"state" => flow::state(args),
        b"statistic" => rates::statistic(args),
        b"addrtype" => places::addrtype(args),
        b"set" => sets::set(args),
        b"recent" => sets::recent(args),
        b"physdev" => places::physdev(args),
        b"limit" => rates::limit(args),
        b"hashlimit" => rates::hashlimit(args),
        b"owner" => places::owner(args),
        b"iprange" => places::iprange(args),
        b"mac" => places::mac(args),
        b"length" => packet::length(args),
        b"rpfilter" => places::rpfilter(args),
        b"pkttype" => packet::pkttype(args),
        b"ttl" | b"hl" => packet::ttl(args),
        b"dscp" => packet::dscp(args),
        b"tcpmss" => packet::tcpmss(args),
        b"socket" => places::socket(args),
        b"nfacct" => nfacct(args),
        _ => Err(Unclear),
    }
}

/// Reads the name of a match's only option, which must be there and have one of these names.
fn only(args: &mut Args<'_, '_>, names: &[&str]) -> Parsed<()> {
    args.option().filter(|name| names.contains(name)).map(|_| ()).ok_or(Unclear)
}

fn comment(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--comment"])?;
    args.name().map(Match::Comment)
}

fn nfacct(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--nfacct-name"])?;
    args.name().map(Match::Nfacct)
}
