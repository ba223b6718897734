//! Which rule decides: `fib_rules_lookup` of the kernel, for both families.
//!
//! May import model only.

use crate::model::ids::TableId;
use crate::model::route::{Family, Rule, RuleAction};

use super::facts::{Facts, LOOPBACK};
use super::flow::Flow;
use super::found::{Misses, Reason, errno};

/// What one table answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pick {
    /// The route at that place, and the next hop with which it was accepted.
    Route { at: usize, hop: usize },
    /// A route that refuses.
    Refused { at: usize, errno: i32 },
    /// A `throw` route: go on with the next rule.
    Throw,
    /// Nothing fits.
    Nothing,
}

/// What all rules together answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub rule: Option<Rule>,
    pub table: Option<TableId>,
    pub verdict: Verdict,
}

/// The end of the search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Route { at: usize, hop: usize },
    Refused { at: Option<usize>, errno: i32, why: String },
    Unknown(String),
}

/// Looks a destination up in a table.
pub(super) type Table<'a> = dyn Fn(TableId, &Flow, &mut Misses) -> Pick + 'a;

/// Asks the rules in their order. `flow` is [`Flow::with_l3mdev`].
pub(super) fn walk(facts: &Facts<'_>, flow: &Flow, table: &Table<'_>, misses: &mut Misses) -> Decision {
    let mut rules: Vec<&Rule> = facts.rules().iter().filter(|rule| rule.family == flow.family).collect();
    if rules.is_empty() {
        // A namespace always has the rules that the kernel made, unless the family is missing altogether.
        let why = "no rules of that family were read".to_owned();
        return Decision { rule: None, table: None, verdict: Verdict::Unknown(why) };
    }
    rules.sort_by_key(|rule| rule.priority);
    let mut at = 0;
    while let Some(rule) = rules.get(at) {
        at += 1;
        match matches(facts, rule, flow) {
            Match::Yes => {}
            Match::No(why) => {
                misses.rule(rule, Reason::Selector, why);
                continue;
            }
            Match::Unknown(why) => return decided(rule, None, Verdict::Unknown(why)),
        }
        let asked = match rule.action {
            RuleAction::Nop => continue,
            RuleAction::Goto { priority } => {
                let target = rules.iter().position(|other| other.priority == priority && priority > rule.priority);
                if let Some(target) = target {
                    at = target;
                } else {
                    misses.rule(rule, Reason::MissingTarget, format!("there is no rule {priority} to go to"));
                }
                continue;
            }
            RuleAction::Lookup { table } => table,
            RuleAction::Unreachable => return refused(rule, errno::ENETUNREACH, "unreachable"),
            RuleAction::Prohibit => return refused(rule, errno::EACCES, "prohibit"),
            RuleAction::Blackhole => return refused(rule, errno::EINVAL, "blackhole"),
            RuleAction::Other { number } => {
                return refused(rule, errno::EINVAL, &format!("action {number}, which counts as blackhole"));
            }
        };
        let asked = if rule.l3mdev { flow.l3mdev.and_then(|vrf| facts.vrf_table(vrf)).unwrap_or(asked) } else { asked };
        match table(asked, flow, misses) {
            Pick::Route { at, hop } => match suppressed(facts, rule, at, hop) {
                Suppressed::No => return decided(rule, Some(asked), Verdict::Route { at, hop }),
                Suppressed::Yes(why) => misses.route(&facts.routes()[at], Reason::Suppressed, why),
                Suppressed::Unknown(why) => return decided(rule, Some(asked), Verdict::Unknown(why)),
            },
            Pick::Refused { at, errno } => {
                let why = format!("the route {} of table {asked} refuses", words(facts, at));
                return decided(rule, Some(asked), Verdict::Refused { at: Some(at), errno, why });
            }
            Pick::Throw => {}
            Pick::Nothing => {
                misses.rule(
                    rule,
                    Reason::NothingFound,
                    format!("table {asked} has no route for {} that fits", flow.dst),
                );
            }
        }
    }
    let why = "no rule leads to a route".to_owned();
    Decision { rule: None, table: None, verdict: Verdict::Refused { at: None, errno: errno::ENETUNREACH, why } }
}

