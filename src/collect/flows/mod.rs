//! Flows of a namespace, live: streamed, what is counted of them, what helpers expect.
//!
//! May import model, wire and sys. Judges nothing; keeps no flow.

mod pass;
mod plan;
mod seen;
pub mod watch;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use self::pass::{Batch, Outcome};
use self::plan::Pass;
use self::seen::Seen;
use super::kernel::Namespace;
use super::kernel::dump::{repeated, why};
use crate::model::flow::Flow;
use crate::model::flow::expectation::Expectation;
use crate::model::flow::filter::FlowFilter;
use crate::model::flow::statistics::Statistics;
use crate::model::flow::tuple::Tuple;
use crate::model::issue::{Issue, Read, Why};
use crate::sys::netlink::{NetlinkError, NetlinkSocket};
use crate::wire::conntrack::{self, request};
use crate::wire::netlink::attr::AttrError;

/// Where the kernel lists its parts: nfnetlink *loads* the one that a question is for.
const PARTS: &str = "/sys/module";
/// How many walks over the table run at once: as many as an address has places to stand in. Each would keep a
/// processor busy, half of it in the kernel; on two of them four end together, where two and two leave one idle at the
/// end.
const WORKERS: usize = 4;
/// Batches that may wait between a walk and who reads it.
const WAITING: usize = 16;
/// How often all is read again since the table was resized meanwhile.
const ROUNDS: usize = 3;

const COUNT: &str = "netfilter.nf_conntrack_count";
const BUCKETS: &str = "netfilter.nf_conntrack_buckets";
const LIMIT: &str = "netfilter.nf_conntrack_max";
const EXPECTATIONS_LIMIT: &str = "netfilter.nf_conntrack_expect_max";

impl Namespace {
    /// Hands every flow that one of the filters accepts to `each`, until it breaks; none twice.
    ///
    /// The order is the kernel's; in a table that is not nearly empty, within that of the filters.
    pub fn flows(&self, filters: &[FlowFilter], each: &mut dyn FnMut(&Flow) -> ControlFlow<()>) -> Read<()> {
        if !has_conntrack() {
            return Read::ok(());
        }
        let mut passes = plan::passes(filters);
        let number = |name| self.sysctl(name).value.and_then(|text| text.trim().parse::<u64>().ok());
        // All namespaces share one table: a walk for one without flows is as long as any.
        let count = number(COUNT);
        if passes.is_empty() || count == Some(0) {
            return Read::ok(());
        }
        if let (Some(count), Some(buckets), 2..) = (count, number(BUCKETS), passes.len()) {
            passes = plan::for_table(passes, count, buckets);
        }
        let mut seen = Seen::default();
        let mut issues = Vec::new();
        for round in 1..=ROUNDS {
            let buckets = self.sysctl(BUCKETS).value;
            let (end, found) = self.round(&passes, &mut seen, each);
            issues.extend(found);
            // A flow that moved to a bucket that was read already was not seen.
            if end.is_break() || buckets == self.sysctl(BUCKETS).value {
                break;
            }
            if round == ROUNDS || seen.has_forgotten() {
                let detail = "the kernel resized the table meanwhile: flows may be missing".to_owned();
                issues.push(Issue::incomplete(self.subject(), Why::Interrupted { detail }));
                break;
            }
        }
        issues.sort();
        issues.dedup();
        Read { value: (), issues }
    }

