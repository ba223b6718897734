//! What the counters of the table mean, in plain words.
//!
//! May import model and its siblings only.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::flow::statistics::{CpuStatistics, Statistics};

/// One counter, over all CPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counter {
    /// As `conntrack -S` calls it.
    pub name: String,
    /// The sum over all CPUs since the namespace began; `None` where this kernel does not count it.
    pub total: Option<u64>,
    /// What each CPU counted, by CPU; those that count it alone.
    pub cpus: Vec<OfCpu>,
    /// What one more of it says.
    pub means: &'static str,
    /// Whether each one is a packet that was lost.
    pub lost_packets: bool,
}

/// What one CPU counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OfCpu {
    /// Which CPU.
    pub cpu: u16,
    /// How many.
    pub count: u64,
}

/// How a counter is found in what one CPU counted.
type Counted = fn(&CpuStatistics) -> Option<u64>;

/// Name, where it stands, what it means, whether each is a lost packet; in the order of `conntrack -S`.
///
/// Where they are counted: `nf_conntrack_core.c` (`nf_conntrack_in`, `__nf_conntrack_confirm`,
/// `nf_ct_resolve_clash`, `early_drop`, `nf_conntrack_tuple_taken`) and `nf_conntrack_hash_check_insert`.
const COUNTERS: [(&str, Counted, &str, bool); 10] = [
    (
        "found",
        |cpu| Some(cpu.found),
        "NAT wanted to give a flow a port that another flow has, and tried the next: ports are getting scarce where it \
         grows fast",
        false,
    ),
    (
        "invalid",
        |cpu| Some(cpu.invalid),
        "a packet belongs to no flow and begins none: it is not translated, and passes unless a rule drops it \
         (ctstate INVALID)",
        false,
    ),
    (
        "insert",
        |cpu| cpu.insert,
        "a program put a flow in (conntrack -I, a failover); the kernel's own flows are not counted since Linux 4.6",
        false,
    ),
    (
        "insert_failed",
        |cpu| Some(cpu.insert_failed),
        "a flow with the same addresses and ports was put in a moment before: the packet was lost (two first packets at \
         once, as of two DNS queries from one socket), or, from a program, the flow refused",
        true,
    ),
    (
        "drop",
        |cpu| Some(cpu.drop),
        "a packet was dropped: the table was full, memory was short, two first packets clashed, or the state of its \
         flow forbade it",
        true,
    ),
    (
        "early_drop",
        |cpu| Some(cpu.early_drop),
        "a flow that was not assured was thrown away to make room: the table was full",
        false,
    ),
    (
        "error",
        |cpu| Some(cpu.error),
        "an ICMP packet was broken: too short, a wrong checksum, or an error about something that cannot be read",
        false,
    ),
    (
        "search_restart",
        |cpu| Some(cpu.search_restart),
        "a look-up began anew, since the flow that it stood at moved meanwhile: a little time, nothing lost",
        false,
    ),
    (
        "clash_resolve",
        |cpu| cpu.clash_resolve,
        "two first packets of one conversation came at once, and both went on: nothing lost",
        false,
    ),
    (
        "chaintoolong",
        |cpu| cpu.chain_too_long,
        "a first packet was dropped, for too many flows share its bucket: nf_conntrack_buckets is too small, or \
         somebody chooses ports so on purpose",
        true,
    ),
];

/// All counters, in the order of `conntrack -S`, then those that podnet does not know, by number.
pub(super) fn counters(statistics: &Statistics) -> Vec<Counter> {
    let of = |name: String, counted: &dyn Fn(&CpuStatistics) -> Option<u64>, means, lost_packets| {
        let cpus: Vec<OfCpu> =
            statistics.cpus.iter().filter_map(|cpu| Some(OfCpu { cpu: cpu.cpu, count: counted(cpu)? })).collect();
        let sum = cpus.iter().fold(0_u64, |sum, cpu| sum.saturating_add(cpu.count));
        Counter { name, total: (!cpus.is_empty()).then_some(sum), cpus, means, lost_packets }
    };
    let mut all: Vec<Counter> =
        COUNTERS.iter().map(|(name, counted, means, lost)| of((*name).to_owned(), counted, means, *lost)).collect();
    let others: std::collections::BTreeSet<u16> =
        statistics.cpus.iter().flat_map(|cpu| cpu.other.keys().copied()).collect();
    all.extend(others.into_iter().map(|kind| {
        let means = "a counter that podnet does not know, by its attribute's type";
        of(kind.to_string(), &move |cpu| cpu.other.get(&kind).copied(), means, false)
    }));
    all
}
