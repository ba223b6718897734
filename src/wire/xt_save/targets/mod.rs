//! Targets by name: each has a small function that reads its options.
//!
//! May import model only.

mod marks;
mod nat;
mod others;
mod queues;

use super::args::{Args, Parsed};
use crate::model::netfilter::xt::targets::Target;

/// Reads the options of a target, up to the first that is not one; `None`: no target of this name is known.
pub(super) fn read(name: &[u8], args: &mut Args<'_, '_>) -> Option<Parsed<Target>> {
    let target = match name {
        b"ACCEPT" => Ok(Target::Accept),
        b"DROP" => Ok(Target::Drop),
        b"RETURN" => Ok(Target::Return),
        b"QUEUE" => Ok(Target::Queue),
        b"DNAT" => nat::dnat(args),
        b"SNAT" => nat::snat(args),
        b"MASQUERADE" => nat::masquerade(args),
        b"REDIRECT" => nat::redirect(args),
        b"NETMAP" => nat::netmap(args),
        b"MARK" => marks::mark(args),
        b"CONNMARK" => marks::connmark(args),
        b"REJECT" => others::reject(args),
        b"LOG" => queues::log(args),
        b"NFLOG" => queues::nflog(args),
        b"TCPMSS" => others::tcpmss(args),
        b"CT" => others::ct(args),
        b"NOTRACK" => Ok(Target::Notrack),
        b"TPROXY" => marks::tproxy(args),
        b"TRACE" => Ok(Target::Trace),
        b"SET" => others::set(args),
        b"CLASSIFY" => others::classify(args),
        b"CHECKSUM" => others::checksum(args),
        b"NFQUEUE" => queues::nfqueue(args),
        b"TEE" => others::tee(args),
        b"TTL" | b"HL" => others::ttl(args),
        _ => return None,
    };
    Some(target)
}
