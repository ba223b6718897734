//! The recordings of `fixtures/nodes/worker-0/` as one snapshot.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use podnet::model::cni::CniState;
use podnet::model::ids::{ContainerId, MacAddr, NetnsId, Nsid, Pid, SandboxId};
use podnet::model::issue::{Issue, Read, Section, Why};
use podnet::model::netns::{Netns, NetnsName, PodCgroup, Process};
use podnet::model::node::NodeInfo;
use podnet::model::sandbox::{CniInterface, Container, PodName, RuntimeInfo, Sandbox, SandboxSource, SandboxState};
use podnet::model::snapshot::{FORMAT, NetfilterSections, NetnsSections, Snapshot};
use serde_json::Value;

use super::json;

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nodes")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn ok<T>(value: T) -> Section<T> {
    Read::ok(value).section()
}

const HOST: NetnsId = NetnsId { dev: 4, ino: 4_026_532_600 };

/// Builds the snapshot of worker-0.
pub fn worker_0() -> Snapshot {
    let root = folder().join("worker-0");
    let processes = processes(&root);
    let names = netns_names(&root);
    let nsids = host_nsids(&root, &names);
    let sandboxes = sandboxes(&root, &names, &processes);
    let pod_processes = sandboxes
        .iter()
        .map(|sandbox| {
            let of_pod = |process: &&Process| process.pod.as_ref().is_some_and(|pod| pod.pod_uid == sandbox.pod.uid);
            (sandbox.id.clone(), ok(processes.values().filter(of_pod).cloned().collect::<Vec<_>>()))
        })
        .collect();
    let no_programs = sandboxes.iter().map(|sandbox| (sandbox.id.clone(), ok(Vec::new()))).collect();
    let mut netns = vec![host(&root, &nsids)];
    netns.extend(names.iter().map(|name| pod_netns(&root, name)));
    netns.sort_by_key(|sections| (sections.id != HOST, sections.id));
    Snapshot {
        format: FORMAT.to_owned(),
        written_by: "tests/answers".to_owned(),
        node: NodeInfo {
            name: "worker-0".to_owned(),
            source: "fixtures/nodes/worker-0.json".to_owned(),
            taken_at: "2026-11-22T23:39:53Z".parse().unwrap(),
            host_netns: HOST,
        },
        runtime: ok(RuntimeInfo {
            name: Some("containerd".to_owned()),
            version: Some("1.6.20".to_owned()),
            endpoint: Some("/run/containerd/containerd.sock".to_owned()),
            chosen_by: Some("known place".to_owned()),
        }),
        sandboxes: ok(sandboxes),
        pod_processes,
        processes: processes.iter().map(|(pid, process)| (*pid, ok(Some(process.clone())))).collect(),
        namespaces: ok(namespaces(&names, &nsids, &processes)),
        netns_names: ok(names),
        cgroup_bpf: no_programs,
        cni: Read::<CniState>::failed(Issue::incomplete(
            "reading CNI files",
            Why::NotRecorded { detail: "the snapshot does not hold it".to_owned() },
        ))
        .section(),
        netns,
    }
}

/// Each container's first process, from its command line, namespace and cgroup.
fn processes(root: &Path) -> BTreeMap<Pid, Process> {
    let text = read(&root.join("cri/proc-ns-cgroup.txt"));
    let lines: Vec<_> = text.lines().collect();
    lines
        .chunks(3)
        .map(|lines| {
            let mut words = lines[0].trim_start_matches("== pid ").split(' ');
            let pid = Pid(words.next().unwrap().parse().unwrap());
            let comm = words.next().unwrap().rsplit('/').next().unwrap();
            let path = lines[2].trim_start_matches("0::");
            let mut parts = path.rsplit('/');
            let container = ContainerId(parts.next().unwrap().to_owned());
            let uid = parts.next().unwrap().trim_start_matches("pod").to_owned();
            let process = Process {
                pid,
                start_ticks: 0,
                comm: comm.into(),
                netns: Some(NetnsId { dev: 4, ino: inode(lines[1]) }),
                pod: Some(PodCgroup { pod_uid: Some(uid), container: Some(container), path: path.to_owned() }),
            };
            (pid, process)
        })
        .collect()
}