    /// The flow that a packet with this tuple belongs to in a zone: the kernel looks it up as it does for a packet.
    pub fn flow_of(&self, tuple: &Tuple, zone: u16) -> Read<Option<Flow>> {
        if !has_conntrack() {
            return Read::default();
        }
        let request = request::flow_of(tuple, zone);
        repeated(&format!("a flow of {}", self.id()), |value: &mut Option<Flow>, complaints| {
            match self.with_netfilter(|socket| socket.ask(&request)) {
                Ok(reply) => *value = reply.and_then(|reply| conntrack::flow(&reply.payload, complaints)),
                // There is none.
                Err(NetlinkError::Refused(refusal)) if refusal.errno == libc::ENOENT => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })
    }

    fn subject(&self) -> String {
        format!("reading flows of {}", self.id())
    }

    /// Walks over the table once for each pass.
    fn round(
        &self,
        passes: &[Pass],
        seen: &mut Seen,
        each: &mut dyn FnMut(&Flow) -> ControlFlow<()>,
    ) -> (ControlFlow<()>, Vec<Issue>) {
        let mut sockets = Vec::new();
        for _ in 0..WORKERS.min(passes.len()) {
            match self.own_netfilter() {
                Ok(socket) => sockets.push(socket),
                // One is enough.
                Err(_) if !sockets.is_empty() => break,
                Err(error) => {
                    return (ControlFlow::Break(()), vec![Issue::incomplete(self.subject(), why(&error))]);
                }
            }
        }
        let forgot = AtomicBool::new(seen.has_forgotten());
        let workers = sockets.len();
        thread::scope(|scope| {
            let mut work: Vec<Vec<(&Pass, mpsc::SyncSender<Batch>)>> = sockets.iter().map(|_| Vec::new()).collect();
            let mut receivers = Vec::with_capacity(passes.len());
            for (index, pass) in passes.iter().enumerate() {
                let (sender, receiver) = mpsc::sync_channel(WAITING);
                if let Some(own) = work.get_mut(index % workers) {
                    own.push((pass, sender));
                }
                receivers.push(receiver);
            }
            let running: Vec<_> =
                sockets.into_iter().zip(work).map(|(socket, own)| scope.spawn(|| walk(socket, own, &forgot))).collect();
            let mut end = ControlFlow::Continue(());
            for receiver in receivers {
                // Where nobody reads any more, the receivers that are left end the walks.
                if end.is_break() {
                    break;
                }
                end = receiver.into_iter().flatten().try_for_each(|flow| {
                    if !seen.is_new(&flow) {
                        return ControlFlow::Continue(());
                    }
                    forgot.store(seen.has_forgotten(), Ordering::Relaxed);
                    each(&flow)
                });
            }
            let mut issues = Vec::new();
            for worker in running {
                if let Ok(outcomes) = worker.join() {
                    issues.extend(outcomes.into_iter().flat_map(|outcome| outcome.issues(self.id())));
                } else {
                    let detail = "the thread that reads them panicked".to_owned();
                    issues.push(Issue::incomplete(self.subject(), Why::Io { detail }));
                }
            }
            (end, issues)
        })
    }

    /// What helpers expect, by master, tuple and id.
    pub fn expectations(&self) -> Read<Vec<Expectation>> {
        if !has_conntrack() {
            return Read::default();
        }
        let subject = format!("expectations of {}", self.id());
        let mut read = repeated(&subject, |value: &mut Vec<Expectation>, complaints: &mut Vec<AttrError>| {
            self.with_netfilter(|socket| {
                socket.dump(&request::expectations(), &mut |message| {
                    if message.kind == conntrack::EXPECTATION_NEW {
                        value.extend(conntrack::expectation(message.payload, complaints));
                    }
                })
            })
        });
        read.value.sort_by(|one, other| {
            (&one.master, &one.tuple, one.id, one.zone).cmp(&(&other.master, &other.tuple, other.id, other.zone))
        });
        read.value.dedup();
        read
    }

    /// How full the table is, and what each CPU counted.
    pub fn flow_statistics(&self) -> Read<Statistics> {
        if !has_conntrack() {
            return Read::default();
        }
        let subject = format!("statistics of flows of {}", self.id());
        let mut read = repeated(&subject, |value: &mut Statistics, complaints: &mut Vec<AttrError>| {
            self.with_netfilter(|socket| {
                socket.dump(&request::cpu_statistics(), &mut |message| {
                    if message.kind == conntrack::STATISTICS_CPU {
                        value.cpus.extend(conntrack::cpu_statistics(message.payload, complaints));
                    }
                })?;
                if let Some(reply) = socket.ask(&request::statistics())? {
                    conntrack::fill_totals(&reply.payload, value, complaints);
                }
                Ok(())
            })
        });
        read.value.cpus.sort_by_key(|cpu| cpu.cpu);
        let names = [BUCKETS, EXPECTATIONS_LIMIT, LIMIT].map(str::to_owned);
        let mut numbers = Vec::new();
        for value in self.sysctls(&names) {
            numbers.push(value.value.and_then(|text| text.trim().parse::<u64>().ok()));
            read.issues.extend(value.issues);
        }
        if let [buckets, expectations_limit, limit] = numbers[..] {
            read.value.buckets = buckets;
            read.value.expectations_limit = expectations_limit;
            read.value.limit = read.value.limit.or(limit);
        }
        read
    }
}

/// Whether this kernel tracks flows now: to ask one that could load that part would make it do so.
fn has_conntrack() -> bool {
    let parts = Path::new(PARTS);
    !parts.is_dir() || parts.join("nf_conntrack").exists()
}

/// One thread's walks, one after the other.
fn walk(mut socket: NetlinkSocket, work: Vec<(&Pass, mpsc::SyncSender<Batch>)>, forgot: &AtomicBool) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (pass, sender) in work {
        let (end, outcome) = pass::walk(&mut socket, pass, &sender, forgot);
        outcomes.push(outcome);
        if end.is_break() {
            break;
        }
    }
    outcomes
}
