//! The plan: all names, addresses and steps of a lab, worked out before anything is made.
//!
//! May import model. Touches nothing: what depends on the machine comes in as an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::Timestamp;

use super::error::LabError;
use super::names::{hex, seed, suffix, uuid};
use super::services;
use crate::model::ids::{ContainerId, SandboxId};
use crate::model::lab::{
    FORMAT, LabCgroup, LabContainer, LabHost, LabOptions, LabPhase, LabPod, LabState, LabStep, LabStepKind, LabWorker,
    LabWorkerV6, NETNS_FOLDER, check_name,
};

/// The network's name, in the CNI configuration and in the masquerade chains.
pub const NETWORK: &str = "bridge";

/// How many of the pods stand in [`FIRST`].
const FIRST_PODS: u16 = 4;

/// The most workers of a lab: 10.240.0.20 and up, 10.200.0.0/24 and up.
const MOST_WORKERS: u8 = 10;

/// The most pods of one worker: its /24 without the network, gateway and broadcast addresses.
const MOST_PODS_OF_WORKER: u16 = 250;

/// The most pods of a lab: each has two processes.
const MOST_PODS: u16 = 500;

/// One kind of pod.
struct Kind {
    namespace: &'static str,
    /// The name up to the generated letters.
    stem: &'static str,
    /// The generated letters; `None` for ones of its own.
    letters: Option<&'static str>,
    /// Its worker; the last one where there are fewer.
    worker: u8,
    labels: &'static [(&'static str, &'static str)],
    container: &'static str,
    image: &'static str,
}

/// The pods of every lab, in the order in which they get their addresses: nginx has 10.200.0.4.
const FIRST: [Kind; FIRST_PODS as usize] = [
    Kind {
        namespace: "kube-system",
        stem: "kube-dns-598d7bf7d4",
        letters: Some("t95cl"),
        worker: 0,
        labels: &[("k8s-app", "kube-dns"), ("pod-template-hash", "598d7bf7d4")],
        container: "kubedns",
        image: "k8s.gcr.io/k8s-dns-kube-dns-amd64:1.14.7",
    },
    Kind {
        namespace: "default",
        stem: "busybox0",
        letters: Some("rw89s"),
        worker: 0,
        labels: &[("app", "busybox0")],
        container: "busybox",
        image: "docker.io/library/busybox:latest",
    },
    Kind {
        namespace: "default",
        stem: "nginx-65899c769f",
        letters: Some("wxdx6"),
        worker: 0,
        labels: &[("pod-template-hash", "65899c769f"), ("run", "nginx")],
        container: "nginx",
        image: "docker.io/library/nginx:latest",
    },
    Kind {
        namespace: "default",
        stem: "busybox0",
        letters: Some("g6pww"),
        worker: 1,
        labels: &[("app", "busybox0")],
        container: "busybox",
        image: "docker.io/library/busybox:latest",
    },
];

/// Every further pod.
const FURTHER: Kind = Kind {
    namespace: "default",
    stem: "web-7c5ddbdf54",
    letters: None,
    worker: 0,
    labels: &[("app", "web"), ("pod-template-hash", "7c5ddbdf54")],
    container: "web",
    image: "docker.io/library/httpd:latest",
};

/// What a plan takes from the machine and the moment.
pub struct Surroundings {
    /// See [`LabState::boot_id`].
    pub boot_id: String,
    /// The time.
    pub now: Timestamp,
    /// The lab's own folder.
    pub folder: String,
    /// Where cgroups can be made.
    pub cgroup: Option<LabCgroup>,
    /// What had to be left out.
    pub notes: Vec<String>,
}

/// Whether the numbers can be had.
pub fn check(name: &str, options: LabOptions) -> Result<(), LabError> {
    check_name(name).map_err(LabError::Usage)?;
    let LabOptions { workers, pods, .. } = options;
    if !(1..=MOST_WORKERS).contains(&workers) {
        return Err(LabError::Usage(format!("a lab has 1 to {MOST_WORKERS} workers, not {workers}")));
    }
    let most = MOST_PODS.min(u16::from(workers) * MOST_PODS_OF_WORKER);
    if !(FIRST_PODS..=most).contains(&pods) {
        return Err(LabError::Usage(format!(
            "a lab of {workers} workers has {FIRST_PODS} to {most} pods, not {pods} ({MOST_PODS_OF_WORKER} a worker, {MOST_PODS} in all)"
        )));
    }
    Ok(())
}

