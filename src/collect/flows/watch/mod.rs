//! Flows as they begin, change and end: the kernel's events, made whole by dumps where events are missing.
//!
//! May import model, wire and sys. Judges nothing.
//!
//! A watch first joins the groups and then dumps, so that nothing happens between the two unseen. What it knows of
//! flows it compares with a fresh dump whenever it is told to: after the kernel lost events, and from time to time,
//! for flows without an event extension (`nf_conntrack_events` 2 and older than the first listener) end silently.

mod backlog;
mod known;

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

pub use self::known::Compared;
pub use crate::sys::events::Heard;

use self::backlog::Backlog;
use self::known::{Each, Known};
use crate::collect::handle::NetnsHandle;
use crate::collect::kernel::Kernel;
use crate::model::flow::Flow;
use crate::model::flow::event::{FlowEvent, Happened};
use crate::model::flow::filter::FlowFilter;
use crate::model::flow::view::FlowView;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Level, Why};
use crate::sys::events::EventSocket;
use crate::sys::netlink::NETFILTER;
use crate::wire::conntrack;
use crate::wire::event_filter;
use crate::wire::netlink::frame;

/// `NFNLGRP_CONNTRACK_NEW`, `NFNLGRP_CONNTRACK_UPDATE`, `NFNLGRP_CONNTRACK_DESTROY`
const GROUPS: [u32; 3] = [1, 2, 3];
/// `NLM_F_CREATE`: of an event, that the flow is new.
const FLAG_CREATE: u16 = 0x400;
/// After how many flows of a dump the queue is looked at: a long dump must not let it overflow.
const LOOK: u32 = 256;
/// How many batches of events are taken after a dump to catch up with it, at most.
const CATCH_UP: u32 = 8192;

/// How much a watch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchOptions {
    /// How many bytes of events may wait in the kernel. It counts some 1.3 KiB for an event.
    pub queue: usize,
    /// How many flows are remembered, to see which of them end without an event.
    pub flows: usize,
}

impl Default for WatchOptions {
    /// 25,000 events, and 458,752 flows in under 40 MiB.
    fn default() -> Self {
        Self { queue: 32 * 1024 * 1024, flows: 458_752 }
    }
}

/// A watch over the flows of one namespace.
#[derive(Debug)]
pub struct FlowWatch {
    netns: NetnsId,
    filters: Vec<FlowFilter>,
    socket: EventSocket,
    known: Known,
    /// How many lost messages were told so far.
    lost: u32,
    behind: bool,
    malformed: u64,
}

impl FlowWatch {
    /// Begins to listen in a namespace. The kernel drops events that no filter accepts as far as it can tell;
    /// without filters all flows are meant.
    pub fn open(
        kernel: &Kernel,
        netns: &NetnsHandle,
        filters: Vec<FlowFilter>,
        options: WatchOptions,
    ) -> Result<Self, Box<Issue>> {
        let program = event_filter::program(&filters);
        let open = move || EventSocket::open(NETFILTER, &GROUPS, options.queue, program.as_deref());
        let socket = kernel.within(netns, open).map_err(|error| Box::new(failed("listening to", netns.id, &error)))?;
        let known = Known::new(options.flows);
        Ok(Self { netns: netns.id, filters, socket, known, lost: 0, behind: false, malformed: 0 })
    }

    /// Which namespace's flows it watches.
    pub fn netns(&self) -> NetnsId {
        self.netns
    }

    /// Dumps the flows that there are, and tells them where that is wanted; and what happened meanwhile. To be
    /// called once, before all else.
    pub fn begin(&mut self, flows: &dyn FlowView, tell: bool, each: &mut dyn FnMut(FlowEvent)) -> Vec<Issue> {
        let (backlog, issues) = self.dump(flows, &mut |known, flow| {
            known.first(flow);
            if tell {
                let flow = flow.clone();
                each(FlowEvent { happened: Happened::Exists, flow, resynced: false, before: None });
            }
        });
        self.catch_up(&backlog, each);
        issues
    }

    /// Hands on what waits in the queue, at most one batch.
    pub fn read(&mut self, each: &mut dyn FnMut(FlowEvent)) -> Result<Heard, Box<Issue>> {
        let Self { socket, known, filters, malformed, .. } = self;
        let heard = socket.read(&mut |datagram| *malformed += told(datagram, filters, known, each));
        let heard = heard.map_err(|error| Box::new(failed("reading events of", self.netns, &error)))?;
        self.behind |= heard == Heard::Overrun;
        Ok(heard)
    }

    /// Whether events were lost since the last comparison.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// How many events were lost since this was asked before; `None` where the kernel does not count them.
    pub fn newly_lost(&mut self) -> Option<u32> {
        let lost = self.socket.lost()?;
        let new = lost.wrapping_sub(self.lost);
        self.lost = lost;
        Some(new)
    }

