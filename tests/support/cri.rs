//! The kubelet's side of CRI: makes, stops and removes sandboxes and containers. Must not use podnet's own code.

use std::future::Future;
use std::path::Path;

use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{
    ContainerConfig, CreateContainerRequest, ImageSpec, ImageStatusRequest, PodSandboxConfig, RemovePodSandboxRequest,
    RunPodSandboxRequest, StartContainerRequest, StatusRequest, StopPodSandboxRequest,
};
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Channel;

use super::process::PATIENCE;

/// A connection to one containerd.
#[derive(Debug)]
pub struct Cri {
    runtime: Runtime,
    pods: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
}

impl Cri {
    /// Connects; fails while the daemon does not listen yet.
    pub fn connect(socket: &Path) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let channel = runtime.block_on(containerd_client::connect(socket)).map_err(|error| error.to_string())?;
        Ok(Self { pods: RuntimeServiceClient::new(channel.clone()), images: ImageServiceClient::new(channel), runtime })
    }

    /// Whether the daemon says that the runtime and the network are ready.
    pub fn ready(&mut self) -> Result<(), String> {
        let answer = self.wait(self.pods.clone().status(StatusRequest { verbose: false }))?;
        let conditions = answer.status.map(|status| status.conditions).unwrap_or_default();
        match conditions.iter().find(|condition| !condition.status) {
            Some(condition) => Err(format!("{}: {}", condition.r#type, condition.message)),
            None if conditions.is_empty() => Err("no conditions".to_owned()),
            None => Ok(()),
        }
    }

    /// Whether CRI knows an image: it learns of an import by an event, a little later.
    pub fn has_image(&mut self, image: &str) -> Result<(), String> {
        let request = ImageStatusRequest { image: Some(image_spec(image)), verbose: false };
        let answer = self.wait(self.images.clone().image_status(request))?;
        answer.image.map(|_| ()).ok_or_else(|| format!("no image {image}"))
    }

    /// Makes a sandbox; gives its id.
    pub fn run_sandbox(&mut self, config: &PodSandboxConfig) -> Result<String, String> {
        let request = RunPodSandboxRequest { config: Some(config.clone()), runtime_handler: String::new() };
        Ok(self.wait(self.pods.clone().run_pod_sandbox(request))?.pod_sandbox_id)
    }

    /// Makes and starts a container in it; gives its id.
    pub fn run_container(
        &mut self,
        sandbox: &str,
        pod: &PodSandboxConfig,
        config: ContainerConfig,
    ) -> Result<String, String> {
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(pod.clone()),
        };
        let id = self.wait(self.pods.clone().create_container(request))?.container_id;
        self.wait(self.pods.clone().start_container(StartContainerRequest { container_id: id.clone() }))?;
        Ok(id)
    }

    /// Ends a sandbox's processes and its network; it stays listed as not ready.
    pub fn stop_sandbox(&mut self, sandbox: &str) -> Result<(), String> {
        let request = StopPodSandboxRequest { pod_sandbox_id: sandbox.to_owned() };
        self.wait(self.pods.clone().stop_pod_sandbox(request)).map(|_| ())
    }

    /// Removes a sandbox and all its containers.
    pub fn remove_sandbox(&mut self, sandbox: &str) -> Result<(), String> {
        let request = RemovePodSandboxRequest { pod_sandbox_id: sandbox.to_owned() };
        self.wait(self.pods.clone().remove_pod_sandbox(request)).map(|_| ())
    }

    fn wait<T>(&self, call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>) -> Result<T, String> {
        self.runtime.block_on(async {
            match tokio::time::timeout(PATIENCE, call).await {
                Ok(answer) => answer.map(tonic::Response::into_inner).map_err(|status| status.to_string()),
                Err(_) => Err(format!("no answer within {PATIENCE:?}")),
            }
        })
    }
}

/// An image by name.
pub fn image_spec(image: &str) -> ImageSpec {
    ImageSpec { image: image.to_owned(), ..ImageSpec::default() }
}
