//! `/proc/net/xt_recent/NAME`.
//!
//! May import model only.

use std::net::IpAddr;

use super::TextError;
use super::jiffies::Clock;
use crate::model::netfilter::recent::RecentEntry;

/// The entries of a list by address, and the lines that are none.
pub fn parse(text: &str, clock: Option<Clock>) -> (Vec<RecentEntry>, Vec<TextError>) {
    let (mut entries, mut errors) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        match entry(line, clock) {
            Ok(entry) => entries.push(entry),
            Err((item, expected)) => errors.push(TextError { line: at + 1, item, expected }),
        }
    }
    entries.sort();
    (entries, errors)
}

/// `src=10.200.0.3 ttl: 63 last_seen: 4297532345 oldest_pkt: 2 4297532001, 4297532345`
fn entry(line: &str, clock: Option<Clock>) -> Result<RecentEntry, (&'static str, &'static str)> {
    let mut words = line.split_ascii_whitespace();
    let address = words.next().and_then(|word| word.strip_prefix("src=")?.parse::<IpAddr>().ok());
    let address = address.ok_or(("src", "src=ADDRESS"))?;
    let mut field = |label: &str| words.next().filter(|word| *word == label).and_then(|_| words.next());
    let ttl = field("ttl:").and_then(|text| text.parse().ok()).ok_or(("ttl", "ttl: NUMBER"))?;
    let seen = field("last_seen:").and_then(|text| text.parse().ok());
    let last_seen_jiffies = seen.ok_or(("last_seen", "last_seen: NUMBER"))?;
    // The place of the oldest stamp, which the kernel writes over next: nobody needs it.
    field("oldest_pkt:").and_then(|text| text.parse::<u32>().ok()).ok_or(("oldest_pkt", "oldest_pkt: NUMBER"))?;
    let mut stamps = 0_u32;
    for word in words {
        word.trim_end_matches(',').parse::<u64>().map_err(|_| ("stamps", "numbers"))?;
        stamps = stamps.saturating_add(1);
    }
    let age_ms = clock.map(|clock| clock.age_ms(last_seen_jiffies));
    Ok(RecentEntry { address, ttl, age_ms, last_seen_jiffies, stamps })
}