    /// How many events were no flows, by what podnet knows; they are left out.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// How many flows are known now.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// How many bytes of events may wait.
    pub fn queue(&self) -> Option<usize> {
        self.socket.queue().ok()
    }

    /// Compares what is known with a fresh dump and tells the difference, marked as resynced, and the events that
    /// came meanwhile. After an overrun the queue is to be read to its end first.
    pub fn compare(&mut self, flows: &dyn FlowView, each: &mut dyn FnMut(FlowEvent)) -> (Compared, Vec<Issue>) {
        self.behind = false;
        self.known.begin();
        let (backlog, issues) = self.dump(flows, &mut |known, flow| known.dumped(flow));
        self.catch_up(&backlog, each);
        let complete = !issues.iter().any(|issue| issue.level == Level::Incomplete);
        (self.known.end(complete, each), issues)
    }

    /// Hands on what happened while a dump went on.
    fn catch_up(&mut self, backlog: &Backlog, each: &mut dyn FnMut(FlowEvent)) {
        for datagram in backlog.datagrams() {
            self.malformed += told(datagram, &self.filters, &mut self.known, each);
        }
        // What happened before the dump's last word is in the queue by now, before all that comes later.
        for _ in 0..CATCH_UP {
            match self.read(each) {
                Ok(Heard::Some(_)) => {}
                _ => break,
            }
        }
    }

    /// Dumps, and takes events out of the kernel's queue meanwhile.
    fn dump(&mut self, flows: &dyn FlowView, each: &mut dyn FnMut(&mut Known, &Flow)) -> (Backlog, Vec<Issue>) {
        let Self { socket, known, filters, behind, .. } = self;
        let mut backlog = Backlog::default();
        let mut passed = 0u32;
        let whole = [FlowFilter::default()];
        let asked = if filters.is_empty() { whole.as_slice() } else { filters.as_slice() };
        let read = flows.flows(self.netns, asked, &mut |flow| {
            each(known, flow);
            passed = passed.wrapping_add(1);
            if passed.is_multiple_of(LOOK) {
                while backlog.has_room() && !*behind {
                    match socket.read(&mut |datagram| backlog.push(datagram)) {
                        Ok(Heard::Some(_)) => {}
                        Ok(Heard::Overrun) => *behind = true,
                        // An error is told when the socket is read next.
                        Ok(Heard::Nothing) | Err(_) => break,
                    }
                }
            }
            ControlFlow::Continue(())
        });
        (backlog, read.issues)
    }
}

impl AsFd for FlowWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn failed(doing: &str, netns: NetnsId, error: &std::io::Error) -> Issue {
    Issue::incomplete(format!("{doing} flows of {netns}"), Why::from_io(error))
}

/// Hands the events of a datagram on; gives the number of those that could not be read.
fn told(datagram: &[u8], filters: &[FlowFilter], known: &mut Known, each: &mut Each<'_>) -> u64 {
    let mut malformed = 0;
    for message in frame::messages(datagram) {
        let Ok(message) = message else { return malformed + 1 };
        let happened = match message.kind {
            conntrack::NEW if message.flags & FLAG_CREATE != 0 => Happened::New,
            conntrack::NEW => Happened::Updated,
            conntrack::DELETE => Happened::Destroyed,
            _ => continue,
        };
        // What it complains of besides is of attributes, and the flow is told without them.
        let Some(flow) = conntrack::flow(message.payload, &mut Vec::new()) else {
            malformed += 1;
            continue;
        };
        let accepted = filters.is_empty() || filters.iter().any(|filter| filter.accepts(&flow));
        known.event(happened, flow, accepted, each);
    }
    malformed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told_of(datagram: &[u8]) -> (u64, usize) {
        let (mut known, mut events) = (Known::new(10), 0);
        let malformed = told(datagram, &[], &mut known, &mut |_| events += 1);
        (malformed, events)
    }

    #[test]
    fn what_is_no_flow_is_counted_and_what_is_none_of_ours_is_not() {
        let message = |kind: u16, length: u32| {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.resize(20, 0);
            bytes
        };
        assert_eq!(told_of(&message(conntrack::NEW, 20)), (1, 0), "it has no tuples");
        assert_eq!(told_of(&message(conntrack::DELETE, 19)), (1, 0), "it is shorter than its fixed part");
        assert_eq!(told_of(&message(conntrack::NEW, 21)), (1, 0), "it is longer than the datagram");
        assert_eq!(told_of(&message(frame::ERROR, 20)), (0, 0));
        assert_eq!(told_of(&[]), (0, 0));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), event in any::<bool>()) {
            if event && bytes.len() > 20 {
                let length = u32::try_from(bytes.len()).unwrap();
                bytes[..4].copy_from_slice(&length.to_ne_bytes());
                bytes[4..6].copy_from_slice(&conntrack::NEW.to_ne_bytes());
            }
            let (malformed, events) = told_of(&bytes);
            prop_assert!(malformed <= 20 && events <= 20);
        }
    }
}