fn words(facts: &Facts<'_>, at: usize) -> String {
    let route = &facts.routes()[at];
    format!("{:?} {}", route.kind, route.dst).to_lowercase()
}

fn decided(rule: &Rule, table: Option<TableId>, verdict: Verdict) -> Decision {
    Decision { rule: Some(rule.clone()), table, verdict }
}

fn refused(rule: &Rule, errno: i32, action: &str) -> Decision {
    let why = format!("rule {} says {action}", rule.priority);
    decided(rule, None, Verdict::Refused { at: None, errno, why })
}

enum Suppressed {
    No,
    Yes(String),
    Unknown(String),
}

/// Mirrors `fib4_rule_suppress` and `fib6_rule_suppress`.
fn suppressed(facts: &Facts<'_>, rule: &Rule, at: usize, hop: usize) -> Suppressed {
    let route = &facts.routes()[at];
    if let Some(limit) = rule.suppress_prefix_length
        && u32::from(route.dst.prefix_len()) <= limit
    {
        return Suppressed::Yes(format!(
            "rule {} does not count routes of prefix length {limit} or less, and this one's is {}",
            rule.priority,
            route.dst.prefix_len()
        ));
    }
    let Some(group) = rule.suppress_interface_group else { return Suppressed::No };
    // IPv4 looks at the first next hop, IPv6 at the one it took.
    let hop = if route.family == Family::Ipv4 { 0 } else { hop };
    let Some(ifindex) = route.nexthops.get(hop).and_then(|hop| hop.ifindex) else { return Suppressed::No };
    match facts.link(ifindex).map(|link| link.group) {
        Some(found) if found == group => Suppressed::Yes(format!(
            "rule {} does not count routes by links of group {group}, and {} is one",
            rule.priority,
            facts.link_name(ifindex)
        )),
        Some(_) => Suppressed::No,
        None => Suppressed::Unknown(format!(
            "rule {} suppresses by interface group, and the group of {} is not known",
            rule.priority,
            facts.link_name(ifindex)
        )),
    }
}

enum Match {
    Yes,
    No(String),
    Unknown(String),
}

/// Mirrors `fib_rule_match`, `fib4_rule_match` and `fib6_rule_match`.
fn matches(facts: &Facts<'_>, rule: &Rule, flow: &Flow) -> Match {
    let differs = mismatch(facts, rule, flow);
    match (differs, rule.invert) {
        (Some(Mismatch::Unknown(why)), _) => Match::Unknown(why),
        (Some(Mismatch::Certain(_)), true) | (None, false) => Match::Yes,
        (Some(Mismatch::Certain(why)), false) => Match::No(why),
        (None, true) => Match::No("all it names matches, and it applies to what does not".to_owned()),
    }
}

enum Mismatch {
    Certain(String),
    Unknown(String),
}

/// Attributes that are no selectors: realm and padding.
const NO_SELECTORS: [u16; 2] = [11, 18];

fn mismatch(facts: &Facts<'_>, rule: &Rule, flow: &Flow) -> Option<Mismatch> {
    if let Some(why) = link_mismatch(facts, rule, flow).or_else(|| packet_mismatch(rule, flow)) {
        return Some(Mismatch::Certain(why));
    }
    if let Some(why) = not_given(rule, flow) {
        return Some(Mismatch::Unknown(why));
    }
    let unknown: Vec<String> = rule
        .unknown
        .iter()
        .filter(|attr| !NO_SELECTORS.contains(&attr.kind))
        .map(|attr| attr.kind.to_string())
        .collect();
    (!unknown.is_empty()).then(|| {
        Mismatch::Unknown(format!(
            "rule {} has a selector podnet does not know (attribute {})",
            rule.priority,
            unknown.join(", ")
        ))
    })
}

