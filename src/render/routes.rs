//! The rules and tables of a namespace, or one packet's route with the losers and their reasons.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::fib::{Candidate, Lookup, Outcome, Source, Way};
use crate::analyze::naming::LinkRef;
use crate::analyze::routes::{Listing, Routes, Table};
use crate::model::ids::{IfIndex, TableId};
use crate::model::route::{Family, NextHop, Route, RouteKind, RoutePreference, Rule, RuleAction};
use crate::render::story::Story;
use crate::render::style::{Style, escape};
use crate::render::words::{count, table_name};

/// Writes the listing or the look-up.
pub fn write(answer: &Answer<Routes>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let data = &answer.data;
    if let Some(lookup) = &data.lookup {
        return write_lookup(data, lookup, style, out);
    }
    writeln!(out, "{}  {}", style.strong(&escape(&data.subject)), data.netns)?;
    match &data.listing {
        Some(listing) => write_listing(listing, &data.links, style, out),
        None => Ok(()),
    }
}

fn write_listing(listing: &Listing, links: &[LinkRef], style: Style, out: &mut dyn Write) -> io::Result<()> {
    for family in Family::ALL {
        let rules: Vec<&Rule> = listing.rules.iter().filter(|rule| rule.family == family).collect();
        let tables: Vec<&Table> = listing.tables.iter().filter(|table| table.family == family).collect();
        if rules.is_empty() && tables.is_empty() {
            continue;
        }
        writeln!(out)?;
        writeln!(out, "{}", style.strong(family_name(family)))?;
        let mut grid = crate::render::table::Table::new(&["RULE", "PACKETS", "THEN"]);
        for rule in rules {
            grid.row(vec![rule.priority.to_string(), selectors(rule), action(rule)]);
        }
        grid.write(style, out)?;
        for table in tables {
            write_table(table, links, style, out)?;
        }
    }
    Ok(())
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}

fn write_table(table: &Table, links: &[LinkRef], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let led = match table.rules.as_slice() {
        [] => style.odd("no rule leads here"),
        [one] => format!("rule {one}"),
        several => {
            let rules: Vec<String> = several.iter().map(u32::to_string).collect();
            format!("rules {}", rules.join(", "))
        }
    };
    writeln!(out)?;
    let name = style.strong(&format!("table {}", table_name(table.table)));
    if table.table == TableId::LOCAL && !style.wide {
        let routes = count(
            table.routes.len(),
            "route to this namespace's own addresses",
            "routes to this namespace's own addresses",
        );
        return writeln!(out, "{name}  {led}  {routes} (-o wide lists them)");
    }
    writeln!(out, "{name}  {led}")?;
    let mut headings = vec!["DESTINATION", "WAY", "SOURCE", "METRIC", "MADE BY"];
    if style.wide {
        headings.push("DETAILS");
    }
    let mut grid = crate::render::table::Table::new(&headings);
    for route in &table.routes {
        for row in rows(route, links, style) {
            grid.row(row);
        }
    }
    grid.write(style, out)
}

fn rows(route: &Route, links: &[LinkRef], style: Style) -> Vec<Vec<String>> {
    let dash = || "–".to_owned();
    let ways = ways(route, links);
    let mut first = vec![
        destination(route),
        ways.first().cloned().unwrap_or_else(|| what_happens(route.kind).to_owned()),
        route.source.map_or_else(dash, |source| source.to_string()),
        if route.metric == 0 { dash() } else { route.metric.to_string() },
        escape(&route.origin),
    ];
    if style.wide {
        first.push(details(route).join(", "));
    }
    let blank = if style.wide { 4 } else { 3 };
    let more = ways.into_iter().skip(1).map(|way| [vec![String::new(), way], vec![String::new(); blank]].concat());
    std::iter::once(first).chain(more).collect()
}

