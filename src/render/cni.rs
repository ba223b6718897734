//! The node's CNI files: configurations and what they do, then leases and attachments.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::cni::{Attachment, CniAnswer, CniNode, FileRow, LeaseRow, Used, Verdict};
use crate::model::sandbox::PodName;
use crate::render::style::{Style, escape};
use crate::render::table::Table;
use crate::render::words::{ABSENT, count, or_absent};

/// Writes each node's files, leases and, in wide form, attachments.
pub fn write(answer: &Answer<CniAnswer>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for (at, node) in answer.data.nodes.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        if let Some(name) = &node.node {
            writeln!(out, "{}", style.strong(&format!("node {}", escape(name))))?;
        }
        one(node, style, out)?;
    }
    Ok(())
}

fn one(node: &CniNode, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let folder = escape(&node.conf_dir);
    if node.files.is_empty() {
        writeln!(out, "{folder} holds no network configuration")?;
    }
    for file in &node.files {
        write_file(file, style, out)?;
    }
    write_leases(&node.leases, style, out)?;
    if style.wide {
        write_attachments(&node.attachments, style, out)?;
    }
    footer(node, style, out)
}

fn write_file(file: &FileRow, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let used = match file.used {
        Used::Yes => style.good("used"),
        Used::No => "not used".to_owned(),
        Used::Broken => style.bad("broken"),
        Used::Unknown => style.odd("unknown whether used"),
    };
    let network = file.network.as_deref().map_or_else(String::new, |network| format!("  network {}", escape(network)));
    let version = file.cni_version.as_deref().map_or_else(String::new, |version| format!("  cni {}", escape(version)));
    writeln!(out, "{}{network}{version}  {used}: {}", style.strong(&escape(&file.path)), escape(&file.why))?;
    if let Some(error) = &file.error {
        writeln!(out, "    {}", style.bad(&escape(error)))?;
    }
    if file.used == Used::No && !style.wide {
        return Ok(());
    }
    for (at, plugin) in file.plugins.iter().enumerate() {
        writeln!(out, "  {}. {}", at + 1, style.strong(&escape(&plugin.kind)))?;
        for does in &plugin.does {
            writeln!(out, "       {}", escape(does))?;
        }
    }
    Ok(())
}

fn write_leases(leases: &[LeaseRow], style: Style, out: &mut dyn Write) -> io::Result<()> {
    if leases.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut headings = vec!["NETWORK", "ADDRESS", "POD", "INTERFACE", "SANDBOX"];
    if style.wide {
        headings.push("FILE");
    }
    headings.push("LEAKED");
    let mut table = Table::new(&headings);
    for lease in leases {
        let container = if style.wide { lease.container.0.as_str() } else { lease.container.short() };
        let mut row = vec![
            escape(&lease.network),
            lease.address.to_string(),
            lease.pod.as_ref().map_or_else(|| "?".to_owned(), pod),
            or_absent(lease.interface.as_ref()),
            escape(container),
        ];
        if style.wide {
            row.push(escape(&lease.path));
        }
        row.push(verdict(&lease.leaked, style));
        table.row(row);
    }
    table.write(style, out)
}

fn write_attachments(attachments: &[Attachment], style: Style, out: &mut dyn Write) -> io::Result<()> {
    if attachments.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table =
        Table::new(&["POD", "NETWORK", "INTERFACE", "ADDRESSES", "MAC", "HOST LINKS", "NETNS", "FILE", "LEFT OVER"]);
    for one in attachments {
        let addresses: Vec<String> = one.addresses.iter().map(ToString::to_string).collect();
        let left_over = match &one.error {
            Some(error) => style.bad(&format!("broken file: {}", escape(error))),
            None => verdict(&one.left_over, style),
        };
        table.row(vec![
            pod(&one.pod),
            escape(&one.network),
            escape(&one.interface),
            listed(&addresses),
            or_absent(one.mac.as_ref()),
            listed(&one.host_links.iter().map(|link| escape(link)).collect::<Vec<_>>()),
            or_absent(one.netns_path.as_ref()),
            escape(&one.path),
            left_over,
        ]);
    }
    table.write(style, out)
}

fn listed(words: &[String]) -> String {
    if words.is_empty() { ABSENT.to_owned() } else { words.join(",") }
}

fn pod(name: &PodName) -> String {
    if name.name.is_none() && name.uid.is_none() { "?".to_owned() } else { escape(&name.to_string()) }
}

fn verdict(verdict: &Verdict, style: Style) -> String {
    match verdict {
        Verdict::Yes { why } => format!("{}: {}", style.bad("yes"), escape(why)),
        Verdict::No { why } if style.wide => format!("no: {}", escape(why)),
        Verdict::No { .. } => "no".to_owned(),
        Verdict::Unknown { why } => format!("{}: {}", style.odd("unknown"), escape(why)),
    }
}

fn footer(node: &CniNode, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let leaked = node.leases.iter().filter(|lease| matches!(lease.leaked, Verdict::Yes { .. })).count();
    let over = node.attachments.iter().filter(|one| matches!(one.left_over, Verdict::Yes { .. })).count();
    let broken = node.attachments.iter().filter(|one| one.error.is_some()).count();
    let mut words = vec![
        count(node.leases.len(), "lease", "leases"),
        count(node.attachments.len(), "entry in the results cache", "entries in the results cache"),
    ];
    if leaked > 0 {
        words.push(style.bad(&format!("{leaked} leaked")));
    }
    if over > 0 {
        words.push(style.odd(&format!("{} left over", count(over, "cache entry", "cache entries"))));
    }
    if broken > 0 {
        words.push(style.bad(&format!("{} broken", count(broken, "cache entry", "cache entries"))));
    }
    writeln!(out, "{}", words.join("; "))
}

#[cfg(test)]
mod tests;
