//! Rules in their own tools' words, the tables of a node, and the chains of a hook.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::rules::hook::{HookChain, HookListing};
use crate::analyze::rules::listing::{ChainListing, Notation, TableListing};
use crate::analyze::rules::query::called;
use crate::analyze::rules::{BaseSummary, Rules, TableSummary};
use crate::model::netfilter::chain::{ChainKind, Policy};
use crate::model::netfilter::table::Family;
use crate::render::style::{Style, escape};
use crate::render::table::Table;
use crate::render::words::{self, ABSENT, count};

/// Writes what was asked for.
pub fn write(answer: &Answer<Rules>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Rules { tables, listings, hooks } = &answer.data;
    if !tables.is_empty() {
        write_tables(tables, style, out)?;
    } else if listings.is_empty() && hooks.is_empty() {
        writeln!(out, "no tables or chains to tell of")?;
    }
    for listing in listings {
        write_listing(listing, style, out)?;
    }
    for hook in hooks {
        write_hook(hook, style, out)?;
    }
    Ok(())
}

fn write_tables(tables: &[TableSummary], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let several = tables.iter().any(|table| table.node.is_some());
    let mut head = vec!["TABLE", "CHAINS", "RULES", "HOOKED IN AT", "WRITTEN BY"];
    if several {
        head.insert(0, "NODE");
    }
    let mut rows = Table::new(&head);
    for table in tables {
        let mut bases: Vec<_> = table.base_chains.iter().collect();
        bases.sort_by_key(|one| (one.base.hook, one.base.priority));
        let bases: Vec<_> = bases.into_iter().map(base).collect();
        let bases = if table.dormant {
            "dormant".to_owned()
        } else if bases.is_empty() {
            ABSENT.to_owned()
        } else {
            bases.join(", ")
        };
        let owners: Vec<_> =
            table.owners.iter().map(|(owner, chains)| format!("{} ({chains})", escape(owner))).collect();
        let owners = if owners.is_empty() { ABSENT.to_owned() } else { owners.join(", ") };
        let mut row =
            vec![escape(&called(&table.table)), table.chains.to_string(), table.rules.to_string(), bases, owners];
        if several {
            row.insert(0, words::or_absent(table.node.as_ref()));
        }
        rows.row(row);
    }
    rows.write(style, out)?;
    writeln!(out, "{}; `podnet rules TABLE` lists one", count(tables.len(), "table", "tables"))
}

fn base(found: &BaseSummary) -> String {
    format!("{} {}", found.base.hook, found.base.priority)
}

fn write_listing(listing: &TableListing, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let TableListing { node, table, notation, sets, chains } = listing;
    let on = node.as_ref().map_or_else(String::new, |node| format!(" on {}", escape(node)));
    let name = escape(&called(table));
    match notation {
        Notation::IptablesSave => {
            writeln!(out, "{}", style.dim(&format!("# {name}{on}")))?;
            writeln!(out, "*{}", escape(&table.name.to_string()))?;
            for chain in chains {
                writeln!(out, "{}", style.strong(&escape(&chain.text)))?;
            }
            for chain in chains {
                for rule in &chain.rules {
                    let handle = rule.handle.filter(|_| style.wide);
                    let handle = handle.map_or_else(String::new, |handle| style.dim(&format!(" # handle {handle}")));
                    writeln!(out, "{}{handle}", escape(&rule.text))?;
                }
            }
            writeln!(out, "COMMIT")
        }
        Notation::Nft => {
            if !on.is_empty() {
                writeln!(out, "{}", style.dim(&format!("# {name}{on}")))?;
            }
            writeln!(out, "table {name} {{")?;
            for set in sets {
                write_lines(&set.text, out)?;
            }
            for chain in chains {
                write_nft_chain(chain, style, out)?;
            }
            writeln!(out, "}}")
        }
    }
}

fn write_nft_chain(chain: &ChainListing, style: Style, out: &mut dyn Write) -> io::Result<()> {
    write_lines(&chain.text, out)?;
    for rule in &chain.rules {
        let handle = rule.handle.map_or_else(String::new, |handle| style.dim(&format!(" # handle {handle}")));
        writeln!(out, "\t\t{}{handle}", escape(&rule.text))?;
    }
    writeln!(out, "\t}}")
}

/// Lines with their tabs; what others named in them escaped.
fn write_lines(text: &str, out: &mut dyn Write) -> io::Result<()> {
    for line in text.lines() {
        let inner = line.trim_start_matches('\t');
        let tabs = &line[..line.len() - inner.len()];
        writeln!(out, "{tabs}{}", escape(inner))?;
    }
    Ok(())
}

fn write_hook(listing: &HookListing, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let HookListing { node, family, hook, places } = listing;
    let packet = match family {
        Family::Ip => "IPv4 packets",
        Family::Ip6 => "IPv6 packets",
        Family::Arp => "ARP packets",
        Family::Bridge => "frames of a bridge",
        _ => "frames of a link",
    };
    let on = node.as_ref().map_or_else(String::new, |node| format!(" on {}", escape(node)));
    writeln!(out, "{}", style.strong(&format!("{hook}: {packet}{on}")))?;
    for place in places {
        if !place.order_known {
            writeln!(out, "  {}", style.odd(&format!("at {} in an order that is not known:", place.priority)))?;
        }
        for chain in &place.chains {
            write_hooked(place.priority, chain, style, out)?;
        }
    }
    Ok(())
}

fn write_hooked(priority: i32, found: &HookChain, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let HookChain { table, dormant, chain } = found;
    let base = chain.base.as_ref();
    let kind = match base.map(|base| &base.kind) {
        Some(ChainKind::Filter) | None => "filter".to_owned(),
        Some(ChainKind::Nat) => "nat".to_owned(),
        Some(ChainKind::Route) => "route".to_owned(),
        Some(ChainKind::Other(name)) => escape(&name.to_string()),
    };
    let policy = if base.is_some_and(|base| base.policy == Policy::Drop) {
        style.odd("policy drop")
    } else {
        "policy accept".to_owned()
    };
    let own = base.map(|base| base.priority).filter(|own| *own != priority);
    let own = own.map_or_else(String::new, |own| format!(" (its own priority {own})"));
    let devices = base.map(|base| &base.devices).filter(|devices| !devices.is_empty());
    let devices = devices.map_or_else(String::new, |devices| {
        let names: Vec<_> = devices.iter().map(|name| escape(&name.to_string())).collect();
        format!("  on {}", names.join(", "))
    });
    let asleep = if *dormant { format!("  {}", style.odd("dormant: not hooked in")) } else { String::new() };
    let rules = count(chain.rules.len(), "rule", "rules");
    writeln!(
        out,
        "  {priority:>6}  {} {}  {kind}  {policy}  {rules}{own}{devices}{asleep}",
        escape(&called(table)),
        style.strong(&escape(&chain.name.to_string()))
    )?;
    if style.wide {
        for rule in &chain.rules {
            let handle = rule.handle.map_or_else(String::new, |handle| style.dim(&format!(" # handle {handle}")));
            writeln!(out, "            {}{handle}", escape(&rule.text))?;
        }
    }
    Ok(())
}
