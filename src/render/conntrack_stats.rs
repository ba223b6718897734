//! How full the table of flows is, who fills it, and what was counted: short tables, the fullest first.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::flows::stats::counters::Counter;
use crate::analyze::flows::stats::{FlowStats, HolderFlows, PortsTaken, TableStats};
use crate::analyze::flows::types::Who;
use crate::render::style::{Style, escape};
use crate::render::table::Table;
use crate::render::words::{self, UNKNOWN};

/// Of so many pods the table tells; `-o wide` tells all.
const MOST_HOLDERS: usize = 20;

/// Writes a block for each table.
pub fn write(answer: &Answer<FlowStats>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for (at, table) in answer.data.tables.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let name = table.node.as_ref().or_else(|| answer.nodes.first().map(|node| &node.name));
        one(table, &name.map_or_else(String::new, |name| escape(name)), style, out)?;
    }
    Ok(())
}

fn one(table: &TableStats, node: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let title = match &table.pod {
        Some(pod) => format!("{} on {node}", escape(&pod.to_string())),
        None => node.to_owned(),
    };
    writeln!(out, "{}  {}", style.strong(&title), fullness(table))?;
    for finding in &table.findings {
        writeln!(out, "{}", words::finding(finding, style))?;
    }
    if let Some(left_out) = table.left_out {
        writeln!(
            out,
            "the snapshot left {} flows out: what follows is of the {} that it has",
            grouped(left_out),
            grouped(table.listed)
        )?;
    }
    if table.listed > 0 {
        writeln!(out)?;
        protocols(table, style, out)?;
    }
    if !table.holders.is_empty() {
        writeln!(out)?;
        holders(table, style, out)?;
    }
    if !table.ports.is_empty() {
        writeln!(out)?;
        ports(table, style, out)?;
    }
    if !table.counters.is_empty() {
        writeln!(out)?;
        counters(&table.counters, style, out)?;
    }
    Ok(())
}

fn fullness(table: &TableStats) -> String {
    let entries = table.entries.map_or_else(|| UNKNOWN.to_owned(), grouped);
    let of = match table.limit {
        Some(0) => "without a limit".to_owned(),
        Some(limit) => format!("of at most {}", grouped(limit)),
        None => format!("of at most {UNKNOWN}"),
    };
    let full = table.full_per_mille.map_or_else(String::new, |full| format!(" ({})", percent(full)));
    let buckets = table.buckets.map_or_else(String::new, |buckets| {
        let noun = if buckets == 1 { "bucket" } else { "buckets" };
        format!("; {} {noun}", grouped(buckets))
    });
    let expected = match table.expectations {
        Some(0) | None => String::new(),
        Some(count) => {
            let of =
                table.expectations_limit.map_or_else(String::new, |limit| format!(" of at most {}", grouped(limit)));
            format!("; {} expected{of}", grouped(count))
        }
    };
    format!("{entries} flows {of}{full}{buckets}{expected}")
}

fn protocols(table: &TableStats, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut grid = Table::new(&["PROTOCOL", "FLOWS", "NO ANSWER", "ASSURED"]);
    for column in 1..4 {
        grid.numbers(column);
    }
    for of in &table.protocols {
        grid.row(vec![of.protocol.to_string(), grouped(of.flows), grouped(of.unanswered), grouped(of.assured)]);
    }
    grid.write(style, out)
}

fn holders(table: &TableStats, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut grid = Table::new(&["WHOSE", "FLOWS", "BEGUN BY IT", "SERVED BY IT", "OF THE LIMIT"]);
    for column in 1..5 {
        grid.numbers(column);
    }
    let most = if style.wide { usize::MAX } else { MOST_HOLDERS };
    for HolderFlows { who: holder, flows, begun, served, of_limit_per_mille } in table.holders.iter().take(most) {
        grid.row(vec![
            who(holder),
            grouped(*flows),
            begun.map_or_else(|| words::ABSENT.to_owned(), grouped),
            served.map_or_else(|| words::ABSENT.to_owned(), grouped),
            of_limit_per_mille.map_or_else(|| words::ABSENT.to_owned(), percent),
        ]);
    }
    grid.write(style, out)?;
    if let Some(more) = table.holders.len().checked_sub(MOST_HOLDERS).filter(|more| *more > 0 && !style.wide) {
        writeln!(out, "and {} with fewer (-o wide)", words::count(more, "pod", "pods"))?;
    }
    Ok(())
}

