//! The command line as clap types: help, man pages and completions all come from here.
//!
//! Must not import any other layer but `lab`'s own arguments.
#![allow(clippy::doc_markdown)] // doc comments here are the help text, which has no markup

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Exit codes: 0 answered; 1 answered, and the answer is bad; 2 wrong usage or failure; 3 a cell of the answer is \
incomplete or unknown (the reason is on stderr, or under \"issues\" in JSON).

A POD is a name, namespace/name, a unique prefix of a name, a pod IP, the beginning of a sandbox or container id, a \
pid inside it, or the name or inode of its network namespace. Exact comes before prefix; a number is a pid, then an \
inode; pod:, pid:, ip:, id: and netns: in front of it force one meaning.";

/// How a Kubernetes pod's packets travel on this worker, from kernel truth alone.
#[derive(Debug, Parser)]
#[command(name = "podnet", version, about, after_help = AFTER_HELP, max_term_width = 100)]
#[command(propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The question.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes: how to answer, about which node, and how to reach it.
#[derive(Debug, Args, Clone)]
#[allow(clippy::struct_excessive_bools)] // switches of a command line
pub struct Global {
    /// How to write the answer
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", default_value_t = Output::Table, help_heading = "Output")]
    pub output: Output,
    /// When to colour; NO_COLOR in the environment is honoured by auto
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto, help_heading = "Output")]
    pub color: Color,
    /// Tell on stderr what is read; twice for each request
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// Answer from a file that `podnet snapshot` wrote; several are several nodes
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["lab", "host_netns", "proc_root"], help_heading = "Node")]
    pub from: Vec<PathBuf>,
    /// Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or
    /// `nft -j list ruleset`; several are one machine
    #[arg(
        long, global = true, value_name = "FILE", conflicts_with_all = ["from", "lab", "host_netns", "proc_root"],
        help_heading = "Node"
    )]
    pub rules: Vec<PathBuf>,
    /// Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all
    #[arg(
        long, global = true, value_name = "WORKER", num_args = 0..=1, require_equals = true, default_missing_value = "",
        conflicts_with_all = ["host_netns", "proc_root"], help_heading = "Node"
    )]
    pub lab: Option<String>,
    /// The node's own network namespace, where it is not that of pid 1
    #[arg(long, global = true, value_name = "PATH", help_heading = "Node")]
    pub host_netns: Option<PathBuf>,
    /// The node's /proc, where podnet runs in a container; its files are then read below PATH/1/root
    #[arg(long, global = true, value_name = "PATH", help_heading = "Node")]
    pub proc_root: Option<PathBuf>,
    /// The container runtime's socket [env: CONTAINER_RUNTIME_ENDPOINT]
    #[arg(long, global = true, value_name = "URI", help_heading = "Node")]
    pub runtime_endpoint: Option<String>,
    /// How long one call to the container runtime may take: 500ms, 2s, 1m
    #[arg(long, global = true, value_name = "TIME", default_value = "2s", value_parser = duration, help_heading = "Node")]
    pub timeout: Duration,

    /// Only pods of this namespace
    #[arg(short, long, global = true, value_name = "NAMESPACE", help_heading = "Pods")]
    pub namespace: Option<String>,
    /// Pods of all namespaces (the default)
    #[arg(short = 'A', long, global = true, conflicts_with = "namespace", help_heading = "Pods")]
    pub all_namespaces: bool,
    /// Only pods with these labels: key, key=value, key!=value, !key, joined by commas
    #[arg(short = 'l', long, global = true, value_name = "SELECTOR", help_heading = "Pods")]
    pub selector: Option<String>,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Aligned text
    Table,
    /// Aligned text with more columns
    Wide,
    /// One JSON document; `podnet schema COMMAND` describes it
    Json,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The questions.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pods of this node: sandbox, pause process, namespace, addresses, both ends of the link
    Pods(super::pods::PodsArgs),
    /// Network namespaces: names, nsid, processes, pod; nameless and leaked ones
    Netns(super::netns::NetnsArgs),
    /// Each interface of a pod, to its other end and what that is plugged into
    Veth(super::veth::VethArgs),
    /// Bridges and their ports, with the pod behind each
    Bridge(super::bridge::BridgeArgs),
    /// Rules and tables of a pod or the node; for a destination, which route wins and why
    Routes(super::routes::RoutesArgs),
    /// CNI configuration, results cache and leases, joined with the pods
    Cni,
    /// Netfilter's rules in their own tools' words, the tables, or the chains of a hook in order
    Rules(super::rules::RulesArgs),
    /// What services do here: addresses, endpoints and their chances, policies, affinity, masquerade, with the rules
    Services(super::services::ServicesArgs),
    /// Masquerade, SNAT and hostPort rules that can touch a pod, in words
    Nat(super::nat::NatArgs),
    /// Flows with their NAT undone: who asked for what, who served it, and as whom it was seen
    Conntrack(Box<super::conntrack::ConntrackArgs>),
    /// A pod's whole road to the wire, with the evidence for each step
    Trace(super::trace::TraceArgs),
    /// Run a program of the node in a pod's network namespace
    Enter(super::enter::EnterArgs),
    /// A practice network: the network of a small hand-built cluster, in namespaces on this machine
    Lab(super::lab::LabArgs),
    /// Write the node to a file that every command can answer from
    Snapshot(super::snapshot::SnapshotArgs),
    /// Print the completions of a shell
    Completions(super::completions::CompletionsArgs),
    /// Print a man page
    Man(super::man::ManArgs),
    /// Print the JSON Schema of a command's output
    Schema(super::schema::SchemaArgs),
}

/// Reads `500ms`, `2s`, `1.5s`, `1m`: more than nothing, at most an hour.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time such as 500ms, 2s or 1m");
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<f64>().map_err(|_| wrong())? * factor;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && time <= Duration::from_secs(3600) => Ok(time),
        _ => Err(format!("{text:?} is not between 1ms and 60m")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn clap_finds_no_contradiction_in_the_definitions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_in_the_usual_units() {
        for (text, millis) in [("500ms", 500), ("2s", 2000), ("1.5s", 1500), ("1m", 60_000), ("60m", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "2", "s", "-1s", "0s", "2h", "1e3s", "61m", "..s", "2 s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_lab_takes_its_worker_only_with_an_equals_sign() {
        let parse = |words: &[&str]| Cli::try_parse_from(words).map(|cli| cli.global.lab);
        assert_eq!(parse(&["podnet", "--lab", "snapshot"]).unwrap().as_deref(), Some(""));
        assert_eq!(parse(&["podnet", "snapshot", "--lab=worker-1"]).unwrap().as_deref(), Some("worker-1"));
        assert!(parse(&["podnet", "--lab", "--from", "x", "snapshot"]).is_err());
    }
}
