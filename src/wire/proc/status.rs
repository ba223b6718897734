//! `/proc/PID/status`: the numbers that a process has in nested pid namespaces.
//!
//! May import model only.

use crate::model::ids::Pid;

/// The process's numbers, from the reader's pid namespace inwards; the last is the one its own
/// namespace uses. Source: the line `NSpid:`. Empty when the kernel (before 4.1) writes none.
pub fn nspid(bytes: &[u8]) -> Vec<Pid> {
    bytes
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"NSpid:"))
        .and_then(|numbers| std::str::from_utf8(numbers).ok())
        .map(|numbers| numbers.split_ascii_whitespace().map_while(|number| number.parse().ok().map(Pid)).collect())
        .unwrap_or_default()
}
