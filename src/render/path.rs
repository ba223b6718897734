//! The way of a packet, and of its answer: the verdict, then a line a step.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};
use std::net::IpAddr;

use crate::analyze::answer::Answer;
use crate::analyze::naming::LinkRef;
use crate::analyze::netfilter::text::RuleRef;
use crate::analyze::path::{
    Acted, Beneath, Course, FlowState, Listener, Path, Step, StepKind, Stop, Tried, Tuple, Verdict,
};
use crate::render::story::Story;
use crate::render::style::{Style, escape};
use crate::render::words::{count, table_name};

/// How many courses are told step by step unless the wide form is asked for.
const FEW: usize = 2;

/// Writes the verdict, then each course.
pub fn write(answer: &Answer<Path>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let path = &answer.data;
    writeln!(out, "{}", headline(path, style))?;
    if let Some(sees) = &path.sees {
        writeln!(out, "its sender sees {}", escape(&sees.how))?;
    }
    if let Some(endpoint) = &path.endpoint {
        let wanted = endpoint.port.map_or_else(
            || endpoint.address.to_string(),
            |port| std::net::SocketAddr::new(endpoint.address, port).to_string(),
        );
        let share = endpoint.probability.map_or_else(
            || "how often nothing tells".to_owned(),
            |share| format!("{:.0} times in a hundred", share * 100.0),
        );
        writeln!(out, "of those that are led to {wanted}: {share}")?;
    }
    let told = if style.wide { path.courses.len() } else { path.courses.len().min(FEW) };
    for course in path.courses.iter().take(told) {
        writeln!(out)?;
        if path.courses.len() > 1 {
            writeln!(out, "{}", style.strong(&course_head(course)))?;
        }
        let mut story = Story::default();
        tell(path, course, None, style, &mut story);
        story.write(style, out)?;
    }
    if path.courses.len() > told {
        let left = path.courses.len() - told;
        writeln!(out, "\nand {} (-o wide tells them)", count(left, "more course", "more courses"))?;
    }
    if !path.assumed.is_empty() {
        writeln!(out)?;
        for one in &path.assumed {
            writeln!(out, "{} {}", style.dim("taken for granted:"), escape(one))?;
        }
    }
    Ok(())
}

pub(super) fn headline(path: &Path, style: Style) -> String {
    let to = end(path.packet.tuple.destination, path.packet.tuple.destination_port, path.packet.tuple);
    let outside = path.courses.first().and_then(|course| course.there.first()).and_then(|step| match &step.what {
        StepKind::FromOutside { tuple, .. } => Some(end(tuple.source, tuple.source_port, *tuple)),
        _ => None,
    });
    let from = outside.or_else(|| path.places.first().map(|place| escape(&place.name)));
    let from = from.unwrap_or_else(|| "?".to_owned());
    let what = format!("{from} to {to} ({})", protocol(path.packet.tuple.protocol));
    format!("{}  {}", style.strong(&what), verdict(&path.verdict, style))
}

fn verdict(verdict: &Verdict, style: Style) -> String {
    match verdict {
        Verdict::Answered => style.good("arrives, and its answer comes back"),
        Verdict::Unanswered { why } => format!("{}: {}", style.bad("arrives, but is not answered"), escape(why)),
        Verdict::Dropped { why } => format!("{}: {}", style.bad("is dropped"), escape(why)),
        Verdict::Rejected { with, why } => {
            format!("{} ({}): {}", style.bad("is rejected"), escape(with), escape(why))
        }
        Verdict::Varies { answered, why, tries } => varies(*answered, why, tries, style),
        Verdict::Unknown { because } => format!("{}: {}", style.odd("unknown"), escape(because)),
    }
}

