//! `podnet lab service`: the services of a practice network.
//!
//! May import lab, model and render. Thin: it turns arguments into requests and answers into bytes.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use clap::{Args, Subcommand, ValueEnum};
use ipnet::IpNet;

use super::lab::{LabOutput, NameArgs};
use crate::lab::{self, Added, LabError};
use crate::model::kube_proxy::Protocol;
use crate::model::lab_service::{LabProxy, TrafficPolicy};
use crate::render;

/// The namespace of a service when none is given.
const NAMESPACE: &str = "default";

/// What programs the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProxyArg {
    /// kube-proxy's mode iptables, through iptables-restore
    Iptables,
    /// The same through iptables-legacy-restore
    IptablesLegacy,
    /// kube-proxy's mode nftables, through nft
    Nftables,
}

impl From<ProxyArg> for LabProxy {
    fn from(proxy: ProxyArg) -> Self {
        match proxy {
            ProxyArg::Iptables => Self::Iptables,
            ProxyArg::IptablesLegacy => Self::IptablesLegacy,
            ProxyArg::Nftables => Self::Nftables,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ServiceArgs {
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(Debug, Subcommand)]
enum ServiceCommand {
    /// Adds a service, or a port to one, and writes every worker's rules.
    Add(Box<AddArgs>),
    /// Removes a service, or one port of it, and its rules.
    Remove(RemoveArgs),
    /// Lists the services and their endpoints.
    List(NameArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    #[command(flatten)]
    name: NameArgs,
    /// The service (of --namespace, or default), and its port's name where it has several.
    #[arg(value_name = "NAME[:PORTNAME]")]
    service: String,
    /// The port at the service's addresses.
    #[arg(long, value_name = "P")]
    port: u16,
    /// The pods' port, where it is another.
    #[arg(long, value_name = "T", conflicts_with = "endpoint")]
    target_port: Option<u16>,
    /// The port's protocol.
    #[arg(long, value_enum, value_name = "PROTOCOL", default_value_t = ProtocolArg::Tcp)]
    protocol: ProtocolArg,
    /// The service's address within 10.32.0.0/24, and in a dual-stack lab within `fd00:32::/112`; without it the first free one.
    #[arg(long, value_name = "IP")]
    cluster_ip: Vec<IpAddr>,
    /// A port of every node that leads to it, 30000 to 32767.
    #[arg(long, value_name = "N")]
    node_port: Option<u16>,
    /// A further address that leads to it; may be repeated.
    #[arg(long, value_name = "IP")]
    external_ip: Vec<IpAddr>,
    /// A load balancer's address that leads to it; may be repeated.
    #[arg(long, value_name = "IP")]
    load_balancer_ip: Vec<IpAddr>,
    /// Who alone may use those; may be repeated.
    #[arg(long, value_name = "CIDR", requires = "load_balancer_ip")]
    source_range: Vec<IpNet>,
    /// Which endpoints the cluster IP leads to: all, or those of the worker that asks.
    #[arg(long, value_enum, ignore_case = true, value_name = "POLICY")]
    internal_traffic_policy: Option<PolicyArg>,
    /// Which endpoints node ports and external addresses lead to.
    #[arg(long, value_enum, ignore_case = true, value_name = "POLICY")]
    external_traffic_policy: Option<PolicyArg>,
    /// How long a client stays with the endpoint it had.
    #[arg(long, value_name = "SECONDS")]
    session_affinity: Option<u32>,
    /// An endpoint, in place of the pods that -l key=value chooses; may be repeated. With neither it has none.
    #[arg(long, value_name = "IP:PORT")]
    endpoint: Vec<SocketAddr>,
    /// For tests: die after so many workers.
    #[arg(long, value_name = "N", hide = true)]
    stop_after_step: Option<usize>,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    #[command(flatten)]
    name: NameArgs,
    /// The service (of --namespace, or default), or one port of it.
    #[arg(value_name = "NAME[:PORTNAME]")]
    service: String,
    /// For tests: die after so many workers.
    #[arg(long, value_name = "N", hide = true)]
    stop_after_step: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PolicyArg {
    /// All endpoints
    Cluster,
    /// The worker's own
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProtocolArg {
    Tcp,
    Udp,
    Sctp,
}

impl ServiceArgs {
    pub(super) fn is_list(&self) -> bool {
        matches!(self.command, ServiceCommand::List(_))
    }

    /// Whether it names a service, so that a namespace means something.
    pub(super) fn has_namespace(&self) -> bool {
        !self.is_list()
    }

    pub(super) fn has_selector(&self) -> bool {
        matches!(self.command, ServiceCommand::Add(_))
    }
}

pub(super) fn run(args: &ServiceArgs, output: LabOutput<'_>, out: &mut dyn Write) -> anyhow::Result<u8> {
    let namespace = output.namespace.unwrap_or(NAMESPACE);
    match &args.command {
        ServiceCommand::Add(add) => {
            let service = lab::add_service(&add.name.name, &added(add, output)?, add.stop_after_step)?;
            let at: Vec<String> = service.cluster_ips().map(|ip| ip.to_string()).collect();
            writeln!(out, "service {}/{} is at {}", service.namespace, service.name, at.join(" and "))?;
        }
        ServiceCommand::Remove(remove) => {
            let (service, port) = split(&remove.service);
            lab::remove_service(&remove.name.name, namespace, service, port, remove.stop_after_step)?;
            writeln!(out, "service {namespace}/{} is removed", remove.service)?;
        }
        ServiceCommand::List(name) => {
            let state = lab::load(&name.name)?;
            let services = lab::services(&state);
            if output.json {
                render::lab_services::json(&services, out)?;
            } else {
                render::lab_services::table(&services, output.style, out)?;
            }
        }
    }
    Ok(0)
}

/// `web:http`.
fn split(service: &str) -> (&str, Option<&str>) {
    service.split_once(':').map_or((service, None), |(name, port)| (name, Some(port)))
}

fn added(args: &AddArgs, output: LabOutput<'_>) -> Result<Added, LabError> {
    let (name, port_name) = split(&args.service);
    let policy = |policy: Option<PolicyArg>| {
        policy.map(|policy| match policy {
            PolicyArg::Cluster => TrafficPolicy::Cluster,
            PolicyArg::Local => TrafficPolicy::Local,
        })
    };
    let protocol = match args.protocol {
        ProtocolArg::Tcp => Protocol::Tcp,
        ProtocolArg::Udp => Protocol::Udp,
        ProtocolArg::Sctp => Protocol::Sctp,
    };
    let mut port = Added::port(port_name.map(ToOwned::to_owned), protocol, args.port, args.target_port);
    port.node_port = args.node_port;
    port.endpoints.clone_from(&args.endpoint);
    let (mut cluster_ip, mut cluster_ip_v6) = (None, None);
    for ip in &args.cluster_ip {
        let is_second = match ip {
            IpAddr::V4(ip) => cluster_ip.replace(*ip).is_some(),
            IpAddr::V6(ip) => cluster_ip_v6.replace(*ip).is_some(),
        };
        if is_second {
            return Err(LabError::Usage("a service has one cluster IP of each family".to_owned()));
        }
    }
    if !args.endpoint.is_empty() && output.selector.is_some() {
        return Err(LabError::Usage("--endpoint takes the place of --selector; give one of them".to_owned()));
    }
    Ok(Added {
        namespace: output.namespace.unwrap_or(NAMESPACE).to_owned(),
        name: name.to_owned(),
        port,
        cluster_ip,
        cluster_ip_v6,
        external_ips: (!args.external_ip.is_empty()).then(|| args.external_ip.clone()),
        load_balancer_ips: (!args.load_balancer_ip.is_empty()).then(|| args.load_balancer_ip.clone()),
        source_ranges: (!args.source_range.is_empty()).then(|| args.source_range.clone()),
        internal_policy: policy(args.internal_traffic_policy),
        external_policy: policy(args.external_traffic_policy),
        affinity: args.session_affinity,
        selector: output.selector.map(selector).transpose()?,
    })
}

/// A service's selector: only equality, as in Kubernetes.
fn selector(text: &str) -> Result<BTreeMap<String, String>, LabError> {
    let wrong = || LabError::Usage(format!("a service's selector is key=value, joined by commas; {text:?} is not"));
    let fits = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'))
    };
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').filter(|(key, value)| fits(key) && fits(value)).ok_or_else(wrong)?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text.split(',').map(pair).collect()
}