fn details(route: &Route) -> Vec<String> {
    let mut words = Vec::new();
    if route.tos != 0 {
        words.push(format!("tos {:#x}", route.tos));
    }
    words.push(format!("scope {}", format!("{:?}", route.scope).to_lowercase()));
    words.extend(route.nexthop_id.map(|id| format!("nexthop object {id}")));
    words.extend(route.mtu.map(|mtu| format!("mtu {mtu}")));
    words.extend(route.expires_s.map(|left| format!("expires in {left} s")));
    match route.preference {
        None | Some(RoutePreference::Medium) => {}
        Some(other) => words.push(format!("preference {other:?}").to_lowercase()),
    }
    words.extend(route.metrics.iter().map(|(name, value)| format!("{} {value}", escape(name))));
    words.extend(route.unknown.iter().map(|attr| format!("attribute {} = {}", attr.kind, attr.hex)));
    words
}

fn destination(route: &Route) -> String {
    let dst = if route.dst.prefix_len() == 0 {
        "default".to_owned()
    } else if route.dst.prefix_len() == route.dst.max_prefix_len() {
        route.dst.addr().to_string()
    } else {
        route.dst.to_string()
    };
    let kind = match route.kind {
        RouteKind::Unicast => String::new(),
        RouteKind::Other(number) => format!("type {number} "),
        other => format!("{other:?} ").to_lowercase(),
    };
    let src = route.src.map_or_else(String::new, |src| format!(" from {src}"));
    format!("{kind}{dst}{src}")
}

fn what_happens(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Blackhole => "dropped without a word",
        RouteKind::Unreachable => "refused: host unreachable",
        RouteKind::Prohibit => "refused: prohibited",
        RouteKind::Throw => "the next rule is asked",
        _ => "–",
    }
}

fn ways(route: &Route, links: &[LinkRef]) -> Vec<String> {
    if matches!(route.kind, RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw) {
        return Vec::new();
    }
    let several = route.nexthops.len() > 1;
    route.nexthops.iter().map(|hop| next_hop(hop, links, several)).collect()
}

fn next_hop(hop: &NextHop, links: &[LinkRef], several: bool) -> String {
    let link = hop.ifindex.map(|ifindex| link_name(ifindex, links));
    let mut words = match (hop.gateway, link) {
        (Some(gateway), Some(link)) => format!("via {gateway} dev {link}"),
        (Some(gateway), None) => format!("via {gateway}"),
        (None, Some(link)) => format!("dev {link}"),
        (None, None) => "–".to_owned(),
    };
    if several {
        words = format!("{words} weight {}", hop.weight);
    }
    if let Some(encap) = &hop.encap {
        words = format!("{words} encap {}", escape(&encap.kind));
    }
    for flag in &hop.flags {
        words = format!("{words} {}", escape(flag));
    }
    words
}

fn link_name(ifindex: IfIndex, links: &[LinkRef]) -> String {
    let found = links.iter().find(|link| link.ifindex == ifindex);
    found.map_or_else(|| format!("if{ifindex}"), |link| escape(&link.name.to_string()))
}

/// Which packets a rule is for.
fn selectors(rule: &Rule) -> String {
    let mut words = Vec::new();
    words.extend(rule.src.map(|src| format!("from {src}")));
    words.extend(rule.dst.map(|dst| format!("to {dst}")));
    words.extend(rule.iif.as_ref().map(|iif| {
        if *iif == "lo" { "sent by this namespace".to_owned() } else { format!("in by {}", escape(&iif.to_string())) }
    }));
    words.extend(rule.oif.as_ref().map(|oif| format!("bound to {}", escape(&oif.to_string()))));
    words.extend(rule.mark.map(|mark| format!("mark {mark}")));
    words.extend(rule.tos.map(|tos| format!("{} {tos:#x}", if rule.tos_is_dscp { "dscp" } else { "tos" })));
    words.extend(rule.protocol.map(|protocol| match protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        other => format!("protocol {other}"),
    }));
    words.extend(rule.source_ports.map(|range| format!("source port {}", span(range))));
    words.extend(rule.destination_ports.map(|range| format!("port {}", span(range))));
    words.extend(rule.uids.map(|range| format!("user {}", span(range))));
    words.extend(rule.tunnel_id.map(|id| format!("tunnel {id}")));
    if rule.l3mdev {
        words.push("of a VRF".to_owned());
    }
    words.extend(rule.unknown.iter().map(|attr| format!("selector {} = {} (unknown)", attr.kind, attr.hex)));
    let words = if words.is_empty() { "all".to_owned() } else { words.join(", ") };
    if rule.invert { format!("all but: {words}") } else { words }
}

