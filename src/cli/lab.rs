//! `podnet lab`: a practice network on this machine.
//!
//! May import every layer. Thin: it turns arguments into requests and answers into bytes.

use std::ffi::OsString;
use std::io::Write;

use clap::{ArgAction, Args, Subcommand};

use super::lab_service::{self, ProxyArg, ServiceArgs};
use crate::lab::{self, LabError, UpRequest};
use crate::model::issue::{Issue, Why};
use crate::model::lab::{DEFAULT_NAME, LabState};
use crate::model::lab_status::LabStatus;
use crate::render;
use crate::render::style::Style;

/// A practice network: the network of a small hand-built cluster, in namespaces on this machine.
#[derive(Debug, Args)]
pub struct LabArgs {
    #[command(subcommand)]
    command: LabCommand,
}

impl LabArgs {
    /// Whether what was asked for can be told as JSON.
    pub fn has_json(&self) -> bool {
        match &self.command {
            LabCommand::Status(_) => true,
            LabCommand::Service(service) => service.is_list(),
            _ => false,
        }
    }

    /// Whether it is about services.
    pub fn is_service(&self) -> bool {
        matches!(self.command, LabCommand::Service(_))
    }

    /// Whether `--namespace` is a service's.
    pub fn has_namespace(&self) -> bool {
        matches!(&self.command, LabCommand::Service(service) if service.has_namespace())
    }

    /// Whether `--selector` is a service's.
    pub fn has_selector(&self) -> bool {
        matches!(&self.command, LabCommand::Service(service) if service.has_selector())
    }
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Makes the network: workers with pods that can really talk.
    Up(UpArgs),
    /// Tells what each lab is made of, and whether all of it is there.
    Status(StatusArgs),
    /// Runs a program in a worker, a pod, the gateway or the outside host.
    Exec(ExecArgs),
    /// Adds, removes and lists services.
    Service(ServiceArgs),
    /// Removes the network and everything that was made for it.
    Down(NameArgs),
    /// What the pods' processes are started as.
    #[command(hide = true)]
    Process,
}

#[derive(Debug, Args)]
pub(super) struct NameArgs {
    /// The lab's name; its namespaces begin with it (1 to 20 of a-z, 0-9 and -).
    #[arg(long, value_name = "NAME", default_value = DEFAULT_NAME)]
    pub(super) name: String,
}

#[derive(Debug, Args)]
struct UpArgs {
    #[command(flatten)]
    name: NameArgs,
    /// How many workers, 1 to 10.
    #[arg(long, value_name = "N", default_value_t = 2)]
    workers: u8,
    /// How many pods in all, 4 to 500, at most 250 a worker.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pods: u16,
    /// Let the pods' bridge send a frame back out of the port it came from.
    #[arg(long)]
    hairpin: bool,
    /// Whether iptables sees bridged frames, as on a Kubernetes node (the default where `br_netfilter` is loaded).
    #[arg(long, value_name = "0|1", value_parser = zero_or_one, action = ArgAction::Set)]
    bridge_nf: Option<bool>,
    /// Leave the bridge plugin's masquerade chains out.
    #[arg(long)]
    no_masquerade: bool,
    /// What programs the services on every worker.
    #[arg(long, value_enum, value_name = "MODE", default_value_t = ProxyArg::Iptables)]
    proxy: ProxyArg,
    /// Give everything an IPv6 address beside the other.
    #[arg(long)]
    dual_stack: bool,
    /// For tests: die after so many steps.
    #[arg(long, value_name = "N", hide = true)]
    stop_after_step: Option<usize>,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// Only the lab of this name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Args)]
struct ExecArgs {
    #[command(flatten)]
    name: NameArgs,
    /// `worker-0`, `gateway`, `outside`, or a pod: `name`, `namespace/name`, or a prefix that fits one pod alone.
    #[arg(value_name = "WORKER|POD")]
    target: String,
    /// The program and its arguments; started as it is, without a shell.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// How an answer is to be written.
#[derive(Debug, Clone, Copy)]
pub struct LabOutput<'a> {
    /// One JSON document instead of tables.
    pub json: bool,
    /// Colour and width.
    pub style: Style,
    /// `--namespace`, a service's.
    pub namespace: Option<&'a str>,
    /// `--selector`, a service's.
    pub selector: Option<&'a str>,
}

fn zero_or_one(text: &str) -> Result<bool, String> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("it is 0 or 1".to_owned()),
    }
}

