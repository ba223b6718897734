//! Runs the program under test on a worker, and reads its JSON.

use std::process::Command;

use serde_json::Value;

use super::process::output;
use super::worker::Worker;

/// The program under test.
pub const PODNET: &str = env!("CARGO_BIN_EXE_podnet");

/// What it gave.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its stdout as JSON; `Null` when it is none.
    pub json: Value,
    /// Its stdout as it was.
    pub stdout: Vec<u8>,
    /// Its stderr.
    pub stderr: String,
}

impl Ran {
    /// The answer; panics, with everything it said, unless the exit code is one of these.
    pub fn data(&self, codes: &[i32]) -> &Value {
        self.expect(codes);
        &self.json["data"]
    }

    /// Panics, with everything it said, unless the exit code is one of these.
    pub fn expect(&self, codes: &[i32]) {
        assert!(
            codes.contains(&self.code),
            "exit code {}, not {codes:?}\n{}\n{}",
            self.code,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
    }

    /// The words of all issues, one a line.
    pub fn issues(&self) -> String {
        let issues = self.json["issues"].as_array().cloned().unwrap_or_default();
        issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}

impl Worker {
    /// podnet on the worker, as an administrator there types it: no option but these arguments.
    pub fn podnet(&self, arguments: &[&str]) -> Ran {
        let mut argv = vec![PODNET];
        argv.extend(arguments);
        self.run(&argv)
    }

    /// A program on the worker that ends as podnet.
    pub fn run(&self, argv: &[&str]) -> Ran {
        run(&mut self.command(argv))
    }

    /// The same with `-o json`.
    pub fn podnet_json(&self, arguments: &[&str]) -> Ran {
        let mut argv = vec!["-o", "json"];
        argv.extend(arguments);
        self.podnet(&argv)
    }

    /// podnet beside the worker, in other namespaces, with the worker's `/proc` as `--proc-root`, as JSON.
    pub fn podnet_beside(&self, arguments: &[&str]) -> Ran {
        let proc = self.proc_root();
        let mut argv = vec!["--proc-root", proc.to_str().expect("a path in UTF-8")];
        argv.extend(arguments);
        Self::podnet_outside(&argv)
    }

    /// podnet in the test's own namespaces, as JSON; only these arguments tell it of the worker.
    pub fn podnet_outside(arguments: &[&str]) -> Ran {
        run(Command::new(PODNET).args(["-o", "json"]).args(arguments))
    }
}

/// Runs a prepared command of podnet.
pub fn run(command: &mut Command) -> Ran {
    let output = output(command);
    Ran {
        code: output.status.code().unwrap_or(-1),
        json: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        stdout: output.stdout,
    }
}