fn inode(line: &str) -> u64 {
    line.split(['[', ']']).nth(1).unwrap().parse().unwrap()
}

fn netns_names(root: &Path) -> Vec<NetnsName> {
    let mut names: Vec<_> = read(&root.join("host/var-run-netns-stat.txt"))
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap().rsplit('/').next().unwrap().to_owned();
            let number = |word: &str| word.split('=').nth(1).unwrap().parse().unwrap();
            let id = NetnsId { dev: number(words.next().unwrap()), ino: number(words.next().unwrap()) };
            NetnsName { id, path: format!("/run/netns/{name}").into(), name: name.into() }
        })
        .collect();
    names.sort_by(|a, b| a.path.cmp(&b.path));
    names
}

/// nsid 0 is the machine that plays the fabric: none of the node's namespaces.
fn host_nsids(root: &Path, names: &[NetnsName]) -> BTreeMap<Nsid, Option<NetnsId>> {
    read_json(&root.join("host/ip-j-netns.json"))
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let id = names.iter().find(|name| entry["name"].as_str().is_some_and(|text| name.name == *text));
            (Nsid(entry["nsid"].as_i64().unwrap().try_into().unwrap()), id.map(|name| name.id))
        })
        .collect()
}

fn namespaces(
    names: &[NetnsName],
    nsids: &BTreeMap<Nsid, Option<NetnsId>>,
    processes: &BTreeMap<Pid, Process>,
) -> Vec<Netns> {
    let mut ids: Vec<_> = names.iter().map(|name| name.id).collect();
    ids.sort();
    ids.insert(0, HOST);
    ids.into_iter()
        .map(|id| Netns {
            id,
            names: names.iter().filter(|name| name.id == id).cloned().collect(),
            nsid: nsids.iter().find(|(_, other)| **other == Some(id)).map(|(nsid, _)| *nsid),
            cookie: None,
            pids: processes.values().filter(|process| process.netns == Some(id)).map(|process| process.pid).collect(),
        })
        .collect()
}

fn sandboxes(root: &Path, names: &[NetnsName], processes: &BTreeMap<Pid, Process>) -> Vec<Sandbox> {
    let tasks: BTreeMap<String, Pid> = read(&root.join("cri/ctr-task-ls.txt"))
        .lines()
        .skip(1)
        .map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap().to_owned(), Pid(words.next().unwrap().parse().unwrap()))
        })
        .collect();
    let infos: Vec<Value> = files(&root.join("cri/containers-info")).iter().map(|path| read_json(path)).collect();
    let label = |info: &Value, key: &str| info["Labels"][key].as_str().map(ToOwned::to_owned);
    let of_kind = |kind: &'static str| {
        infos.iter().filter(move |info| info["Labels"]["io.cri-containerd.kind"].as_str() == Some(kind))
    };
    let mut sandboxes: Vec<Sandbox> = of_kind("sandbox")
        .map(|info| {
            let id = info["ID"].as_str().unwrap();
            let mut containers: Vec<_> = of_kind("container")
                .filter(|container| container["Annotations"]["io.kubernetes.cri.sandbox-id"].as_str() == Some(id))
                .map(|container| Container {
                    id: ContainerId(container["ID"].as_str().unwrap().to_owned()),
                    name: label(container, "io.kubernetes.container.name"),
                    pid: tasks.get(container["ID"].as_str().unwrap()).copied(),
                    image: container["Image"].as_str().map(ToOwned::to_owned),
                })
                .collect();
            containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
            let path = info["Namespaces"].as_array().unwrap().iter().find(|other| other["type"] == "network");
            let path = path.and_then(|network| network["path"].as_str());
            let name = path.and_then(|path| path.rsplit('/').next());
            let pid = tasks.get(id).copied();
            let (ips, cni_interfaces) = cni_result(root, id);
            Sandbox {
                id: SandboxId(id.to_owned()),
                pod: PodName {
                    namespace: label(info, "io.kubernetes.pod.namespace"),
                    name: label(info, "io.kubernetes.pod.name"),
                    uid: label(info, "io.kubernetes.pod.uid"),
                },
                attempt: 0,
                state: SandboxState::Ready,
                created_at: Some(info["CreatedAt"].as_str().unwrap().parse().unwrap()),
                labels: Some(serde_json::from_value(info["Labels"].clone()).unwrap()),
                pid,
                netns: Some(match name {
                    Some(name) => names.iter().find(|other| other.name == *name).unwrap().id,
                    None => HOST,
                }),
                netns_path: path.map(ToOwned::to_owned),
                host_network: path.is_none(),
                ips: Some(ips),
                cni_interfaces,
                containers: Some(containers),
                cgroup: pid.and_then(|pid| processes[&pid].pod.as_ref()).map(|pod| pod.path.clone()),
                source: SandboxSource::Runtime,
                issues: Vec::new(),
            }
        })
        .collect();
    sandboxes.sort_by(|a, b| (&a.pod, &a.id).cmp(&(&b.pod, &b.id)));
    sandboxes
}

