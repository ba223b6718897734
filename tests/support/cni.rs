//! The CNI networks a worker can have. Must not use podnet's own code.

use serde_json::{Value, json};

/// A worker's network: what stands in its `/etc/cni/net.d`.
#[derive(Debug, Clone)]
pub struct CniConf {
    file: String,
    conf: Value,
}

impl CniConf {
    /// The walkthrough's bridge `cnio0`, 10.200.0.0/24, gateway and masquerade.
    pub fn bridge() -> Self {
        Self::bridge_over("10.200.0.0/24")
    }

    /// The same over another range, for more pods than a /24 holds.
    pub fn bridge_over(subnet: &str) -> Self {
        Self::single(&json!({
            "cniVersion": "0.3.1", "name": "bridge", "type": "bridge", "bridge": "cnio0",
            "isGateway": true, "ipMasq": true, "ipam": host_local(subnet),
        }))
    }

    /// A veth a pod with a host route to it, no bridge.
    pub fn ptp() -> Self {
        Self::single(&json!({
            "cniVersion": "0.3.1", "name": "ptp", "type": "ptp", "ipMasq": false, "ipam": host_local("10.200.0.0/24"),
        }))
    }

    /// Pods as macvlans of the worker's uplink `eth0`, with addresses beside the worker's.
    pub fn macvlan() -> Self {
        Self::single(&json!({
            "cniVersion": "0.3.1", "name": "macvlan", "type": "macvlan", "master": "eth0",
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": "10.240.0.0/24", "rangeStart": "10.240.0.100", "gateway": "10.240.0.1" }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }))
    }

    /// A second network, attached by hand to a pod that has `eth0` already.
    pub fn second_bridge() -> Self {
        Self::single(&json!({
            "cniVersion": "0.3.1", "name": "second", "type": "bridge", "bridge": "cnio1",
            "isGateway": true, "ipMasq": false,
            "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.201.0.0/24" }]] },
        }))
    }

    /// The file's name in the configuration folder.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The file's text.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.conf)
    }

    /// The plugin that the network is made by.
    pub fn plugin(&self) -> &str {
        self.conf["type"].as_str().expect("a plugin")
    }

    fn single(conf: &Value) -> Self {
        let name = conf["name"].as_str().expect("a network name");
        Self { file: format!("10-{name}.conf"), conf: conf.clone() }
    }
}

fn host_local(subnet: &str) -> Value {
    json!({ "type": "host-local", "ranges": [[{ "subnet": subnet }]], "routes": [{ "dst": "0.0.0.0/0" }] })
}
