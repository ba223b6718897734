//! Chance, counts and rates.
//!
//! May import model only.

use super::super::args::{Args, Parsed, Unclear};
use super::super::values::{number, rate};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Hashlimit, Match, Rate, Statistic};
use crate::model::text::ByteText;

pub(super) fn statistic(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let (mut random, mut every, mut first) = (None, None, 0);
    while let Some(option) = args.option() {
        match option {
            "--mode" => drop(args.plain(|text| matches!(text, "random" | "nth").then_some(()))?),
            "--probability" => random = Some(args.test(probability)?),
            "--every" => every = Some(args.test(|text| number::<u32>(text)?.checked_sub(1))?),
            "--packet" => first = args.plain(number)?,
            _ => return Err(Unclear),
        }
    }
    match (random, every) {
        (Some(Test { not, value: n }), None) => Ok(Match::Statistic(Test { not, value: Statistic::Random { n } })),
        (None, Some(Test { not, value: every })) => {
            Ok(Match::Statistic(Test { not, value: Statistic::Nth { every, first } }))
        }
        _ => Err(Unclear),
    }
}

/// `0.33333333349` in parts of 2^31, rounded to the nearest.
fn probability(text: &str) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = digits.chars().chain("000000000000000".chars()).take(15).collect();
    let (whole, digits): (u128, u128) = (whole.parse().ok()?, digits.parse().ok()?);
    let unit = 10_u128.pow(15);
    let parts = whole.checked_mul(unit)?.checked_add(digits)?;
    let n = (parts.checked_mul(1 << 31)?.checked_add(unit / 2)?).checked_div(unit)?;
    u32::try_from(n).ok().filter(|n| *n <= 1 << 31)
}

pub(super) fn limit(args: &mut Args<'_, '_>) -> Parsed<Match> {
    // What xtables takes where none is given, and then does not write.
    let (mut average, mut burst) = (None, 5);
    while let Some(option) = args.option() {
        match option {
            "--limit" => {
                average = Some(args.plain(|text| rate(text, 10_000).and_then(|(period, _)| period.try_into().ok()))?);
            }
            "--limit-burst" => burst = args.plain(number)?,
            _ => return Err(Unclear),
        }
    }
    Ok(Match::Limit(Rate { average: average.ok_or(Unclear)?, burst }))
}

const MODES: [(u32, &str); 4] = [(4, "srcip"), (8, "srcport"), (1, "dstip"), (2, "dstport")];
const INVERTED: u32 = 16;
const BYTES: u32 = 32;
const RATE_MATCH: u32 = 64;

/// What was given of a `hashlimit`, before what depends on each other is put together.
#[derive(Default)]
struct Given {
    above: bool,
    mode: u32,
    /// Period and unit in seconds, or for bytes the cost.
    average: Option<(u64, u64)>,
    bytes: bool,
    burst: Option<u64>,
    expire: Option<u32>,
    gc_interval: Option<u32>,
    interval: Option<u32>,
    source_prefix: Option<u8>,
    destination_prefix: Option<u8>,
    size: u32,
    max: u32,
    name: ByteText,
}

pub(super) fn hashlimit(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut given = Given::default();
    while let Some(option) = args.option() {
        match option {
            "--hashlimit-upto" | "--hashlimit" | "--hashlimit-above" => {
                let average = args.test(average)?;
                given.above = average.not != (option == "--hashlimit-above");
                (given.bytes, given.average) = (average.value.0, Some(average.value.1));
            }
            "--hashlimit-burst" => given.burst = Some(args.plain(bytes)?),
            "--hashlimit-mode" => {
                given.mode |= args.plain(|text| super::super::values::bits(&text.replace('|', ","), &MODES))?;
            }
            "--hashlimit-name" => given.name = args.name()?,
            "--hashlimit-srcmask" => given.source_prefix = Some(args.plain(number)?),
            "--hashlimit-dstmask" => given.destination_prefix = Some(args.plain(number)?),
            "--hashlimit-htable-size" => given.size = args.plain(number)?,
            "--hashlimit-htable-max" => given.max = args.plain(number)?,
            "--hashlimit-htable-gcinterval" => given.gc_interval = Some(args.plain(number)?),
            "--hashlimit-htable-expire" => given.expire = Some(args.plain(number)?),
            "--hashlimit-rate-match" => {
                args.yes()?;
                given.mode |= RATE_MATCH;
            }
            "--hashlimit-rate-interval" => given.interval = Some(args.plain(number)?),
            _ => return Err(Unclear),
        }
    }
    assemble(given, args.family).ok_or(Unclear)
}

/// Puts it together as `hashlimit_mt_check` does.
fn assemble(given: Given, family: Family) -> Option<Match> {
    let (mut average, unit) = given.average?;
    let mut expire = unit * 1000;
    let burst = match (given.bytes, given.burst) {
        (false, burst) => burst.unwrap_or(5),
        (true, None) => 0,
        (true, Some(burst)) => {
            expire = 60_000;
            // A whole number of what one unit of the rate stands for.
            let one = bytes_of(average);
            burst.checked_add(one.checked_sub(1)?)?.checked_div(one)?
        }
    };
    let mut interval = given.interval.unwrap_or(0);
    if given.mode & RATE_MATCH != 0 {
        if !given.bytes {
            average /= unit;
        }
        if interval == 0 {
            interval = if given.bytes { 1 } else { u32::try_from(unit).ok()? };
        }
    }
    let whole = if family == Family::Ip6 { 128 } else { 32 };
    let mut mode = given.mode;
    mode |= if given.above { INVERTED } else { 0 };
    mode |= if given.bytes { BYTES } else { 0 };
    Some(Match::Hashlimit(Box::new(Hashlimit {
        name: given.name,
        above: given.above,
        mode,
        average,
        burst,
        scale: 1_000_000,
        size: given.size,
        max: given.max,
        gc_interval_ms: given.gc_interval.unwrap_or(1000),
        expire_ms: given.expire.or_else(|| u32::try_from(expire).ok())?,
        interval,
        source_prefix: given.source_prefix.unwrap_or(whole),
        destination_prefix: given.destination_prefix.unwrap_or(whole),
    })))
}

/// `5/min`, or `512kb/s`: whether it is bytes; the period or cost, and the seconds of the unit.
fn average(text: &str) -> Option<(bool, (u64, u64))> {
    let Some(count) = text.strip_suffix("b/s") else { return Some((false, rate(text, 1_000_000)?)) };
    let count = bytes(count).filter(|count| *count > 0)?;
    // bytes_to_cost(): 32 bits on purpose.
    let units = u32::try_from((count >> 4) & u64::from(u32::MAX)).ok()?;
    let cost = u64::from(u32::MAX.checked_div(units.checked_add(1)?)?);
    (cost > 0).then_some((true, (cost, 15)))
}

/// `cost_to_bytes()`
fn bytes_of(cost: u64) -> u64 {
    let units = u64::from(u32::MAX).checked_div(cost).unwrap_or(u64::from(u32::MAX));
    units.saturating_sub(1) << 4
}

/// `512`, `512k`, `5mb`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.strip_suffix('b').unwrap_or(text);
    let (count, factor) = match text.strip_suffix('k') {
        Some(count) => (count, 1 << 10),
        None => text.strip_suffix('m').map_or((text, 1), |count| (count, 1 << 20)),
    };
    number::<u64>(count)?.checked_mul(factor)
}