fn cni_result(root: &Path, id: &str) -> (Vec<std::net::IpAddr>, Vec<CniInterface>) {
    let path = root.join(format!("cri/cni-results/bridge-{id}-eth0"));
    if !path.exists() {
        return (Vec::new(), Vec::new());
    }
    let result = read_json(&path)["result"].clone();
    let ips = result["ips"].as_array().unwrap().iter();
    let ips = ips.map(|ip| ip["address"].as_str().unwrap().parse::<ipnet::IpNet>().unwrap().addr()).collect();
    let interfaces = result["interfaces"].as_array().unwrap().iter();
    let interfaces = interfaces
        .map(|interface| CniInterface {
            name: interface["name"].as_str().unwrap().to_owned(),
            mac: interface["mac"].as_str().map(|mac| mac.parse::<MacAddr>().unwrap()),
            sandbox: interface["sandbox"].as_str().map(ToOwned::to_owned),
        })
        .collect();
    (ips, interfaces)
}

fn sections(folder: &Path, id: NetnsId, nsids: BTreeMap<Nsid, Option<NetnsId>>) -> NetnsSections {
    let file = |name: &str| read_json(&folder.join(format!("{name}.json")));
    let links = file("ip-d-j-link");
    let names = json::names(&links);
    NetnsSections {
        id,
        addresses: ok(json::addresses(&file("ip-j-addr"))),
        neighbours: ok(json::neighbours(&file("ip-j-neigh"), &names)),
        fdb: ok(json::fdb(&file("bridge-j-fdb"), &names)),
        rules: ok(json::rules(&file("ip-j-rule"))),
        routes: ok(json::routes(&file("ip-j-route-all"), &names)),
        learned_routes: None,
        nexthops: ok(Vec::new()),
        link_bpf: names.values().map(|ifindex| (*ifindex, ok(Vec::new()))).collect(),
        sysctls: BTreeMap::new(),
        nsids: nsids.into_iter().map(|(nsid, id)| (nsid, ok(id))).collect(),
        flows: None,
        sockets: None,
        netfilter: Some(NetfilterSections::default()),
        links: ok(json::links(&links)),
    }
}

fn host(root: &Path, nsids: &BTreeMap<Nsid, Option<NetnsId>>) -> NetnsSections {
    let mut host = sections(&root.join("host"), HOST, nsids.clone());
    host.sysctls = read(&root.join("host/sysctl-net.txt"))
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .filter(|(name, _)| !name.starts_with("net.netfilter.nf_log"))
        .map(|(name, value)| (name.trim_start_matches("net.").to_owned(), ok(Some(value.to_owned()))))
        .collect();
    host
}

fn pod_netns(root: &Path, name: &NetnsName) -> NetnsSections {
    let folder = root.join("pod-netns").join(name.name.to_string());
    // Each pod's namespace knows one other, by the number 0: its veth's, the host.
    sections(&folder, name.id, BTreeMap::from([(Nsid(0), Some(HOST))]))
}