/// Does what was asked; gives podnet's exit code.
///
/// `out` takes the answer, `err` what is only to be known. `lab exec` does not return when it succeeds.
pub fn run(args: &LabArgs, output: LabOutput<'_>, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        LabCommand::Up(up) => {
            let state = lab::up(&request(up)?)?;
            for note in &state.notes {
                writeln!(err, "podnet: {note}")?;
            }
            tell(&state, out)?;
            Ok(0)
        }
        LabCommand::Status(status) => self::status(status, output, out, err),
        LabCommand::Exec(exec) => {
            let state = lab::load(&exec.name.name)?;
            match lab::exec(&lab::target(&state, &exec.target)?, &exec.command)? {}
        }
        LabCommand::Service(service) => lab_service::run(service, output, out),
        LabCommand::Down(name) => {
            if lab::down(&name.name)? {
                writeln!(out, "lab {} is removed", name.name)?;
            } else {
                writeln!(out, "no lab {} is there", name.name)?;
            }
            Ok(0)
        }
        LabCommand::Process => {
            lab::serve()?;
            Ok(0)
        }
    }
}

fn request(up: &UpArgs) -> anyhow::Result<UpRequest> {
    Ok(UpRequest {
        name: up.name.name.clone(),
        workers: up.workers,
        pods: up.pods,
        hairpin: up.hairpin,
        bridge_nf: up.bridge_nf,
        masquerade: !up.no_masquerade,
        proxy: up.proxy.into(),
        dual_stack: up.dual_stack,
        program: std::env::current_exe()?,
        stop_after: up.stop_after_step,
    })
}

fn tell(state: &LabState, out: &mut dyn Write) -> std::io::Result<()> {
    let pods: usize = state.workers.iter().map(|worker| worker.pods.len()).sum();
    writeln!(out, "lab {} is up: {} workers, {pods} pods", state.name, state.workers.len())?;
    for worker in &state.workers {
        write!(out, "  {}  {}  pods {}", worker.name, worker.address.addr(), worker.pod_cidr)?;
        match worker.v6 {
            Some(six) => writeln!(out, "  and {}  pods {}", six.address.addr(), six.pod_cidr)?,
            None => writeln!(out)?,
        }
    }
    let all = &state.name;
    let one = state.workers.first().map_or("WORKER", |worker| worker.name.as_str());
    writeln!(out, "podnet --lab={all}/ pods asks all its workers, podnet --lab={all}/{one} pods one of them")?;
    let name = if state.name == DEFAULT_NAME { String::new() } else { format!(" --name {}", state.name) };
    writeln!(out, "podnet lab status{name} tells more, podnet lab down{name} removes it")
}

fn status(args: &StatusArgs, output: LabOutput<'_>, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let names = match &args.name {
        Some(name) => vec![name.clone()],
        None => lab::names()?,
    };
    let mut labs = Vec::new();
    let mut issues = Vec::new();
    for name in names {
        match lab::load(&name) {
            Ok(state) => labs.push(lab::status(&state)),
            Err(error) if args.name.is_some() => return Err(error.into()),
            // Removed since the folder was listed, or not yet planned.
            Err(LabError::Absent { .. }) => {}
            // One lab that cannot be read does not hide the others.
            Err(error) => {
                let detail = error.to_string();
                issues.push(Issue::incomplete(format!("reading the lab {name}"), Why::Malformed { detail }));
            }
        }
    }
    let status = LabStatus { labs };
    if output.json {
        render::lab::json(&status, &issues, out)?;
    } else {
        render::lab::table(&status, output.style, out)?;
    }
    for issue in &issues {
        writeln!(err, "podnet: {}: {}", issue.what, render::style::escape(issue.why.detail()))?;
    }
    let broken = status.labs.iter().any(|lab| !lab.broken.is_empty());
    Ok(if broken {
        1
    } else if issues.is_empty() {
        0
    } else {
        3
    })
}