fn span<T: PartialEq + std::fmt::Display>((first, last): (T, T)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// What a rule does.
fn action(rule: &Rule) -> String {
    let mut words = match rule.action {
        RuleAction::Lookup { .. } if rule.l3mdev => "the VRF's table".to_owned(),
        RuleAction::Lookup { table } => format!("table {}", table_name(table)),
        RuleAction::Goto { priority } => format!("go on with rule {priority}"),
        RuleAction::Nop => "go on".to_owned(),
        RuleAction::Blackhole => "drop without a word".to_owned(),
        RuleAction::Unreachable => "refuse: network unreachable".to_owned(),
        RuleAction::Prohibit => "refuse: prohibited".to_owned(),
        RuleAction::Other { number } => format!("action {number}"),
    };
    if let Some(length) = rule.suppress_prefix_length {
        words = format!("{words}, but no route of prefix length {length} or less");
    }
    if let Some(group) = rule.suppress_interface_group {
        words = format!("{words}, but no route by a link of group {group}");
    }
    words
}

fn write_lookup(data: &Routes, lookup: &Lookup, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let links = &data.links;
    writeln!(out, "{}", headline(data, lookup, style))?;
    let mut story = Story::default();
    if let Some(rule) = &lookup.rule {
        story.step(0, "rule", format!("{}  {} → {}", rule.priority, selectors(rule), action(rule)), "");
    }
    if let Some(route) = &lookup.route {
        story.step(0, "route", in_a_line(route, links), route_evidence(route, lookup.table));
    }
    let several = lookup.ways.len() > 1;
    let delivered = lookup.outcome == Outcome::Delivered;
    for way in &lookup.ways {
        story.step(
            0,
            "way",
            // A local route names the link that holds the address; no packet leaves by it.
            if delivered { "stays in this namespace".to_owned() } else { way_words(way, several) },
            way.unusable.as_deref().map_or_else(String::new, |why| format!("not taken: {}", escape(why))),
        );
        if way.unusable.is_none() {
            let (text, evidence) = source_words(&way.source);
            story.step(1, "source", text, evidence);
        }
    }
    if several && lookup.way().is_none() {
        story.step(0, "choice", "a hash of the flow chooses among them", "");
    }
    for note in &lookup.notes {
        story.step(0, "note", escape(note), "");
    }
    if let Some(witness) = &lookup.witness {
        match witness.agrees {
            Some(true) => story.step(0, "kernel", style.good("says the same"), "RTM_GETROUTE"),
            Some(false) => {
                for difference in &witness.differences {
                    story.step(0, "kernel", style.bad(&format!("disagrees: {}", escape(difference))), "RTM_GETROUTE");
                }
            }
            None => {
                if let Some(answer) = &witness.answer {
                    story.step(0, "kernel", kernel_words(answer, links), "RTM_GETROUTE");
                }
            }
        }
    }
    if !lookup.near_misses.is_empty() {
        story.step(0, "lost", "", "");
    }
    for miss in &lookup.near_misses {
        let candidate = match &miss.candidate {
            Candidate::Rule(rule) => format!("rule {}  {} → {}", rule.priority, selectors(rule), action(rule)),
            Candidate::Route(route) => format!("{}  table {}", in_a_line(route, links), table_name(route.table)),
        };
        story.step(1, "", candidate, escape(&miss.why));
    }
    if lookup.near_misses_left_out > 0 {
        story.step(1, "", format!("and {} more", lookup.near_misses_left_out), "");
    }
    story.write(style, out)
}

fn headline(data: &Routes, lookup: &Lookup, style: Style) -> String {
    let subject = style.strong(&format!("{} to {}", escape(&data.subject), lookup.query.dst));
    match &lookup.outcome {
        Outcome::Sent => match lookup.way() {
            Some(way) => format!("{subject}: leaves {}", leaves(way)),
            None => format!("{subject}: leaves by one of {} ways", lookup.usable().count()),
        },
        Outcome::Delivered => format!("{subject}: is for this namespace itself"),
        Outcome::Refused { name, why, .. } => format!("{subject}: {} ({name}): {}", style.bad("refused"), escape(why)),
        Outcome::Unknown { why } => format!("{subject}: {}: {}", style.odd("unknown"), escape(why)),
    }
}

fn leaves(way: &Way) -> String {
    let link = way.link.as_ref().map_or_else(|| "no link".to_owned(), |link| escape(&link.to_string()));
    let gateway = way.gateway.map_or_else(|| ", on the link itself".to_owned(), |gateway| format!(" via {gateway}"));
    let source = match &way.source {
        Source::Chosen { address, .. } => format!(", source {address}"),
        _ => String::new(),
    };
    format!("by {link}{gateway}{source}")
}

fn way_words(way: &Way, several: bool) -> String {
    let link = way.link.as_ref().map_or_else(|| "–".to_owned(), |link| escape(&link.to_string()));
    let mut words = way.gateway.map_or_else(|| format!("dev {link}"), |gateway| format!("via {gateway} dev {link}"));
    if way.onlink {
        words.push_str(" onlink");
    }
    if several {
        words = format!("{words} weight {}", way.weight);
    }
    if let Some(encap) = &way.encap {
        words = format!("{words} encap {}", escape(&encap.kind));
    }
    words
}

fn source_words(source: &Source) -> (String, String) {
    match source {
        Source::Given { address } => (address.to_string(), "the packet's own".to_owned()),
        Source::Chosen { address, why } => (address.to_string(), escape(why)),
        Source::OneOf { addresses, why } => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            (format!("unknown: {}", addresses.join(" or ")), escape(why))
        }
        Source::None { why } => ("none".to_owned(), escape(why)),
        Source::Unknown { why } => ("unknown".to_owned(), escape(why)),
    }
}

