//! Matches that look at a packet's own fields.
//!
//! May import model only.

use super::super::blob::{Blob, only};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{AddressRange, Icmp, Iprange, Match, Physdev, Range, TtlTest};
use crate::model::text::ByteText;

/// `struct ipt_icmp`, `struct ip6t_icmp`
pub(super) fn icmp(data: &[u8]) -> Option<Test<Icmp>> {
    let blob = Blob::sized(data, 4)?;
    let [kind, code_min, code_max] = blob.array(0)?;
    Some(Test { not: blob.flag(3)?, value: Icmp { kind, code_min, code_max } })
}

/// `struct xt_length_info`, and `struct xt_tcpmss_match_info`, which is the same.
fn range(data: &[u8]) -> Option<Test<Range>> {
    let blob = Blob::sized(data, 6)?;
    Some(Test { not: blob.flag(4)?, value: Range { min: blob.u16(0)?, max: blob.u16(2)? } })
}

pub(super) fn length(data: &[u8]) -> Option<Match> {
    range(data).map(Match::Length)
}

pub(super) fn tcpmss(data: &[u8]) -> Option<Match> {
    range(data).map(Match::Tcpmss)
}

/// `struct xt_mac_info`
pub(super) fn mac(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 12)?;
    Some(Match::Mac(Test { not: blob.wide_flag(8)?, value: blob.array(0)? }))
}

/// `struct xt_pkttype_info`
pub(super) fn pkttype(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 8)?;
    let kind = u16::try_from(blob.u32(0)?).ok()?;
    Some(Match::Pkttype(Test { not: blob.wide_flag(4)?, value: kind }))
}

/// `struct ipt_ttl_info`, `struct ip6t_hl_info`
pub(super) fn ttl(data: &[u8]) -> Option<Match> {
    let [op, value] = Blob::sized(data, 2)?.array(0)?;
    (op <= 3).then_some(Match::Ttl(TtlTest { op, value }))
}

/// `struct xt_dscp_info`
pub(super) fn dscp(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 2)?;
    let value = blob.u8(0)?;
    only(value.into(), 0x3f)?;
    Some(Match::Dscp(Test { not: blob.flag(1)?, value }))
}

/// `struct ipt_iprange_info`: IPv4 only.
pub(super) fn iprange(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 20)?;
    let range = |at: usize| Some(AddressRange { min: blob.ipv4(at)?, max: blob.ipv4(at + 4)? });
    ranges(blob.u8(16)?, range(0)?, range(8)?)
}

/// `struct xt_iprange_mtinfo`
pub(super) fn iprange1(family: Family, data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 68)?;
    let range = |at: usize| Some(AddressRange { min: blob.inet(at, family)?, max: blob.inet(at + 16, family)? });
    ranges(blob.u8(64)?, range(0)?, range(32)?)
}

/// Bits: 1 source, 2 destination, and each inverted by the bit four places up.
fn ranges(flags: u8, source: AddressRange, destination: AddressRange) -> Option<Match> {
    let (asked, inverted) = (flags & 0x0f, flags >> 4);
    only(asked.into(), 3)?;
    only(inverted.into(), asked.into())?;
    let test = |bit: u8, value| (asked & bit != 0).then_some(Test { not: inverted & bit != 0, value });
    Some(Match::Iprange(Iprange { source: test(1, source), destination: test(2, destination) }))
}

/// `struct xt_physdev_info`
pub(super) fn physdev(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 66)?;
    let (inverted, asked) = (blob.u8(64)?, blob.u8(65)?);
    only(asked.into(), 31)?;
    only(inverted.into(), asked.into())?;
    let link = |bit: u8, at: usize| match asked & bit {
        0 => Some(None),
        _ => Some(Some(Test { not: inverted & bit != 0, value: interface(blob, at)? })),
    };
    let whether = |bit: u8| (asked & bit != 0).then_some(inverted & bit == 0);
    Some(Match::Physdev(Physdev {
        input: link(1, 0)?,
        output: link(2, 32)?,
        is_bridged: whether(4),
        is_in: whether(8),
        is_out: whether(16),
    }))
}

/// A link's name and its mask; the name tells what is asked only where the mask is the one that
/// goes with it: up to the NUL, or up to a `+` at its end.
fn interface(blob: Blob<'_>, at: usize) -> Option<ByteText> {
    let name = blob.text(at, 16)?;
    let compared = match name.as_bytes() {
        [] => 0,
        [prefix @ .., b'+'] => prefix.len(),
        whole => whole.len() + 1,
    };
    let mask = blob.array::<16>(at + 16)?;
    let fits = mask.iter().enumerate().all(|(place, byte)| *byte == if place < compared { 0xff } else { 0 });
    fits.then_some(name)
}
