//! Netfilter rules: the bridge plugin's masquerade chains and the fabric's TTL, for iptables-restore.
//!
//! May import model.

use std::fmt::Write as _;

use super::names::cni_chain;
use super::plan::NETWORK;
use crate::model::lab::LabWorker;

/// The fabric's: what a router takes off the TTL is put on before, for a cloud's fabric does not show.
pub fn gateway() -> String {
    "*mangle\n-A PREROUTING -m comment --comment \"the fabric does not lower the TTL\" -j TTL --ttl-inc 1\nCOMMIT\n"
        .to_owned()
}

/// A worker's: for each pod the chain that the bridge plugin 1.1 writes with ipMasq, rule by rule.
pub fn masquerade(worker: &LabWorker) -> String {
    let mut text = String::from("*nat\n");
    for pod in &worker.pods {
        let _ = writeln!(text, ":{} - [0:0]", cni_chain(NETWORK, &pod.sandbox.0));
    }
    for pod in &worker.pods {
        let chain = cni_chain(NETWORK, &pod.sandbox.0);
        let comment = format!(r#"-m comment --comment "name: \"{NETWORK}\" id: \"{}\"""#, pod.sandbox);
        let _ = writeln!(text, "-A POSTROUTING -s {}/32 {comment} -j {chain}", pod.address.addr());
        let _ = writeln!(text, "-A {chain} -d {} {comment} -j ACCEPT", worker.pod_cidr);
        let _ = writeln!(text, "-A {chain} ! -d 224.0.0.0/4 {comment} -j MASQUERADE");
    }
    text.push_str("COMMIT\n");
    text
}
