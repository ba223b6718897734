//! First processes that are taken without a question to the shims are those that containerd would tell.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::check::{row, rows};
use crate::support::podnet::{PODNET, Ran};
use crate::support::worker::SOCKET;
use crate::support::{CniConf, Pod, PodSpec, Worker};

/// Where the shims keep what runc wrote down.
const BUNDLES: &str = "/run/containerd/io.containerd.runtime.v2.task";

/// More containers than are asked for one by one, of which some have ended.
fn worker_with_states() -> (Worker, Vec<Pod>) {
    let worker = Worker::start(&CniConf::bridge());
    let mut specs: Vec<_> =
        (0..8).map(|i| PodSpec::new("default", &format!("web-{i}")).container("nginx", 3)).collect();
    specs.push(PodSpec::new("default", "hostnet").host_network().container("agent", 0));
    specs.push(PodSpec::new("default", "stopped").container("job", 0));
    let pods = worker.run_pods(&specs, 2);
    // Ended, and beside a program that was brought in afterwards.
    worker.signal("KILL", worker.task_pid(&pods[1].containers[0].1));
    worker.ctr(&["task", "exec", "--detach", "--exec-id", "beside", &pods[2].containers[0].1, "/app", "1"]);
    worker.stop_pod(&pods[9]);
    (worker, pods)
}

/// A frozen container. It has to go on before the worker ends: what is frozen cannot be ended.
struct Paused<'a> {
    worker: &'a Worker,
    id: &'a str,
}

impl<'a> Paused<'a> {
    fn new(worker: &'a Worker, id: &'a str) -> Self {
        worker.ctr(&["task", "pause", id]);
        Self { worker, id }
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        let resume = ["ctr", "--address", SOCKET, "--namespace", "k8s.io", "task", "resume", self.id];
        let _ = self.worker.command(&resume).status();
    }
}

/// podnet on the worker, with some of the worker's folders hidden from it.
fn without(worker: &Worker, folders: &[&str], arguments: &[&str]) -> Ran {
    let script = "for folder in $0; do mount -t tmpfs tmpfs $folder || exit 99; done; exec \"$@\"";
    let folders = folders.join(" ");
    let mut argv = vec!["unshare", "--mount", "sh", "-c", script, &folders, PODNET, "-o", "json"];
    argv.extend(arguments);
    worker.run(&argv)
}

/// Number and status of each task, by id, from `ctr task ls`.
fn tasks(worker: &Worker) -> Vec<(String, u32, String)> {
    let listing = worker.ctr(&["task", "ls"]);
    let fields = listing.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    fields.map(|line| (line[0].clone(), line[1].parse().expect("a pid"), line[2].clone())).collect()
}

fn assert_as_containerd_tells(worker: &Worker, pods: &[Pod], data: &Value) {
    let tasks = tasks(worker);
    let pid = |id: &str| {
        let task = tasks.iter().find(|(task, _, status)| task == id && status != "STOPPED");
        task.map_or(Value::Null, |(_, pid, _)| json!(pid))
    };
    for pod in pods {
        let row = row(data, pod);
        assert_eq!(row["pause_pid"], pid(&pod.sandbox), "{row:#}");
        let told: Vec<_> = row["containers"].as_array().expect("containers").iter().map(|one| &one["pid"]).collect();
        let known: Vec<_> = pod.containers.iter().map(|(_, id)| pid(id)).collect();
        assert_eq!(told, known.iter().collect::<Vec<_>>(), "{row:#}");
    }
    assert_eq!(rows(data).len(), pods.len());
}

#[test]
fn tasks_in_every_state_whoever_is_asked() {
    let (worker, pods) = worker_with_states();
    let _paused = Paused::new(&worker, &pods[0].containers[0].1);
    let states: Vec<_> = tasks(&worker).into_iter().map(|(_, _, status)| status).collect();
    assert!(states.len() > 16 && states.iter().any(|status| status == "PAUSED"), "{states:?}");
    let proved = worker.podnet_json(&["pods", "--all"]);
    assert_as_containerd_tells(&worker, &pods, proved.data(&[0]));
    assert_eq!(proved.issues(), "");
    // Without bundles all is asked of containerd; the files of cgroups are needed for neither.
    let asked = without(&worker, &[BUNDLES], &["pods", "--all"]);
    assert_eq!(asked.data(&[0]), proved.data(&[0]));
    for hidden in [&["/sys/fs/cgroup"][..], &[BUNDLES, "/sys/fs/cgroup"]] {
        let other = without(&worker, hidden, &["pods", "--all"]);
        assert_as_containerd_tells(&worker, &pods, other.data(&[0]));
    }
    // In other pid and mount namespaces: what containerd numbers is translated.
    let beside = worker.podnet_beside(&["pods", "--all"]);
    assert_as_containerd_tells(&worker, &pods, beside.data(&[0, 3]));
}

#[test]
fn a_bundle_that_names_another_process_is_not_believed() {
    let (worker, pods) = worker_with_states();
    let truth = worker.podnet_json(&["pods"]);
    let other_pod = worker.pause_pid(&pods[4]).to_string();
    let same_pod = worker.pause_pid(&pods[3]).to_string();
    let wrong =
        [&other_pod, &same_pod, "1", "0", "4294967295", "99999999999999999999", "-1", "", "many words", "\u{1b}"];
    let file = format!("{BUNDLES}/k8s.io/{}/init.pid", pods[3].containers[0].1);
    let right = worker.exec(&["cat", &file]);
    for text in wrong {
        worker.write(&file, text);
        assert_eq!(worker.podnet_json(&["pods"]).data(&[0]), truth.data(&[0]), "{text:?}");
    }
    worker.exec(&["rm", &file]);
    worker.exec(&["mkfifo", &file]);
    assert_eq!(worker.podnet_json(&["pods"]).data(&[0]), truth.data(&[0]), "a FIFO");
    worker.exec(&["rm", &file]);
    worker.write(&file, &right);
}

#[test]
fn a_stopped_shim_does_no_harm_where_its_task_is_proved() {
    let (worker, pods) = worker_with_states();
    let truth = worker.podnet_json(&["pods"]);
    let shim = worker.exec(&["pgrep", "--full", &format!("containerd-shim.*{}", pods[5].sandbox)]);
    let shim = shim.trim().parse().expect("one shim");
    worker.signal("STOP", shim);
    let start = Instant::now();
    let proved = worker.podnet_json(&["pods"]);
    let took = start.elapsed();
    assert_eq!((proved.data(&[0]), proved.issues()), (truth.data(&[0]), String::new()));
    assert!(took < Duration::from_secs(2), "nobody waits for it: {took:?}");
    // Asked of containerd, it is that pod's issue, and its pid is from `/proc`.
    let asked = without(&worker, &[BUNDLES], &["pods"]);
    assert_eq!(row(asked.data(&[3]), &pods[5])["pause_pid"], row(truth.data(&[0]), &pods[5])["pause_pid"]);
    assert!(asked.issues().contains("containerd's task of default/web-5"), "{}", asked.issues());
    worker.signal("CONT", shim);
}
