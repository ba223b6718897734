//! A probe: whether prediction and kernel agree, where they part, and the predicted way with a mark for each step.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use super::path::{self, Signs};
use crate::analyze::answer::Answer;
use crate::analyze::path::Tuple;
use crate::analyze::path::probe::{Difference, Mark, Marked, Outcome, Plan, Probe, Way};
use crate::model::probe::Heard;
use crate::render::story::Story;
use crate::render::style::{Style, escape};
use crate::render::words::count;

/// What a probe is going to do, a line each: for before it is sent. Names are not escaped yet.
pub fn announce(plan: &Plan) -> Vec<String> {
    let kind = match plan.sends.protocol {
        6 => "a TCP SYN (connect; the connection is then reset)",
        17 if plan.sends.destination_port == Some(53) => "a UDP datagram (the DNS question for podnet-probe.invalid)",
        17 => "a UDP datagram (\"podn\" and 8 bytes by chance)",
        132 => "an SCTP INIT (connect)",
        _ => "an ICMP echo",
    };
    let from = plan.watched.iter().find(|one| one.netns == plan.from);
    let from = from.map_or_else(|| plan.from.to_string(), |one| one.name.clone());
    let wait = plan.wait_ms;
    let names: Vec<String> = plan.watched.iter().map(|one| one.name.clone()).collect();
    let rules: usize = plan.watched.iter().map(|one| one.prerouting.len() + one.output.len()).sum();
    vec![
        format!("sends {kind} from {from}: {}", tuple(plan.sends)),
        format!(
            "adds to {} for up to {wait} ms: the nf_tables table inet {}, owned by this process (it goes with it, \
             however it ends), with {} that have these packets alone traced",
            count(plan.watched.len(), "namespace", "namespaces"),
            plan.table,
            count(rules, "rule", "rules"),
        ),
        format!("watches frames, rules and flows in {}; a flow may stay to its timeout", names.join(", ")),
    ]
}

/// Writes the verdict, the first difference, and the story with its marks.
pub fn write(answer: &Answer<Probe>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let probe = &answer.data;
    writeln!(out, "{}", path::headline(&probe.path, style))?;
    writeln!(out, "{}", summary(probe, style))?;
    if let Some(difference) = &probe.difference {
        tell_difference(difference, style, out)?;
    }
    writeln!(out)?;
    if let Some(course) = probe.path.courses.get(probe.course) {
        let sign = |marked: &Marked| sign(marked.mark, style);
        let signs = Signs {
            there: probe.there.iter().map(sign).collect(),
            back: probe.back.iter().map(sign).collect(),
            end: sign(&probe.end),
        };
        let mut story = Story::default();
        path::tell(&probe.path, course, Some(&signs), style, &mut story);
        story.write(style, out)?;
    }
    if probe.path.courses.len() > 1 {
        let others = probe.path.courses.len() - 1;
        writeln!(out, "\nthe kernel took this course; {} predicted", count(others, "other was", "others were"))?;
    }
    writeln!(out, "\n{}", style.dim("✓ seen  ✗ not seen  ≠ differs  ? not watched, or nothing shows it"))?;
    if style.wide {
        tell_observed(probe, style, out)?;
    }
    Ok(())
}

fn sign(mark: Mark, style: Style) -> String {
    match mark {
        Mark::Seen => style.good("✓"),
        Mark::NotSeen => style.bad("✗"),
        Mark::Differs => style.bad("≠"),
        Mark::NotWatched => style.dim("?"),
    }
}

fn summary(probe: &Probe, style: Style) -> String {
    let after = probe.observed.heard_after_us;
    let after = after.map_or_else(String::new, |us| format!(" after {}.{:03} ms", us / 1000, us % 1000));
    let heard = match &probe.observed.heard {
        Heard::Answer => format!("answered{after}"),
        Heard::Error { error } => format!("refused{after} ({})", escape(error)),
        Heard::NotSent { error } => format!("not sent ({})", escape(error)),
        Heard::Nothing => format!("not answered within {} ms", probe.plan.wait_ms),
    };
    let agrees = match &probe.outcome {
        Outcome::AsPredicted => style.good("as predicted"),
        Outcome::Differs => style.bad("not as predicted"),
        Outcome::Unknown { because } => format!("{}: {}", style.odd("nothing was predicted"), escape(because)),
    };
    let marks = || probe.there.iter().chain(&probe.back);
    let seen = marks().filter(|marked| marked.mark == Mark::Seen).count();
    format!("{} {heard}, {agrees}; {seen} of {} seen", style.strong("probe:"), count(marks().count(), "step", "steps"))
}

fn tell_difference(difference: &Difference, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let way = match difference.way {
        Way::There => "on the way there, in",
        Way::Back => "on the way back, in",
        Way::End => "at the end, in",
    };
    writeln!(out, "{} {way} {}", style.bad("they part"), escape(&difference.place))?;
    writeln!(out, "  predicted: {}", escape(&difference.predicted))?;
    writeln!(out, "  kernel:    {}", escape(&difference.shown))
}

fn tell_observed(probe: &Probe, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let place = |netns| {
        let found = probe.plan.watched.iter().find(|one| one.netns == netns);
        found.map_or_else(|| netns.to_string(), |one| escape(&one.name))
    };
    writeln!(out, "\n{}", style.strong("frames"))?;
    for frame in &probe.observed.frames {
        let way = if frame.out { "out" } else { "in " };
        let role = format!("{:?}", frame.role).to_lowercase();
        let (us, ends) = (frame.after_us, frame.ends);
        let ends =
            format!("{} port {} → {} port {}", ends.source, ends.source_port, ends.destination, ends.destination_port);
        writeln!(out, "  {us:>8} µs  {way} link {} of {}  {role}  {ends}", frame.ifindex, place(frame.netns))?;
    }
    writeln!(out, "{}", style.strong("rules"))?;
    for crossing in &probe.observed.crossings {
        let hook = crossing.hook.map_or("?", crate::model::netfilter::chain::Hook::name);
        let hits: Vec<String> = crossing
            .hits
            .iter()
            .filter_map(|hit| Some(format!("{}#{}", escape(&hit.chain.name.to_string()), hit.handle?)))
            .collect();
        let role = format!("{:?}", crossing.role).to_lowercase();
        writeln!(out, "  {hook} of {}  {role}  {}", place(crossing.netns), hits.join(" "))?;
    }
    Ok(())
}

fn tuple(tuple: Tuple) -> String {
    let port = |port: Option<u16>| match port {
        Some(port) if tuple.has_ports() => format!(" port {port}"),
        Some(id) => format!(" (id {id})"),
        None => String::new(),
    };
    let to = if tuple.has_ports() { port(tuple.destination_port) } else { String::new() };
    format!("{}{} → {}{to}", tuple.source, port(tuple.source_port), tuple.destination)
}
