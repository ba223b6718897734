//! The files of a worker: CNI configuration, host-local's leases, the results cache, log folders.
//!
//! May import model. Everything is below the lab's own folder, in the shape that containerd 1.6, the
//! bridge plugin 1.1 and the kubelet leave it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::error::{Context, LabError};
use super::plan::NETWORK;
use crate::model::lab::{LabOptions, LabPod, LabWorker};
use crate::model::sandbox::CniInterface;

/// The CNI version that the walkthrough's configuration names.
const CNI_VERSION: &str = "0.3.1";

/// One file or folder.
struct Writer<'a> {
    root: &'a Path,
}

impl Writer<'_> {
    fn folder(&self, path: &str, mode: u32) -> Result<(), LabError> {
        let path = self.root.join(path);
        let outcome = DirBuilder::new().recursive(true).mode(mode).create(&path);
        outcome.context(|| format!("making {}", path.display()))
    }

    fn file(&self, path: &str, mode: u32, bytes: &[u8]) -> Result<(), LabError> {
        let path = self.root.join(path);
        let write = || -> io::Result<()> {
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?.write_all(bytes)
        };
        write().context(|| format!("writing {}", path.display()))
    }
}

/// All but the results cache, which has to know the links.
pub fn write(worker: &LabWorker, options: LabOptions) -> Result<(), LabError> {
    let root = PathBuf::from(&worker.root);
    let writer = Writer { root: &root };
    writer.folder("", 0o755)?;
    writer.folder("etc/cni/net.d", 0o755)?;
    writer.file("etc/cni/net.d/10-bridge.conf", 0o644, &pretty(&Configuration::new(worker, options)))?;
    let loopback = json!({"cniVersion": CNI_VERSION, "name": "lo", "type": "loopback"});
    writer.file("etc/cni/net.d/99-loopback.conf", 0o644, &pretty(&loopback))?;
    let leases = format!("var/lib/cni/networks/{NETWORK}");
    writer.folder(&leases, 0o755)?;
    writer.file(&format!("{leases}/lock"), 0o750, b"")?;
    for pod in &worker.pods {
        for address in addresses(pod) {
            // host-local ends its first line as DOS did, and the last one not at all.
            writer.file(&format!("{leases}/{address}"), 0o644, format!("{}\r\neth0", pod.sandbox).as_bytes())?;
        }
    }
    if let Some(last) = worker.pods.last() {
        for (range, address) in addresses(last).enumerate() {
            writer.file(&format!("{leases}/last_reserved_ip.{range}"), 0o644, address.to_string().as_bytes())?;
        }
    }
    for pod in &worker.pods {
        let logs = format!("var/log/pods/{}_{}_{}/{}", pod.namespace, pod.name, pod.uid, pod.container.name);
        writer.folder(&logs, 0o755)?;
        writer.file(&format!("{logs}/0.log"), 0o640, b"")?;
    }
    Ok(())
}

/// A pod's addresses, in the order of the ranges.
fn addresses(pod: &LabPod) -> impl Iterator<Item = IpAddr> {
    std::iter::once(pod.address.addr()).chain(pod.address_v6.map(|six| IpAddr::V6(six.addr())))
}

/// The results cache.
pub fn write_results(worker: &LabWorker, options: LabOptions) -> Result<(), LabError> {
    let root = PathBuf::from(&worker.root);
    let writer = Writer { root: &root };
    writer.folder("var/lib/cni/results", 0o700)?;
    let configuration = list(&Configuration::new(worker, options));
    for pod in &worker.pods {
        let name = |network: &str, link: &str| format!("var/lib/cni/results/{network}-{}-{link}", pod.sandbox);
        let eth0 = Cached::new(pod, NETWORK, "eth0", &configuration, eth0_result(worker, pod));
        writer.file(&name(NETWORK, "eth0"), 0o600, &serde_json::to_vec(&eth0).unwrap_or_default())?;
        let lo = Cached::new(pod, "cni-loopback", "lo", LOOPBACK_LIST, lo_result(pod));
        writer.file(&name("cni-loopback", "lo"), 0o600, &serde_json::to_vec(&lo).unwrap_or_default())?;
    }
    Ok(())
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}

/// The walkthrough's bridge configuration.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    cni_version: &'static str,
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    bridge: String,
    is_gateway: bool,
    ip_masq: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hairpin_mode: bool,
    ipam: Value,
}

impl Configuration {
    fn new(worker: &LabWorker, options: LabOptions) -> Self {
        let mut ranges = vec![json!([{"subnet": worker.pod_cidr.to_string()}])];
        let mut routes = vec![json!({"dst": "0.0.0.0/0"})];
        if let Some(six) = worker.v6 {
            ranges.push(json!([{"subnet": six.pod_cidr.to_string()}]));
            routes.push(json!({"dst": "::/0"}));
        }
        Self {
            cni_version: CNI_VERSION,
            name: NETWORK,
            kind: "bridge",
            bridge: worker.bridge.clone(),
            is_gateway: true,
            ip_masq: options.masquerade,
            hairpin_mode: options.hairpin,
            ipam: json!({
                "type": "host-local",
                "ranges": ranges,
                "routes": routes,
            }),
        }
    }
}

