//! Targets that hand packets, or words about them, to programs.
//!
//! May import model only.

use super::super::args::{Args, Parsed, Unclear};
use super::super::names::LOG_LEVELS;
use super::super::values::{named, number, pair};
use crate::model::netfilter::xt::targets::{Log, Nflog, Nfqueue, Target};
use crate::model::text::ByteText;

pub(super) fn log(args: &mut Args<'_, '_>) -> Parsed<Target> {
    // The level that xtables takes where none is given, and then does not write.
    let mut found = Log { level: 4, flags: 0, prefix: ByteText::default() };
    while let Some(option) = args.option() {
        let flag = match option {
            "--log-level" => {
                found.level = args.plain(|text| named(text, &LOG_LEVELS))?;
                continue;
            }
            "--log-prefix" => {
                found.prefix = args.name()?;
                continue;
            }
            "--log-tcp-sequence" => 1,
            "--log-tcp-options" => 2,
            "--log-ip-options" => 4,
            "--log-uid" => 8,
            "--log-macdecode" => 32,
            _ => return Err(Unclear),
        };
        args.yes()?;
        found.flags |= flag;
    }
    Ok(Target::Log(found))
}

pub(super) fn nflog(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let mut found = Nflog { group: 0, prefix: ByteText::default(), length: 0, sized: false, threshold: 0 };
    while let Some(option) = args.option() {
        match option {
            "--nflog-prefix" => found.prefix = args.name()?,
            "--nflog-group" => found.group = args.plain(number)?,
            "--nflog-range" => found.length = args.plain(number)?,
            "--nflog-size" => {
                found.length = args.plain(number)?;
                found.sized = true;
            }
            "--nflog-threshold" => found.threshold = args.plain(number)?,
            _ => return Err(Unclear),
        }
    }
    Ok(Target::Nflog(found))
}

pub(super) fn nfqueue(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let mut found = Nfqueue { number: 0, total: 1, bypass: false, cpu_fanout: false };
    while let Some(option) = args.option() {
        match option {
            "--queue-num" => found.number = args.plain(number)?,
            "--queue-balance" => {
                let (first, last): (u16, u16) = args.plain(|text| pair(text, ':', 0, u16::MAX))?;
                found.number = first;
                found.total = last.checked_sub(first).and_then(|more| more.checked_add(1)).ok_or(Unclear)?;
            }
            "--queue-bypass" => found.bypass = args.yes()?,
            "--queue-cpu-fanout" => found.cpu_fanout = args.yes()?,
            _ => return Err(Unclear),
        }
    }
    Ok(Target::Nfqueue(found))
}
