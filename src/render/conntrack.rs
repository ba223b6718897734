//! Flows with their NAT undone: a line each, written as they come; and sentences for who is behind an address.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use crate::analyze::answer::Answer;
use crate::analyze::flows::answer::{Counts, Rest};
use crate::analyze::flows::expected::{Expectations, Expected};
use crate::analyze::flows::query::WhoAsked;
use crate::analyze::flows::state::StateWord;
use crate::analyze::flows::types::{Asked, AskedFront, FlowRow, L4, NatKind, Party, ServiceHere, Who, WouldMatch};
use crate::model::flow::expectation::Expectation;
use crate::model::flow::{BothWays, Counted};
use crate::render::style::{Style, escape};
use crate::render::table::Table;
use crate::render::words;

/// On how many rows the columns' widths are measured: rows after them are written as they come.
const MEASURED: usize = 512;

/// A table that is written while it is read.
pub struct Rows<'w> {
    out: &'w mut dyn Write,
    style: Style,
    many_nodes: bool,
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl<'w> Rows<'w> {
    /// An empty table.
    pub fn new(style: Style, many_nodes: bool, out: &'w mut dyn Write) -> Self {
        Self { out, style, many_nodes, waiting: Vec::new(), widths: None }
    }

    /// Adds a row.
    pub fn row(&mut self, row: &FlowRow) -> io::Result<()> {
        let cells = self.cells(row);
        if self.widths.is_some() {
            return self.line(&cells);
        }
        self.waiting.push(cells);
        if self.waiting.len() < MEASURED { Ok(()) } else { self.measured() }
    }

    /// Writes what still waits, and what is told after the rows.
    pub fn end(mut self, answer: &Answer<Rest>) -> io::Result<()> {
        if self.widths.is_none() && !self.waiting.is_empty() {
            self.measured()?;
        }
        let rest = &answer.data;
        if rest.told.all == 0 {
            writeln!(self.out, "no flows")?;
        } else {
            writeln!(self.out, "{}", self.style.dim(&counts(&rest.told)))?;
        }
        if self.style.wide {
            self.rules(rest)?;
        }
        for finding in &rest.findings {
            writeln!(self.out, "{}", words::finding(finding, self.style))?;
        }
        Ok(())
    }

    /// The rules that rows refer to by number.
    fn rules(&mut self, rest: &Rest) -> io::Result<()> {
        for node in &rest.of_nodes {
            let on = node.node.as_deref().map_or_else(String::new, |node| format!(" on {}", escape(node)));
            for (at, rule) in node.rules.iter().enumerate() {
                writeln!(self.out, "rule {at}{on}: {}", escape(&rule.says))?;
                let Some((last, before)) = rule.rules.split_last() else { continue };
                writeln!(self.out, "      {}", self.style.dim(&super::nat::path(before, last)))?;
                writeln!(self.out, "        {}", self.style.dim(&super::nat::line(last)))?;
            }
        }
        Ok(())
    }

    fn headings(&self) -> Vec<&'static str> {
        let mut headings = Vec::new();
        if self.many_nodes {
            headings.extend(["CONVERSATION", "NODE"]);
        }
        headings.extend(["STATE", "CLIENT", "PROTO", "ASKED FOR", "SERVED BY", "SEEN BY IT AS", "LEFT"]);
        if self.style.wide {
            headings.extend(["LAST PACKET", "THERE", "BACK", "AGE", "MARK", "ZONE", "RULE"]);
        }
        headings
    }

    fn measured(&mut self) -> io::Result<()> {
        let headings: Vec<String> = self.headings().into_iter().map(str::to_owned).collect();
        let mut widths: Vec<usize> = headings.iter().map(String::len).collect();
        for row in &self.waiting {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.widths = Some(widths);
        let heading = self.aligned(&headings);
        writeln!(self.out, "{}", self.style.strong(&heading))?;
        for row in std::mem::take(&mut self.waiting) {
            self.line(&row)?;
        }
        Ok(())
    }

    fn line(&mut self, cells: &[String]) -> io::Result<()> {
        let line = self.aligned(cells);
        writeln!(self.out, "{line}")
    }

    fn aligned(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(self.widths.iter().flatten()) {
            line.push_str(cell);
            let pad = width.saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', pad));
        }
        line.truncate(line.trim_end().len());
        line
    }

    fn cells(&self, row: &FlowRow) -> Vec<String> {
        let mut cells = Vec::new();
        if self.many_nodes {
            cells.push(words::or_absent(row.conversation));
            cells.push(words::or_absent(row.node.as_deref()));
        }
        cells.extend([
            row.state.words().to_owned(),
            party(&row.client),
            row.protocol.to_string(),
            asked(&row.asked_for),
            served_by(row),
            seen_as(row),
            row.left_ms.map_or_else(|| words::UNKNOWN.to_owned(), span),
        ]);
        if self.style.wide {
            let (there, back) = counted(row.counted.as_ref());
            let last = row.last_packet_ms.map_or_else(|| words::UNKNOWN.to_owned(), |ms| format!("{} ago", span(ms)));
            let age = row.age_ms.map_or_else(|| NOT_RECORDED.to_owned(), span);
            let mark = row.mark.map_or_else(|| words::ABSENT.to_owned(), |mark| format!("{mark:#x}"));
            cells.extend([last, there, back, age, mark, row.zone.id.to_string(), rule(row)]);
        }
        cells
    }
}

