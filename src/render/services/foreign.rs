//! Rules of others that act on packets to services before kube-proxy's are asked.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::services::types::{Effect, Foreign, Met, Services};
use crate::model::netfilter::chain::Hook;
use crate::render::nat;
use crate::render::style::{Style, escape};

/// How many addresses are named before the rest is counted.
const FEW: usize = 4;

/// Writes each with its rule.
pub(super) fn write(data: &Services, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for one in &data.foreign {
        let weight = if one.unknown.is_some() || !one.order_known {
            style.odd("unknown:")
        } else if one.certain && !matches!(one.effect, Effect::Untracks) {
            style.bad("bad:")
        } else {
            style.odd("odd:")
        };
        let order = if matches!(one.hook, Hook::Forward | Hook::Input | Hook::Postrouting) {
            "behind kube-proxy's translation"
        } else if one.order_known {
            "before kube-proxy's rules are asked"
        } else {
            "before or after kube-proxy's rules are asked"
        };
        writeln!(out, "{weight} {}: {order}, {}", met(&one.services), escape(&one.says))?;
        let Some((last, before)) = one.rules.split_last() else { continue };
        let node = one.node.as_ref().map_or_else(String::new, |node| format!("{}: ", escape(node)));
        let path = nat::path(before, last);
        writeln!(out, "      {}", style.dim(&format!("{node}{path} ({} {})", one.hook, priority(one))))?;
        writeln!(out, "        {}", style.dim(&nat::line(last)))?;
    }
    Ok(())
}

fn priority(one: &Foreign) -> String {
    let same = if one.order_known { "" } else { ", as kube-proxy's own: which runs first is not known" };
    format!("priority {}{same}", one.priority)
}

/// `default/web:http (10.32.0.205:80, node port 31088)`
fn met(all: &[Met]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for group in all.chunk_by(|one, other| one.service == other.service && one.protocol == other.protocol) {
        let Some(first) = group.first() else { continue };
        let places: Vec<String> = group
            .iter()
            .map(|met| match met.address {
                Some(address) => std::net::SocketAddr::new(address, met.port).to_string(),
                None => format!("node port {}", met.port),
            })
            .collect();
        texts.push(format!("{} ({})", escape(&first.service), places.join(", ")));
    }
    let more = texts.len().saturating_sub(FEW);
    texts.truncate(FEW);
    let texts = texts.join(", ");
    if more == 0 { texts } else { format!("{texts} and {more} more") }
}
