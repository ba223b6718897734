//! The sockets that watch: frames, the trace of rules, and flows, in each namespace that the plan names.
//!
//! May import model, wire, sys and analyze's answer types. What cannot be watched is noted with its reason, and the
//! rest is watched all the same.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::identify::Identity;
use super::{Opened, Pause, Phase, words};
use crate::analyze::path::probe::{Plan, Watched};
use crate::model::flow::Flow;
use crate::model::flow::event::Happened;
use crate::model::flow::filter::{FlowFilter, TupleFilter};
use crate::model::flow::tuple::Key;
use crate::model::ids::{IfIndex, NetnsId};
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::table::Family;
use crate::model::probe::{Crossing, Frame, Heard, Hit, Means, Observed, Packet, Pattern, SeenFlow, Token, Unwatched};
use crate::sys::events::{EventSocket, Heard as Read};
use crate::sys::netlink::{NETFILTER, NetlinkError, NetlinkSocket};
use crate::sys::netns::NsThread;
use crate::sys::packet::PacketSocket;
use crate::wire::netlink::frame;
use crate::wire::nf_tables::{self, trace, tracing};
use crate::wire::{conntrack, event_filter, packet, packet_filter};

/// `NFNLGRP_CONNTRACK_NEW`, `NFNLGRP_CONNTRACK_UPDATE`, `NFNLGRP_CONNTRACK_DESTROY`
const FLOW_GROUPS: [u32; 3] = [1, 2, 3];
/// `NLM_F_CREATE`: of an event, that the flow is new.
const FLAG_CREATE: u16 = 0x400;
/// How many bytes of messages may wait in the kernel, for each socket.
const QUEUE: usize = 4 * 1024 * 1024;
/// How many frames, crossings and flows are kept of each namespace.
const MOST: usize = 4096;
/// How many frames or batches of messages are read from one socket before the others have their turn.
const TURN: usize = 256;

/// All that watches.
pub(super) struct Watch {
    places: Vec<Place>,
    unwatched: Vec<Unwatched>,
    token: Token,
}

struct Place {
    netns: NetnsId,
    /// Its packets that can be flows of the probe.
    flow_filters: Vec<FlowFilter>,
    port: u16,
    table: String,
    packets: Option<PacketSocket>,
    /// The first owns the table.
    trace: Option<(NetlinkSocket, EventSocket)>,
    flows: Option<EventSocket>,
    frames: Vec<RawFrame>,
    crossings: Vec<RawCrossing>,
    seen_flows: Vec<(Happened, Flow)>,
}

struct RawFrame {
    at: Duration,
    ifindex: u32,
    out: bool,
    packet: Packet,
}

struct RawCrossing {
    id: u32,
    hook: Option<Hook>,
    packet: Option<Packet>,
    hits: Vec<Hit>,
}

impl Watch {
    /// Opens all sockets and adds the tables; what fails is noted.
    pub fn open(thread: &NsThread, plan: &Plan, opened: &[Opened], token: &Token, pause: Pause<'_>) -> Self {
        let mut watch = Self { places: Vec::new(), unwatched: Vec::new(), token: *token };
        for wanted in &plan.watched {
            let found = opened.iter().find(|one| one.netns == wanted.netns);
            let file = match found.map(|one| &one.file) {
                Some(Ok(file)) => file,
                Some(Err(why)) => {
                    watch.blind(wanted.netns, why);
                    continue;
                }
                None => {
                    watch.blind(wanted.netns, "its node is not live");
                    continue;
                }
            };
            watch.place(thread, plan, wanted, file);
            pause(Phase::Watching);
        }
        watch
    }

    fn blind(&mut self, netns: NetnsId, why: &str) {
        for means in [Means::Frames, Means::Rules, Means::Flows] {
            self.unwatched.push(Unwatched { netns, means, why: why.to_owned() });
        }
    }