/// A `.conf` as containerd keeps it in the cache: a list of one plugin, its keys sorted.
fn list(configuration: &Configuration) -> String {
    let plugin = serde_json::to_value(configuration).unwrap_or_default();
    json!({"cniVersion": CNI_VERSION, "name": NETWORK, "plugins": [plugin]}).to_string()
}

/// The loopback list that containerd has built in, byte by byte.
const LOOPBACK_LIST: &str =
    "{\n\"cniVersion\": \"0.3.1\",\n\"name\": \"cni-loopback\",\n\"plugins\": [{\n  \"type\": \"loopback\"\n}]\n}";

/// libcni's cached attachment (`cniCacheV1`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cached<'a> {
    kind: &'static str,
    container_id: &'a str,
    config: String,
    if_name: &'a str,
    network_name: &'a str,
    cni_args: [[&'a str; 2]; 5],
    capability_args: Value,
    result: Value,
}

impl<'a> Cached<'a> {
    fn new(pod: &'a LabPod, network: &'a str, link: &'a str, configuration: &str, result: Value) -> Self {
        Self {
            kind: "cniCacheV1",
            container_id: &pod.sandbox.0,
            config: base64(configuration.as_bytes()),
            if_name: link,
            network_name: network,
            cni_args: [
                ["K8S_POD_UID", &pod.uid],
                ["IgnoreUnknown", "1"],
                ["K8S_POD_NAMESPACE", &pod.namespace],
                ["K8S_POD_NAME", &pod.name],
                ["K8S_POD_INFRA_CONTAINER_ID", &pod.sandbox.0],
            ],
            capability_args: json!({
                "dns": {
                    "Servers": ["10.32.0.10"],
                    "Searches": [format!("{}.svc.cluster.local", pod.namespace), "svc.cluster.local", "cluster.local"],
                    "Options": ["ndots:5"],
                },
                "io.kubernetes.cri.pod-annotations": {"kubernetes.io/config.source": "api"},
            }),
            result,
        }
    }
}

fn eth0_result(worker: &LabWorker, pod: &LabPod) -> Value {
    let interfaces: Vec<Value> = pod.interfaces.iter().map(interface).collect();
    let ip = |address: String, gateway: IpAddr, version| {
        json!({
            "address": address,
            "gateway": gateway.to_string(),
            "interface": interfaces.len().saturating_sub(1),
            "version": version,
        })
    };
    let mut ips = vec![ip(pod.address.to_string(), worker.bridge_address.addr(), "4")];
    let mut routes = vec![json!({"dst": "0.0.0.0/0"})];
    if let (Some(address), Some(six)) = (pod.address_v6, worker.v6) {
        ips.push(ip(address.to_string(), six.bridge_address.addr().into(), "6"));
        routes.push(json!({"dst": "::/0"}));
    }
    json!({
        "cniVersion": CNI_VERSION,
        "dns": {},
        "interfaces": interfaces,
        "ips": ips,
        "routes": routes,
    })
}

fn lo_result(pod: &LabPod) -> Value {
    json!({
        "cniVersion": CNI_VERSION,
        "dns": {},
        "interfaces": [{"mac": "00:00:00:00:00:00", "name": "lo", "sandbox": pod.netns.replacen("/run/", "/var/run/", 1)}],
        "ips": [
            {"address": "127.0.0.1/8", "interface": 0, "version": ""},
            {"address": "::1/128", "interface": 0, "version": ""},
        ],
    })
}

fn interface(interface: &CniInterface) -> Value {
    let mut value = json!({"name": interface.name});
    if let (Some(object), Some(mac)) = (value.as_object_mut(), &interface.mac) {
        object.insert("mac".to_owned(), json!(mac.to_string()));
    }
    if let (Some(object), Some(sandbox)) = (value.as_object_mut(), &interface.sandbox) {
        object.insert("sandbox".to_owned(), json!(sandbox));
    }
    value
}

/// Standard base64 with padding, as Go's JSON writes bytes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for at in 0..4 {
            if at <= chunk.len() {
                let index = bits >> (18 - 6 * at) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standards() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_loopback_list_is_containerds_own() {
        // The `config` of a recorded `cni-loopback-…-lo` of containerd 1.6.20.
        assert_eq!(
            base64(LOOPBACK_LIST.as_bytes()),
            "ewoiY25pVmVyc2lvbiI6ICIwLjMuMSIsCiJuYW1lIjogImNuaS1sb29wYmFjayIsCiJwbHVnaW5zIjogW3sKICAidHlwZSI6ICJsb29wYmFjayIKfV0KfQ=="
        );
    }
}
