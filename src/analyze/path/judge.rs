//! From how each course ends to one verdict.
//!
//! May import model and analyze's siblings only.

use super::course::Walked;
use super::packet::Tuple;
use super::refusal::Sees;
use super::types::{Course, Step, StepKind, Stop, Verdict};

/// How many SYNs are told of; the last is sent some seconds after the first.
const TRIES: usize = 4;

/// What the sender's program sees, where all courses lead to the same.
pub(super) fn sees(courses: &[Course]) -> Option<Sees> {
    let first = courses.first()?.sees.clone()?;
    courses.iter().all(|course| course.sees.as_ref() == Some(&first)).then_some(first)
}

/// A way back that ended early.
pub(super) fn back(stop: Stop) -> Verdict {
    match stop {
        Stop::Dropped { why } => Verdict::Unanswered { why: format!("the answer is lost: {why}") },
        Stop::Rejected { with, why, .. } => {
            Verdict::Unanswered { why: format!("the answer is refused with {with}: {why}") }
        }
        Stop::Unknown { because } => Verdict::Unknown { because: format!("the way back: {because}") },
    }
}

/// An answer that arrived somewhere, as something.
pub(super) fn came_back(is_home: bool, expected: Option<Tuple>, is: Tuple) -> Verdict {
    if !is_home {
        return Verdict::Unanswered { why: format!("the answer to {} arrives in another namespace", is.destination) };
    }
    match expected {
        Some(expected) if expected == is => Verdict::Answered,
        Some(expected) => {
            let port = |port: Option<u16>| port.map_or_else(String::new, |port| format!(" port {port}"));
            Verdict::Unanswered {
                why: format!(
                    "the answer comes from {}{}, and the sender waits for one from {}{}: nobody translated it back",
                    is.source,
                    port(is.source_port),
                    expected.source,
                    port(expected.source_port)
                ),
            }
        }
        None => Verdict::Unknown { because: "what was sent".to_owned() },
    }
}

/// Forks that nothing tells, and that change nothing, are none: all that follows is the same whichever way is taken.
pub(super) fn settled(courses: Vec<Walked>) -> Vec<Walked> {
    let mut courses = without_idle_forks(courses, 0);
    for Walked { course, .. } in &mut courses {
        course.probability = course.choices.iter().try_fold(1.0, |product, choice| Some(product * choice.probability?));
    }
    courses
}

/// Courses that are one up to a fork, in the order in which they were walked.
fn without_idle_forks(courses: Vec<Walked>, fork: usize) -> Vec<Walked> {
    let Some(choice) = courses.first().and_then(|walked| walked.course.choices.get(fork)).cloned() else {
        return courses;
    };
    let mut ways: Vec<(String, Vec<Walked>)> = Vec::new();
    for walked in courses {
        let taken = walked.course.choices.get(fork).map(|choice| choice.taken.clone()).unwrap_or_default();
        match ways.last_mut() {
            Some((last, way)) if *last == taken => way.push(walked),
            _ => ways.push((taken, vec![walked])),
        }
    }
    let ways: Vec<Vec<Walked>> = ways.into_iter().map(|(_, way)| without_idle_forks(way, fork + 1)).collect();
    let is_idle = choice.probability.is_none()
        && ways.windows(2).all(|pair| {
            let [one, other] = pair else { return true };
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other, fork))
        });
    if !is_idle || ways.len() < 2 {
        return ways.into_iter().flatten().collect();
    }
    let mut ways = ways.into_iter();
    let mut first = ways.next().unwrap_or_default();
    // The way is the same, but which rules counted the packet on it may not be.
    for other in ways {
        for (kept, gone) in first.iter_mut().zip(other) {
            kept.course.counted.extend(gone.course.counted);
        }
    }
    for walked in &mut first {
        walked.course.choices.remove(fork);
        walked.course.counted.sort();
        walked.course.counted.dedup();
    }
    first
}

/// Whether two courses are the same but for what was chosen at one fork.
fn is_same(one: &Walked, other: &Walked, fork: usize) -> bool {
    let behind = |walked: &Walked| walked.course.choices.get(fork + 1..).map(<[_]>::to_vec);
    let (left, right) = (&one.course, &other.course);
    same_way(&left.there, &right.there)
        && same_way(&left.back, &right.back)
        && same_way(&left.error, &right.error)
        && left.sees == right.sees
        && left.verdict == right.verdict
        && behind(one) == behind(other)
        && one.draws_again == other.draws_again
}

/// Whether two ways are the same but for the order in which chains of one hook were asked, and for the jumps that
/// an order leaves out because another chain has decided.
fn same_way(one: &[Step], other: &[Step]) -> bool {
    let rules = |step: &Step| match &step.what {
        StepKind::Hooked { rules, .. } => {
            let does = rules.iter().filter(|acted| !acted.did.starts_with("to "));
            let mut names: Vec<String> = does.map(|acted| format!("{acted:?}")).collect();
            names.sort();
            names
        }
        _ => Vec::new(),
    };
    let rest = |step: &Step| match &step.what {
        StepKind::Hooked { hook, in_bridge, beneath, state, .. } => {
            Some((step.place, *hook, *in_bridge, beneath.clone(), *state, step.changed.clone()))
        }
        _ => None,
    };
    let (one, other) = (in_order(one), in_order(other));
    one.len() == other.len()
        && one.iter().zip(&other).all(|(one, other)| match (rest(one), rest(other)) {
            (None, None) => *one == *other,
            (left, right) => left == right && rules(one) == rules(other),
        })
}