/// Works a lab out.
pub fn plan(name: &str, options: LabOptions, around: Surroundings) -> Result<LabState, LabError> {
    check(name, options)?;
    let mut workers: Vec<LabWorker> =
        (0..options.workers).map(|index| worker(name, &around.folder, index, options.dual_stack)).collect();
    let mut taken = BTreeSet::new();
    for number in 0..options.pods {
        let kind = FIRST.get(usize::from(number)).unwrap_or(&FURTHER);
        let on =
            if number < FIRST_PODS { usize::from(kind.worker.min(options.workers - 1)) } else { emptiest(&workers) };
        let pod_name = pod_name(kind, number, &mut taken);
        let host = &mut workers[on];
        let pod = pod(name, kind, pod_name, host);
        host.pods.push(pod);
    }
    let netns = |machine: &str| format!("{NETNS_FOLDER}/{name}-{machine}");
    let host = |machine: &str, address, six| LabHost {
        name: machine.to_owned(),
        netns: netns(machine),
        address: IpAddr::V4(address),
        address_v6: options.dual_stack.then_some(six),
        app: None,
    };
    let mut state = LabState {
        format: FORMAT.to_owned(),
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        name: name.to_owned(),
        boot_id: around.boot_id,
        created_at: around.now,
        phase: LabPhase::Building,
        options,
        folder: around.folder,
        gateway: host("gateway", Ipv4Addr::new(10, 240, 0, 1), Ipv6Addr::new(0xfd00, 0x240, 0, 0, 0, 0, 0, 1)),
        outside: host(
            "outside",
            Ipv4Addr::new(198, 51, 100, 10),
            Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10),
        ),
        workers,
        cgroup: around.cgroup,
        services: services::usual(options.dual_stack),
        services_due: false,
        steps: Vec::new(),
        namespaces: BTreeMap::new(),
        notes: around.notes,
    };
    state.steps = steps(&state);
    Ok(state)
}

fn worker(lab: &str, folder: &str, index: u8, dual_stack: bool) -> LabWorker {
    let name = format!("worker-{index}");
    LabWorker {
        netns: format!("{NETNS_FOLDER}/{lab}-{name}"),
        address: net([10, 240, 0, 20 + index]),
        pod_cidr: net([10, 200, index, 0]),
        bridge: "cnio0".to_owned(),
        bridge_address: net([10, 200, index, 1]),
        v6: dual_stack.then(|| worker_v6(index)),
        root: format!("{folder}/{name}"),
        pods: Vec::new(),
        name,
    }
}

/// Written as the others are: `fd00:240::20` and `fd00:200:0:1::/64`.
fn worker_v6(index: u8) -> LabWorkerV6 {
    let pods = |last| net_v6([0xfd00, 0x200, 0, u16::from(index), 0, 0, 0, last]);
    LabWorkerV6 {
        address: net_v6([0xfd00, 0x240, 0, 0, 0, 0, 0, 0x20 + u16::from(index)]),
        pod_cidr: pods(0),
        bridge_address: pods(1),
    }
}

fn net_v6(address: [u16; 8]) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from(address), 64)
}

fn net(address: [u8; 4]) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from(address), 24))
}

/// The worker with the fewest pods, the last of several: the first has the well-known ones.
fn emptiest(workers: &[LabWorker]) -> usize {
    let mut found = 0;
    for (index, worker) in workers.iter().enumerate() {
        if worker.pods.len() <= workers[found].pods.len() {
            found = index;
        }
    }
    found
}

fn pod_name(kind: &Kind, number: u16, taken: &mut BTreeSet<String>) -> String {
    let mut attempt = 0_u32;
    loop {
        let letters = kind
            .letters
            .map_or_else(|| suffix(&[kind.stem, &number.to_string(), &attempt.to_string()]), ToOwned::to_owned);
        let name = format!("{}-{letters}", kind.stem);
        if taken.insert(name.clone()) {
            return name;
        }
        attempt += 1;
    }
}

