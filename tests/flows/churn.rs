//! A table that changes while it is read.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use podnet::model::flow::filter::FlowFilter;

use crate::oracle::put;
use crate::raw::{changer, in_and_out};
use crate::table::{open, read};
use crate::testbed::Netns;

/// How many threads change the table, each its own part of it.
const WRITERS: u8 = 2;
/// How many flows come, and how many go, in one write: the kernel works them off in the time of the writer.
const STEP: u16 = 256;

/// Puts flows in and takes them out again until it is dropped.
struct Churn {
    stop: Arc<AtomicBool>,
    changes: Arc<AtomicU64>,
    workers: Vec<JoinHandle<()>>,
}

impl Churn {
    fn start(netns: &Netns) -> Self {
        let (stop, changes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let workers = (0..WRITERS).map(|writer| {
            let socket = changer(netns);
            // The same tuples come and go, and others, all over the table.
            let rows: Vec<Vec<u8>> = (0..25_u16)
                .map(|row| {
                    let ports = (0..STEP).map(|at| 1000 + row * STEP + at);
                    let end = |last, port| (Ipv4Addr::new(172, 16, writer, last), port);
                    in_and_out(&ports.map(|port| (end(1, port), end(2, 80))).collect::<Vec<_>>())
                })
                .collect();
            let (ended, counted) = (Arc::clone(&stop), Arc::clone(&changes));
            std::thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    for row in &rows {
                        assert_eq!(socket.send(row, 0).unwrap(), row.len());
                        counted.fetch_add(2 * u64::from(STEP), Ordering::Relaxed);
                    }
                }
                // It answers only what it refuses.
                let mut answer = [0u8; 64];
                socket.set_non_blocking(true).unwrap();
                let read = socket.recv(&mut &mut answer[..], 0);
                assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a change was refused");
            })
        });
        let workers = workers.collect();
        Self { stop, changes, workers }
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            assert!(worker.join().is_ok() || std::thread::panicking(), "a change failed");
        }
    }
}

const STABLE: u16 = 20_000;

#[test]
fn what_lives_throughout_is_told_once_and_whole_while_the_table_changes() {
    let netns = Netns::new();
    let line = |number: u16| {
        format!(
            "-A -t 50000 -u SEEN_REPLY,ASSURED -s 10.{}.{}.1 -d 10.0.0.2 -p udp --sport 7 --dport 53 -m {number}\n",
            number >> 8,
            number & 255
        )
    };
    put(&netns, &(0..STABLE).map(line).collect::<String>());
    let namespace = open(&netns);
    let calm: BTreeMap<IpAddr, _> = read(&namespace, &[FlowFilter::default()])
        .into_iter()
        .map(|mut flow| {
            flow.timeout_s = None;
            (flow.original.src, flow)
        })
        .collect();
    assert_eq!(calm.len(), usize::from(STABLE));

    let churn = Churn::start(&netns);
    let begin = Instant::now();
    let mut rounds = 0;
    // Long enough to meet the table in many states, and short of what a patient reader waits.
    while rounds < 20 || churn.changes.load(Ordering::Relaxed) < 500_000 {
        let mut seen = std::collections::BTreeSet::new();
        let mut stable = 0;
        let outcome = namespace.flows(&[FlowFilter::default()], &mut |flow| {
            assert!(seen.insert((flow.id, flow.zone, flow.original)), "twice: {flow:?}");
            if let Some(known) = calm.get(&flow.original.src) {
                stable += 1;
                assert_eq!(
                    (flow.reply, flow.mark, flow.status, flow.id),
                    (known.reply, known.mark, known.status, known.id)
                );
            } else {
                // Those that come and go are whole, too.
                assert_eq!((flow.original.src, flow.original.protocol), (flow.reply.dst, 6));
                assert_eq!(flow.original.src_port(), flow.reply.dst_port());
            }
            ControlFlow::Continue(())
        });
        assert_eq!((outcome.issues, stable), (Vec::new(), calm.len()));
        rounds += 1;
        assert!(begin.elapsed() < Duration::from_secs(120), "{rounds} readings took too long");
    }
    let filtered = read(&namespace, &FlowFilter::places_of("10.0.0.2".parse().unwrap()));
    assert_eq!(filtered.len(), calm.len());
    let rate = Duration::from_secs(churn.changes.load(Ordering::Relaxed)).div_duration_f64(begin.elapsed());
    // Seen with --nocapture; the machine decides how many it is.
    eprintln!("{rounds} readings, {rate:.0} changes a second");
}
