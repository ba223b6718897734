//! Netfilter rules: the bridge plugin's masquerade chains and the fabric's TTL, for iptables-restore.
//!
//! May import model.

use std::fmt::Write as _;

use super::names::cni_chain;
use super::plan::NETWORK;
use crate::model::lab::{LabPod, LabWorker};

/// The fabric's: what a router takes off the TTL is put on before, for a cloud's fabric does not show.
pub fn gateway() -> String {
    "*mangle\n-A PREROUTING -m comment --comment \"the fabric does not lower the TTL\" -j TTL --ttl-inc 1\nCOMMIT\n"
        .to_owned()
}

/// The same for IPv6.
pub fn gateway_v6() -> String {
    "*mangle\n-A PREROUTING -m comment --comment \"the fabric does not lower the TTL\" -j HL --hl-inc 1\nCOMMIT\n"
        .to_owned()
}

/// A worker's: for each pod the chain that the bridge plugin 1.1 writes with ipMasq, rule by rule.
pub fn masquerade(worker: &LabWorker) -> String {
    let of = |pod: &LabPod| Some(format!("{}/32", pod.address.addr()));
    written(worker, of, &worker.pod_cidr.to_string(), "224.0.0.0/4")
}

/// The same for IPv6.
pub fn masquerade_v6(worker: &LabWorker) -> String {
    let of = |pod: &LabPod| pod.address_v6.map(|address| format!("{}/128", address.addr()));
    written(worker, of, &worker.v6.map_or_else(String::new, |six| six.pod_cidr.to_string()), "ff00::/8")
}

fn written(worker: &LabWorker, of: impl Fn(&LabPod) -> Option<String>, pods: &str, multicast: &str) -> String {
    let mut text = String::from("*nat\n");
    for pod in &worker.pods {
        let _ = writeln!(text, ":{} - [0:0]", cni_chain(NETWORK, &pod.sandbox.0));
    }
    for (pod, address) in worker.pods.iter().filter_map(|pod| Some((pod, of(pod)?))) {
        let chain = cni_chain(NETWORK, &pod.sandbox.0);
        let comment = format!(r#"-m comment --comment "name: \"{NETWORK}\" id: \"{}\"""#, pod.sandbox);
        let _ = writeln!(text, "-A POSTROUTING -s {address} {comment} -j {chain}");
        let _ = writeln!(text, "-A {chain} -d {pods} {comment} -j ACCEPT");
        let _ = writeln!(text, "-A {chain} ! -d {multicast} {comment} -j MASQUERADE");
    }
    text.push_str("COMMIT\n");
    text
}