const NOT_RECORDED: &str = "not recorded";

/// `12 flows: 3 untranslated, 9 dnat`
pub fn counts(counts: &Counts) -> String {
    let Counts { all, none, snat, dnat, snat_and_dnat, hairpin } = *counts;
    let kinds = [
        (none, "not translated"),
        (snat, "snat"),
        (dnat, "dnat"),
        (snat_and_dnat, "snat and dnat"),
        (hairpin, "hairpin"),
    ];
    let kinds: Vec<String> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    let noun = if all == 1 { "flow" } else { "flows" };
    if kinds.is_empty() { format!("{all} {noun}") } else { format!("{all} {noun}: {}", kinds.join(", ")) }
}

/// `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.1`
pub fn place(address: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| address.to_string(), |port| SocketAddr::new(address, port).to_string())
}

/// `default/web`, `this node`, `worker-1`; `None` where the address is all that is known.
pub fn name(who: &Who) -> Option<String> {
    match who {
        Who::Pod { on: None, pod } => Some(escape(&pod.to_string())),
        Who::Pod { on: Some(node), pod } => Some(format!("{} on {}", escape(&pod.to_string()), escape(node))),
        Who::Node { on: None } => Some("this node".to_owned()),
        Who::Node { on: Some(node) } => Some(format!("node {}", escape(node))),
        Who::Elsewhere { .. } | Who::Unknown => None,
    }
}

/// A party by name, address and port; who is behind it in brackets.
pub fn party(party: &Party) -> String {
    let place = place(party.address, party.port);
    let text = name(&party.who).map_or_else(|| place.clone(), |name| format!("{name} {place}"));
    match &party.behind {
        Some(behind) => format!("{text} ({})", self::party(&behind.party)),
        None => text,
    }
}

/// What was asked for.
pub fn asked(asked: &Asked) -> String {
    let place = place(asked.address, asked.port);
    match &asked.service {
        ServiceHere::Some { service, front, .. } => {
            let by = match front {
                AskedFront::NodePort => "node port ",
                _ => "",
            };
            format!("{} {by}{place}", escape(&service.title))
        }
        ServiceHere::HostPort(WouldMatch::Rule(_)) => format!("host port {place}"),
        ServiceHere::Unknown(_) => format!("{place} (service unknown)"),
        ServiceHere::HostPort(_) | ServiceHere::None => {
            name(&asked.who).map_or_else(|| place.clone(), |name| format!("{name} {place}"))
        }
    }
}

fn served_by(row: &FlowRow) -> String {
    let translated = matches!(row.nat, NatKind::Dnat | NatKind::SnatAndDnat | NatKind::Hairpin);
    let by_service = !matches!(row.asked_for.service, ServiceHere::None);
    match (translated, by_service) {
        (false, false) if row.served_by.behind.is_none() => "the same".to_owned(),
        (false, true) => "not sent on".to_owned(),
        _ => {
            let gone = matches!(row.asked_for.service, ServiceHere::Some { endpoint: Some(false), .. });
            let gone = if gone { " (no endpoint now)" } else { "" };
            format!("{}{gone}", party(&row.served_by))
        }
    }
}

fn seen_as(row: &FlowRow) -> String {
    let Party { address, port, .. } = row.seen_as;
    if row.client.address == address && row.client.port == port {
        return address.to_string();
    }
    format!("{} snat", place(address, port))
}

fn rule(row: &FlowRow) -> String {
    match &row.source_rule {
        None => words::ABSENT.to_owned(),
        Some(WouldMatch::Rule(at)) => at.to_string(),
        Some(WouldMatch::None) => "none now".to_owned(),
        Some(WouldMatch::Unknown(why)) => format!("unknown: {}", escape(why)),
    }
}

