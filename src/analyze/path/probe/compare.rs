//! A prediction's steps, each marked by what was seen.
//!
//! May import model and analyze's siblings only. What nothing shows directly (a look-up, a neighbour) counts as seen
//! where something behind it was seen, for that cannot be without it.

use std::collections::BTreeSet;

use super::plan::Plan;
use super::seen::{Of, fits};
use super::{Difference, Mark, Marked, Outcome, Probe, Way, hooks, words};
use crate::analyze::answer::{Answer, Gathered};
use crate::analyze::path::types::{Course, Path, Step, StepKind, Stop, Verdict};
use crate::model::ids::{IfIndex, NetnsId};
use crate::model::issue::{Issue, Why};
use crate::model::link::LinkKind;
use crate::model::netfilter::chain::Hook;
use crate::model::probe::{Frame, Heard, Means, Observed, Role};
use crate::model::view::NodeView;

/// What a course is held against.
struct Seen<'s> {
    path: &'s Path,
    observed: &'s Observed,
    /// Bridges: a translated frame shows on the bridge itself while its new neighbour is being asked for.
    bridges: &'s BTreeSet<(NetnsId, IfIndex)>,
}

/// The marks of one course.
struct Marks {
    there: Vec<Marked>,
    back: Vec<Marked>,
    end: Marked,
}

/// Holds a prediction against what was seen of the packet. `issues` are those of the prediction.
pub fn compare(
    nodes: &[&dyn NodeView],
    plan: Plan,
    path: Path,
    issues: Vec<Issue>,
    observed: Observed,
) -> Answer<Probe> {
    let bridges = bridges(nodes, &path);
    let seen = Seen { path: &path, observed: &observed, bridges: &bridges };
    let all: Vec<Marks> = path.courses.iter().map(|course| marks(course, &seen)).collect();
    // The course that agrees for longest; of several the likelier one, which comes first.
    let mut best = 0;
    for (at, marks) in all.iter().enumerate() {
        if all.get(best).is_none_or(|before| marks.agreement() > before.agreement()) {
            best = at;
        }
    }
    let none = || Marks { there: Vec::new(), back: Vec::new(), end: Marked::not_watched(None) };
    let marks = all.into_iter().nth(best).unwrap_or_else(none);
    let difference = path.courses.get(best).and_then(|course| difference(course, &seen, &marks));
    let unknown = path.courses.get(best).and_then(|course| match &course.verdict {
        Verdict::Unknown { because } => Some(because.clone()),
        _ => None,
    });
    let outcome = match (&difference, unknown) {
        (Some(_), _) => Outcome::Differs,
        (None, Some(because)) => Outcome::Unknown { because },
        (None, None) => Outcome::AsPredicted,
    };
    let mut gathered = Gathered { issues, bad: false };
    if let Outcome::Unknown { because } = &outcome {
        gathered.issue(Issue::incomplete("predicting the packet's way", Why::Unsupported { detail: because.clone() }));
    }
    for one in &observed.unwatched {
        let what = match one.means {
            Means::Frames => "watching the frames of",
            Means::Rules => "tracing the rules of",
            Means::Flows => "watching the flows of",
        };
        let detail = format!("not watched: {}", one.why);
        gathered.issue(Issue::incomplete(format!("{what} {}", one.netns), Why::Unsupported { detail }));
    }
    gathered.bad = observed.heard != Heard::Answer || outcome == Outcome::Differs;
    let Marks { there, back, end } = marks;
    let probe = Probe { plan, outcome, difference, course: best, there, back, end, path, observed };
    Answer::new(nodes, probe, gathered)
}

impl Marks {
    /// How far it agrees: whether to the end, then how many steps were seen before the first that was not.
    fn agreement(&self) -> (bool, usize) {
        let all = || self.there.iter().chain(&self.back).chain(std::iter::once(&self.end));
        let parts = |marked: &&Marked| matches!(marked.mark, Mark::NotSeen | Mark::Differs);
        let before = all().take_while(|marked| !parts(marked)).filter(|marked| marked.mark == Mark::Seen).count();
        (!all().any(|marked| parts(&marked)), before)
    }
}

fn marks(course: &Course, seen: &Seen<'_>) -> Marks {
    let there = way(Way::There, course, seen);
    let back = way(Way::Back, course, seen);
    Marks { there, back, end: end(course, seen.observed) }
}

fn bridges(nodes: &[&dyn NodeView], path: &Path) -> BTreeSet<(NetnsId, IfIndex)> {
    let mut found = BTreeSet::new();
    for place in &path.places {
        let Some(node) = nodes.iter().find(|node| node.node().name == place.node) else { continue };
        let links = node.links(place.netns);
        let bridges = links.value.iter().filter(|link| matches!(link.kind, LinkKind::Bridge(_)));
        found.extend(bridges.map(|link| (place.netns, link.ifindex)));
    }
    found
}

fn steps(course: &Course, way: Way) -> &[Step] {
    match way {
        Way::There => &course.there,
        Way::Back => &course.back,
        Way::End => &[],
    }
}

