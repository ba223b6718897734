//! Pods come and go while they are read.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::check::{assert_identity, row, rows};
use crate::support::{CniConf, PodSpec, Worker};

/// What a pod that came and went was, so that a row can be held against it.
#[derive(Debug, Default)]
struct Seen {
    /// Address, pause process and inode by sandbox.
    by_sandbox: BTreeMap<String, (Value, u32, u64)>,
}

#[test]
fn pods_two_hundred_times_while_pods_are_made_and_removed() {
    let worker = Worker::start(&CniConf::bridge());
    let steady = worker.run_pods(&[PodSpec::new("default", "steady-0"), PodSpec::new("default", "steady-1")], 1);
    let over = AtomicBool::new(false);
    let seen = Mutex::new(Seen::default());
    let mut answers: Vec<Value> = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0_u32.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let pod = worker.run_pod(&PodSpec::new("default", &format!("brief-{turn}")));
                let pid = worker.pause_pid(&pod);
                let address = worker.ip_in(pid, "addr show dev eth0")[0]["addr_info"][0]["local"].clone();
                let truth = (address, pid, worker.netns_of(pid).1);
                seen.lock().expect("the truth").by_sandbox.insert(pod.sandbox.clone(), truth);
                worker.remove_pod(&pod);
            }
        });
        let stop = StopAtEnd(&over);
        for _ in 0..200 {
            let answer = worker.podnet_json(&["pods"]);
            let data = answer.data(&[0]);
            for pod in &steady {
                assert_identity(&worker, row(data, pod), pod);
            }
            answers.push(data.clone());
        }
        drop(stop);
    });
    let seen = seen.into_inner().expect("the truth").by_sandbox;
    assert!(seen.len() > 3, "pods came and went: {}", seen.len());
    let mut brief = 0;
    for row in answers.iter().flat_map(rows) {
        let Some((address, pid, inode)) = row["sandbox"].as_str().and_then(|sandbox| seen.get(sandbox)) else {
            continue;
        };
        brief += 1;
        // A cell is this pod's or empty, never another's.
        let own = |cell: &Value, truth: u64| cell.is_null() || cell.as_u64() == Some(truth);
        assert!(own(&row["pause_pid"], u64::from(*pid)), "{row:#} is not {pid}");
        assert!(own(&row["netns"]["ino"], *inode), "{row:#} is not {inode}");
        let ips = row["ips"].as_array().cloned().unwrap_or_default();
        assert!(ips.iter().all(|ip| ip == address), "{row:#} is not {address}");
    }
    assert!(brief > 0, "no answer saw a pod that came and went");
}

/// Ends the other thread also when an assertion fails, for the scope waits for it.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
