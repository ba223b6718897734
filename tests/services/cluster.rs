//! What the API server said: services, endpoint slices and pods of the recorded cluster.

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Cluster {
    pub services: Vec<Service>,
    pub endpointslices: Vec<Slice>,
    pub pods: Vec<Pod>,
}

#[derive(Deserialize)]
pub struct Service {
    pub namespace: String,
    pub name: String,
    pub ingress: Vec<String>,
    pub spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    #[serde(default, rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    #[serde(default, rename = "externalIPs")]
    pub external_ips: Vec<String>,
    pub external_traffic_policy: Option<String>,
    pub internal_traffic_policy: Option<String>,
    #[serde(default)]
    pub load_balancer_source_ranges: Vec<String>,
    pub health_check_node_port: Option<u16>,
    pub ports: Vec<Port>,
    pub session_affinity_config: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names)] // as the API calls them
pub struct Port {
    pub name: Option<String>,
    pub port: u16,
    pub protocol: String,
    pub node_port: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slice {
    pub namespace: String,
    pub service: String,
    pub address_type: String,
    pub ports: Vec<Port>,
    pub endpoints: Vec<Backend>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    pub address: String,
    pub node_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub ip: String,
    pub node_name: String,
    pub host_network: bool,
}

impl Cluster {
    pub fn read() -> Self {
        serde_json::from_str(include_str!("../../fixtures/services/cluster.json")).unwrap()
    }

    pub fn pods_of(&self, node: &str) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(move |pod| pod.node_name == node)
    }
}
