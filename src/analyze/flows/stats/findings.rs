//! What the figures of a table of flows say.
//!
//! May import model and its siblings only.

use super::super::types::Who;
use super::TableStats;
use crate::analyze::finding::{Code, Finding};

/// From this much on (thousandths) a limit is near.
const NEAR: u64 = 800;
/// And from this on it is as good as reached: the next burst is dropped.
const REACHED: u64 = 980;

/// The findings, sorted by weight.
pub(super) fn of(table: &TableStats, short_by: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    fullness(table, &mut findings);
    counted(table, &mut findings);
    ports(table, &mut findings);
    if short_by > 0 {
        let text = format!(
            "there are more destinations than are counted at a time: each figure of ports taken may be short by up to {short_by}"
        );
        findings.push(Finding::note(Code::PortsTaken, text));
    }
    if table.holders.iter().any(|holder| matches!(holder.who, Who::Node { .. })) {
        findings.push(host_network());
    }
    findings.sort();
    findings
}

/// What no address tells apart.
pub(super) fn host_network() -> Finding {
    let text = "hostNetwork pods have the node's addresses: their flows are the node's, and cannot be told apart";
    Finding::note(Code::NotToldApart, text)
}

fn fullness(table: &TableStats, findings: &mut Vec<Finding>) {
    let (Some(entries), Some(limit), Some(full)) = (table.entries, table.limit, table.full_per_mille) else { return };
    let first = table.holders.iter().find(|holder| !matches!(holder.who, Who::Elsewhere { .. } | Who::Unknown));
    let by = first.map_or_else(String::new, |holder| {
        let who = match &holder.who {
            Who::Pod { pod, .. } => pod.to_string(),
            _ => "the node itself".to_owned(),
        };
        format!("; {who} takes part in {} of them", holder.flows)
    });
    if full >= REACHED {
        let text = format!(
            "the table is full, {entries} of {limit}: first packets are dropped, or flows that are not assured are thrown away{by}"
        );
        findings.push(Finding::bad(Code::TableFull, text));
    } else if full >= NEAR {
        let text = format!("the table is nearly full, {entries} of {limit}{by}");
        findings.push(Finding::odd(Code::TableFull, text));
    }
}

fn counted(table: &TableStats, findings: &mut Vec<Finding>) {
    let total = |name: &str| {
        table.counters.iter().find(|counter| counter.name == name).and_then(|counter| counter.total).unwrap_or(0)
    };
    if total("early_drop") > 0 {
        let text = format!(
            "the table has been full since this namespace began: {} flows were thrown away to make room",
            total("early_drop")
        );
        findings.push(Finding::odd(Code::Lost, text));
    }
    for counter in table.counters.iter().filter(|counter| counter.lost_packets) {
        if let Some(total @ 1..) = counter.total {
            let text = format!("{} counts {total} since this namespace began, each a lost packet", counter.name);
            findings.push(Finding::odd(Code::Lost, text));
        }
    }
}

fn ports(table: &TableStats, findings: &mut Vec<Finding>) {
    for of in &table.ports {
        let full = of.taken.saturating_mul(1000) / of.limit;
        if full < NEAR {
            continue;
        }
        let port = of.destination_port.map_or_else(String::new, |port| format!(" port {port}"));
        let what = if of.destination_port.is_some() { "ports" } else { "identifiers" };
        let text = format!(
            "{} of {} {} {what} of {} towards {}{port} are taken",
            of.taken, of.limit, of.protocol, of.address, of.destination
        );
        findings.push(if full >= REACHED {
            Finding::bad(Code::PortsTaken, format!("{text}: new flows there fail"))
        } else {
            Finding::odd(Code::PortsTaken, text)
        });
    }
}