/// A route as `ip route` writes it.
fn in_a_line(route: &Route, links: &[LinkRef]) -> String {
    let several = route.nexthops.len() > 1;
    let ways = ways(route, links);
    let ways: Vec<String> = if several { ways.iter().map(|way| format!("[{way}]")).collect() } else { ways };
    let mut words = vec![destination(route)];
    words.extend(ways);
    words.extend(route.source.map(|source| format!("src {source}")));
    if route.tos != 0 {
        words.push(format!("tos {:#x}", route.tos));
    }
    if route.metric != 0 {
        words.push(format!("metric {}", route.metric));
    }
    words.join(" ")
}

fn route_evidence(route: &Route, table: Option<TableId>) -> String {
    let mut words = vec![
        format!("table {}", table_name(table.unwrap_or(route.table))),
        format!("made by {}", escape(&route.origin)),
    ];
    words.extend(route.nexthop_id.map(|id| format!("nexthop object {id}")));
    words.extend(route.expires_s.map(|left| format!("expires in {left} s")));
    words.join(", ")
}

fn kernel_words(answer: &crate::model::route::RouteWitness, links: &[LinkRef]) -> String {
    use crate::model::route::RouteWitness;
    match answer {
        RouteWitness::Refused { errno } => format!("refuses with errno {errno}"),
        RouteWitness::Found { resolved, matched } => in_a_line(matched.as_ref().unwrap_or(resolved), links),
    }
}

#[cfg(test)]
mod tests;
