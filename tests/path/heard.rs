//! What the sender of a packet that does not arrive hears of it, against what podnet says that it sees.

use nix::errno::Errno;
use podnet::analyze::path::{Course, Sees, StepKind};

use crate::wire::Heard;

/// Whether it is as podnet says. TCP hears of an error only at its second SYN where the first one's comes while
/// `connect` still holds the socket, and nobody waits here for it to give up.
pub fn hears(course: &Course, heard: &Heard) -> bool {
    let Some(Sees { error, .. }) = &course.sees else { return true };
    let is_tcp = course.there.first().is_some_and(|step| match &step.what {
        StepKind::Sent { tuple, .. } => tuple.protocol == 6,
        _ => false,
    });
    match (error.as_deref(), heard) {
        (_, Heard::Answer) => false,
        (None | Some("ETIMEDOUT"), heard) => *heard == Heard::Nothing,
        // IPv4 sends a sender so many errors of routes, and then one a second.
        (Some(_), Heard::Nothing) => is_tcp || is_by_route(course),
        (Some(name), Heard::Error(errno)) => *errno == named(name),
    }
}

pub fn named(name: &str) -> Errno {
    (1..134).map(Errno::from_raw).find(|errno| format!("{errno:?}") == name).unwrap_or(Errno::UnknownErrno)
}

pub fn is_by_route(course: &Course) -> bool {
    let last = course.there.last().map(|step| serde_json::to_string(&step.what).unwrap());
    last.is_some_and(|text| text.contains("refuses") || text.contains("no rule leads"))
}
