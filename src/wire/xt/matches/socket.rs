//! Matches that ask the node: its routes, its sockets and who owns them.
//!
//! May import model only.

use super::super::blob::{Blob, only};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Addrtype, IdRange, Match, Owner, Rpfilter, SocketTest};

/// `struct xt_addrtype_info`
pub(super) fn addrtype(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 12)?;
    let inverted = u32::from(blob.wide_flag(4)?) | u32::from(blob.wide_flag(8)?) << 1;
    types(blob, inverted)
}

/// `struct xt_addrtype_info_v1`
pub(super) fn addrtype1(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 8)?;
    types(blob, blob.u32(4)?)
}

/// Flags: `XT_ADDRTYPE_INVERT_SOURCE` and so on.
fn types(blob: Blob<'_>, flags: u32) -> Option<Match> {
    only(flags, 15)?;
    let test = |at: usize, bit: u32| {
        let (not, value) = (flags & bit != 0, blob.u16(at)?);
        only(value.into(), 0x0fff)?;
        // An inversion of nothing is not looked at by the kernel, and written by nobody.
        (value != 0 || !not).then_some((value != 0).then_some(Test { not, value }))
    };
    Some(Match::Addrtype(Addrtype {
        source: test(0, 1)?,
        destination: test(2, 2)?,
        limit_in: flags & 4 != 0,
        limit_out: flags & 8 != 0,
    }))
}

/// `struct xt_rpfilter_info`
pub(super) fn rpfilter(data: &[u8]) -> Option<Match> {
    let flags = Blob::sized(data, 1)?.u8(0)?;
    only(flags.into(), 15)?;
    Some(Match::Rpfilter(Rpfilter {
        loose: flags & 1 != 0,
        validmark: flags & 2 != 0,
        accept_local: flags & 4 != 0,
        invert: flags & 8 != 0,
    }))
}

/// `struct ipt_owner_info`, `struct ip6t_owner_info`: one user, one group; processes, sessions
/// and commands were asked for by kernels before 2.6.14 only.
pub(super) fn owner0(family: Family, data: &[u8]) -> Option<Match> {
    let (size, asked) = match family {
        Family::Ip => (36, 32),
        Family::Ip6 => (20, 16),
        _ => return None,
    };
    let blob = Blob::sized(data, size)?;
    let (asked, inverted) = (blob.u8(asked)?, blob.u8(asked + 1)?);
    only(asked.into(), 3)?;
    only(inverted.into(), asked.into())?;
    let id = |bit: u8, at: usize| {
        let id = blob.u32(at)?;
        Some((asked & bit != 0).then_some(Test { not: inverted & bit != 0, value: IdRange { min: id, max: id } }))
    };
    Some(Match::Owner(Owner { user: id(1, 0)?, group: id(2, 4)?, supplementary: false, socket: None }))
}

/// `struct xt_owner_match_info`
pub(super) fn owner(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 20)?;
    let (asked, inverted) = (blob.u8(16)?, blob.u8(17)?);
    only(asked.into(), 15)?;
    only(inverted.into(), (asked & 7).into())?;
    let ids = |bit: u8, at: usize| {
        let value = IdRange { min: blob.u32(at)?, max: blob.u32(at + 4)? };
        Some((asked & bit != 0).then_some(Test { not: inverted & bit != 0, value }))
    };
    Some(Match::Owner(Owner {
        user: ids(1, 0)?,
        group: ids(2, 8)?,
        supplementary: asked & 8 != 0,
        socket: (asked & 4 != 0).then_some(inverted & 4 == 0),
    }))
}

/// `struct xt_socket_mtinfo1` and its successors, each with a flag more; revision 0 has no data.
pub(super) fn socket(revision: u8, data: &[u8]) -> Option<Match> {
    let flags = match revision {
        0 => Blob::sized(data, 0).map(|_| 0)?,
        _ => Blob::sized(data, 1)?.u8(0)?,
    };
    only(flags.into(), (1 << revision) - 1)?;
    Some(Match::Socket(SocketTest {
        transparent: flags & 1 != 0,
        nowildcard: flags & 2 != 0,
        restore_mark: flags & 4 != 0,
    }))
}
