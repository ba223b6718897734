//! `lab service add`, `remove` and `list`.
//!
//! May import model and sys. The state file is written before the rules, with a mark that they are due;
//! whoever comes next writes them when it finds the mark.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use nix::sys::signal::{Signal, kill};

use super::super::error::{Context, LabError, name_option};
use super::super::netns::{self, Found};
use super::super::programs::Programs;
use super::super::state::Folder;
use super::{Writer, behind, stale};
use crate::model::kube_proxy::Protocol;
use crate::model::lab::{LabPhase, LabState};
use crate::model::lab_service::{
    LabService, LabServicePort, LabServiceReport, LabServices, SERVICE_CIDR, SERVICE_CIDR_V6, TrafficPolicy,
    check_services,
};
use crate::sys::netns::NsThread;

/// The first cluster IP that is given out.
const FIRST_FREE: u8 = 100;

/// What is asked of `lab service add`. What is `None` is as the service has it, or else as usual.
#[derive(Debug, Clone)]
pub struct Added {
    /// The service's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The port.
    pub port: LabServicePort,
    /// Its address; the first free one where there is none yet.
    pub cluster_ip: Option<Ipv4Addr>,
    /// Its IPv6 address; the first free one where there is none yet, in a dual-stack lab.
    pub cluster_ip_v6: Option<Ipv6Addr>,
    /// Further addresses.
    pub external_ips: Option<Vec<IpAddr>>,
    /// Load balancers' addresses.
    pub load_balancer_ips: Option<Vec<IpAddr>>,
    /// Who may use those.
    pub source_ranges: Option<Vec<IpNet>>,
    /// Where traffic to the cluster IP may go.
    pub internal_policy: Option<TrafficPolicy>,
    /// Where traffic from outside may go.
    pub external_policy: Option<TrafficPolicy>,
    /// Session affinity, in seconds.
    pub affinity: Option<u32>,
    /// The labels of the pods behind it.
    pub selector: Option<BTreeMap<String, String>>,
}

impl Added {
    /// A port without endpoints of its own.
    pub fn port(name: Option<String>, protocol: Protocol, port: u16, target_port: Option<u16>) -> LabServicePort {
        let target_port = target_port.unwrap_or(port);
        LabServicePort { name, protocol, port, target_port, node_port: None, endpoints: Vec::new() }
    }
}

/// Adds a service, or a port to one. One that is there as it is asked for is fine: its rules are written anew.
///
/// `stop_after` is for tests: dies by SIGKILL after so many workers; 0 is after the state is on disk.
pub fn add(lab: &str, added: &Added, stop_after: Option<usize>) -> Result<LabService, LabError> {
    let mut open = Open::new(lab)?;
    let mut services = open.state.services.clone();
    let at = services.iter().position(|service| service.namespace == added.namespace && service.name == added.name);
    let service = if let Some(at) = at {
        joined(&mut services[at], added)?;
        services[at].clone()
    } else {
        let service = fresh(&services, added, open.state.options.dual_stack)?;
        services.push(service.clone());
        service
    };
    services.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
    check_services(&services).map_err(LabError::Usage)?;
    open.change(services, stop_after)?;
    Ok(service)
}

/// Removes a service, or one port of it (the service goes with its last port).
pub fn remove(
    lab: &str,
    namespace: &str,
    name: &str,
    port: Option<&str>,
    stop_after: Option<usize>,
) -> Result<(), LabError> {
    let mut open = Open::new(lab)?;
    let mut services = open.state.services.clone();
    let absent = |what: &str| {
        let known = open.state.services.iter().map(|service| format!("{}/{}", service.namespace, service.name));
        let known = known.collect::<Vec<_>>().join(", ");
        LabError::Usage(format!("the lab {lab:?} has no service {what}; there are: {known}"))
    };
    let at = services.iter().position(|service| service.namespace == namespace && service.name == name);
    let at = at.ok_or_else(|| absent(&format!("{namespace}/{name}")))?;
    match port {
        None => drop(services.remove(at)),
        Some(port) => {
            let ports = &mut services[at].ports;
            let count = ports.len();
            ports.retain(|other| other.name.as_deref() != Some(port));
            if ports.len() == count {
                return Err(absent(&format!("{namespace}/{name}:{port}")));
            }
            if ports.is_empty() {
                services.remove(at);
            }
        }
    }
    open.change(services, stop_after)
}

/// The services of a lab, and what is behind them.
pub fn list(state: &LabState) -> LabServices {
    let report = |service: &LabService| LabServiceReport {
        service: service.clone(),
        behind: service.ports.iter().map(|port| behind(state, service, port)).collect(),
    };
    LabServices {
        lab: state.name.clone(),
        proxy: state.options.proxy,
        services: state.services.iter().map(report).collect(),
    }
}

