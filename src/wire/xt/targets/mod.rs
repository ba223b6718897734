//! Targets by name and revision.
//!
//! May import model only. Layouts are those of `include/uapi/linux/netfilter/xt_*.h` on 64-bit machines.

mod mark;
mod nat;
mod set;
mod track;

#[cfg(test)]
mod tests;

use super::blob::{Blob, only};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::targets::{Log, Nflog, Nfqueue, Target, Tee, TtlChange};
use crate::model::text::Bytes;

/// What a target's data do; as they came where they are not wholly understood.
pub(super) fn decode(family: Family, name: &[u8], revision: u8, data: &[u8]) -> Target {
    known(family, name, revision, data).unwrap_or_else(|| Target::Unknown(Bytes::from(data)))
}

fn known(family: Family, name: &[u8], revision: u8, data: &[u8]) -> Option<Target> {
    let sized = |size| Blob::sized(data, size);
    match (name, revision) {
        (b"DNAT", _) => nat::translation(family, revision, data).map(Target::Dnat),
        (b"SNAT", _) => nat::translation(family, revision, data).map(Target::Snat),
        (b"MASQUERADE", 0) => nat::first(family, data).map(Target::Masquerade),
        (b"REDIRECT", 0) => nat::first(family, data).map(Target::Redirect),
        (b"NETMAP", 0) => nat::first(family, data).map(Target::Netmap),
        (b"MARK", 2) => mark::mark(sized(8)?),
        (b"CONNMARK", 1 | 2) => mark::connmark(revision, sized(16)?),
        (b"TPROXY", 0) if family == Family::Ip => mark::tproxy(0, family, sized(16)?),
        (b"TPROXY", 1) => mark::tproxy(1, family, sized(28)?),
        (b"REJECT", 0) => sized(4)?.u32(0).map(Target::Reject),
        (b"LOG", 0) => log(sized(32)?),
        (b"NFLOG", 0) => nflog(sized(76)?),
        (b"TCPMSS", 0) => sized(2)?.u16(0).map(Target::Tcpmss),
        (b"CT", 0..=2) => track::ct(revision, data),
        (b"NOTRACK", 0) => sized(0).map(|_| Target::Notrack),
        (b"TRACE", 0) => sized(0).map(|_| Target::Trace),
        (b"SET", 0..=3) => set::change(revision, data),
        (b"CLASSIFY", 0) => sized(4)?.u32(0).map(Target::Classify),
        // `XT_CHECKSUM_OP_FILL` is all there is.
        (b"CHECKSUM", 0) => sized(1)?.u8(0).filter(|op| *op == 1).map(Target::Checksum),
        (b"NFQUEUE", 0..=3) => nfqueue(revision, data),
        (b"TEE", 1) => tee(family, sized(40)?),
        (b"TTL", 0) if family == Family::Ip => ttl(sized(2)?),
        (b"HL", 0) if family == Family::Ip6 => ttl(sized(2)?),
        _ => None,
    }
}

/// `struct xt_log_info`
fn log(blob: Blob<'_>) -> Option<Target> {
    let flags = blob.u8(1)?;
    // `XT_LOG_MASK`
    only(flags.into(), 0x2f)?;
    Some(Target::Log(Log { level: blob.u8(0)?, flags, prefix: blob.text(2, 30)? }))
}

/// `struct xt_nflog_info`
fn nflog(blob: Blob<'_>) -> Option<Target> {
    let flags = blob.u16(8)?;
    // `XT_NFLOG_MASK`
    only(flags.into(), 1)?;
    Some(Target::Nflog(Nflog {
        group: blob.u16(4)?,
        prefix: blob.text(12, 64)?,
        length: blob.u32(0)?,
        sized: flags != 0,
        threshold: blob.u16(6)?,
    }))
}

/// `struct xt_NFQ_info` and its three successors.
fn nfqueue(revision: u8, data: &[u8]) -> Option<Target> {
    let size = match revision {
        0 => 2,
        1 => 4,
        _ => 6,
    };
    let blob = Blob::sized(data, size)?;
    let flags = if revision >= 2 { blob.u16(4)? } else { 0 };
    // Revision 2 has a boolean where 3 has `NFQ_FLAG_MASK`.
    only(flags.into(), if revision == 2 { 1 } else { 3 })?;
    Some(Target::Nfqueue(Nfqueue {
        number: blob.u16(0)?,
        total: if revision >= 1 { blob.u16(2)? } else { 1 },
        bypass: flags & 1 != 0,
        cpu_fanout: flags & 2 != 0,
    }))
}

/// `struct xt_tee_tginfo`
fn tee(family: Family, blob: Blob<'_>) -> Option<Target> {
    Some(Target::Tee(Tee { gateway: blob.inet(0, family)?, out_interface: blob.text(16, 16)? }))
}

/// `struct ipt_TTL_info`, `struct ip6t_HL_info`
fn ttl(blob: Blob<'_>) -> Option<Target> {
    let (op, value) = (blob.u8(0)?, blob.u8(1)?);
    (op <= 2).then_some(Target::Ttl(TtlChange { op, value }))
}