fn ports(table: &TableStats, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut grid = Table::new(&["MASQUERADED AS", "TOWARDS", "PORTS TAKEN", "OF", "FULL", "BY"]);
    for column in 2..5 {
        grid.numbers(column);
    }
    for of in &table.ports {
        let PortsTaken { protocol, address, destination, destination_port, taken, limit, .. } = of;
        let towards = match destination_port {
            Some(port) => std::net::SocketAddr::new(*destination, *port).to_string(),
            None => destination.to_string(),
        };
        grid.row(vec![
            format!("{protocol} {address}"),
            towards,
            grouped(*taken),
            grouped(*limit),
            percent(taken.saturating_mul(1000) / limit),
            by(of, style),
        ]);
    }
    grid.write(style, out)?;
    if table.destinations_not_told > 0 {
        writeln!(out, "and {} other destinations with fewer", grouped(table.destinations_not_told))?;
    }
    Ok(())
}

fn by(of: &PortsTaken, style: Style) -> String {
    let most = if style.wide { usize::MAX } else { 3 };
    let mut list: Vec<String> =
        of.shares.iter().take(most).map(|share| format!("{} {}", who(&share.who), grouped(share.taken))).collect();
    if let Some(more) = of.shares.len().checked_sub(most).filter(|more| *more > 0) {
        list.push(format!("{more} more"));
    }
    if of.node_itself > 0 {
        list.push(format!("the node itself {}", grouped(of.node_itself)));
    }
    list.join(", ")
}

fn counters(counters: &[Counter], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut grid = Table::new(&["COUNTED", "TIMES", "EACH TIME"]);
    grid.numbers(1);
    let (zero, some): (Vec<_>, Vec<_>) = counters.iter().partition(|counter| !style.wide && counter.total == Some(0));
    for counter in some {
        let total = counter.total.map_or_else(|| words::ABSENT.to_owned(), grouped);
        let by_cpu = if style.wide && counter.cpus.len() > 1 {
            let each: Vec<String> =
                counter.cpus.iter().map(|of| format!("cpu {} {}", of.cpu, grouped(of.count))).collect();
            format!(" ({})", each.join(", "))
        } else {
            String::new()
        };
        grid.row(vec![counter.name.clone(), total, format!("{}{by_cpu}", counter.means)]);
    }
    if !grid.is_empty() {
        grid.write(style, out)?;
    }
    if !zero.is_empty() {
        let names: Vec<&str> = zero.iter().map(|counter| counter.name.as_str()).collect();
        writeln!(out, "never: {}", names.join(", "))?;
    }
    Ok(())
}

fn who(who: &Who) -> String {
    match who {
        Who::Pod { pod, .. } => escape(&pod.to_string()),
        Who::Node { .. } => "(this node)".to_owned(),
        Who::Elsewhere { .. } => "(neither end is here)".to_owned(),
        Who::Unknown => "(not known)".to_owned(),
    }
}

/// Thousandths as a percentage.
fn percent(per_mille: u64) -> String {
    format!("{}.{}%", per_mille / 10, per_mille % 10)
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (64_512, "64,512"), (1_234_567, "1,234,567")];
        for (number, expected) in cases {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn thousandths_are_written_as_percentages() {
        assert_eq!([0, 4, 10, 999, 1000].map(percent), ["0.0%", "0.4%", "1.0%", "99.9%", "100.0%"]);
    }
}
