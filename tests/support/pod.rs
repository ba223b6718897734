//! What a pod is made from, and the pod once made. Must not use podnet's own code.

use std::collections::HashMap;

use k8s_cri::v1::{
    ContainerConfig, ContainerMetadata, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceMode,
    NamespaceOption, PodSandboxConfig, PodSandboxMetadata,
};

use super::cri::{Cri, image_spec};
use super::image::IMAGE;

/// A pod to be made.
#[derive(Debug, Clone)]
pub struct PodSpec {
    namespace: String,
    name: String,
    uid: String,
    attempt: u32,
    labels: HashMap<String, String>,
    by_hand: bool,
    host_network: bool,
    containers: Vec<(String, Vec<String>)>,
}

impl PodSpec {
    /// A pod without containers, as the kubelet would make it.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uuid::Uuid::new_v4().to_string(),
            attempt: 0,
            labels: HashMap::new(),
            by_hand: false,
            host_network: false,
            containers: Vec::new(),
        }
    }

    /// With a label of its own.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Without the labels that only the kubelet sets (`io.kubernetes.pod.*`), as `crictl runp` does.
    #[must_use]
    pub fn by_hand(mut self) -> Self {
        self.by_hand = true;
        self
    }

    /// In the worker's own network namespace.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.host_network = true;
        self
    }

    /// With one more container, of `children + 1` processes.
    #[must_use]
    pub fn container(mut self, name: &str, children: u32) -> Self {
        self.containers.push((name.to_owned(), vec!["/app".to_owned(), children.to_string()]));
        self
    }

    /// As a later attempt of the same pod.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Where the kubelet keeps the pod's logs.
    pub fn log_directory(&self) -> String {
        format!("/var/log/pods/{}_{}_{}", self.namespace, self.name, self.uid)
    }

    /// Makes it; `cgroup` is the worker's own subtree.
    pub fn run(&self, cri: &mut Cri, cgroup: &str) -> Result<Pod, String> {
        let config = self.config(cgroup);
        let sandbox = cri.run_sandbox(&config)?;
        let mut containers = Vec::new();
        for (name, argv) in &self.containers {
            let container = ContainerConfig {
                metadata: Some(ContainerMetadata { name: name.clone(), attempt: 0 }),
                image: Some(image_spec(IMAGE)),
                command: argv.clone(),
                labels: self.kubelet_labels(Some(name)),
                log_path: format!("{name}/0.log"),
                ..ContainerConfig::default()
            };
            containers.push((name.clone(), cri.run_container(&sandbox, &config, container)?));
        }
        Ok(Pod {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            sandbox,
            containers,
        })
    }

    fn config(&self, cgroup: &str) -> PodSandboxConfig {
        let network = if self.host_network { NamespaceMode::Node } else { NamespaceMode::Pod };
        let namespaces = NamespaceOption {
            network: network.into(),
            pid: NamespaceMode::Container.into(),
            ..NamespaceOption::default()
        };
        let mut labels = self.kubelet_labels(None);
        labels.extend(self.labels.clone());
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: self.name.clone(),
                uid: self.uid.clone(),
                namespace: self.namespace.clone(),
                attempt: self.attempt,
            }),
            hostname: if self.host_network { String::new() } else { self.name.clone() },
            log_directory: self.log_directory(),
            labels,
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("{cgroup}/kubepods/besteffort/pod{}", self.uid),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(namespaces),
                    ..LinuxSandboxSecurityContext::default()
                }),
                ..LinuxPodSandboxConfig::default()
            }),
            ..PodSandboxConfig::default()
        }
    }

    fn kubelet_labels(&self, container: Option<&str>) -> HashMap<String, String> {
        if self.by_hand {
            return HashMap::new();
        }
        let mut labels = HashMap::from([
            ("io.kubernetes.pod.name".to_owned(), self.name.clone()),
            ("io.kubernetes.pod.namespace".to_owned(), self.namespace.clone()),
            ("io.kubernetes.pod.uid".to_owned(), self.uid.clone()),
        ]);
        if let Some(name) = container {
            labels.insert("io.kubernetes.container.name".to_owned(), name.to_owned());
        }
        labels
    }
}

/// A pod that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its Kubernetes namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its sandbox's id.
    pub sandbox: String,
    /// Names and ids of its containers, in the order asked for.
    pub containers: Vec<(String, String)>,
}

impl Pod {
    /// `namespace/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
