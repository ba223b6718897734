//! `/proc/PID/stat`: which process has a number, and since when.
//!
//! Must not import anything from the crate. Pure: no IO, no panic.

/// The fields of `/proc/PID/stat` that tell one process from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PidStat {
    /// The state letter: `R`, `S`, `D`, `T`, `Z` (a zombie), `X` (dead), …
    pub state: u8,
    /// Clock ticks from boot to its start, field 22.
    pub start_ticks: u64,
}

impl PidStat {
    /// Whether it still runs: a zombie has ended, only nobody has waited for it.
    pub fn alive(self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Reads the line. The name in it may hold spaces and brackets, so the last bracket is what counts.
pub fn parse(line: &[u8]) -> Option<PidStat> {
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    // The state is field 3; the start time field 22.
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some(PidStat { state, start_ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let line =
            b"42 (a) R (b c) S 1 42 42 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 987654 0 0 18446744073709551615\n";
        assert_eq!(parse(line), Some(PidStat { state: b'S', start_ticks: 987_654 }));
    }

    #[test]
    fn any_prefix_gives_a_value_or_nothing() {
        let line = b"42 (pause) Z 1 42 42 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 987654 0";
        for length in 0..line.len() {
            let _ = parse(&line[..length]);
        }
        assert!(!parse(line).expect("whole").alive());
    }

    #[test]
    fn it_agrees_with_the_kernel_about_this_process() {
        let line = std::fs::read("/proc/self/stat").expect("readable");
        assert!(parse(&line).expect("parses").alive());
    }
}
