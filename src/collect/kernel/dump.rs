//! Dumps: repeated while the kernel says that they are not whole, and marked when that does not help.
//!
//! May import model, wire and sys.

use std::io;

use crate::model::issue::{Issue, Read, Why};
use crate::sys::netlink::NetlinkError;
use crate::wire::netlink::attr::AttrError;
use crate::wire::netlink::request::Request;

use super::Namespace;

/// How often a dump is asked for before what it gave is taken as it is.
pub(in crate::collect) const ATTEMPTS: u32 = 8;
/// How many broken objects of one dump are told one by one.
const COMPLAINTS: usize = 8;

/// One dump: what to ask, and which messages of the answer are meant.
pub(super) struct Dump {
    /// The request.
    pub request: Request,
    /// The type of the messages that are wanted.
    pub wanted: u16,
    /// Their family, where one was asked for: a kernel without it answers with all others.
    pub family: Option<u8>,
}

/// Reads one object of a message.
type Decode<'a, T> = dyn Fn(&[u8], &mut Vec<AttrError>) -> Option<T> + 'a;

impl Namespace {
    /// Asks for one or more dumps and decodes them, in the kernel's order. `what` is for issues: "routes".
    pub(super) fn dump<T>(
        &self,
        what: &str,
        dumps: &[Dump],
        decode: impl Fn(&[u8], &mut Vec<AttrError>) -> Option<T>,
    ) -> Read<Vec<T>> {
        let mut read = Read::ok(Vec::new());
        for dump in dumps {
            let mut part = self.one_dump(what, dump, &decode);
            read.value.append(&mut part.value);
            read.issues.append(&mut part.issues);
        }
        read.issues.sort();
        read.issues.dedup();
        read
    }

    fn one_dump<T>(&self, what: &str, dump: &Dump, decode: &Decode<'_, T>) -> Read<Vec<T>> {
        repeated(&format!("{what} of {}", self.id()), |value: &mut Vec<T>, complaints| {
            self.with_socket(|socket| {
                socket.dump(&dump.request, &mut |message| {
                    let meant = dump.family.is_none_or(|family| message.payload.first() == Some(&family));
                    if message.kind != dump.wanted || !meant {
                        return;
                    }
                    value.extend(decode(message.payload, complaints));
                })
            })
        })
    }
}

/// Reads until a reading is one whole state, and marks the last one when that does not help.
///
/// `once` reads all of it anew, into an empty value and a list for what decoders complain of. What it gives
/// with [`NetlinkError::Disturbed`] is the best that this attempt could give. `subject` is for issues.
pub(in crate::collect) fn repeated<T: Default>(
    subject: &str,
    mut once: impl FnMut(&mut T, &mut Vec<AttrError>) -> Result<(), NetlinkError>,
) -> Read<T> {
    let mut last = None;
    for attempt in 1..=ATTEMPTS {
        tracing::trace!(attempt, "asking the kernel for {subject}");
        let (mut value, mut complaints) = (T::default(), Vec::new());
        let outcome = once(&mut value, &mut complaints);
        let mut read = Read { value, issues: malformed(subject, &complaints) };
        match outcome {
            Ok(()) => return read,
            Err(NetlinkError::Disturbed(why)) => last = Some((read, why)),
            // This kernel has no such family or no such objects: there are none.
            Err(NetlinkError::Refused(refusal)) if matches!(refusal.errno, libc::EAFNOSUPPORT | libc::EOPNOTSUPP) => {
                return Read::default();
            }
            Err(error) => {
                read.issues.push(Issue::incomplete(format!("reading {subject}"), why(&error)));
                return read;
            }
        }
    }
    let Some((mut read, why)) = last else { return Read::default() };
    let detail = format!("{why}, {ATTEMPTS} times");
    read.issues.push(Issue::incomplete(format!("reading {subject}"), Why::Interrupted { detail }));
    read
}

/// What a decoder complained of, one issue each, the rest counted.
pub(in crate::collect) fn malformed(subject: &str, complaints: &[AttrError]) -> Vec<Issue> {
    let issue = |detail: String| Issue::incomplete(format!("decoding {subject}"), Why::Malformed { detail });
    let mut issues: Vec<Issue> = complaints.iter().take(COMPLAINTS).map(|error| issue(error.to_string())).collect();
    if complaints.len() > COMPLAINTS {
        issues.push(issue(format!("and {} more", complaints.len() - COMPLAINTS)));
    }
    issues
}

/// Sorts a netlink error by what can be done about it.
pub(in crate::collect) fn why(error: &NetlinkError) -> Why {
    let detail = error.to_string();
    match error {
        NetlinkError::Disturbed(_) => Why::Interrupted { detail },
        NetlinkError::Timeout(_) => Why::Timeout { detail },
        NetlinkError::Frame(_) => Why::Malformed { detail },
        NetlinkError::Io { source, .. } => reworded(&Why::from_io(source), detail),
        NetlinkError::Refused(refusal) => reworded(&Why::from_io(&io::Error::from_raw_os_error(refusal.errno)), detail),
    }
}

/// The same kind of reason with other words.
fn reworded(why: &Why, detail: String) -> Why {
    match why {
        Why::Permission { .. } => Why::Permission { detail },
        Why::Gone { .. } => Why::Gone { detail },
        Why::Unsupported { .. } => Why::Unsupported { detail },
        Why::Timeout { .. } => Why::Timeout { detail },
        _ => Why::Io { detail },
    }
}

/// The same as an IO error, its number kept.
pub(super) fn into_io(error: NetlinkError) -> io::Error {
    match error {
        NetlinkError::Refused(refusal) => io::Error::from_raw_os_error(refusal.errno),
        NetlinkError::Io { source, .. } => source,
        NetlinkError::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error),
        other => io::Error::other(other),
    }
}