fn netns(path: &Path, step: &Step) -> NetnsId {
    path.places.get(step.place).map_or(NetnsId { dev: 0, ino: 0 }, |place| place.netns)
}

fn way(way: Way, course: &Course, seen: &Seen<'_>) -> Vec<Marked> {
    let steps = steps(course, way);
    let of = Of { observed: seen.observed, way };
    let mut marks: Vec<Option<Marked>> =
        steps.iter().map(|step| if step.is_outer { None } else { direct(of, course, seen, steps, step) }).collect();
    // From the end on: what is before something that was seen happened.
    let mut behind = None;
    for marked in marks.iter_mut().rev() {
        match marked {
            Some(marked) => {
                let telling = matches!(marked.mark, Mark::Seen | Mark::Differs);
                behind = if telling { Some(Mark::Seen) } else { behind };
            }
            None => {
                *marked = Some(match behind {
                    Some(Mark::Seen) => Marked::seen(),
                    _ => Marked::not_watched(None),
                });
            }
        }
    }
    marks.into_iter().flatten().collect()
}

/// What is seen of a step itself; `None` where only what follows tells.
fn direct(of: Of<'_>, course: &Course, seen: &Seen<'_>, steps: &[Step], step: &Step) -> Option<Marked> {
    let path = seen.path;
    let netns = netns(path, step);
    Some(match &step.what {
        StepKind::Sent { .. } => match (&of.observed.heard, of.way) {
            (Heard::NotSent { error }, Way::There) => Marked::differs(format!("the kernel refused: {error}")),
            (_, Way::There) => Marked::seen(),
            _ => {
                let left = of.frames().any(|frame| frame.netns == netns && frame.out);
                if left || of.hooks(netns, Hook::Output).next().is_some() {
                    Marked::seen()
                } else {
                    missing(of, netns, Means::Frames)
                }
            }
        },
        StepKind::Routed { link: Some(link), .. } => {
            let is_predicted = |frame: &&Frame| {
                let out =
                    |step: &Step| matches!(&step.what, StepKind::Out { link, .. } if link.ifindex == frame.ifindex);
                steps.iter().any(|step| self::netns(path, step) == netns && out(step))
            };
            let other = of.frames().find(|frame| {
                let is_bridge = seen.bridges.contains(&(frame.netns, frame.ifindex));
                frame.netns == netns && frame.out && frame.ifindex != link.ifindex && !is_predicted(frame) && !is_bridge
            });
            let gone = of.at(netns, link.ifindex, true).next().is_some();
            match other {
                Some(frame) if !gone => {
                    Marked::differs(format!("it left by link {} as {}", frame.ifindex, words::ends(frame.ends)))
                }
                _ => return None,
            }
        }
        StepKind::Hooked { rules, beneath: Some(_), .. } => return hooks::mark_beneath(of, netns, rules),
        StepKind::Hooked { hook, rules, .. } => hooks::mark(of, netns, step.place, *hook, rules, steps),
        StepKind::Out { link, tuple } | StepKind::In { link, tuple } => {
            let out = matches!(step.what, StepKind::Out { .. });
            let frames = || of.at(netns, link.ifindex, out);
            if frames().any(|frame| fits(*tuple, frame.ends)) {
                Marked::seen()
            } else if let Some(frame) = frames().next() {
                Marked::differs(format!("there it is {}", words::ends(frame.ends)))
            } else {
                missing(of, netns, Means::Frames)
            }
        }
        StepKind::Delivered { .. } => delivered(of, netns),
        StepKind::Ended { verdict } => ended(of, course, seen, verdict),
        _ => return None,
    })
}

fn missing(of: Of<'_>, netns: NetnsId, means: Means) -> Marked {
    match of.unwatched(netns, means) {
        Some(why) => Marked::not_watched(Some(why.to_owned())),
        None => Marked::not_seen(),
    }
}

fn delivered(of: Of<'_>, netns: NetnsId) -> Marked {
    let answers = || of.observed.frames.iter().filter(|frame| matches!(frame.role, Role::Answer | Role::Refusal));
    let arrived = match of.way {
        Way::Back => of.observed.heard == Heard::Answer,
        _ => answers().any(|frame| frame.netns == netns && frame.out),
    };
    if arrived || of.hooks(netns, Hook::Input).next().is_some() {
        Marked::seen()
    } else if of.way == Way::Back && matches!(of.observed.heard, Heard::Error { .. }) && answers().next().is_some() {
        // The receiver's refusal is what was delivered.
        Marked::seen()
    } else {
        missing(of, netns, Means::Rules)
    }
}

/// The packet ends here, and nothing of it is seen elsewhere.
fn ended(of: Of<'_>, course: &Course, seen: &Seen<'_>, stop: &Stop) -> Marked {
    if matches!(stop, Stop::Unknown { .. }) {
        return Marked::not_watched(Some(words::heard(&of.observed.heard)));
    }
    if let Some(frame) = beyond(of, course, seen) {
        return Marked::differs(format!("it went on: {}", frame_words(frame, seen.path)));
    }
    match (&of.observed.heard, stop, of.way) {
        (Heard::Answer, _, _) => Marked::differs("the sender got an answer"),
        // An error may get lost on its way back, and is then said to be.
        (Heard::Nothing, Stop::Rejected { .. }, Way::There) if matches!(course.verdict, Verdict::Rejected { .. }) => {
            Marked::differs("no error came back")
        }
        (Heard::Error { error }, Stop::Dropped { .. }, Way::There) => {
            Marked::differs(format!("an error came: {error}"))
        }
        _ => Marked::seen(),
    }
}

