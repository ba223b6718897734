//! `/proc/PID/status`: the numbers that a process has in nested pid namespaces.
//!
//! May import model only.

use crate::model::ids::Pid;

/// What is used of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// `Name`, as the kernel escapes it: `\\n` for a line break.
    pub name: Vec<u8>,
    /// `PPid`; `None` where the parent is outside the reader's pid namespace.
    pub parent: Option<Pid>,
    /// `NSpid`: the process's numbers, from the reader's pid namespace inwards; the last is the one its
    /// own namespace uses. Empty when the kernel (before 4.1) writes none.
    pub numbers: Vec<Pid>,
}

/// Parses the file. A line that is not there, or has another form, leaves its field empty.
pub fn parse(bytes: &[u8]) -> Status {
    let mut status = Status::default();
    for line in bytes.split(|&byte| byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"Name:\t") {
            name.clone_into(&mut status.name);
        } else if let Some(parent) = line.strip_prefix(b"PPid:") {
            status.parent = numbers(parent).next().filter(|parent| parent.0 != 0);
        } else if let Some(list) = line.strip_prefix(b"NSpid:") {
            status.numbers = numbers(list).collect();
            // What follows are numbers of groups and sessions, and much of memory and signals.
            break;
        }
    }
    status
}

fn numbers(text: &[u8]) -> impl Iterator<Item = Pid> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.split_ascii_whitespace().map_while(|number| number.parse().ok().map(Pid))
}