fn link_mismatch(facts: &Facts<'_>, rule: &Rule, flow: &Flow) -> Option<String> {
    if let Some(name) = &rule.iif {
        let fits = facts.link_named(name).is_some_and(|link| {
            if facts.vrf_table(link.ifindex).is_some() {
                flow.l3mdev == Some(link.ifindex)
            } else {
                flow.iif == link.ifindex
            }
        });
        if !fits {
            let found = if flow.iif == LOOPBACK {
                "is sent by this namespace".to_owned()
            } else {
                format!("comes in by {}", facts.link_name(flow.iif))
            };
            return Some(format!("it wants packets that come in by {name}, and this one {found}"));
        }
    }
    if let Some(name) = &rule.oif {
        let fits = facts.link_named(name).is_some_and(|link| {
            if facts.vrf_table(link.ifindex).is_some() {
                flow.l3mdev == Some(link.ifindex)
            } else {
                flow.oif == Some(link.ifindex)
            }
        });
        if !fits {
            let found = flow.oif.map_or_else(
                || "is not bound to a link".to_owned(),
                |oif| format!("is bound to {}", facts.link_name(oif)),
            );
            return Some(format!("it wants sockets bound to {name}, and this one {found}"));
        }
    }
    if rule.l3mdev && flow.l3mdev.is_none_or(|vrf| facts.vrf_table(vrf).is_none()) {
        return Some("it wants packets of a VRF".to_owned());
    }
    None
}

fn packet_mismatch(rule: &Rule, flow: &Flow) -> Option<String> {
    if let Some(mark) = rule.mark
        && (flow.mark ^ mark.value) & mark.mask != 0
    {
        return Some(format!("it wants the mark {mark}, and the packet's is {:#x}", flow.mark));
    }
    if let Some(id) = rule.tunnel_id {
        return Some(format!("it wants the tunnel id {id}, and the packet has none"));
    }
    if let Some((first, last)) = rule.uids
        && !(first..=last).contains(&flow.uid)
    {
        return Some(format!("it wants user ids {first} to {last}, and the packet's is {}", flow.uid));
    }
    if let Some(src) = rule.src.filter(|src| src.prefix_len() > 0) {
        match flow.src {
            None => return Some(format!("it wants packets from {src}, and the packet has no source yet")),
            Some(found) if found.is_unspecified() && !src.contains(&found) => {
                return Some(format!("it wants packets from {src}, and the packet has no source yet"));
            }
            Some(found) if !src.contains(&found) => {
                return Some(format!("it wants packets from {src}, and this one is from {found}"));
            }
            Some(_) => {}
        }
    }
    if let Some(dst) = rule.dst
        && !dst.contains(&flow.dst)
    {
        return Some(format!("it wants packets to {dst}, and this one is to {}", flow.dst));
    }
    if let Some(tos) = rule.tos
        && !tos_matches(rule, tos, flow.tos)
    {
        return Some(format!("it wants tos {tos:#x}, and the packet's is {:#x}", flow.tos));
    }
    if let Some((wanted, found)) = rule.protocol.zip(flow.protocol)
        && wanted != found
    {
        let found = if found == 0 { "not named".to_owned() } else { found.to_string() };
        return Some(format!("it wants ip protocol {wanted}, and the packet's is {found}"));
    }
    for (side, range, found) in ports(rule, flow) {
        if let Some(((first, last), found)) = range.zip(found)
            && !(first..=last).contains(&found)
        {
            return Some(format!("it wants {side} ports {first} to {last}, and the packet's is {found}"));
        }
    }
    None
}

type Ports = (&'static str, Option<(u16, u16)>, Option<u16>);

fn ports(rule: &Rule, flow: &Flow) -> [Ports; 2] {
    [("source", rule.source_ports, flow.source_port), ("destination", rule.destination_ports, flow.destination_port)]
}

/// What a rule selects by and the look-up does not name, though every packet has it.
fn not_given(rule: &Rule, flow: &Flow) -> Option<String> {
    let what = if rule.protocol.is_some() && flow.protocol.is_none() {
        "ip protocol".to_owned()
    } else {
        let missing = ports(rule, flow).into_iter().find(|(_, range, found)| range.is_some() && found.is_none())?;
        format!("{} port", missing.0)
    };
    Some(format!("rule {} selects by {what}, which the look-up does not name", rule.priority))
}

/// The bits that an IPv4 `tos` selector (not a `dscp` one) looks at.
const TOS_BITS: u8 = 0x1c;

fn tos_matches(rule: &Rule, wanted: u8, found: u8) -> bool {
    if rule.family == Family::Ipv6 || rule.tos_is_dscp {
        wanted & 0xfc == found & 0xfc
    } else {
        wanted == found & TOS_BITS
    }
}
