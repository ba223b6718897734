//! Sets and lists of addresses.
//!
//! May import model only.

use super::super::args::{Args, Parsed, Unclear};
use super::super::values::{address, directions, number};
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{CounterTest, Match, Recent, RecentOp, SetName, SetTest};

pub(super) fn set(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut found = None;
    let mut test = SetTest {
        set: SetName::Index(u16::MAX),
        from_source: Vec::new(),
        return_nomatch: false,
        keep_counters: false,
        keep_subcounters: false,
        packets: None,
        bytes: None,
    };
    while let Some(option) = args.option() {
        match option {
            "--match-set" | "--set" => {
                let name = args.test_name()?;
                test.set = SetName::Name(name.value);
                test.from_source = args.value(directions)?;
                found = Some(name.not);
            }
            "--return-nomatch" => test.return_nomatch = args.yes()?,
            "--update-counters" => test.keep_counters = args.turned(),
            "--update-subcounters" => test.keep_subcounters = args.turned(),
            _ => {
                let (op, place) = match option.strip_prefix("--packets-") {
                    Some(op) => (op, &mut test.packets),
                    None => (option.strip_prefix("--bytes-").ok_or(Unclear)?, &mut test.bytes),
                };
                *place = Some(counter(op, args)?);
            }
        }
    }
    let not = found.ok_or(Unclear)?;
    Ok(Match::Set(Box::new(Test { not, value: test })))
}

fn counter(op: &str, args: &mut Args<'_, '_>) -> Parsed<CounterTest> {
    let value = args.test(number)?;
    let op = match (op, value.not) {
        ("eq", false) => 1,
        ("eq", true) => 2,
        ("lt", false) => 3,
        ("gt", false) => 4,
        _ => return Err(Unclear),
    };
    Ok(CounterTest { op, value: value.value })
}

pub(super) fn recent(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut op = None;
    let mut recent = Recent {
        name: "DEFAULT".into(),
        op: RecentOp::Set,
        seconds: 0,
        hitcount: 0,
        reap: false,
        ttl: false,
        destination: false,
        mask: None,
    };
    let family = args.family;
    while let Some(option) = args.option() {
        match option {
            "--set" => op = Some((RecentOp::Set, args.turned())),
            "--rcheck" => op = Some((RecentOp::Check, args.turned())),
            "--update" => op = Some((RecentOp::Update, args.turned())),
            "--remove" => op = Some((RecentOp::Remove, args.turned())),
            "--seconds" => recent.seconds = args.plain(number)?,
            "--hitcount" => recent.hitcount = args.plain(number)?,
            "--reap" => recent.reap = args.yes()?,
            "--rttl" => recent.ttl = args.yes()?,
            "--name" => recent.name = args.name()?,
            "--mask" => recent.mask = Some(args.plain(|text| address(text, family))?),
            "--rsource" => recent.destination = !args.yes()?,
            "--rdest" => recent.destination = args.yes()?,
            _ => return Err(Unclear),
        }
    }
    let (op, not) = op.ok_or(Unclear)?;
    recent.op = op;
    Ok(Match::Recent(Test { not, value: recent }))
}