    fn place(&mut self, thread: &NsThread, plan: &Plan, wanted: &Watched, file: &File) {
        let netns = wanted.netns;
        let sends = plan.sends;
        let mut note = |means, why: String| self.unwatched.push(Unwatched { netns, means, why });
        let program = packet_filter::program(sends.destination.is_ipv6(), sends.protocol, &self.token, &wanted.answers);
        let packets = thread.within(file, move || PacketSocket::open(&program));
        let packets = packets.map_err(|error| note(Means::Frames, words(&error))).ok();
        let messages = tracing::table(&plan.table, &wanted.prerouting, &wanted.output);
        let trace = thread.within(file, move || {
            // First who listens, then what is to be heard.
            let events = EventSocket::open(NETFILTER, &[trace::GROUP], QUEUE, None)?;
            let mut owner = NetlinkSocket::open(NETFILTER)?;
            owner.batch(&messages).map_err(into_io)?;
            Ok((owner, events))
        });
        let trace = trace.map_err(|error| note(Means::Rules, words(&error))).ok();
        let flow_filters: Vec<FlowFilter> = wanted.flows.iter().map(flow_filter).collect();
        let program = event_filter::program(&flow_filters);
        let flows = thread.within(file, move || EventSocket::open(NETFILTER, &FLOW_GROUPS, QUEUE, program.as_deref()));
        let flows = flows.map_err(|error| note(Means::Flows, words(&error))).ok();
        self.places.push(Place {
            netns,
            flow_filters,
            port: sends.source_port.unwrap_or(0),
            table: plan.table.clone(),
            packets,
            trace,
            flows,
            frames: Vec::new(),
            crossings: Vec::new(),
            seen_flows: Vec::new(),
        });
    }

    /// What can be waited for.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = Vec::new();
        for place in &self.places {
            fds.extend(place.packets.as_ref().map(AsFd::as_fd));
            fds.extend(place.trace.as_ref().map(|(_, events)| events.as_fd()));
            fds.extend(place.flows.as_ref().map(AsFd::as_fd));
        }
        fds
    }

    /// Takes what is there, a turn from each socket; whether there was anything.
    pub fn read(&mut self) -> bool {
        let mut any = false;
        for place in &mut self.places {
            let mut problems = Vec::new();
            any |= place.read(&mut problems);
            for (means, why) in problems {
                let one = Unwatched { netns: place.netns, means, why };
                if !self.unwatched.contains(&one) {
                    self.unwatched.push(one);
                }
            }
        }
        any
    }

    /// All that was seen of the probe, and nothing of what ran beside it.
    pub fn into_observed(
        self,
        plan: &Plan,
        protocol: u8,
        began: SystemTime,
        heard: Heard,
        heard_after_us: Option<u64>,
    ) -> Observed {
        let mut frames: Vec<(NetnsId, &RawFrame)> =
            self.places.iter().flat_map(|place| place.frames.iter().map(|frame| (place.netns, frame))).collect();
        frames.sort_by_key(|(_, frame)| frame.at);
        let crossed = || self.places.iter().flat_map(|place| place.crossings.iter().map(|one| (place.netns, one)));
        let crossing_packets = || crossed().filter_map(|(netns, one)| Some((netns, one.packet.as_ref()?)));
        let all = || frames.iter().map(|(netns, frame)| (*netns, &frame.packet)).chain(crossing_packets());
        let own = all().filter(|(netns, _)| *netns == plan.from).map(|(_, packet)| packet);
        let identity = Identity::learn(self.token, plan.sends, own, all().map(|(_, packet)| packet));
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seen_frames = frames.iter().filter_map(|(netns, frame)| {
            let role = identity.role(&frame.packet)?;
            let after = frame.at.saturating_sub(began).as_micros();
            Some(Frame {
                after_us: u64::try_from(after).unwrap_or(u64::MAX),
                netns: *netns,
                ifindex: IfIndex(frame.ifindex),
                out: frame.out,
                role,
                ends: frame.packet.ends,
            })
        });
        let crossings = crossed().filter_map(|(netns, one)| {
            let packet = one.packet.as_ref()?;
            let role = identity.role(packet)?;
            Some(Crossing { netns, hook: one.hook, role, ends: packet.ends, hits: one.hits.clone() })
        });
        let flows = self.places.iter().flat_map(|place| {
            let of = |(happened, flow): &(Happened, Flow)| SeenFlow {
                netns: place.netns,
                happened: *happened,
                flow: flow.clone(),
            };
            place.seen_flows.iter().map(of).collect::<Vec<_>>()
        });
        let flows = flows.filter(|seen| seen.flow.original.protocol == protocol).collect();
        let mut unwatched = self.unwatched.clone();
        unwatched.sort();
        Observed {
            heard,
            heard_after_us,
            frames: seen_frames.collect(),
            crossings: crossings.collect(),
            flows,
            counters: Vec::new(),
            unwatched,
        }
    }
}