/// A frame at a place that no step of this way names.
fn beyond<'o>(of: Of<'o>, course: &Course, seen: &Seen<'_>) -> Option<&'o Frame> {
    let path = seen.path;
    let is_bridge = |frame: &Frame| frame.out && seen.bridges.contains(&(frame.netns, frame.ifindex));
    let named: Vec<_> = steps(course, of.way)
        .iter()
        .filter_map(|step| match &step.what {
            StepKind::Out { link, .. } => Some((netns(path, step), link.ifindex, true)),
            StepKind::In { link, .. } => Some((netns(path, step), link.ifindex, false)),
            _ => None,
        })
        .collect();
    of.frames().find(|frame| !named.contains(&(frame.netns, frame.ifindex, frame.out)) && !is_bridge(frame))
}

fn end(course: &Course, observed: &Observed) -> Marked {
    let shown = words::heard(&observed.heard);
    let agrees = match (&course.verdict, &observed.heard) {
        (Verdict::Unknown { .. }, _) => return Marked::not_watched(Some(shown)),
        (Verdict::Answered, heard) => *heard == Heard::Answer,
        (Verdict::Dropped { .. }, heard) => matches!(heard, Heard::Nothing | Heard::NotSent { .. }),
        (Verdict::Rejected { .. }, heard) => matches!(heard, Heard::Error { .. } | Heard::NotSent { .. }),
        // The socket of an echo looks at the id alone: what comes from elsewhere is an answer all the same.
        (_, heard) => *heard != Heard::Answer,
    };
    if agrees { Marked::seen() } else { Marked::differs(shown) }
}

fn difference(course: &Course, seen: &Seen<'_>, marks: &Marks) -> Option<Difference> {
    let path = seen.path;
    let parts = |marked: &Marked| matches!(marked.mark, Mark::NotSeen | Mark::Differs);
    for (way, marks) in [(Way::There, &marks.there), (Way::Back, &marks.back)] {
        let Some(at) = marks.iter().position(parts) else { continue };
        let (step, marked) = (steps(course, way).get(at)?, marks.get(at)?);
        let shown = match &marked.shown {
            Some(shown) => shown.clone(),
            None => showed(course, seen, way),
        };
        let place = path.places.get(step.place).map_or_else(String::new, |place| place.name.clone());
        return Some(Difference { way, step: Some(at), place, predicted: words::step(&step.what), shown });
    }
    if !parts(&marks.end) {
        return None;
    }
    let place = path.places.first().map_or_else(String::new, |place| place.name.clone());
    let shown = marks.end.shown.clone().unwrap_or_default();
    Some(Difference { way: Way::End, step: None, place, predicted: words::verdict(&course.verdict), shown })
}

/// What the kernel showed in place of something that was not seen.
fn showed(course: &Course, seen: &Seen<'_>, way: Way) -> String {
    let (path, observed) = (seen.path, seen.observed);
    let of = Of { observed, way };
    let mut all = Vec::new();
    if let Some((crossing, hit)) = of.dropped() {
        let place = path.places.iter().find(|place| place.netns == crossing.netns);
        let place = place.map_or_else(|| crossing.netns.to_string(), |place| place.name.clone());
        let hook = crossing.hook.map_or_else(String::new, |hook| format!(" at {hook}"));
        all.push(format!("{}{hook} in {place}", words::hit(hit)));
    } else if let Some(frame) = beyond(of, course, seen) {
        all.push(format!("it was seen elsewhere: {}", frame_words(frame, path)));
    } else if let Some(frame) = of.frames().last() {
        all.push(format!("it was last seen {}", frame_words(frame, path)));
    } else {
        all.push("nothing of it was seen on any link".to_owned());
    }
    if observed.heard != Heard::Nothing {
        all.push(words::heard(&observed.heard));
    }
    all.join("; ")
}

fn frame_words(frame: &Frame, path: &Path) -> String {
    let place = path.places.iter().find(|place| place.netns == frame.netns);
    let place = place.map_or_else(|| frame.netns.to_string(), |place| place.name.clone());
    let named = path.courses.iter().flat_map(|course| course.there.iter().chain(&course.back)).find_map(|step| {
        let (StepKind::Out { link, .. } | StepKind::In { link, .. }) = &step.what else { return None };
        (netns(path, step) == frame.netns && link.ifindex == frame.ifindex).then(|| link.name.to_string())
    });
    let link = named.unwrap_or_else(|| format!("link {}", frame.ifindex));
    let way = if frame.out { "leaving by" } else { "coming in by" };
    format!("{way} {link} in {place} as {}", words::ends(frame.ends))
}
