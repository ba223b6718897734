//! `trace POD SERVICE` on a node of 10,000 services: against `iptables-nft-save` alone, in nftables mode, and with
//! 200,000 flows in the table against 200.
//!
//! Takes the node's rules and flows away: nothing can be asked of it after this.

use super::inside::{Duel, Outcome};
use super::shape;
use super::{duel, feed, lines, median, say, setting};
use crate::support::Worker;

/// An answer about one packet may not take more.
const PEAK_KIB: i64 = 64 * 1024;
/// How many times faster than the program that saves the rules.
const FASTER: f64 = 8.0;
/// Milliseconds in nftables mode, where one element is looked up.
const LONGEST_MS: f64 = 20.0;
/// How much longer it may take with all flows than with few: what two medians differ by chance.
const LONGER: f64 = 1.1;
/// The few.
const FEW: usize = 200;

/// A question and the packet it is about, over and over.
struct Bench<'w> {
    worker: &'w Worker,
    argv: Vec<String>,
    runs: usize,
}

/// Asks in both modes; `false` where a target is missed.
pub fn ask(worker: &Worker, binary: &str, pod: &str, services: usize, addresses: &[String]) -> bool {
    say("");
    say("trace POD SERVICE                           other ms   podnet ms   ratio   wanted   peak MiB");
    // Its endpoints are pods of this node.
    let service = shape::Service::numbered(1);
    let to = format!("{}:80", service.address);
    let argv = [binary, "trace", pod, &to].map(str::to_owned).to_vec();
    let bench = Bench { worker, argv, runs: setting("PAIRS", 11) };
    let saved = bench.against(&["iptables-nft-save"]);
    let ratio = median(saved.shell_ms.iter().zip(&saved.podnet_ms).map(|(other, own)| other / own).collect());
    let all = median(saved.podnet_ms);
    let wanted = format!(">={FASTER}");
    let mut good = tell(
        "iptables-nft, all flows : iptables-nft-save",
        (Some(median(saved.shell_ms)), all, Some(ratio)),
        (&wanted, ratio >= FASTER),
        saved.podnet_peak_kib,
    );
    worker.exec(&["nft", "flush", "ruleset"]);
    feed(worker, &["nft", "-f", "-"], &shape::nftables(services));
    good &= bench.nftables("nftables, all flows");
    worker.exec(&["conntrack", "-F"]);
    feed(worker, &["conntrack", "-R", "-"], &lines(FEW, services, addresses));
    good &= bench.nftables("nftables, 200 flows");
    worker.exec(&["nft", "flush", "ruleset"]);
    feed(worker, &["iptables-nft-restore"], &shape::iptables(services));
    let alone = bench.against(&["true"]);
    let few = median(alone.podnet_ms);
    let wanted = format!("<={LONGER}");
    good & tell(
        "iptables-nft, all flows : 200 flows",
        (Some(few), all, Some(all / few)),
        (&wanted, all / few <= LONGER),
        alone.podnet_peak_kib,
    )
}

impl Bench<'_> {
    fn against(&self, other: &[&str]) -> Outcome {
        let shell = ["sh", "-c", &format!("{}; echo", other.join(" "))].map(str::to_owned).to_vec();
        // 1: no such packet arrives, which is an answer too.
        duel(
            self.worker,
            &Duel { shell, podnet: self.argv.clone(), good: vec![0, 1, 3], shell_good: vec![0], pairs: self.runs },
        )
        .expect("both sides")
    }

    fn nftables(&self, name: &str) -> bool {
        let outcome = self.against(&["true"]);
        let own = median(outcome.podnet_ms);
        tell(name, (None, own, None), (&format!("<{LONGEST_MS}ms"), own < LONGEST_MS), outcome.podnet_peak_kib)
    }
}

fn tell(
    name: &str,
    (other, own, ratio): (Option<f64>, f64, Option<f64>),
    (wanted, met): (&str, bool),
    peak: i64,
) -> bool {
    let good = met && peak < PEAK_KIB;
    let number = |value: Option<f64>, digits| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
    say(&format!(
        "{name:<43} {:>8} {own:>11.1} {:>7}  {wanted:>7}   {:>8}{}",
        number(other, 1),
        number(ratio, 2),
        (peak + 1023) / 1024,
        if good { "" } else { "   MISSED" },
    ));
    good
}
