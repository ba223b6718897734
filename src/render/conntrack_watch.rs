//! Flows as they begin, change and end: a line each.
//!
//! May import model and analyze's answer types only.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::conntrack::{asked, party, span};
use super::json::schema_id;
use super::style::{Style, escape};
use super::words;
use crate::analyze::flows::state::kernel_name;
use crate::analyze::flows::types::FlowRow;
use crate::analyze::flows::watch::{CompareReason, FlowLine, WatchHead, WatchLine, WatchNote, WatchTotals};
use crate::model::flow::event::Happened;
use crate::model::issue::Issue;
use crate::model::node::NodeInfo;

/// The first line of the JSON stream.
pub fn head(nodes: Vec<NodeInfo>, issues: Vec<Issue>, out: &mut dyn Write) -> io::Result<()> {
    line(&WatchLine::Head(WatchHead { schema: schema_id("conntrack-watch"), nodes, issues }), out)
}

/// A line of the JSON stream.
pub fn line(line: &WatchLine, out: &mut dyn Write) -> io::Result<()> {
    // Hundreds of small pieces, which a writer that is not known would take one by one.
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, line)?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}

/// A line of the table: when, what, how it stands, and who talks to whom.
pub fn row(line: &FlowLine, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let flow = &line.flow;
    let event = format!("{:<9}", happened(line.event));
    let event = match line.event {
        Happened::New => style.good(&event),
        Happened::Destroyed => style.dim(&event),
        Happened::Exists | Happened::Updated => event,
    };
    let node = flow.node.as_deref().map(|node| format!("{}  ", escape(node))).unwrap_or_default();
    let mark = if line.resynced { style.odd("  [resynced]") } else { String::new() };
    let time = line.at.strftime("%H:%M:%S.%3f");
    // As it ends, how it stood tells more than that it is being removed.
    let state = line.before.filter(|_| line.event == Happened::Destroyed).unwrap_or(flow.state).words();
    let more = if style.wide { style.dim(&more(flow)) } else { String::new() };
    writeln!(out, "{time}  {node}{event}  {state:<11}  {:<5}  {}{more}{mark}", flow.protocol, parties(flow))
}

/// What `-o wide` adds: the kernel's own word for the state, what is left, mark and id.
fn more(flow: &FlowRow) -> String {
    let mut text = String::new();
    if let Some(state) = flow.protocol_state {
        let _ = write!(text, "  {}", kernel_name(state));
    }
    if let Some(left) = flow.left_ms {
        let _ = write!(text, "  {} left", span(left));
    }
    if let Some(mark) = flow.mark {
        let _ = write!(text, "  mark {mark:#x}");
    }
    let _ = write!(text, "  flow {:#x}", flow.id);
    text
}

fn happened(happened: Happened) -> &'static str {
    match happened {
        Happened::Exists => "exists",
        Happened::New => "new",
        Happened::Updated => "updated",
        Happened::Destroyed => "destroyed",
    }
}

/// Client, what it asked for, where that went, and whom the server saw, as far as they differ.
fn parties(flow: &FlowRow) -> String {
    let mut text = format!("{} → {}", party(&flow.client), asked(&flow.asked_for));
    if (flow.served_by.address, flow.served_by.port) != (flow.asked_for.address, flow.asked_for.port) {
        let _ = write!(text, " → {}", party(&flow.served_by));
    }
    if (flow.seen_as.address, flow.seen_as.port) != (flow.client.address, flow.client.port) {
        let _ = write!(text, "  seen as {}", party(&flow.seen_as));
    }
    if let Some(echo) = &flow.icmp {
        let _ = write!(text, "  echo {}", echo.id);
    }
    if flow.zone.id != 0 {
        let _ = write!(text, "  zone {}", flow.zone.id);
    }
    text
}

/// What is said about the watch itself, for stderr; `None` where nothing is worth a word.
pub fn note(note: &WatchNote) -> Option<String> {
    match note {
        WatchNote::Overrun { lost } => {
            let lost = lost.map_or_else(|| "events".to_owned(), |lost| count(lost, "event", "events"));
            Some(format!(
                "the kernel dropped {lost}, for they came faster than they were read; comparing with a fresh dump"
            ))
        }
        WatchNote::Compared { why, began, changed, ended, not_remembered } => {
            let mut said = Vec::new();
            if *why == CompareReason::Overrun || began + changed + ended > 0 {
                said.push(format!(
                    "a fresh dump shows what no event told: {began} flows began, {changed} changed, {ended} ended{}",
                    if began + changed + ended > 0 { " (marked as resynced)" } else { "" }
                ));
            }
            if *not_remembered > 0 {
                said.push(format!(
                    "there are {not_remembered} flows more than podnet remembers: if they end without an event, that is not told"
                ));
            }
            (!said.is_empty()).then(|| said.join("; "))
        }
        WatchNote::Ended { totals } => Some(summary(totals)),
        WatchNote::Refers { .. } | WatchNote::Issue { .. } => None,
    }
}

/// The last word.
fn summary(totals: &WatchTotals) -> String {
    let WatchTotals { new, updated, destroyed, resynced, lost, overruns, malformed } = totals;
    let mut text = format!("{new} new, {updated} updated, {destroyed} destroyed");
    if *resynced > 0 {
        let _ = write!(text, " ({resynced} of them resynced)");
    }
    match (overruns, lost) {
        (0, _) => text.push_str("; no event was lost"),
        (_, Some(lost)) => {
            let _ = write!(
                text,
                "; {} lost in {}",
                count(*lost, "event", "events"),
                count(*overruns, "overrun", "overruns")
            );
        }
        (_, None) => {
            let _ = write!(text, "; events were lost in {}", count(*overruns, "overrun", "overruns"));
        }
    }
    if *malformed > 0 {
        let _ = write!(text, "; {} could not be read", count(*malformed, "event", "events"));
    }
    text
}

fn count(number: u64, one: &str, many: &str) -> String {
    words::count(usize::try_from(number).unwrap_or(usize::MAX), one, many)
}