impl Place {
    fn read(&mut self, problems: &mut Vec<(Means, String)>) -> bool {
        let mut any = false;
        let Self { packets, frames, .. } = self;
        if let Some(socket) = packets {
            for _ in 0..TURN {
                match socket.read() {
                    Ok(Some(captured)) => {
                        any = true;
                        let Some(packet) = packet::packet(&captured.bytes) else { continue };
                        if frames.len() < MOST {
                            let (at, ifindex, out) = (captured.at, captured.ifindex, captured.out);
                            frames.push(RawFrame { at, ifindex, out, packet });
                        } else {
                            problems.push((Means::Frames, format!("there were more than {MOST} frames like it")));
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        problems.push((Means::Frames, words(&error)));
                        break;
                    }
                }
            }
        }
        any | self.read_trace(problems) | self.read_flows(problems)
    }

    fn read_trace(&mut self, problems: &mut Vec<(Means, String)>) -> bool {
        let Self { trace: Some((_, events)), crossings, table, .. } = self else { return false };
        let heard = events.read(&mut |datagram| {
            for message in frame::messages(datagram).flatten() {
                if message.kind == nf_tables::TRACE
                    && let Some(traced) = trace::traced(message.payload, &mut Vec::new())
                {
                    add(crossings, table, traced);
                }
            }
        });
        told(heard, Means::Rules, problems)
    }

    fn read_flows(&mut self, problems: &mut Vec<(Means, String)>) -> bool {
        let Self { flows: Some(events), seen_flows, flow_filters, port, .. } = self else { return false };
        let heard = events.read(&mut |datagram| {
            for message in frame::messages(datagram).flatten() {
                let happened = match message.kind {
                    conntrack::NEW if message.flags & FLAG_CREATE != 0 => Happened::New,
                    conntrack::NEW => Happened::Updated,
                    conntrack::DELETE => Happened::Destroyed,
                    _ => continue,
                };
                let Some(flow) = conntrack::flow(message.payload, &mut Vec::new()) else { continue };
                let is_echo_of_others = matches!(flow.original.key, Key::Icmp { id, .. } if id != *port);
                if is_echo_of_others || !flow_filters.iter().any(|filter| filter.accepts(&flow)) {
                    continue;
                }
                let same = |(_, other): &&mut (Happened, Flow)| {
                    (other.original, other.zone, other.id) == (flow.original, flow.zone, flow.id)
                };
                let is_full = seen_flows.len() >= MOST;
                match seen_flows.iter_mut().find(same) {
                    // As it ends the kernel tells less of it.
                    Some(known) if happened == Happened::Destroyed => known.0 = happened,
                    Some(known) => *known = (happened, flow),
                    None if !is_full => seen_flows.push((happened, flow)),
                    None => {}
                }
            }
        });
        told(heard, Means::Flows, problems)
    }
}

/// Sorts a message of the trace to the crossing that it belongs to: the table's own chain begins each.
fn add(crossings: &mut Vec<RawCrossing>, table: &str, traced: trace::Traced) {
    let is_own = traced.chain.table.family == Family::Inet && traced.chain.table.name.as_bytes() == table.as_bytes();
    let packet = traced.headers.as_deref().and_then(packet::packet);
    let is_full = crossings.len() >= MOST;
    let known = crossings.iter_mut().rev().find(|crossing| crossing.id == traced.id);
    match known {
        Some(crossing) if !is_own => crossing.hits.extend(traced.hit),
        // The end of the own chain.
        Some(_) if traced.headers.is_none() => {}
        _ if !is_full => {
            let hook = is_own.then(|| tracing::hook_of(traced.chain.name.as_bytes())).flatten();
            let hits = if is_own { Vec::new() } else { traced.hit.into_iter().collect() };
            crossings.push(RawCrossing { id: traced.id, hook, packet, hits });
        }
        _ => {}
    }
}

fn told(heard: io::Result<Read>, means: Means, problems: &mut Vec<(Means, String)>) -> bool {
    match heard {
        Ok(Read::Some(_)) => true,
        Ok(Read::Nothing) => false,
        Ok(Read::Overrun) => {
            problems.push((means, "the kernel dropped some of its messages".to_owned()));
            true
        }
        Err(error) => {
            problems.push((means, words(&error)));
            false
        }
    }
}

fn flow_filter(pattern: &Pattern) -> FlowFilter {
    let has_ports = matches!(pattern.protocol, 6 | 17 | 132);
    let original = TupleFilter {
        src: pattern.source,
        dst: pattern.destination,
        src_port: pattern.source_port.filter(|_| has_ports),
        dst_port: pattern.destination_port.filter(|_| has_ports),
    };
    let (ipv6, protocol) = (Some(pattern.ipv6), Some(pattern.protocol));
    FlowFilter { ipv6, protocol, original, ..FlowFilter::default() }
}

fn into_io(error: NetlinkError) -> io::Error {
    match error {
        NetlinkError::Io { source, .. } => source,
        other => io::Error::other(other.to_string()),
    }
}
