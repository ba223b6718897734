//! Sends a packet that the user asked for and watches it: the one thing outside the lab that acts.
//!
//! Nothing of it outlives the process: its sockets close with it, and the kernel removes the table that one of them
//! owns; what may stay is a flow, to its timeout. May import model, wire, sys and analyze's answer types. It renders
//! nothing and judges nothing: what it saw is compared in `analyze::path::probe`.

mod identify;
mod watch;

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;

use self::watch::Watch;
use crate::analyze::path::Tuple;
use crate::analyze::path::probe::Plan;
use crate::model::ids::NetnsId;
use crate::model::probe::{Heard, Observed, Token};
use crate::sys::events::wait;
use crate::sys::netns::NsThread;
use crate::sys::sender::{Back, Sender, Wanted};

/// `IPPROTO_UDP`
const UDP: u8 = 17;
/// How long nothing must happen after an answer before the watch ends.
const QUIET: Duration = Duration::from_millis(25);
/// And how long it goes on after it at most.
const AFTER: Duration = Duration::from_millis(400);
/// How often the sender's socket is looked at while nothing wakes the watch.
const LOOK: Duration = Duration::from_millis(10);

/// Why nothing was sent.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The sender's socket could not be made.
    #[error("a socket in {netns}: {source}")]
    Socket {
        /// Where.
        netns: NetnsId,
        /// Why not.
        source: io::Error,
    },
    /// The thread that enters namespaces could not be started, or a wait failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// A packet that is ready to be sent: its socket is open and bound, and its port thereby known.
#[derive(Debug)]
pub struct Shot {
    thread: NsThread,
    sender: Sender,
    token: Token,
    protocol: u8,
}

/// A question that every name server answers: of a name that nobody may have (RFC 2606), behind a header of 12 bytes.
const DNS_QUESTION: &[u8] = b"\x0cpodnet-probe\x07invalid\x00\x00\x01\x00\x01";
/// The port of name servers, which say nothing to what is no question.
const DNS: u16 = 53;

/// An open namespace to watch.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Which.
    pub netns: NetnsId,
    /// Its nsfs file; or why it could not be opened.
    pub file: Result<Arc<File>, String>,
}

/// At which points a test may stop a probe: it is called between two of its steps, and does nothing otherwise.
pub type Pause<'p> = &'p mut dyn FnMut(Phase);

/// How far a probe has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// One more namespace is watched.
    Watching,
    /// All is watched, and nothing is sent.
    Watched,
    /// The packet was sent.
    Sent,
    /// The watch is over; its sockets are open.
    Over,
}

impl Shot {
    /// Opens the socket in the sender's namespace. An echo without an id gets one by chance.
    pub fn open(netns: NetnsId, file: &File, wanted: Wanted) -> Result<Self, ProbeError> {
        let failed = |source| ProbeError::Io { what: "starting the namespace thread", source };
        let thread = NsThread::spawn().map_err(failed)?;
        let chance = uuid::Uuid::new_v4().into_bytes();
        let mut token = *b"podn\0\0\0\0\0\0\0\0";
        for (to, from) in token.iter_mut().skip(4).zip(chance) {
            *to = from;
        }
        let is_echo = !matches!(wanted.protocol, 6 | UDP | 132);
        let drawn = u16::from_be_bytes([chance[10] | 0x80, chance[11]]);
        let wanted = Wanted { port: wanted.port.or(is_echo.then_some(drawn)), ..wanted };
        let sender =
            thread.within(file, move || Sender::open(wanted)).map_err(|source| ProbeError::Socket { netns, source })?;
        Ok(Self { thread, sender, token, protocol: wanted.protocol })
    }

    /// The source port, or the id of the echo.
    pub fn port(&self) -> u16 {
        self.sender.port()
    }

    /// The beginning of a datagram for a name server is the header of a question: its id alone is by chance.
    fn aim(&mut self, port: u16) {
        if self.protocol == UDP && port == DNS {
            let [_, _, _, _, high, low, ..] = self.token;
            self.token = [high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        }
    }

    /// Watches, sends, and waits for what comes of it. `length` is that of the whole packet, for UDP and echos.
    pub fn fire(
        mut self,
        plan: &Plan,
        opened: &[Opened],
        length: Option<u32>,
        pause: Pause<'_>,
    ) -> Result<Observed, ProbeError> {
        let Tuple { destination, destination_port, .. } = plan.sends;
        self.aim(destination_port.unwrap_or(0));
        let mut watch = Watch::open(&self.thread, plan, opened, &self.token, pause);
        pause(Phase::Watched);
        let (began, began_at) = (Instant::now(), SystemTime::now());
        let payload = self.payload(destination, destination_port, length);
        let sent = self.sender.send(destination, destination_port.unwrap_or(0), &payload);
        pause(Phase::Sent);
        let mut heard = match sent {
            Ok(()) => Heard::Nothing,
            Err(error) => Heard::NotSent { error: words(&error) },
        };
        let until = began + Duration::from_millis(plan.wait_ms);
        let mut heard_after = None;
        let mut last = Instant::now();
        loop {
            let more = watch.read();
            if more {
                last = Instant::now();
            }
            if heard == Heard::Nothing {
                heard = match self.sender.heard() {
                    Back::Answer => Heard::Answer,
                    Back::Error(errno) => Heard::Error { error: words(&io::Error::from_raw_os_error(errno)) },
                    Back::Nothing => Heard::Nothing,
                };
                if heard != Heard::Nothing {
                    heard_after = Some(began.elapsed());
                    last = Instant::now();
                }
            }
            let now = Instant::now();
            let is_over = match (&heard, heard_after) {
                (Heard::Nothing, _) => now >= until,
                (_, Some(after)) => now - last > QUIET || now > began + after + AFTER,
                (_, None) => now - last > QUIET || now > began + AFTER,
            };
            if is_over {
                break;
            }
            if !more {
                let mut fds: Vec<BorrowedFd<'_>> = watch.fds();
                fds.push(self.sender.as_fd());
                let failed = |source| ProbeError::Io { what: "waiting for an answer", source };
                // Once it has an answer its socket stays readable.
                let fds = if heard == Heard::Nothing { &fds[..] } else { &fds[..fds.len() - 1] };
                wait(fds, None, None, LOOK).map_err(failed)?;
            }
        }
        let heard_after_us = heard_after.map(|after| u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
        let observed = watch.into_observed(plan, self.protocol, began_at, heard, heard_after_us);
        pause(Phase::Over);
        Ok(observed)
    }

    /// The token, and words for whoever captures it.
    fn payload(&self, to: IpAddr, port: Option<u16>, length: Option<u32>) -> Vec<u8> {
        let mut payload = self.token.to_vec();
        if self.protocol == UDP && port == Some(DNS) {
            payload.extend_from_slice(DNS_QUESTION);
            return payload;
        }
        payload.extend_from_slice(b" podnet trace --probe\n");
        let header = if to.is_ipv6() { 48 } else { 28 };
        // As `ping` sends it, or as short as it may be.
        let usual = if self.protocol == UDP { payload.len() } else { 56 };
        let body = length.map(|length| usize::try_from(length).unwrap_or(0).saturating_sub(header));
        payload.resize(body.unwrap_or(usual).max(self.token.len()), 0);
        payload
    }
}

fn words(error: &io::Error) -> String {
    let text = error.to_string();
    // "Connection refused (os error 111)"
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
