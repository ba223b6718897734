//! Matches that look at the packet's flow.
//!
//! May import model only.

use super::super::blob::{Blob, only};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::matches::{Conntrack, Expires, Match, Range};
use crate::model::netfilter::xt::{MaskedAddress, Test};

/// `XT_CONNTRACK_STATE_ALIAS`: written as `-m state`.
const ALIAS: u16 = 1 << 13;
const KNOWN: u16 = (1 << 14) - 1;
/// `IPS_EXPECTED`, `IPS_SEEN_REPLY`, `IPS_ASSURED`, `IPS_CONFIRMED`: those that can be asked for.
const STATUSES: u32 = 15;

/// `struct xt_conntrack_mtinfo1`, `…2` and `…3`.
pub(super) fn conntrack(family: Family, revision: u8, data: &[u8]) -> Option<Match> {
    let size = match revision {
        1 => 152,
        2 => 156,
        _ => 164,
    };
    let blob = Blob::sized(data, size)?;
    let info = Info { blob, family, revision, asked: blob.u16(146)?, inverted: blob.u16(148)? };
    only(info.asked.into(), KNOWN.into())?;
    only(info.inverted.into(), (info.asked & !ALIAS).into())?;
    info.read().ok()
}

struct Info<'a> {
    blob: Blob<'a>,
    family: Family,
    revision: u8,
    asked: u16,
    inverted: u16,
}

/// The data mean nothing to podnet.
struct Odd;

impl Info<'_> {
    fn read(&self) -> Result<Match, Odd> {
        let states = self.test(1, || self.states())?;
        if self.asked & ALIAS != 0 {
            // The alias has no other option.
            return states.filter(|_| self.asked == ALIAS | 1).map(Match::State).ok_or(Odd);
        }
        Ok(Match::Conntrack(Box::new(Conntrack {
            states,
            protocol: self.test(1 << 1, || self.blob.u16(136))?,
            original_source: self.address(1 << 2, 0)?,
            original_destination: self.address(1 << 3, 32)?,
            reply_source: self.address(1 << 4, 64)?,
            reply_destination: self.address(1 << 5, 96)?,
            status: self.test(1 << 6, || self.status())?,
            expires: self.test(1 << 7, || Some(Expires { min: self.blob.u32(128)?, max: self.blob.u32(132)? }))?,
            original_source_port: self.port(1 << 8, 0)?,
            original_destination_port: self.port(1 << 9, 2)?,
            reply_source_port: self.port(1 << 10, 4)?,
            reply_destination_port: self.port(1 << 11, 6)?,
            reply: (self.asked & (1 << 12) != 0).then_some(self.inverted & (1 << 12) != 0),
        })))
    }

    /// What is asked, where its bit says that it is.
    fn test<T>(&self, bit: u16, value: impl FnOnce() -> Option<T>) -> Result<Option<Test<T>>, Odd> {
        if self.asked & bit == 0 {
            return Ok(None);
        }
        let value = value().ok_or(Odd)?;
        Ok(Some(Test { not: self.inverted & bit != 0, value }))
    }

    fn states(&self) -> Option<u32> {
        let known = Conntrack::STATES.iter().fold(0, |bits, (bit, _)| bits | bit);
        let states = if self.revision == 1 { self.blob.u8(150)?.into() } else { u32::from(self.blob.u16(150)?) };
        only(states, known).map(|()| states)
    }

    fn status(&self) -> Option<u32> {
        let status = if self.revision == 1 { self.blob.u8(151)?.into() } else { u32::from(self.blob.u16(152)?) };
        only(status, STATUSES).map(|()| status)
    }

    fn address(&self, bit: u16, at: usize) -> Result<Option<Test<MaskedAddress>>, Odd> {
        self.test(bit, || self.blob.masked(at, self.family))
    }

    /// One port in network order, or since revision 3 a range in this machine's.
    fn port(&self, bit: u16, at: usize) -> Result<Option<Test<Range>>, Odd> {
        self.test(bit, || {
            if self.revision < 3 {
                let port = self.blob.be16(138 + at)?;
                return Some(Range { min: port, max: port });
            }
            let (min, max) = (self.blob.u16(138 + at)?, self.blob.u16(154 + at)?);
            (min <= max).then_some(Range { min, max })
        })
    }
}

/// `struct xt_state_info`. Its bit for UNTRACKED is another than conntrack's.
pub(super) fn state(data: &[u8]) -> Option<Match> {
    const UNTRACKED: u32 = 1 << 6;
    const KNOWN: u32 = 0b1111 | UNTRACKED;
    let mask = Blob::sized(data, 4)?.u32(0)?;
    // `!` is all other bits: those that are no state never come up.
    if mask & !KNOWN != 0 && mask & !KNOWN != !KNOWN {
        return None;
    }
    let untracked = if mask & UNTRACKED == 0 { 0 } else { 1 << 8 };
    Some(Match::State(Test::is(mask & 0b1111 | untracked)))
}
