//! The counters of rules, as the programs that write rules tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use podnet::analyze::path::Counted;
use podnet::model::ids::NetnsId;
use podnet::model::netfilter::table::BackEnd;

use crate::net::Net;
use crate::script::Script;

/// A rule: the host, who holds it, the family, table and chain, and its number or (of nft) its handle.
pub type Rule = (usize, String, String, String, String, u64);

/// Packets by rule.
pub type Counts = BTreeMap<Rule, u64>;

/// Who is asked for the counters of a network.
pub struct Oracle {
    asked: BTreeSet<(usize, &'static str)>,
}

impl Oracle {
    pub fn of(script: &Script) -> Self {
        let mut asked = BTreeSet::new();
        for step in &script.steps {
            let program = match step.program.as_str() {
                "iptables-nft-restore" => "iptables-nft-save",
                "ip6tables-nft-restore" => "ip6tables-nft-save",
                "iptables-legacy-restore" => "iptables-legacy-save",
                "ip6tables-legacy-restore" => "ip6tables-legacy-save",
                "nft -f -" => "nft",
                _ => continue,
            };
            asked.insert((step.host, program));
        }
        Self { asked }
    }

    pub fn read(&self, net: &Net) -> Counts {
        let mut counts = Counts::new();
        for (host, program) in &self.asked {
            let arguments: &[&str] = if *program == "nft" { &["-j", "list", "ruleset"] } else { &["-c"] };
            let output = net.within(*host, || Command::new(program).args(arguments).output().unwrap());
            let text = String::from_utf8(output.stdout).unwrap();
            if *program == "nft" {
                of_nft(*host, &text, &mut counts);
            } else {
                of_save(*host, program, &text, &mut counts);
            }
        }
        counts
    }
}

fn of_save(host: usize, program: &str, text: &str, counts: &mut Counts) {
    let family = if program.starts_with("ip6") { "ip6" } else { "ip" };
    let back_end = if program.contains("legacy") { "legacy" } else { "iptables-nft" };
    let mut table = "";
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
            numbers.clear();
        }
        let Some((packets, rest)) = line.strip_prefix('[').and_then(|line| line.split_once(':')) else { continue };
        let Some(chain) = rest.split(' ').nth(2) else { continue };
        let number = numbers.entry(chain).or_default();
        *number += 1;
        let rule = (host, back_end.to_owned(), family.to_owned(), table.to_owned(), chain.to_owned(), *number);
        counts.insert(rule, packets.parse().unwrap());
    }
}

fn of_nft(host: usize, text: &str, counts: &mut Counts) {
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    for rule in all["nftables"].as_array().unwrap().iter().filter_map(|one| one.get("rule")) {
        let Some(counter) = rule["expr"].as_array().unwrap().iter().find_map(|expr| expr.get("counter")) else {
            continue;
        };
        let words = |name: &str| rule[name].as_str().unwrap().to_owned();
        if words("table") != "t" {
            continue;
        }
        let handle = rule["handle"].as_u64().unwrap();
        let rule = (host, "nft".to_owned(), words("family"), words("table"), words("chain"), handle);
        counts.insert(rule, counter["packets"].as_u64().unwrap());
    }
}

/// By how much each rule grew.
pub fn grown(before: &Counts, after: &Counts) -> Counts {
    let rise = |(rule, now): (&Rule, &u64)| (rule.clone(), now - before.get(rule).unwrap_or(&0));
    after.iter().map(rise).filter(|(_, by)| *by > 0).collect()
}

/// The same as podnet tells it.
pub fn predicted(counted: &[Counted], ids: &[NetnsId], sure: bool) -> Counts {
    let mut counts = Counts::new();
    for Counted { netns, chain, number, handle, .. } in counted.iter().filter(|one| one.is_sure == sure) {
        let host = ids.iter().position(|id| id == netns).unwrap();
        let table = chain.table.name.to_string();
        let (back_end, number) = match chain.table.back_end {
            BackEnd::Legacy => ("legacy", u64::from(*number)),
            BackEnd::NfTables if table == "t" => ("nft", handle.unwrap()),
            BackEnd::NfTables => ("iptables-nft", u64::from(*number)),
        };
        let family = chain.table.family.name().to_owned();
        let rule = (host, back_end.to_owned(), family, table, chain.name.to_string(), number);
        *counts.entry(rule).or_default() += 1;
    }
    counts
}