fn varies(answered: f64, why: &str, tries: &[f64], style: Style) -> String {
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    let [first, second, rest @ ..] = tries else {
        let share = style.odd(&format!("is answered {} times in a hundred", percent(answered)));
        return format!("{share}; else: {}", escape(why));
    };
    let all: f64 = tries.iter().sum();
    // What is left over is answered later still, unless something else than a lost SYN is among it.
    let is_slow = second / first + first > 0.999;
    let word = style.odd(if is_slow { "is slow" } else { "is slow, and may fail" });
    let (first, second, third) = (percent(*first), percent(*second), percent(rest.iter().sum()));
    let later = if is_slow { percent((1.0 - all).max(0.0)) } else { "0".to_owned() };
    format!(
        "{word}: of a hundred, {first} are answered at once, {second} a second later when the SYN is sent again and drawn \
         anew, {third} some seconds later, {later} later still; lost: {}",
        escape(why)
    )
}

fn course_head(course: &Course) -> String {
    let share = course.probability.map_or_else(
        || "how likely nothing tells".to_owned(),
        |probability| format!("{:.0} times in a hundred", probability * 100.0),
    );
    let choices: Vec<String> =
        course.choices.iter().map(|choice| format!("{}: {}", escape(&choice.what), escape(&choice.taken))).collect();
    format!("{share}  ({})", choices.join("; "))
}

/// What stands in front of each step, in their order: of the way there, of the way back, and of the end.
pub(super) struct Signs {
    pub there: Vec<String>,
    pub back: Vec<String>,
    pub end: String,
}

pub(super) fn tell(path: &Path, course: &Course, signs: Option<&Signs>, style: Style, story: &mut Story) {
    tell_way(path, &course.there, signs.map(|signs| &*signs.there), style, story);
    if !course.error.is_empty() {
        unsigned(signs.is_some(), story);
        story.step(0, "error", style.dim("the way back of the error"), "");
        tell_way(path, &course.error, None, style, story);
    }
    if !course.back.is_empty() {
        unsigned(signs.is_some(), story);
        let way = if course.leaves.is_some() { "the way back of an answer, if one comes" } else { "the way back" };
        story.step(0, "answer", style.dim(way), "");
        tell_way(path, &course.back, signs.map(|signs| &*signs.back), style, story);
    }
    if let Some(signs) = signs {
        story.mark(signs.end.clone());
    }
    story.step(0, "end", verdict(&course.verdict, style), "");
    if let Some(sees) = &course.sees {
        unsigned(signs.is_some(), story);
        story.step(0, "sender", format!("sees {}", escape(&sees.how)), "");
    }
}

/// A line between the steps has no sign of its own.
fn unsigned(is_signed: bool, story: &mut Story) {
    if is_signed {
        story.mark(" ");
    }
}

fn tell_way(path: &Path, steps: &[Step], signs: Option<&[String]>, style: Style, story: &mut Story) {
    let mut at = None;
    for (index, step) in steps.iter().enumerate() {
        unsigned(signs.is_some(), story);
        if at != Some(step.place) {
            at = Some(step.place);
            if let Some(place) = path.places.get(step.place) {
                let node = if place.name == place.node { String::new() } else { format!("on {}", escape(&place.node)) };
                story.step(0, "in", style.strong(&escape(&place.name)), format!("{node} {}", place.netns));
            }
        }
        if let Some(sign) = signs.and_then(|signs| signs.get(index)) {
            story.mark(sign.clone());
        }
        tell_step(step, style, story);
    }
}

/// Where a hook is that is not simply IP's.
fn hooked_at(beneath: Option<&Beneath>, in_bridge: bool) -> String {
    match beneath {
        Some(Beneath::Bridge { link }) => format!(" of the bridge {}", escape(&link.name.to_string())),
        Some(Beneath::Netdev { link }) => format!(" of {}", escape(&link.name.to_string())),
        None if in_bridge => " (in the bridge)".to_owned(),
        None => String::new(),
    }
}

