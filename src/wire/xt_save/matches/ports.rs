//! Ports of TCP, UDP and SCTP.
//!
//! May import model only.

use super::super::args::{Args, Parsed, Unclear};
use super::super::names::{CHUNKS, TCP_FLAGS};
use super::super::values::{bits, named, number, range};
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{
    Match, Multiport, Ports, Range, Sctp, SctpChunkFlags, SctpChunks, Tcp, TcpFlags,
};

pub(super) fn tcp(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut tcp = Tcp::default();
    while let Some(option) = args.option() {
        match option {
            "--syn" => {
                // FIN, SYN, RST and ACK are looked at.
                tcp.flags = Some(Test { not: args.turned(), value: TcpFlags { mask: 0x17, set: 0x02 } });
            }
            "--tcp-flags" => {
                let flags = |text: &str| bits(text, &TCP_FLAGS).and_then(|bits| u8::try_from(bits).ok());
                let mask = args.test(flags)?;
                let set = args.value(flags)?;
                tcp.flags = Some(Test { not: mask.not, value: TcpFlags { mask: mask.value, set } });
            }
            "--tcp-option" => tcp.option = Some(args.test(number)?),
            other => ports(other, args, &mut tcp.ports)?,
        }
    }
    Ok(Match::Tcp(tcp))
}

pub(super) fn udp(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut udp = Ports::default();
    while let Some(option) = args.option() {
        ports(option, args, &mut udp)?;
    }
    Ok(Match::Udp(udp))
}

pub(super) fn sctp(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut sctp = Sctp::default();
    while let Some(option) = args.option() {
        match option {
            "--chunk-types" => {
                let kind = args.test(|text| named(text, &[(1, "any"), (2, "all"), (4, "only")]))?;
                let value = args.value(|text| chunks(kind.value, text))?;
                sctp.chunks = Some(Test { not: kind.not, value });
            }
            other => ports(other, args, &mut sctp.ports)?,
        }
    }
    Ok(Match::Sctp(sctp))
}

fn ports(option: &str, args: &mut Args<'_, '_>, ports: &mut Ports) -> Parsed<()> {
    match option {
        "--sport" | "--source-port" => ports.source = Some(args.test(range)?),
        "--dport" | "--destination-port" => ports.destination = Some(args.test(range)?),
        _ => return Err(Unclear),
    }
    Ok(())
}

/// `DATA:Be,INIT`, `ALL` or `NONE`.
fn chunks(kind: u32, text: &str) -> Option<SctpChunks> {
    let mut chunks = SctpChunks { kind, types: Vec::new(), flags: Vec::new() };
    match text {
        "ALL" => chunks.types = (0..=u8::MAX).collect(),
        "NONE" => {}
        _ => {
            for part in text.split(',') {
                let (name, letters) = part.split_once(':').unwrap_or((part, ""));
                let (kind, _, valid) =
                    CHUNKS.iter().find(|(number, known, _)| name == *known || self::number(name) == Some(*number))?;
                chunks.types.push(*kind);
                if !letters.is_empty() {
                    chunks.flags.push(chunk_flags(*kind, letters, valid)?);
                }
            }
        }
    }
    chunks.types.sort_unstable();
    chunks.types.dedup();
    Some(chunks)
}

/// A capital letter asks for a set flag, a small one for one that is not.
fn chunk_flags(kind: u8, letters: &str, valid: &str) -> Option<SctpChunkFlags> {
    let mut flags = SctpChunkFlags { kind, set: 0, mask: 0 };
    for letter in letters.chars() {
        let place = valid.chars().position(|known| known == letter.to_ascii_uppercase() && known != '-')?;
        let bit = 0x80_u8.checked_shr(u32::try_from(place).ok()?)?;
        flags.mask |= bit;
        if letter.is_ascii_uppercase() {
            flags.set |= bit;
        }
    }
    Some(flags)
}

pub(super) fn multiport(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let which = match args.option() {
        Some("--sports" | "--source-ports") => 0,
        Some("--dports" | "--destination-ports") => 1,
        Some("--ports" | "--port") => 2,
        _ => return Err(Unclear),
    };
    let one = |part: &str| Some((range(part)?, part.contains(':')));
    let list = args.test(|text| text.split(',').map(one).collect::<Option<Vec<(Range, bool)>>>())?;
    // XT_MULTI_PORTS; a range takes two.
    let taken: usize = list.value.iter().map(|(_, is_range)| if *is_range { 2 } else { 1 }).sum();
    if taken > 15 {
        return Err(Unclear);
    }
    let is_span = |(range, is_range): &(Range, bool)| *is_range && range.min == range.max;
    let spans = list.value.iter().enumerate().filter(|(_, part)| is_span(part));
    let spans = spans.fold(0, |bits, (at, _)| bits | 1 << at);
    let ports = list.value.iter().map(|(range, _)| *range).collect();
    Ok(Match::Multiport(Test { not: list.not, value: Multiport { which, ports, spans } }))
}