fn counted(counted: Option<&BothWays<Counted>>) -> (String, String) {
    let one = |way: &Counted| format!("{} packets, {} bytes", way.packets, way.bytes);
    counted.map_or_else(
        || (NOT_RECORDED.to_owned(), NOT_RECORDED.to_owned()),
        |both| (one(&both.original), one(&both.reply)),
    )
}

/// `23 h 58 min`, `3 s`
pub fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (large, unit, small, rest) = match seconds {
        ..60 => return format!("{seconds} s"),
        60..3600 => (seconds / 60, "min", seconds % 60, "s"),
        3600..86400 => (seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => (seconds / 86400, "d", seconds % 86400 / 3600, "h"),
    };
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {rest}") }
}

/// How a flow stands: `established, last packet 3 s ago, 23 h 58 min left`.
pub fn standing(row: &FlowRow) -> String {
    let mut text = row.state.words().to_owned();
    if let Some(ms) = row.last_packet_ms {
        let answered = row.status.0.has(crate::model::flow::status::Status::SEEN_REPLY);
        let and = if answered || row.state == StateWord::Established { "" } else { " and no answer seen" };
        text = format!("{text}, last packet {} ago{and}", span(ms));
    }
    if let Some(ms) = row.left_ms {
        text = format!("{text}, {} left", span(ms));
    }
    text
}

/// Who is behind an address: a sentence a flow.
pub fn who(
    asked_for: WhoAsked,
    rows: &[FlowRow],
    answer: &Answer<Rest>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_it = |party: &Party| party.address == asked_for.address && party.port == Some(asked_for.port);
    let at = style.strong(&place(asked_for.address, Some(asked_for.port)));
    for row in rows {
        let client = if row.node.is_some() && row.client.behind.is_none() && !is_it(&row.client) {
            format!(
                "{}{}",
                party(&row.client),
                row.node.as_deref().map_or_else(String::new, |node| format!(" at {}", escape(node)))
            )
        } else {
            party(&row.client)
        };
        let asked = asked(&row.asked_for);
        let sent = match served_by(row).as_str() {
            "the same" => String::new(),
            "not sent on" => ", and was not sent on".to_owned(),
            to => format!(", sent to {to}"),
        };
        let head = if is_it(&row.seen_as) && !is_it(&row.client) {
            format!("{at} is {client}, seen so through source NAT")
        } else if is_it(&row.client) {
            match row.client.behind.as_deref() {
                Some(behind) => format!("{at} is {} behind {}", party(&behind.party), escape(&behind.node)),
                None => match name(&row.client.who) {
                    Some(name) => format!("{at} is {name} itself"),
                    None => format!("{at} is a client of its own as far as can be seen here"),
                },
            }
        } else {
            format!("{at} is on the way of {client}")
        };
        let protocol = row.protocol;
        writeln!(out, "{head}: {protocol}, asked for {asked}{sent}; {}", standing(row))?;
        if let ServiceHere::Some { service, .. } = &row.asked_for.service
            && style.wide
        {
            writeln!(out, "  service {}", escape(&service.title))?;
        }
    }
    for finding in &answer.data.findings {
        writeln!(out, "{}", words::finding(finding, style))?;
    }
    Ok(())
}

/// What helpers expect, a row each.
pub fn expectations(answer: &Answer<Expectations>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let all = &answer.data.expectations;
    if all.is_empty() {
        return writeln!(out, "nothing is expected");
    }
    let many = answer.nodes.len() > 1;
    let mut headings = vec!["PROTO", "EXPECTED FROM", "TO", "ANNOUNCED BY", "HELPER", "LEFT"];
    if many {
        headings.insert(0, "NODE");
    }
    let mut table = Table::new(&headings);
    for Expected { node, expectation } in all {
        let Expectation { master, tuple, mask, timeout_s, helper, .. } = expectation;
        let from = if mask.src.is_unspecified() { "anywhere".to_owned() } else { tuple.src.to_string() };
        let mut cells = vec![
            L4(tuple.protocol).to_string(),
            from,
            place(tuple.dst, tuple.dst_port()),
            format!("{} to {}", place(master.src, master.src_port()), place(master.dst, master.dst_port())),
            words::or_absent(helper.as_ref()),
            span(u64::from(*timeout_s) * 1000),
        ];
        if many {
            cells.insert(0, words::or_absent(node.as_deref()));
        }
        table.row(cells);
    }
    table.write(style, out)
}
