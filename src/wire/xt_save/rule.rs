//! One rule: its head, its matches in order, its target.
//!
//! May import model only.

use std::collections::BTreeSet;

use super::args::{Args, Unclear};
use super::values::{masked, number, protocol};
use super::words::Word;
use super::{matches, targets};
use crate::model::netfilter::table::{Counters, Family};
use crate::model::netfilter::xt::matches::Match;
use crate::model::netfilter::xt::targets::Target;
use crate::model::netfilter::xt::{Header, MaskedAddress, Test, XtMatch, XtRule, XtTarget};
use crate::model::text::Bytes;

/// What is known around a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// The whole line.
    pub line: &'a [u8],
    /// The chains of the rule's table: a target that is none of xtables' own is one of them.
    pub chains: &'a BTreeSet<Vec<u8>>,
    /// The family of the table.
    pub family: Family,
}

/// Where a rule is not what it should be: byte in the line, and what was expected there.
pub(super) type Wrong = (usize, &'static str);

/// Reads what follows the chain's name.
pub(super) fn read(words: &[Word<'_>], around: Around<'_>) -> Result<XtRule, Wrong> {
    let mut args = Args::new(words, around.family);
    let mut rule = XtRule {
        header: Header::default(),
        matches: Vec::new(),
        target: XtTarget { name: "".into(), revision: 0, does: Target::Nothing },
        counters: None,
    };
    while let Some(word) = args.peek() {
        let (at, column) = (args.at(), word.start);
        let not = args.bang();
        let Some(option) = args.next().filter(|word| !word.quoted).and_then(Word::str) else {
            return Err((column, "an option"));
        };
        let read = match option {
            "-m" | "--match" if !not => one_match(&mut args, around).map(|found| rule.matches.push(found)),
            "-j" | "--jump" if !not => target(&mut args, around).map(|target| rule.target = target),
            "-g" | "--goto" if !not => goto(&mut args).map(|target| rule.target = target),
            "-c" | "--set-counters" if !not => counters(&mut args).map(|counters| rule.counters = Some(counters)),
            "-4" | "--ipv4" if around.family == Family::Ip => Ok(()),
            "-6" | "--ipv6" if around.family == Family::Ip6 => Ok(()),
            option if option.starts_with("--") && head(option, not, &mut args, &mut rule.header).is_none() => {
                // Written by hand: `-p tcp --dport 80`, without `-m tcp`.
                args.go_to(at);
                implied(&mut args, &rule.header, around).map(|found| rule.matches.push(found))
            }
            option if option.starts_with("--") => Ok(()),
            option => head(option, not, &mut args, &mut rule.header).unwrap_or(Err(Unclear)),
        };
        read.map_err(|Unclear| (column, "an option of a rule and its value"))?;
    }
    Ok(rule)
}

/// Reads an option of the head; `None` where it is not one.
fn head(option: &str, not: bool, args: &mut Args<'_, '_>, header: &mut Header) -> Option<Result<(), Unclear>> {
    let family = args.family;
    let at = args.at();
    // As old programs write it: `-s ! 10.0.0.0/8`.
    let not = not || (!matches!(option, "-f" | "--fragment" | "--fragments") && args.bang());
    let read = match option {
        "-s" | "--source" | "--src" => net(args, family).map(|value| header.source = asked(not, value)),
        "-d" | "--destination" | "--dst" => net(args, family).map(|value| header.destination = asked(not, value)),
        "-i" | "--in-interface" => {
            args.next().ok_or(Unclear).map(|word| header.in_interface = Some(Test { not, value: (&*word.text).into() }))
        }
        "-o" | "--out-interface" => args
            .next()
            .ok_or(Unclear)
            .map(|word| header.out_interface = Some(Test { not, value: (&*word.text).into() })),
        "-p" | "--protocol" | "--proto" => {
            let value = args.next().and_then(Word::str).and_then(protocol);
            match value {
                // All of them: nothing is asked.
                Some(0) if !not => Ok(()),
                Some(value) => {
                    header.protocol = Some(Test { not, value });
                    Ok(())
                }
                None => Err(Unclear),
            }
        }
        "-f" | "--fragment" | "--fragments" => {
            header.fragment = Some(Test { not, value: () });
            Ok(())
        }
        _ => {
            args.go_to(at);
            return None;
        }
    };
    Some(read)
}

fn net(args: &mut Args<'_, '_>, family: Family) -> Result<MaskedAddress, Unclear> {
    args.next().and_then(Word::str).and_then(|text| masked(text, family)).ok_or(Unclear)
}

/// Any address asks nothing, unless it is turned around.
fn asked(not: bool, value: MaskedAddress) -> Option<Test<MaskedAddress>> {
    let any = value.address.is_unspecified() && value.mask.is_unspecified();
    (not || !any).then_some(Test { not, value })
}

fn counters(args: &mut Args<'_, '_>) -> Result<Counters, Unclear> {
    let mut one = || args.next().and_then(Word::str).and_then(number::<u64>).ok_or(Unclear);
    Ok(Counters { packets: one()?, bytes: one()? })
}

fn one_match(args: &mut Args<'_, '_>, around: Around<'_>) -> Result<XtMatch, Unclear> {
    let name = args.next().ok_or(Unclear)?;
    Ok(match_of(&name.text, args, around))
}

/// The match whose options follow a protocol without its name.
fn implied(args: &mut Args<'_, '_>, header: &Header, around: Around<'_>) -> Result<XtMatch, Unclear> {
    let protocol = header.protocol.filter(|protocol| !protocol.not).ok_or(Unclear)?;
    let name: &[u8] = match protocol.value {
        1 => b"icmp",
        6 => b"tcp",
        17 => b"udp",
        58 => b"icmp6",
        132 => b"sctp",
        136 => b"udplite",
        _ => return Err(Unclear),
    };
    Ok(match_of(name, args, around))
}

fn match_of(name: &[u8], args: &mut Args<'_, '_>, around: Around<'_>) -> XtMatch {
    let start = args.at();
    let read = matches::read(name, args).ok().filter(|_| args.is_structure());
    let name: &[u8] = match (name, &read) {
        // Other names of the programs' for what the kernel calls so.
        (b"state", Some(_)) => b"conntrack",
        (b"icmpv6", Some(_)) => b"icmp6",
        (name, _) => name,
    };
    let is = read.unwrap_or_else(|| Match::Unknown(unknown(args, start, around)));
    XtMatch { name: name.into(), revision: 0, is }
}

fn target(args: &mut Args<'_, '_>, around: Around<'_>) -> Result<XtTarget, Unclear> {
    let name = args.next().ok_or(Unclear)?;
    let start = args.at();
    let known = targets::read(&name.text, args);
    let is_known = known.is_some();
    let does = match known.and_then(Result::ok).filter(|_| args.is_structure()) {
        Some(does) => does,
        None if !is_known && args.is_structure() && around.chains.contains(&*name.text) => {
            Target::Jump((&*name.text).into())
        }
        None => Target::Unknown(unknown(args, start, around)),
    };
    let is_verdict = matches!(does, Target::Accept | Target::Drop | Target::Return | Target::Queue | Target::Jump(_));
    let name: &[u8] = match &does {
        _ if is_verdict => b"",
        Target::Notrack => b"CT",
        _ => &name.text,
    };
    let name = name.into();
    Ok(XtTarget { name, revision: 0, does })
}

fn goto(args: &mut Args<'_, '_>) -> Result<XtTarget, Unclear> {
    let chain = args.next().ok_or(Unclear)?;
    Ok(XtTarget { name: "".into(), revision: 0, does: Target::Goto((&*chain.text).into()) })
}

/// The text of all words from one to the next that begins something of the rule itself.
fn unknown(args: &mut Args<'_, '_>, start: usize, around: Around<'_>) -> Bytes {
    args.go_to(start);
    let mut span = None;
    while !args.is_structure() {
        let Some(word) = args.next() else { break };
        let (first, _) = *span.get_or_insert((word.start, word.end));
        span = Some((first, word.end));
    }
    let text = span.and_then(|(first, last)| around.line.get(first..last));
    Bytes::from(text.unwrap_or_default())
}
