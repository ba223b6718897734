//! Help, and what is no command line.

use super::{assert_refused, podnet, run};

fn commands() -> Vec<String> {
    let help = run(podnet(&["--help"]).env("COLUMNS", "200")).out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    list.lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_command_has_help_and_it_is_an_answer() {
    let commands = commands();
    let asked =
        ["pods", "netns", "veth", "bridge", "trace", "enter", "snapshot", "lab", "completions", "man", "schema"];
    for command in asked {
        assert!(commands.iter().any(|found| found == command), "{command} is not in {commands:?}");
    }
    for command in commands.iter().filter(|command| *command != "help") {
        for flag in ["--help", "-h"] {
            let ran = run(&mut podnet(&[command, flag]));
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command} {flag}");
            assert!(ran.out.contains("Usage: podnet"), "{command} {flag}: {}", ran.out);
        }
    }
    for flag in ["--help", "-h", "--version", "-V"] {
        let ran = run(&mut podnet(&[flag]));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{flag}");
    }
    assert_eq!(run(&mut podnet(&["--version"])).out, format!("podnet {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_told_on_stderr_with_exit_code_2() {
    for (arguments, expected) in [
        (&["nonsense"][..], "unrecognized subcommand 'nonsense'"),
        (&["pods", "--nonsense"], "unexpected argument '--nonsense'"),
        (&["-o", "yaml", "pods"], "invalid value 'yaml'"),
        (&["--timeout", "soon", "pods"], "no time such as 500ms"),
        (&["--timeout", "0s", "pods"], "not between"),
        (&["-n", "a", "-A", "pods"], "cannot be used with"),
        (&["--from", "x", "--lab", "pods"], "cannot be used with"),
        (&["--from", "x", "--proc-root", "/proc", "pods"], "cannot be used with"),
        (&["--lab=x", "pods", "--from", "f"], "'--from <FILE>' cannot be used with '--lab[=<WORKER>]'"),
        (&["--from", "f", "pods", "--lab"], "'--from <FILE>' cannot be used with '--lab[=<WORKER>]'"),
        (&["--lab", "pods", "--proc-root", "/x"], "'--lab[=<WORKER>]' cannot be used with '--proc-root <PATH>'"),
        (&["--from", "f", "pods", "--host-netns", "/x"], "cannot be used with '--host-netns <PATH>'"),
        (&["-n", "default", "pods", "-A"], "'--namespace <NAMESPACE>' cannot be used with '--all-namespaces'"),
        (&["-A", "trace", "x", "-n", "default"], "'--namespace <NAMESPACE>' cannot be used with '--all-namespaces'"),
        (&["--from", "f", "lab", "status"], "'--from <FILE>' cannot be used with 'lab status'"),
        (&["-n", "x", "lab", "service", "list"], "'--namespace <NAMESPACE>' cannot be used with 'lab service list'"),
        (&["-A", "lab", "service", "add", "x", "--port", "1"], "cannot be used with 'lab service add'"),
        (&["-l", "a=b", "lab", "service", "remove", "x"], "cannot be used with 'lab service remove'"),
        (&["-l", "app=x", "veth", "nginx"], "'--selector <SELECTOR>' cannot be used with 'veth'"),
        (&["bridge", "-n", "default"], "'--namespace <NAMESPACE>' cannot be used with 'bridge'"),
        (&["cni", "-A"], "'--all-namespaces' cannot be used with 'cni'"),
        (&["--lab", "man"], "'--lab[=<WORKER>]' cannot be used with 'man'"),
        (&["-o", "json", "lab", "down", "--name", "no-such-lab"], "'--output json' cannot be used with 'lab up, exec"),
        (&["veth"], "required"),
        (&["routes", "host", "nowhere"], "invalid value 'nowhere'"),
        (&["routes", "host", "--mark", "1"], "required"),
        (&["routes", "host", "10.0.0.1", "--mark", "many"], "no number such as"),
        (&["--from", super::NODE, "routes", "host", "10.0.0.1", "--iif", "nope"], "host has no link \"nope\""),
        (&["enter", "nginx"], "required"),
        (&["completions", "tcsh"], "invalid value 'tcsh'"),
        (&["man", "nonsense"], "podnet-nonsense.1: no such page"),
        (&["schema", "nonsense"], "\"nonsense\" has no JSON output"),
        (&["-l", "a in (b", "--from", super::NODE, "pods"], "podnet: "),
    ] {
        assert_refused(arguments, expected);
    }
    let bare = run(&mut podnet(&[]));
    assert_eq!((bare.code, bare.out.as_str()), (2, ""));
    assert!(bare.err.contains("Usage: podnet"), "{}", bare.err);
}

#[test]
fn what_was_typed_is_escaped_when_it_is_told() {
    for arguments in [
        &["--from", "a\x1b[31mb", "pods"][..],
        &["--from", super::NODE, "veth", "a\x1b[31mb\u{202e}"],
        &["--runtime-endpoint", "a\x1b[31mb", "pods"],
        &["pods", "a\x1b[31mb"],
        &["schema", "a\x1b[31mb"],
    ] {
        let ran = run(&mut podnet(arguments));
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(!ran.err.contains(['\x1b', '\u{202e}']), "{arguments:?}: {:?}", ran.err);
    }
}
