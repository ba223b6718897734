//! The table of network namespaces.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::netns::{GoneRow, Mark, Namespaces, NetnsRow};
use crate::model::sandbox::SandboxState;
use crate::render::style::{Style, escape};
use crate::render::table::Table;
use crate::render::words::{ABSENT, UNKNOWN, count, or_absent, sandbox_state};

/// How many pids stand in the narrow table; the count always does.
const FEW: usize = 3;

/// Writes the table; where one namespace was asked for, its processes below it.
pub fn write(answer: &Answer<Namespaces>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let several = answer.nodes.len() > 1;
    let mut headings = vec!["INODE", "NAME", "NSID", "PROCESSES", "PIDS", "POD"];
    if several {
        headings.insert(0, "NODE");
    }
    if style.wide {
        headings.extend(["DEV", "COOKIE", "SANDBOX"]);
    }
    headings.push("NOTE");
    let mut table = Table::new(&headings);
    for row in &answer.data.namespaces {
        table.row(cells(row, several, style));
    }
    for row in &answer.data.gone {
        table.row(gone_cells(row, several, style));
    }
    table.write(style, out)?;
    for row in &answer.data.namespaces {
        for process in &row.processes {
            let pause = if process.pause { "  (pause)" } else { "" };
            writeln!(out, "  pid {}  {}{pause}", process.pid, escape(&process.comm.to_string()))?;
        }
    }
    writeln!(out, "{}", footer(&answer.data))
}

fn footer(data: &Namespaces) -> String {
    let marked = |mark| data.namespaces.iter().filter(|row| row.marks.contains(&mark)).count();
    let mut text = count(data.namespaces.len(), "namespace", "namespaces");
    for (number, words) in [
        (marked(Mark::Nameless), "nameless"),
        (marked(Mark::Leaked), "leaked"),
        (marked(Mark::LeakUnknown), "perhaps leaked"),
    ] {
        if number > 0 {
            text = format!("{text}, {number} {words}");
        }
    }
    if !data.gone.is_empty() {
        text = format!("{text}; {} without theirs", count(data.gone.len(), "sandbox", "sandboxes"));
    }
    text
}

fn cells(row: &NetnsRow, several: bool, style: Style) -> Vec<String> {
    let joined = |texts: Vec<String>| if texts.is_empty() { ABSENT.to_owned() } else { texts.join(",") };
    let mut pids: Vec<String> = row.pids.iter().map(ToString::to_string).collect();
    if !style.wide && pids.len() > FEW {
        pids.truncate(FEW);
        pids.push("…".to_owned());
    }
    let mut cells = if several { vec![or_absent(row.node.as_ref())] } else { Vec::new() };
    cells.extend([
        row.id.ino.to_string(),
        joined(row.names.iter().map(|name| escape(&name.name.to_string())).collect()),
        or_absent(row.nsid),
        row.process_count.to_string(),
        joined(pids),
        joined(row.pods.iter().map(|pod| escape(&pod.pod.to_string())).collect()),
    ]);
    if style.wide {
        cells.extend([
            row.id.dev.to_string(),
            or_absent(row.cookie),
            joined(row.pods.iter().map(|pod| escape(pod.sandbox.short())).collect()),
        ]);
    }
    let notes: Vec<_> = row.marks.iter().map(|mark| note(*mark, row, style)).collect();
    cells.push(notes.join(", "));
    cells
}

fn note(mark: Mark, row: &NetnsRow, style: Style) -> String {
    match mark {
        Mark::Host => "host".to_owned(),
        Mark::Nameless => "nameless".to_owned(),
        Mark::Leaked => style.odd("leaked: no process, no sandbox"),
        Mark::LeakUnknown => {
            let why = row.leak_unknown.as_deref().unwrap_or(UNKNOWN);
            style.odd(&format!("no process; leaked or not is unknown because {}", escape(why)))
        }
    }
}

fn gone_cells(row: &GoneRow, several: bool, style: Style) -> Vec<String> {
    let name = row.netns_path.as_deref().and_then(|path| path.rsplit('/').next());
    let mut cells = if several { vec![or_absent(row.node.as_ref())] } else { Vec::new() };
    cells.extend([
        ABSENT.to_owned(),
        or_absent(name),
        ABSENT.to_owned(),
        "0".to_owned(),
        ABSENT.to_owned(),
        escape(&row.pod.to_string()),
    ]);
    if style.wide {
        cells.extend([ABSENT.to_owned(), ABSENT.to_owned(), escape(row.sandbox.short())]);
    }
    let state = sandbox_state(row.state);
    let note = format!("gone, the sandbox is {state}");
    cells.push(if row.state == SandboxState::Ready { style.bad(&note) } else { note });
    cells
}