fn pod(lab: &str, kind: &Kind, name: String, worker: &LabWorker) -> LabPod {
    let seeded = |what: &'static str| [lab.to_owned(), worker.name.clone(), name.clone(), what.to_owned()];
    let parts = |seeded: &[String; 4]| seed(&seeded.each_ref().map(String::as_str));
    let uuid_of = |what| uuid(&seeded(what).each_ref().map(String::as_str));
    // host-local hands out .2 first: .1 is the gateway's.
    let last = u8::try_from(worker.pods.len() + 2).unwrap_or(u8::MAX);
    let octets = match worker.pod_cidr {
        IpNet::V4(cidr) => cidr.network().octets(),
        IpNet::V6(_) => [0; 4],
    };
    LabPod {
        namespace: kind.namespace.to_owned(),
        uid: uuid_of("uid"),
        labels: kind
            .labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        sandbox: SandboxId(hex(&parts(&seeded("sandbox")))),
        address: net([octets[0], octets[1], octets[2], last]),
        address_v6: worker.v6.map(|six| {
            let [a, b, c, d, ..] = six.pod_cidr.network().segments();
            net_v6([a, b, c, d, 0, 0, 0, u16::from(last)])
        }),
        netns: format!("{NETNS_FOLDER}/cni-{}", uuid_of("netns")),
        host_link: format!("veth{}", hex(&parts(&seeded("veth"))[..4])),
        interfaces: Vec::new(),
        pause: None,
        container: LabContainer {
            id: ContainerId(hex(&parts(&seeded("container")))),
            name: kind.container.to_owned(),
            image: kind.image.to_owned(),
            process: None,
        },
        name,
    }
}

/// The steps in order; what holds something else comes before it.
fn steps(state: &LabState) -> Vec<LabStep> {
    let step = |kind, subject: &str, makes: Vec<String>| LabStep { kind, subject: subject.to_owned(), makes };
    let mut steps = Vec::new();
    for worker in &state.workers {
        steps.push(step(LabStepKind::Files, &worker.name, vec![worker.root.clone()]));
    }
    if let Some(cgroup) = &state.cgroup {
        for worker in &state.workers {
            steps.push(step(LabStepKind::Cgroups, &worker.name, cgroups(cgroup, worker)));
        }
    }
    for host in [&state.gateway, &state.outside] {
        steps.push(step(LabStepKind::Netns, &host.name, vec![host.netns.clone()]));
    }
    for worker in &state.workers {
        steps.push(step(LabStepKind::Netns, &worker.name, vec![worker.netns.clone()]));
        for pod in &worker.pods {
            steps.push(step(LabStepKind::Netns, &pod.name, vec![pod.netns.clone()]));
        }
    }
    let settings = |name: &String| step(LabStepKind::Settings, name, Vec::new());
    steps.push(settings(&state.gateway.name));
    steps.extend(state.workers.iter().map(|worker| settings(&worker.name)));
    let links = |name: &String, makes: &[&str]| {
        step(LabStepKind::Links, name, makes.iter().map(|link| (*link).to_owned()).collect())
    };
    steps.push(links(&state.gateway.name, &["lo", "vpc0"]));
    steps.push(links(&state.outside.name, &["lo", "eth0"]));
    for worker in &state.workers {
        steps.push(links(&worker.name, &["lo", "eth0", &worker.bridge]));
        for pod in &worker.pods {
            steps.push(step(LabStepKind::PodLinks, &pod.name, vec!["eth0".to_owned(), pod.host_link.clone()]));
        }
    }
    steps.push(step(LabStepKind::Rules, &state.gateway.name, Vec::new()));
    if state.options.masquerade {
        steps.extend(state.workers.iter().map(|worker| step(LabStepKind::Rules, &worker.name, Vec::new())));
    }
    steps.extend(state.workers.iter().map(|worker| step(LabStepKind::Services, &worker.name, Vec::new())));
    for worker in &state.workers {
        let of = |kind| step(kind, &worker.name, worker.pods.iter().map(|pod| pod.name.clone()).collect());
        steps.push(of(LabStepKind::Pauses));
        steps.push(of(LabStepKind::Apps));
    }
    steps.push(step(LabStepKind::Apps, &state.outside.name, vec![state.outside.name.clone()]));
    for worker in &state.workers {
        steps.push(step(LabStepKind::CniResults, &worker.name, vec![format!("{}/var/lib/cni", worker.root)]));
    }
    steps
}