fn fresh(services: &[LabService], added: &Added, dual_stack: bool) -> Result<LabService, LabError> {
    let taken = |ip: IpAddr| services.iter().any(|service| service.cluster_ips().any(|other| other == ip));
    let free = || {
        let first = SERVICE_CIDR.hosts().skip(usize::from(FIRST_FREE) - 1).chain(SERVICE_CIDR.hosts().skip(1));
        first
            .into_iter()
            .find(|ip| !taken(IpAddr::V4(*ip)))
            .ok_or_else(|| LabError::Usage(format!("{SERVICE_CIDR} is full")))
    };
    let outer = added.external_ips.iter().chain(&added.load_balancer_ips).flatten();
    let has_v6 = added.cluster_ip_v6.is_some()
        || outer.chain(added.port.endpoints.iter().map(SocketAddr::ip).collect::<Vec<_>>().iter()).any(IpAddr::is_ipv6);
    if has_v6 && !dual_stack {
        return Err(LabError::Usage("the lab has no IPv6; `podnet lab up --dual-stack` makes one that has".to_owned()));
    }
    // `::100` and up, as the others begin at `.100`.
    let free_v6 = || SERVICE_CIDR_V6.hosts().skip(0x100).find(|ip| !taken(IpAddr::V6(*ip)));
    Ok(LabService {
        namespace: added.namespace.clone(),
        name: added.name.clone(),
        cluster_ip: added.cluster_ip.map_or_else(free, Ok)?,
        cluster_ip_v6: if dual_stack { added.cluster_ip_v6.or_else(free_v6) } else { None },
        external_ips: added.external_ips.clone().unwrap_or_default(),
        load_balancer_ips: added.load_balancer_ips.clone().unwrap_or_default(),
        source_ranges: added.source_ranges.clone().unwrap_or_default(),
        internal_policy: added.internal_policy.unwrap_or_default(),
        external_policy: added.external_policy.unwrap_or_default(),
        affinity: added.affinity,
        selector: added.selector.clone().unwrap_or_default(),
        ports: vec![added.port.clone()],
    })
}

/// Adds the port to a service that is there. What belongs to the whole service cannot change by that.
fn joined(service: &mut LabService, added: &Added) -> Result<(), LabError> {
    let differs = [
        ("cluster IP", added.cluster_ip.is_some_and(|ip| ip != service.cluster_ip)),
        ("IPv6 cluster IP", added.cluster_ip_v6.is_some() && added.cluster_ip_v6 != service.cluster_ip_v6),
        ("load balancer IPs", added.load_balancer_ips.as_ref().is_some_and(|ips| *ips != service.load_balancer_ips)),
        ("source ranges", added.source_ranges.as_ref().is_some_and(|ranges| *ranges != service.source_ranges)),
        ("external IPs", added.external_ips.as_ref().is_some_and(|ips| *ips != service.external_ips)),
        ("internal traffic policy", added.internal_policy.is_some_and(|policy| policy != service.internal_policy)),
        ("external traffic policy", added.external_policy.is_some_and(|policy| policy != service.external_policy)),
        ("session affinity", added.affinity.is_some_and(|_| added.affinity != service.affinity)),
        ("selector", added.selector.as_ref().is_some_and(|selector| *selector != service.selector)),
    ];
    let full = format!("{}/{}", service.namespace, service.name);
    if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
        return Err(LabError::Usage(format!(
            "the service {full} is there with another {what}; `podnet lab service remove` removes it"
        )));
    }
    if !service.ports.contains(&added.port) {
        if service.ports.iter().any(|port| port.name == added.port.name) {
            let named = service.port_name(&added.port);
            return Err(LabError::Usage(format!(
                "the service has another port {named}; `podnet lab service remove` removes it"
            )));
        }
        service.ports.push(added.port.clone());
    }
    Ok(())
}

/// A lab that is up, held against every other podnet.
struct Open {
    folder: Folder,
    state: LabState,
    programs: Programs,
    thread: NsThread,
}

impl Open {
    fn new(lab: &str) -> Result<Self, LabError> {
        let absent = || LabError::Absent { name: lab.to_owned(), option: name_option(lab) };
        let folder = Folder::open(lab)?.ok_or_else(absent)?;
        let state = folder.read()?.ok_or_else(absent)?;
        if state.phase != LabPhase::Up {
            let option = name_option(lab);
            return Err(LabError::Usage(format!("the lab {lab:?} is half made; `podnet lab down{option}` removes it")));
        }
        let programs = Programs::find(state.options.proxy, folder.path())?;
        let thread = NsThread::spawn().context(|| "starting the namespace thread".to_owned())?;
        Ok(Self { folder, state, programs, thread })
    }

    /// Makes these the lab's services. When that fails they are again what they were.
    fn change(&mut self, services: Vec<LabService>, stop_after: Option<usize>) -> Result<(), LabError> {
        let before = std::mem::replace(&mut self.state.services, services);
        self.state.services_due = true;
        self.folder.write(&self.state)?;
        if let Err(error) = self.write(stop_after) {
            self.state.services = before;
            self.folder.write(&self.state)?;
            // Where this fails, too, the mark stays.
            if self.write(None).is_ok() {
                self.state.services_due = false;
                self.folder.write(&self.state)?;
            }
            return Err(error);
        }
        self.state.services_due = false;
        self.folder.write(&self.state)
    }

    fn write(&self, stop_after: Option<usize>) -> Result<(), LabError> {
        let writer = Writer { thread: &self.thread, programs: &self.programs };
        let stop = |number| {
            if stop_after == Some(number) {
                let _ = kill(nix::unistd::getpid(), Signal::SIGKILL);
            }
        };
        stop(0);
        for worker in &self.state.workers {
            // Whatever stands there now, another's namespace gets no rules.
            if !matches!(netns::look(&self.state, &worker.netns), Ok(Found::Own(_))) {
                let path = worker.netns.clone();
                return Err(LabError::Usage(format!("what is at {path} is not the lab's namespace any more")));
            }
        }
        for (at, worker) in self.state.workers.iter().enumerate() {
            writer.again(&self.state, worker, false)?;
            stale::delete(&self.thread, &self.programs, &self.state, worker)?;
            stop(at + 1);
        }
        Ok(())
    }
}
