//! The way of a packet as podnet works it out, against what the kernel does with a real one: random
//! networks in namespaces of their own, every frame on every link and every rule's counter compared.
//!
//! Needs root. `PODNET_PATH_SEED` for one network, `PODNET_PATH_NETS` for more, `PODNET_PATH_FROM` to begin
//! elsewhere, `PODNET_PATH_KEEP` to keep what a mismatch is shrunk to among the fixtures, `PODNET_PATH_TELL` for
//! figures and for what agreed only when it was sent again, `PODNET_PATH_SHOW` for the networks themselves.

mod bridged;
mod compare;
mod counters;
mod directed;
mod errors;
mod fixtures;
mod heard;
mod macvlan;
mod net;
mod netdev;
mod pieces;
mod plan;
mod policy;
mod reverse;
mod rules;
mod script;
mod shares;
mod shrink;
mod tunnel;
mod tunnel_length;
mod wire;
mod written;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use podnet::analyze::path::Tuple;

use compare::{FIRST_PORT, Told, run};
use net::Random;
use plan::{Plan, Taste};
use wire::{ASKED, Shot};

/// How many mismatches of one run are shrunk, where `PODNET_PATH_SHRUNK` does not say.
const MOST_SHRUNK: u64 = 2;

fn shot(random: &mut Random, plan: &Plan, number: usize) -> Shot {
    let all = plan.addresses();
    let from = random.below(plan.script.hosts);
    let (_, mut destination) = *random.pick(&all);
    if random.percent(8) {
        let net = 1 + random.below(5);
        destination = if random.percent(50) {
            format!("10.{net}.0.{}", random.pick(&[9, 77, 100, 101, 102, 150, 151])).parse().unwrap()
        } else {
            format!("fd00:{net}::{}", 7 + random.below(4)).parse().unwrap()
        };
    }
    let six = destination.is_ipv6();
    let protocol = *random.pick(&[6, 17, 17, if six { 58 } else { 1 }]);
    let port = FIRST_PORT + u16::try_from(number).unwrap();
    let is_echo = matches!(protocol, 1 | 58);
    let destination_port = Some(if is_echo { port } else { *random.pick(&ASKED) });
    let unspecified: IpAddr = if six { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let own: Vec<IpAddr> =
        all.iter().filter(|(host, own)| *host == from && own.is_ipv6() == six).map(|(_, own)| *own).collect();
    let source = if random.percent(25) && !own.is_empty() { *random.pick(&own) } else { unspecified };
    let tuple = Tuple { source, destination, protocol, source_port: Some(port), destination_port };
    Shot {
        from,
        tuple,
        mark: if random.percent(15) { *random.pick(&[1, 2, 0x10, 0x20]) } else { 0 },
        tos: if random.percent(10) { 0x10 } else { 0 },
        uid: if random.percent(10) { 1000 } else { 0 },
        more: if random.percent(15) { *random.pick(&[92, 500, 1000]) } else { 0 },
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

#[derive(Default)]
struct Tally {
    sent: usize,
    verdicts: BTreeMap<&'static str, usize>,
    unknown: BTreeMap<String, usize>,
    wrong: Vec<String>,
    /// Packets that agreed only when one like it was sent again: something else had not come to rest.
    again: Vec<String>,
    /// How often counters were held against the prediction rule by rule, and how often only for being large enough.
    exact: usize,
    at_least: usize,
}

impl Tally {
    fn take(&mut self, told: Told) {
        self.sent += 1;
        *self.verdicts.entry(told.verdict).or_default() += 1;
        if let Some(because) = told.unknown {
            let key: String = because.chars().filter(|c| !c.is_ascii_digit()).take(100).collect();
            *self.unknown.entry(key).or_default() += 1;
        }
        self.again.extend(told.again);
        self.wrong.extend(told.wrong);
        self.exact += usize::from(told.exact == Some(true));
        self.at_least += usize::from(told.exact == Some(false));
    }

    fn summary(&self) -> String {
        let mut text = format!(
            "{} packets, {} differ, {} again: {:?}; counters: {} exactly, {} at least\n",
            self.sent,
            self.wrong.len(),
            self.again.len(),
            self.verdicts,
            self.exact,
            self.at_least
        );
        for (why, count) in &self.unknown {
            writeln!(text, "{count:6} unknown: {why}").unwrap();
        }
        text
    }
}

fn compare(taste: Taste, name: &str, nets: u64, packets: usize) {
    let from = number("PODNET_PATH_FROM").unwrap_or(1);
    let all = from..from + number("PODNET_PATH_NETS").unwrap_or(nets);
    let seeds: Vec<u64> = number("PODNET_PATH_SEED").map_or_else(|| all.collect(), |seed| vec![seed]);
    let mut tally = Tally::default();
    let mut shrunk = 0;
    let most_shrunk = number("PODNET_PATH_SHRUNK").unwrap_or(MOST_SHRUNK);
    for seed in seeds {
        let mut random = Random::new(seed);
        let plan = plan::plan(&mut random, taste);
        let shots: Vec<Shot> = (0..packets).map(|number| shot(&mut random, &plan, number)).collect();
        if is_set("PODNET_PATH_SHOW") {
            std::io::stderr().write_all(plan.script.text(&shots).as_bytes()).unwrap();
        }
        for (number, mut told) in run(&plan.script, &shots).into_iter().enumerate() {
            if let Some(wrong) = &mut told.wrong {
                *wrong = format!("seed {seed} packet {number} {wrong}");
                if shrunk < most_shrunk {
                    shrunk += 1;
                    wrong.push_str(&smaller(&plan, &shots[..=number], &format!("{name}-{seed}-{number}")));
                }
            }
            if let Some(again) = &mut told.again {
                *again = format!("seed {seed} packet {number} {again}");
            }
            tally.take(told);
        }
    }
    if is_set("PODNET_PATH_TELL") {
        let mut told = format!("{name}: {}", tally.summary());
        for again in &tally.again {
            writeln!(told, "    again: {again}").unwrap();
        }
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    let told: Vec<&str> = tally.wrong.iter().take(60).map(String::as_str).collect();
    assert!(tally.wrong.is_empty(), "{name}: {}\n{}", tally.summary(), told.join("\n"));
    let again = tally.again.len();
    assert!(again * 200 <= tally.sent, "{again} of {} packets agreed only when sent again", tally.sent);
    let unknown = tally.verdicts.get("unknown").copied().unwrap_or(0);
    assert!(unknown * 50 <= tally.sent, "{}", tally.summary());
}

/// What a mismatch is shrunk to, as text.
fn smaller(plan: &Plan, shots: &[Shot], name: &str) -> String {
    let differs =
        |script: &script::Script, shots: &[Shot]| run(script, shots).last().is_some_and(|told| told.wrong.is_some());
    let (script, shots) = shrink::shrink(&plan.script, shots, &differs);
    let text = script.text(&shots);
    if is_set("PODNET_PATH_KEEP") {
        let path = format!("{}/tests/path/fixtures/{name}.net", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, &text).unwrap();
    }
    format!("\n    shrunk to\n{text}")
}

#[test]
fn routes_and_bridges() {
    compare(Taste { faults: true, rules: false, policy: false, tunnels: false }, "routes", 25, 20);
}

#[test]
fn policy_rules_and_marks() {
    compare(Taste { faults: true, rules: false, policy: true, tunnels: false }, "policy", 25, 20);
}

#[test]
fn rules_of_all_back_ends() {
    compare(Taste { faults: false, rules: true, policy: false, tunnels: false }, "rules", 25, 20);
}

#[test]
fn all_at_once() {
    compare(Taste { faults: true, rules: true, policy: true, tunnels: false }, "all", 25, 20);
}

#[test]
fn tunnels_and_macvlans() {
    compare(Taste { faults: true, rules: false, policy: true, tunnels: true }, "tunnels", 15, 20);
}

#[test]
fn tunnels_and_rules() {
    compare(Taste { faults: false, rules: true, policy: false, tunnels: true }, "tunnels and rules", 15, 20);
}
