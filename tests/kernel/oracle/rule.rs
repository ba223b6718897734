//! Rules as `ip -j -d rule` writes them.

use podnet::model::route::{Rule, RuleAction};
use serde_json::{Map, Value};

use super::{flag, set, table};

pub fn rules(rules: &[Rule]) -> Vec<Value> {
    rules.iter().map(|rule| one(rule).into()).collect()
}

fn one(rule: &Rule) -> Map<String, Value> {
    assert!(rule.unknown.is_empty(), "{rule:?}");
    let mut out = Map::new();
    set(&mut out, "priority", Some(rule.priority));
    flag(&mut out, "not", rule.invert);
    match rule.src {
        Some(net) => {
            set(&mut out, "src", Some(net.addr().to_string()));
            set(&mut out, "srclen", Some(net.prefix_len()).filter(|length| *length != net.max_prefix_len()));
        }
        None => set(&mut out, "src", Some("all")),
    }
    if let Some(net) = rule.dst {
        set(&mut out, "dst", Some(net.addr().to_string()));
        set(&mut out, "dstlen", Some(net.prefix_len()).filter(|length| *length != net.max_prefix_len()));
    }
    set(&mut out, "iif", rule.iif.as_ref().map(ToString::to_string));
    set(&mut out, "oif", rule.oif.as_ref().map(ToString::to_string));
    if let Some(mark) = rule.mark {
        set(&mut out, "fwmark", Some(format!("{:#x}", mark.value)));
        set(&mut out, "fwmask", Some(format!("{:#x}", mark.mask)).filter(|_| mark.mask != u32::MAX));
    }
    set(&mut out, "tos", rule.tos.map(|tos| format!("{tos:#x}")));
    set(&mut out, "ipproto", rule.protocol.map(|number| if number == 6 { "tcp" } else { "udp" }));
    for (key, ports) in [("sport", rule.source_ports), ("dport", rule.destination_ports)] {
        match ports {
            Some((first, last)) if first == last => set(&mut out, key, Some(first)),
            Some((first, last)) => {
                set(&mut out, &format!("{key}_start"), Some(first));
                set(&mut out, &format!("{key}_end"), Some(last));
            }
            None => {}
        }
    }
    if let Some((first, last)) = rule.uids {
        set(&mut out, "uid_start", Some(first));
        set(&mut out, "uid_end", Some(last));
    }
    set(&mut out, "tun_id", rule.tunnel_id);
    set(&mut out, "suppress_prefixlen", rule.suppress_prefix_length);
    set(&mut out, "suppress_ifgroup", rule.suppress_interface_group.map(|group| group.to_string()));
    flag(&mut out, "l3mdev", rule.l3mdev);
    match rule.action {
        RuleAction::Lookup { .. } if rule.l3mdev => {}
        RuleAction::Lookup { table: number } => set(&mut out, "table", Some(table(number))),
        RuleAction::Goto { priority } => set(&mut out, "goto", Some(priority)),
        RuleAction::Nop => flag(&mut out, "nop", true),
        RuleAction::Blackhole => set(&mut out, "action", Some("blackhole")),
        RuleAction::Unreachable => set(&mut out, "action", Some("unreachable")),
        RuleAction::Prohibit => set(&mut out, "action", Some("prohibit")),
        RuleAction::Other { number } => set(&mut out, "to", Some(number)),
    }
    set(&mut out, "protocol", Some(rule.origin.clone()));
    out
}

/// All fields but whether a goto's target is there, which the rules themselves tell.
pub fn ip_rules(four: &Value, six: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = [four, six].into_iter().flat_map(|list| list.as_array().unwrap()).cloned().collect();
    for rule in &mut all {
        rule.as_object_mut().unwrap().remove("unresolved");
    }
    all
}