/// The cgroups of a worker, each after the one that holds it.
fn cgroups(cgroup: &LabCgroup, worker: &LabWorker) -> Vec<String> {
    let top = format!("{}/{}", cgroup.mount, cgroup.subtree);
    let besteffort = format!("{top}/{}/kubepods/besteffort", worker.name);
    let mut paths = vec![
        top.clone(),
        format!("{top}/{}", worker.name),
        format!("{top}/{}/kubepods", worker.name),
        besteffort.clone(),
    ];
    for pod in &worker.pods {
        let folder = format!("{besteffort}/pod{}", pod.uid);
        paths.push(folder.clone());
        paths.push(format!("{folder}/{}", pod.sandbox));
        paths.push(format!("{folder}/{}", pod.container.id));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lab_service::LabProxy;

    fn options(workers: u8, pods: u16) -> LabOptions {
        LabOptions {
            workers,
            pods,
            hairpin: false,
            bridge_nf: Some(true),
            masquerade: true,
            proxy: LabProxy::Iptables,
            dual_stack: true,
        }
    }

    fn planned(name: &str, workers: u8, pods: u16) -> Result<LabState, LabError> {
        let around = Surroundings {
            boot_id: "boot".to_owned(),
            now: Timestamp::UNIX_EPOCH,
            folder: format!("/run/podnet-lab/{name}"),
            cgroup: Some(LabCgroup {
                mount: "/sys/fs/cgroup".to_owned(),
                prefix: String::new(),
                subtree: format!("podnet-lab-{name}"),
            }),
            notes: Vec::new(),
        };
        plan(name, options(workers, pods), around)
    }

    #[test]
    fn the_usual_lab_has_the_pods_of_the_walkthrough() {
        let state = planned("podnet", 2, 4).expect("plans");
        let pods: Vec<String> = state
            .workers
            .iter()
            .flat_map(|worker| {
                worker.pods.iter().map(|pod| format!("{} {}/{} {}", worker.name, pod.namespace, pod.name, pod.address))
            })
            .collect();
        assert_eq!(
            pods,
            [
                "worker-0 kube-system/kube-dns-598d7bf7d4-t95cl 10.200.0.2/24",
                "worker-0 default/busybox0-rw89s 10.200.0.3/24",
                "worker-0 default/nginx-65899c769f-wxdx6 10.200.0.4/24",
                "worker-1 default/busybox0-g6pww 10.200.1.2/24",
            ]
        );
    }

    #[test]
    fn of_two_stacks_both_are_counted_alike() {
        let state = planned("podnet", 2, 500).expect("plans");
        let last = state.workers[1].pods.last().expect("a pod");
        assert_eq!(
            (last.address.to_string(), last.address_v6.expect("one").to_string()),
            ("10.200.1.251/24".to_owned(), "fd00:200:0:1::fb/64".to_owned())
        );
        assert_eq!(state.workers[1].v6.expect("two").address.to_string(), "fd00:240::21/64");
        let six: BTreeSet<_> = state.workers.iter().flat_map(|worker| &worker.pods).map(|pod| pod.address_v6).collect();
        assert_eq!(six.len(), 500);
    }

    #[test]
    fn every_name_of_the_largest_lab_is_its_own() {
        let state = planned("podnet", 10, 500).expect("plans");
        let pods: Vec<&LabPod> = state.workers.iter().flat_map(|worker| &worker.pods).collect();
        assert_eq!(pods.len(), 500);
        let count = |of: fn(&LabPod) -> String| pods.iter().map(|pod| of(pod)).collect::<BTreeSet<_>>().len();
        assert_eq!(
            [
                count(|pod| pod.name.clone()),
                count(|pod| pod.uid.clone()),
                count(|pod| pod.sandbox.to_string()),
                count(|pod| pod.container.id.to_string()),
                count(|pod| pod.netns.clone()),
                count(|pod| pod.host_link.clone()),
                count(|pod| pod.address.to_string()),
            ],
            [500; 7]
        );
        assert!(state.workers.iter().all(|worker| worker.pods.len() == 50));
    }

    #[test]
    fn a_plan_is_read_back_as_it_was_written() {
        let state = planned("podnet", 2, 6).expect("plans");
        let text = serde_json::to_vec(&state).expect("writes");
        assert_eq!(LabState::parse(&text, "/run/podnet-lab/podnet"), Ok(state));
    }

    #[test]
    fn a_plan_that_is_cut_or_has_a_bit_turned_is_a_state_or_an_error() {
        let text = serde_json::to_vec(&planned("podnet", 2, 4).expect("plans")).expect("writes");
        for length in (0..text.len()).step_by(7) {
            assert!(LabState::parse(&text[..length], "/run/podnet-lab/podnet").is_err(), "{length}");
        }
        for at in (0..text.len()).step_by(11) {
            let mut turned = text.clone();
            turned[at] ^= 1 << (at % 8);
            let _ = LabState::parse(&turned, "/run/podnet-lab/podnet");
        }
    }

    #[test]
    fn numbers_out_of_bounds_are_refused_with_the_bounds() {
        for (workers, pods) in [(0, 4), (11, 4), (2, 3), (1, 251), (10, 501)] {
            assert!(matches!(planned("podnet", workers, pods), Err(LabError::Usage(_))), "{workers} {pods}");
        }
        for name in ["", "Podnet", "a/b", "..", "-a", "a-name-that-is-too-long"] {
            assert!(matches!(planned(name, 2, 4), Err(LabError::Usage(_))), "{name}");
        }
    }
}
