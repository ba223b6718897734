//! What clap does not see: it compares options on one side of the subcommand alone, and knows of no option that only
//! some commands use.
//!
//! Must not import any other layer.

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::args::{Cli, Command, Global, Output};

/// The options of [`Global`] as they are told, each with whether it was given.
struct Given {
    from: (&'static str, bool),
    rules: (&'static str, bool),
    lab: (&'static str, bool),
    host_netns: (&'static str, bool),
    proc_root: (&'static str, bool),
    runtime_endpoint: (&'static str, bool),
    namespace: (&'static str, bool),
    all_namespaces: (&'static str, bool),
    selector: (&'static str, bool),
    json: (&'static str, bool),
}

impl Given {
    fn new(global: &Global) -> Self {
        Self {
            from: ("--from <FILE>", !global.from.is_empty()),
            rules: ("--rules <FILE>", !global.rules.is_empty()),
            lab: ("--lab[=<WORKER>]", global.lab.is_some()),
            host_netns: ("--host-netns <PATH>", global.host_netns.is_some()),
            proc_root: ("--proc-root <PATH>", global.proc_root.is_some()),
            runtime_endpoint: ("--runtime-endpoint <URI>", global.runtime_endpoint.is_some()),
            namespace: ("--namespace <NAMESPACE>", global.namespace.is_some()),
            all_namespaces: ("--all-namespaces", global.all_namespaces),
            selector: ("--selector <SELECTOR>", global.selector.is_some()),
            json: ("--output json", global.output == Output::Json),
        }
    }
}

/// Refuses options that contradict each other, and those that the command does not use.
pub fn check(cli: &Cli) -> Result<(), clap::Error> {
    let given = Given::new(&cli.global);
    for (one, other) in [
        (given.rules, given.from),
        (given.rules, given.lab),
        (given.rules, given.host_netns),
        (given.rules, given.proc_root),
        (given.rules, given.runtime_endpoint),
        (given.from, given.lab),
        (given.from, given.host_netns),
        (given.from, given.proc_root),
        (given.lab, given.host_netns),
        (given.lab, given.proc_root),
        (given.namespace, given.all_namespaces),
    ] {
        if one.1 && other.1 {
            return Err(conflict(one.0, other.0));
        }
    }
    let (command, unused) = unused(&cli.command, &given);
    match unused.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(conflict(option, command)),
        None => Ok(()),
    }
}

/// The command, and the options that it has no use for.
fn unused(command: &Command, given: &Given) -> (&'static str, Vec<(&'static str, bool)>) {
    let node = [given.from, given.rules, given.lab, given.host_netns, given.proc_root, given.runtime_endpoint];
    let pods = [given.namespace, given.all_namespaces, given.selector];
    // Rules alone tell nothing of pods, links and routes.
    let none = || [node.as_slice(), &pods].concat();
    match command {
        Command::Pods(_) => ("pods", vec![given.rules]),
        // A pod's name counts in a namespace.
        Command::Veth(_) => ("veth", vec![given.rules, given.selector]),
        Command::Routes(_) => ("routes", vec![given.rules, given.selector]),
        Command::Conntrack(_) => ("conntrack", vec![given.rules, given.selector]),
        Command::Trace(_) => ("trace", vec![given.rules, given.selector]),
        Command::Enter(_) => ("enter", vec![given.rules, given.selector]),
        Command::Services(_) => ("services", vec![given.selector]),
        Command::Netns(_) => ("netns", [&[given.rules][..], &pods].concat()),
        Command::Bridge(_) => ("bridge", [&[given.rules][..], &pods].concat()),
        Command::Cni => ("cni", [&[given.rules][..], &pods].concat()),
        Command::Nat(_) => ("nat", vec![given.selector]),
        Command::Rules(_) => ("rules", pods.to_vec()),
        Command::Snapshot(_) => ("snapshot", pods.to_vec()),
        Command::Lab(args) if args.has_selector() => {
            ("lab service add", [node.as_slice(), &[given.all_namespaces, given.json]].concat())
        }
        Command::Lab(args) if args.has_namespace() => {
            ("lab service remove", [node.as_slice(), &[given.all_namespaces, given.selector, given.json]].concat())
        }
        Command::Lab(args) if args.has_json() => {
            (if args.is_service() { "lab service list" } else { "lab status" }, none())
        }
        Command::Lab(_) => ("lab up, exec and down", [none().as_slice(), &[given.json]].concat()),
        Command::Completions(_) => ("completions", none()),
        Command::Man(_) => ("man", none()),
        Command::Schema(_) => ("schema", none()),
    }
}

fn conflict(one: &str, other: &str) -> clap::Error {
    let message = format!("the argument '{one}' cannot be used with '{other}'");
    Cli::command().error(ErrorKind::ArgumentConflict, message)
}