/// The steps with those of one hook, which may stand before IP's in a bridge or behind them, in one order.
fn in_order(steps: &[Step]) -> Vec<&Step> {
    let hook = |step: &Step| match &step.what {
        StepKind::Hooked { hook, beneath, .. } => Some((*hook, beneath.clone())),
        _ => None,
    };
    let mut sorted: Vec<&Step> = steps.iter().collect();
    let at_one = |one: &&Step, other: &&Step| hook(one).zip(hook(other)).is_some_and(|(one, other)| one.0 == other.0);
    for run in sorted.chunk_by_mut(at_one) {
        run.sort_by_key(|step| hook(step));
    }
    sorted
}

/// One verdict over all courses; equal courses become one.
pub(super) fn judge(walked: Vec<Walked>, is_unfinished: bool) -> (Verdict, Vec<Course>) {
    let again: f64 =
        walked.iter().filter(|walked| walked.draws_again).filter_map(|walked| walked.course.probability).sum();
    let mut merged: Vec<Course> = Vec::new();
    for Walked { course, .. } in walked {
        let twin = merged.iter_mut().find(|other| {
            other.there == course.there
                && other.back == course.back
                && other.error == course.error
                && other.sees == course.sees
                && other.verdict == course.verdict
                && other.probability.is_some() == course.probability.is_some()
        });
        match twin {
            Some(twin) => {
                twin.counted.extend(course.counted);
                twin.probability = twin.probability.zip(course.probability).map(|(one, other)| one + other);
            }
            None => merged.push(course),
        }
    }
    let likely = |course: &Course| course.probability.unwrap_or(0.0);
    merged.sort_by(|one, other| likely(other).total_cmp(&likely(one)));
    let verdict = if is_unfinished {
        Verdict::Unknown { because: "its way forks too often to be walked in full".to_owned() }
    } else {
        over_all(&merged, again)
    };
    (verdict, merged)
}

fn over_all(courses: &[Course], again: f64) -> Verdict {
    let Some(first) = courses.first() else { return Verdict::Unknown { because: "nothing was walked".to_owned() } };
    let alike = |one: &Verdict, other: &Verdict| std::mem::discriminant(one) == std::mem::discriminant(other);
    if courses.iter().all(|course| alike(&course.verdict, &first.verdict)) {
        return first.verdict.clone();
    }
    if let Some(verdict) = never_arrives(courses) {
        return verdict;
    }
    if let Some(Verdict::Unknown { because }) =
        courses.iter().map(|course| &course.verdict).find(|verdict| matches!(verdict, Verdict::Unknown { .. }))
    {
        return Verdict::Unknown { because: because.clone() };
    }
    // What nobody can tell decides somewhere.
    let open = courses.iter().flat_map(|course| &course.choices).find(|choice| choice.probability.is_none());
    if let Some(open) = open {
        return Verdict::Unknown { because: format!("{} decides, and that cannot be told", open.what) };
    }
    let answered = courses.iter().filter(|course| course.verdict == Verdict::Answered);
    // Where one endpoint was asked for, its courses are all.
    let all: f64 = courses.iter().filter_map(|course| course.probability).sum();
    let answered: f64 = answered.filter_map(|course| course.probability).sum::<f64>() / all;
    let again = again / all;
    let rest = courses.iter().find_map(|course| match &course.verdict {
        Verdict::Dropped { why } | Verdict::Rejected { why, .. } | Verdict::Unanswered { why } => Some(why.clone()),
        _ => None,
    });
    let tries = (0..TRIES).scan(answered, |share, _| {
        let now = *share;
        *share *= again;
        Some(now)
    });
    let tries = if again > 0.0 && answered > 0.0 { tries.collect() } else { Vec::new() };
    Verdict::Varies { answered, why: rest.unwrap_or_default(), tries }
}

/// It arrives in no course: what differs is what its sender hears of that.
fn never_arrives(courses: &[Course]) -> Option<Verdict> {
    let ends = |course: &Course| matches!(course.verdict, Verdict::Dropped { .. } | Verdict::Rejected { .. });
    let rejected = courses.iter().find_map(|course| match &course.verdict {
        Verdict::Rejected { with, why } => Some((with, why)),
        _ => None,
    })?;
    let what = courses.iter().flat_map(|course| &course.choices).map(|choice| choice.what.clone()).next()?;
    let (with, why) = rejected;
    courses.iter().all(ends).then(|| Verdict::Rejected {
        with: with.clone(),
        why: format!("{why}; {what} decides whether its sender hears of that"),
    })
}
