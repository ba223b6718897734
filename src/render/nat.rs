//! The translations of a pod's addresses: a sentence a rule, with the rules behind it.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::nat::{Nat, NatRule};
use crate::analyze::netfilter::text::RuleRef;
use crate::model::netfilter::table::BackEnd;
use crate::render::style::{Style, escape};
use crate::render::words;

/// Writes the pod, then what is done to it, in the order in which the rules are asked.
pub fn write(answer: &Answer<Nat>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Nat { pod, addresses, leaving, host_ports, arriving, left_out, findings } = &answer.data;
    let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let is_host = pod.as_ref().is_some_and(|pod| pod.host_network);
    let network = if is_host { "  (host network)" } else { "" };
    let name = pod.as_ref().map_or_else(|| "a pod at".to_owned(), words::pod);
    writeln!(out, "{}  {}{network}", style.strong(&name), list.join("  "))?;
    let unread = answer.issues.iter().any(|issue| issue.what == "reading the node's NAT rules");
    let none =
        |what: &str| if unread { "unknown: the node's rules could not be read".to_owned() } else { what.to_owned() };
    let many = addresses.len() > 1;
    section("leaving", leaving, &none("no rule rewrites the source of what leaves it"), many, style, out)?;
    if !leaving.is_empty() {
        writeln!(out, "  (not what is delivered to this node itself; the first rule that applies counts)")?;
    }
    section("host ports", host_ports, &none("no rule leads from a port of this node to it"), many, style, out)?;
    if !is_host {
        let nothing = none("no rule rewrites the source of what is sent on to it");
        section("arriving", arriving, &nothing, many, style, out)?;
    }
    if !left_out.is_empty() {
        let names: Vec<_> = left_out
            .iter()
            .map(|chain| {
                let legacy = if chain.table.back_end == BackEnd::Legacy { "legacy " } else { "" };
                let (name, table) = (escape(&chain.name.to_string()), escape(&chain.table.name.to_string()));
                format!("{name} of {legacy}{} {table}", chain.table.family)
            })
            .collect();
        writeln!(out, "services are looked up in {}: `podnet services` tells them", names.join(", "))?;
    }
    for finding in findings {
        writeln!(out, "{}", words::finding(finding, style))?;
    }
    Ok(())
}

fn section(
    name: &str,
    rules: &[NatRule],
    nothing: &str,
    many: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    if rules.is_empty() {
        return writeln!(out, "{}: {nothing}", style.strong(name));
    }
    writeln!(out, "{}:", style.strong(name))?;
    for rule in rules {
        let address = if many { format!("{}: ", rule.address) } else { String::new() };
        let says = escape(&rule.says);
        let says = if rule.unknown.is_some() { style.odd(&says) } else { says };
        writeln!(out, "  {address}{says}")?;
        let Some((last, before)) = rule.rules.split_last() else { continue };
        writeln!(out, "      {}", style.dim(&path(before, last)))?;
        if style.wide {
            for rule in before {
                writeln!(out, "        {}", style.dim(&line(rule)))?;
            }
        }
        writeln!(out, "        {}", style.dim(&line(last)))?;
        for setter in &rule.marked_by {
            let text = format!("marked by {} {}", path(&[], setter), line(setter));
            writeln!(out, "        {}", style.dim(&text))?;
        }
    }
    Ok(())
}

/// `nat POSTROUTING → CNI-9a62…`
pub fn path(before: &[RuleRef], last: &RuleRef) -> String {
    let back_end = if last.chain.table.back_end == BackEnd::Legacy { "legacy " } else { "" };
    let table = &last.chain.table;
    let chains: Vec<_> =
        before.iter().chain([last]).map(|rule| words::shortened(&escape(&rule.chain.name.to_string()))).collect();
    format!("{back_end}{} {} {}", table.family, escape(&table.name.to_string()), chains.join(" → "))
}

/// A rule with its number, handle and counters.
pub fn line(rule: &RuleRef) -> String {
    let handle = rule.handle.map_or_else(String::new, |handle| format!(", handle {handle}"));
    let counters =
        rule.counters.map_or_else(String::new, |counters| format!(" [{}:{}]", counters.packets, counters.bytes));
    format!("rule {}{handle}:{counters} {}", rule.number, escape(&rule.text))
}