fn tell_step(step: &Step, style: Style, story: &mut Story) {
    match &step.what {
        StepKind::Sent { tuple, source } => {
            let text = format!(
                "{} → {}",
                end(tuple.source, tuple.source_port, *tuple),
                end(tuple.destination, tuple.destination_port, *tuple)
            );
            story.step(1, "sends", text, format!("source: {}", escape(source)));
        }
        StepKind::Routed { route, table, rule, link, gateway } => {
            let way = match (link, gateway) {
                (None, _) => "to this namespace itself".to_owned(),
                (Some(link), None) => format!("dev {}", escape(&link.name.to_string())),
                (Some(link), Some(gateway)) => format!("via {gateway} dev {}", escape(&link.name.to_string())),
            };
            let dst = route.as_ref().map_or_else(|| "no route needed".to_owned(), |route| route.dst.to_string());
            let mut evidence = Vec::new();
            evidence.extend(table.map(|table| format!("table {}", table_name(table))));
            evidence.extend(rule.map(|rule| format!("rule {rule}")));
            story.step(1, "route", format!("{dst} {way}"), evidence.join(", "));
        }
        StepKind::Hooked { hook, in_bridge, beneath, state, rules, tried } => {
            let place = hooked_at(beneath.as_ref(), *in_bridge);
            let state = state.map_or("", |state| match state {
                FlowState::New => ", flow new",
                FlowState::Established => ", flow established",
                FlowState::Related => ", flow related",
                FlowState::Untracked => ", untracked",
                FlowState::Invalid => ", invalid",
            });
            let changed = step.changed.iter().map(|change| escape(change)).collect::<Vec<_>>().join(", ");
            let changed = if changed.is_empty() { String::new() } else { format!(": {}", style.odd(&changed)) };
            story.step(1, hook.name(), format!("{}{changed}", "crossed"), format!("{}{place}{state}", hook.name()));
            tell_rules(rules, tried, style, story);
        }
        StepKind::Tracked { flow, is_reply } => {
            let way = if *is_reply { "an answer of " } else { "" };
            let text = format!("{way}flow {} ({}): {}", flow.id, flow.state.words(), flow.original);
            story.step(1, "conntrack", text, format!("answers come as {}", flow.reply));
        }
        StepKind::FromOutside { tuple, how } => {
            story.step(1, "outside", format!("{tuple} comes in"), escape(how));
        }
        StepKind::ToOutside { link } => {
            let text = format!("leaves by {}", escape(&link.name.to_string()));
            story.step(1, "outside", text, "what is beyond was not asked");
        }
        StepKind::Neighbour { address, mac, how } => {
            story.step(1, "neighbour", format!("{address} is at {mac}"), escape(how));
        }
        StepKind::Out { link, tuple } => {
            story.step(1, "out", format!("{}  {}", escape(&link.name.to_string()), short(*tuple)), "");
        }
        StepKind::In { link, tuple } => {
            story.step(1, "in by", format!("{}  {}", escape(&link.name.to_string()), short(*tuple)), "");
        }
        StepKind::Crossed { how } => story.step(1, "between", "over the network between the nodes", escape(how)),
        StepKind::Bridged { bridge, from, to, how } => tell_bridged(bridge, [from.as_ref(), to.as_ref()], how, story),
        StepKind::Encapsulated { link, vni, tuple, length, how } => {
            let text = format!("by {} (VNI {vni}) into {tuple}, {length} bytes", escape(&link.name.to_string()));
            story.step(1, "packs", text, escape(how));
        }
        StepKind::Decapsulated { link, vni } => {
            story.step(1, "unpacks", format!("by {} (VNI {vni})", escape(&link.name.to_string())), "");
        }
        StepKind::Split { mtu, pieces } => {
            let text = format!("{} of at most {mtu} bytes", count(*pieces as usize, "piece", "pieces"));
            story.step(1, "splits", text, "they are followed as one");
        }
        StepKind::Forwarded { ttl } => story.step(1, "sends on", format!("ttl {ttl}"), ""),
        StepKind::Delivered { tuple, listener } => {
            let text = format!(
                "{} sees {}",
                end(tuple.destination, tuple.destination_port, *tuple),
                end(tuple.source, tuple.source_port, *tuple)
            );
            let socket = listener.as_deref().map_or_else(String::new, |listener| {
                let Listener { socket, one_of } = listener;
                let shared = if *one_of > 1 { format!(", one of {one_of} that share it") } else { String::new() };
                let at = end(socket.address, Some(socket.port), *tuple);
                format!("a socket at {at} (inode {}, user {}){shared}", socket.inode, socket.uid)
            });
            story.step(1, "arrives", text, socket);
        }
        StepKind::Ended { verdict } => {
            let text = match verdict {
                Stop::Dropped { why } => format!("{} {}", style.bad("dropped:"), escape(why)),
                Stop::Rejected { with, why, .. } => {
                    format!("{} {}", style.bad(&format!("rejected ({}):", escape(with))), escape(why))
                }
                Stop::Unknown { because } => format!("{} {}", style.odd("unknown from here:"), escape(because)),
            };
            story.step(1, "ends", text, "");
        }
    }
}

