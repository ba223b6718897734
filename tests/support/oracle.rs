//! What is true on a worker, as told by programs that this project did not write. Must not use podnet's own code.

use serde_json::Value;

use super::pod::Pod;
use super::worker::Worker;

impl Worker {
    /// The first process of a sandbox or container, from `ctr task ls`.
    pub fn task_pid(&self, id: &str) -> u32 {
        let listing = self.ctr(&["task", "ls"]);
        let line = listing.lines().find(|line| line.starts_with(id)).unwrap_or_else(|| panic!("{id} in\n{listing}"));
        line.split_whitespace().nth(1).expect("a pid").parse().expect("a pid")
    }

    /// A pod's pause process.
    pub fn pause_pid(&self, pod: &Pod) -> u32 {
        self.task_pid(&pod.sandbox)
    }

    /// Device and inode of the network namespace of a process, from `stat -L`.
    pub fn netns_of(&self, pid: u32) -> (u64, u64) {
        self.stat(&format!("/proc/{pid}/ns/net"))
    }

    /// The processes that share a process's network namespace, ascending, from `pgrep --ns`.
    pub fn netns_members(&self, pid: u32) -> Vec<u32> {
        let listing = self.exec(&["pgrep", "--ns", &pid.to_string(), "--nslist", "net"]);
        let mut pids: Vec<u32> = listing.lines().map(|line| line.parse().expect("a pid")).collect();
        pids.sort_unstable();
        pids
    }

    /// Device and inode of any file of the worker, links followed.
    pub fn stat(&self, path: &str) -> (u64, u64) {
        let text = self.exec(&["stat", "-L", "-c", "%d %i", path]);
        let (device, inode) = text.trim().split_once(' ').expect("two numbers");
        (device.parse().expect("a device"), inode.parse().expect("an inode"))
    }

    /// `ip -j ARGUMENTS` in the host namespace of the worker.
    pub fn ip(&self, arguments: &str) -> Value {
        self.json(None, "ip", arguments)
    }

    /// `ip -j ARGUMENTS` in the namespace of a process.
    pub fn ip_in(&self, pid: u32, arguments: &str) -> Value {
        self.json(Some(pid), "ip", arguments)
    }

    /// `bridge -j ARGUMENTS` in the host namespace of the worker.
    pub fn bridge(&self, arguments: &str) -> Value {
        self.json(None, "bridge", arguments)
    }

    fn json(&self, pid: Option<u32>, program: &str, arguments: &str) -> Value {
        let mut argv = vec![program, "-j"];
        argv.extend(arguments.split(' '));
        let text = match pid {
            Some(pid) => self.exec_in(pid, &argv),
            None => self.exec(&argv),
        };
        // iproute2 writes nothing at all for some empty lists.
        if text.trim().is_empty() {
            return Value::Array(Vec::new());
        }
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{argv:?}: {error}: {text}"))
    }
}

/// The element of a list whose field has a value.
pub fn find<'a>(list: &'a Value, field: &str, value: &str) -> &'a Value {
    let found = list.as_array().and_then(|list| list.iter().find(|item| item[field] == value));
    found.unwrap_or_else(|| panic!("no {field} {value} in {list}"))
}
