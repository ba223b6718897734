//! `/proc/PID/stat`.
//!
//! May import model only.

use super::TextError;
use crate::model::ids::Pid;
use crate::model::text::ByteText;

/// What is used of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Field 1.
    pub pid: Pid,
    /// Field 2 without its parentheses; any bytes, a `)` and a line break among them.
    pub comm: ByteText,
    /// Field 3: `R`, `S`, `Z`, …
    pub state: char,
    /// Field 4; `None` where the parent is outside the reader's pid namespace.
    pub parent: Option<Pid>,
    /// Field 22: clock ticks from boot to its start.
    pub start_ticks: u64,
}

impl Stat {
    /// Whether it still runs: a zombie has ended, only nobody has waited for it.
    pub fn alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Parses the file. `comm` ends at the *last* parenthesis: a process may put others into its name.
pub fn parse(bytes: &[u8]) -> Result<Stat, TextError> {
    let wrong = |item, expected| TextError { line: 1, item, expected };
    let open = bytes.iter().position(|&byte| byte == b'(').ok_or(wrong("comm", "an opening parenthesis"))?;
    let close = bytes.iter().rposition(|&byte| byte == b')').ok_or(wrong("comm", "a closing parenthesis"))?;
    let (before, rest) = bytes.split_at_checked(open).ok_or(wrong("comm", "text"))?;
    let comm = rest.get(1..close.saturating_sub(open)).ok_or(wrong("comm", "parentheses in this order"))?;
    let after = bytes.get(close.saturating_add(1)..).unwrap_or_default();
    let after = std::str::from_utf8(after).map_err(|_| wrong("fields after comm", "ASCII"))?;
    let mut fields = after.split_ascii_whitespace();
    let state = fields.next().and_then(|text| text.chars().next()).ok_or(wrong("state", "a letter"))?;
    let parent: u32 = number(fields.next()).ok_or(wrong("ppid", "a number"))?;
    // ppid was field 4; seventeen more lie between it and starttime, field 22.
    let start_ticks = number(fields.nth(17)).ok_or(wrong("starttime", "a number"))?;
    let before = std::str::from_utf8(before).ok().map(str::trim);
    Ok(Stat {
        pid: Pid(number(before).ok_or(wrong("pid", "a number"))?),
        comm: ByteText::new(comm),
        state,
        parent: (parent != 0).then_some(Pid(parent)),
        start_ticks,
    })
}

fn number<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text.and_then(|text| text.parse().ok())
}