fn tell_bridged(bridge: &LinkRef, [from, to]: [Option<&LinkRef>; 2], how: &str, story: &mut Story) {
    let name = |link: Option<&LinkRef>| {
        link.map_or_else(|| "this namespace".to_owned(), |link| escape(&link.name.to_string()))
    };
    let text = format!("{}: {} → {}", escape(&bridge.name.to_string()), name(from), name(to));
    story.step(1, "bridge", text, escape(how));
}

fn tell_rules(rules: &[Acted], tried: &Tried, style: Style, story: &mut Story) {
    let mut left = tried.rules.iter().peekable();
    for (number, acted) in rules.iter().enumerate() {
        while let Some((_, rule)) = left.next_if(|(before, _)| *before <= number) {
            tell_text(rule, "no", story);
        }
        if style.wide || !acted.did.starts_with("to ") {
            tell_rule(acted, story);
        }
    }
    for (_, rule) in left {
        tell_text(rule, "no", story);
    }
    if tried.more > 0 {
        let more = count(tried.more, "more rule does nothing", "more rules do nothing");
        story.step(2, "rules", format!("and {more}"), "");
    }
}

fn tell_rule(acted: &Acted, story: &mut Story) {
    match &acted.rule {
        Some(rule) => tell_text(rule, &escape(&acted.did), story),
        None => story.step(2, "policy", escape(&acted.did), escape(&acted.base.name.to_string())),
    }
}

fn tell_text(rule: &RuleRef, did: &str, story: &mut Story) {
    let handle = rule.handle.map_or_else(String::new, |handle| format!(", handle {handle}"));
    let place = format!("{} rule {}{handle}", escape(&rule.chain.name.to_string()), rule.number);
    let table = format!("{} {}", rule.chain.table.family, escape(&rule.chain.table.name.to_string()));
    story.step(2, "rule", format!("{did}: {}", escape(&rule.text)), format!("{table} {place}"));
}

fn end(address: IpAddr, port: Option<u16>, tuple: Tuple) -> String {
    match (tuple.has_ports(), port) {
        (false, _) => address.to_string(),
        (true, Some(port)) if address.is_ipv6() => format!("[{address}]:{port}"),
        (true, Some(port)) => format!("{address}:{port}"),
        (true, None) if address.is_ipv6() => format!("[{address}]:*"),
        (true, None) => format!("{address}:*"),
    }
}

fn short(tuple: Tuple) -> String {
    format!(
        "{} → {}",
        end(tuple.source, tuple.source_port, tuple),
        end(tuple.destination, tuple.destination_port, tuple)
    )
}

fn protocol(number: u8) -> String {
    match number {
        1 | 58 => "echo".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        132 => "sctp".to_owned(),
        other => format!("protocol {other}"),
    }
}
