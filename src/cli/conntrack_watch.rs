//! `podnet conntrack --watch`.
//!
//! May import analyze, collect, model, render and sys.
#![allow(clippy::doc_markdown)] // doc comments here are the help text, which has no markup

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use clap::Args;

use super::args::{Global, duration};
use super::conntrack::failure;
use super::conntrack_lines::{Lines, Telling};
use super::error::Failure;
use super::run::{self, Node};
use crate::analyze::answer::{Gathered, node_label};
use crate::analyze::flows::answer::{OfNode, places};
use crate::analyze::flows::query::{FlowsQuery, Wanted};
use crate::analyze::flows::reader::Reader;
use crate::analyze::flows::watch::{CompareReason, WatchNote};
use crate::collect::flows::watch::{FlowWatch, Heard, WatchOptions};
use crate::model::flow::filter::FlowFilter;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Level, Why};
use crate::model::view::NodeView;
use crate::sys::events::{Woken, wait};
use crate::sys::stop::StopSignal;

/// The sysctl that says which flows have events.
const EVENTS: &str = "netfilter.nf_conntrack_events";
/// After an overrun the next comparison follows this much later than the last, at least: each costs a dump.
const PAUSE: Duration = Duration::from_secs(1);
/// How often names are read anew for something that is not known, at most.
const NAMES: Duration = Duration::from_secs(2);
/// How many batches of events are taken from one socket before others, and Ctrl-C, have their turn.
const TURN: u32 = 32;

/// Arguments of `conntrack --watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// With --watch: begin with the flows that there are
    #[arg(long, requires = "watch", help_heading = "Watch")]
    pub existing: bool,
    /// With --watch: how often to compare with a fresh dump, for flows older than the watch end without an event,
    /// and to read names anew
    #[arg(
        long, requires = "watch", value_name = "TIME", default_value = "30s", value_parser = duration,
        help_heading = "Watch"
    )]
    pub refresh: Duration,
    /// With --watch: how many MiB of events may wait in the kernel (some 800 events each) before it drops any
    #[arg(
        long, requires = "watch", value_name = "MIB", default_value_t = 32,
        value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Watch"
    )]
    pub queue: u16,
}

/// Why a round of the watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The watch is over.
    End,
    /// Something is not known, and may be newer than what was read of the node.
    Names,
    /// It is time to compare.
    Refresh,
}

struct Watch<'g> {
    global: &'g Global,
    args: &'g WatchArgs,
    query: &'g FlowsQuery,
    stop: StopSignal,
    lines: Lines,
    /// One for each place whose flows are asked for, in their order.
    sockets: Vec<FlowWatch>,
    filters: Vec<FlowFilter>,
    /// When names were read last.
    named: Instant,
    /// When what is known was compared with a dump last.
    compared: Instant,
    /// Whether a part of the answer cannot be told.
    incomplete: bool,
}

/// Flows as they begin, change and end, until Ctrl-C.
pub fn run(global: &Global, args: &WatchArgs, query: &FlowsQuery) -> Result<u8, Failure> {
    if !global.from.is_empty() {
        return Err(Failure::new("a snapshot has no events to watch").hint("leave --from away"));
    }
    if query.sort.is_some() {
        return Err(Failure::new("--sort cannot be used with --watch: events are told as they come"));
    }
    // Before any other thread is there.
    let stop = StopSignal::listen()?;
    let nodes = run::open(global)?;
    let lines = Lines::new(global, query.limit);
    let (sockets, filters, now) = (Vec::new(), Vec::new(), Instant::now());
    let mut watch =
        Watch { global, args, query, stop, lines, sockets, filters, named: now, compared: now, incomplete: false };
    watch.run(nodes)
}

impl Watch<'_> {
    fn run(&mut self, mut nodes: Vec<Node>) -> Result<u8, Failure> {
        let mut compare = false;
        loop {
            let views: Vec<&dyn NodeView> = nodes.iter().map(Node::view).collect();
            match self.round(&nodes, &views, compare)? {
                Next::End => break,
                Next::Names => compare = false,
                Next::Refresh => compare = true,
            }
            self.named = Instant::now();
            match self.reopened() {
                Ok(new) => nodes = new,
                Err(failure) => self.old_names(&failure)?,
            }
        }
        self.lines.totals.malformed = self.sockets.iter().map(FlowWatch::malformed).sum();
        let totals = self.lines.totals;
        self.lines.note(None, WatchNote::Ended { totals })?;
        self.lines.flush()?;
        Ok(if self.incomplete { 3 } else { 0 })
    }

    /// The nodes as they are now.
    fn reopened(&self) -> Result<Vec<Node>, Failure> {
        let nodes = run::open(self.global)?;
        let views: Vec<&dyn NodeView> = nodes.iter().map(Node::view).collect();
        self.wanted(&views, &mut Gathered::default())?;
        Ok(nodes)
    }

    fn old_names(&mut self, failure: &Failure) -> Result<(), Failure> {
        let why = Why::Gone { detail: format!("{}; names are those of before", failure.words()) };
        let issue = Issue::note("reading names anew", why);
        Ok(self.lines.note(None, WatchNote::Issue { issue })?)
    }

    /// What is asked for, and of which namespaces.
    fn wanted<'n>(
        &self,
        views: &[&'n dyn NodeView],
        gathered: &mut Gathered,
    ) -> Result<(Wanted<'n>, Vec<(usize, NetnsId)>), Failure> {
        let told = |error| failure(error, views);
        let wanted = Wanted::of(views, self.query, gathered).map_err(told)?;
        let places = places(views, self.query, &wanted).map_err(told)?;
        Ok((wanted, places))
    }

    /// Tells what happens until names are to be read anew, or all is over.
    fn round(&mut self, nodes: &[Node], views: &[&dyn NodeView], compare: bool) -> Result<Next, Failure> {
        let mut gathered = Gathered::default();
        let (wanted, places) = self.wanted(views, &mut gathered)?;
        let first = self.sockets.is_empty();
        // A pod that was made anew has other addresses.
        let fresh = first || wanted.filters != self.filters || !self.watches(&places);
        if fresh {
            self.listen(nodes, &places, &wanted)?;
        }
        let mut readers: Vec<Reader<'_>> =
            places.iter().map(|(at, netns)| Reader::new(views, *at, *netns, &mut gathered)).collect();
        let labels: Vec<Option<String>> = places.iter().map(|(at, _)| node_label(views, views[*at])).collect();
        if first {
            for (at, netns) in &places {
                self.say_what_events_tell(views[*at], *netns, &mut gathered);
            }
            gathered.issues.sort();
            gathered.issues.dedup();
            self.incomplete = gathered.issues.iter().any(|issue| issue.level == Level::Incomplete);
            let infos = views.iter().map(|view| view.node()).collect();
            self.lines.head(infos, std::mem::take(&mut gathered.issues))?;
            self.lines.flush()?;
        }
        let mut round = Round { watch: self, views, places: &places, labels, wanted: &wanted, readers: &mut readers };
        round.begin(fresh, compare)?;
        let next = round.follow()?;
        if next == Next::End {
            (0..places.len()).try_for_each(|place| round.lost_since(place))?;
        }
        self.refer(views, &places, readers)?;
        Ok(next)
    }

    fn watches(&self, places: &[(usize, NetnsId)]) -> bool {
        self.sockets.iter().map(FlowWatch::netns).eq(places.iter().map(|(_, netns)| *netns))
    }

    /// Joins the groups: before any dump, so that nothing is missed between the two.
    fn listen(&mut self, nodes: &[Node], places: &[(usize, NetnsId)], wanted: &Wanted<'_>) -> Result<(), Failure> {
        self.sockets.clear();
        self.filters.clone_from(&wanted.filters);
        for (at, netns) in places {
            let Node::Live(node) = &nodes[*at] else {
                return Err(Failure::new("a file has no events to watch"));
            };
            let options = WatchOptions { queue: usize::from(self.args.queue) << 20, ..WatchOptions::default() };
            match node.watch_flows(*netns, wanted.filters.clone(), options) {
                Ok(socket) => self.sockets.push(socket),
                Err(issue) => {
                    let failure = Failure::new(format!("{}: {}", issue.what, issue.why.detail()));
                    return Err(match issue.why {
                        Why::Permission { .. } => failure.hint("run as root, or with CAP_NET_ADMIN"),
                        _ => failure,
                    });
                }
            }
        }
        Ok(())
    }

    fn say_what_events_tell(&self, node: &dyn NodeView, netns: NetnsId, gathered: &mut Gathered) {
        let setting = node.sysctl(netns, EVENTS);
        let every = format!("every {} what is known is compared with a fresh dump", span(self.args.refresh));
        let (level, detail) = match setting.value.as_deref().map(str::trim) {
            Some("1") => return,
            Some("2") => (
                Level::Note,
                format!(
                    "flows older than this watch may change and end without an event (nf_conntrack_events is 2); \
                     {every}, and what that shows is marked as resynced"
                ),
            ),
            Some("0") => (Level::Incomplete, format!("nf_conntrack_events is 0: the kernel tells no events; {every}")),
            _ => (Level::Incomplete, format!("this kernel does not say whether it tells events; {every}")),
        };
        let what = format!("watching flows of {}", node.node().name);
        gathered.issue(Issue { level, what, why: Why::Unsupported { detail }, hint: None });
    }

    /// What the rows of the round refer to.
    fn refer(
        &mut self,
        views: &[&dyn NodeView],
        places: &[(usize, NetnsId)],
        readers: Vec<Reader<'_>>,
    ) -> Result<(), Failure> {
        let mut gathered = Gathered::default();
        let mut of_nodes = Vec::new();
        for ((at, netns), reader) in places.iter().zip(readers) {
            let host_network_pods = reader.world.host_network_pods.clone();
            let referred = reader.referred(&mut gathered);
            let (services, rules) = (referred.services, referred.rules);
            if services.is_empty() && rules.is_empty() {
                continue;
            }
            let node = node_label(views, views[*at]);
            of_nodes.push(OfNode { node, netns: *netns, services, rules, host_network_pods });
        }
        if !of_nodes.is_empty() {
            self.lines.note(None, WatchNote::Refers { of_nodes })?;
        }
        self.issues(gathered.issues)
    }

    fn issues(&mut self, mut issues: Vec<Issue>) -> Result<(), Failure> {
        issues.sort();
        issues.dedup();
        for issue in issues {
            self.incomplete |= issue.level == Level::Incomplete;
            self.lines.note(None, WatchNote::Issue { issue })?;
        }
        Ok(())
    }
}

/// A part of the watch in which names stay as they are.
struct Round<'r, 'g, 'a> {
    watch: &'r mut Watch<'g>,
    views: &'r [&'a dyn NodeView],
    places: &'r [(usize, NetnsId)],
    labels: Vec<Option<String>>,
    wanted: &'r Wanted<'a>,
    readers: &'r mut [Reader<'a>],
}

impl Round<'_, '_, '_> {
    /// What was kept back until names were known, and the dump that the round begins with, if any.
    fn begin(&mut self, fresh: bool, compare: bool) -> Result<(), Failure> {
        self.watch.lines.may_hold = false;
        for (place, event) in self.watch.lines.held() {
            if let Some(reader) = self.readers.get_mut(place) {
                self.watch.lines.event(event, &mut Telling { place, wanted: self.wanted, reader });
            }
        }
        if compare {
            self.watch.lines.refreshed();
        }
        for place in 0..self.places.len() {
            if fresh {
                let existing = self.watch.args.existing;
                let issues = self.with(place, |socket, view, each| socket.begin(view.conntrack(), existing, each));
                self.watch.issues(issues)?;
            } else if compare {
                self.compare(place, CompareReason::Refresh)?;
            }
        }
        if fresh || compare {
            self.watch.compared = Instant::now();
        }
        // What a dump shows is told as it is; of what comes next, names may be waited for.
        self.watch.lines.met = false;
        Ok(())
    }

    /// Runs something that tells events of a place.
    fn with<T>(
        &mut self,
        place: usize,
        run: impl FnOnce(&mut FlowWatch, &dyn NodeView, &mut dyn FnMut(crate::model::flow::event::FlowEvent)) -> T,
    ) -> T {
        let Watch { sockets, lines, .. } = &mut *self.watch;
        let mut telling = Telling { place, wanted: self.wanted, reader: &mut self.readers[place] };
        let view = self.views[self.places[place].0];
        run(&mut sockets[place], view, &mut |event| lines.event(event, &mut telling))
    }

    fn compare(&mut self, place: usize, why: CompareReason) -> Result<(), Failure> {
        let (compared, issues) = self.with(place, |socket, view, each| socket.compare(view.conntrack(), each));
        self.watch.issues(issues)?;
        self.lost_since(place)?;
        let note = WatchNote::Compared {
            why,
            began: compared.began,
            changed: compared.changed,
            ended: compared.ended,
            not_remembered: compared.left_out,
        };
        Ok(self.watch.lines.note(self.labels[place].as_deref(), note)?)
    }

    /// Takes what is queued, at most a turn; whether there may be more.
    fn take(&mut self, place: usize) -> Result<bool, Failure> {
        for _ in 0..TURN {
            let heard = self.with(place, |socket, _, each| socket.read(each));
            match heard.map_err(|issue| Failure::new(format!("{}: {}", issue.what, issue.why.detail())))? {
                Heard::Nothing => return Ok(false),
                Heard::Some(_) | Heard::Overrun => {}
            }
            if self.watch.lines.is_over() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn follow(&mut self) -> Result<Next, Failure> {
        let mut told_of = vec![false; self.places.len()];
        loop {
            let refresh_at = self.watch.compared + self.watch.args.refresh;
            let may_name = self.watch.named.elapsed() >= NAMES;
            self.watch.lines.may_hold = may_name;
            let mut more = false;
            let mut mend_at = None;
            for (place, told) in told_of.iter_mut().enumerate() {
                let left = self.take(place)?;
                more |= left;
                // All that it held back is read: from now on the kernel adds again, and has counted what it dropped.
                if left || !self.watch.sockets[place].is_behind() {
                    continue;
                }
                if !*told {
                    self.overrun(place)?;
                    *told = true;
                }
                if self.watch.compared.elapsed() >= PAUSE {
                    self.watch.lines.may_hold = false;
                    self.compare(place, CompareReason::Overrun)?;
                    self.watch.compared = Instant::now();
                    *told = false;
                } else {
                    mend_at = Some(self.watch.compared + PAUSE);
                }
            }
            self.watch.lines.check()?;
            if self.watch.lines.is_over() {
                return Ok(Next::End);
            }
            if self.watch.lines.met && may_name {
                return Ok(Next::Names);
            }
            let now = Instant::now();
            if now >= refresh_at {
                return Ok(Next::Refresh);
            }
            if !more {
                self.watch.lines.flush()?;
            }
            let until = mend_at.map_or(refresh_at, |at| at.min(refresh_at));
            let time = if more { Duration::ZERO } else { until.saturating_duration_since(now) };
            let woken = self.wait(time)?;
            if woken.stop || woken.closed {
                return Ok(Next::End);
            }
        }
    }

    fn overrun(&mut self, place: usize) -> Result<(), Failure> {
        match self.watch.sockets[place].newly_lost() {
            // Said already.
            Some(0) => Ok(()),
            lost => self.lost(place, lost.map(u64::from)),
        }
    }

    /// Says what was lost after an overrun was told of: the kernel may drop more before its comparison is made, and
    /// during that.
    fn lost_since(&mut self, place: usize) -> Result<(), Failure> {
        match self.watch.sockets[place].newly_lost() {
            Some(0) | None => Ok(()),
            Some(lost) => self.lost(place, Some(lost.into())),
        }
    }

    fn lost(&mut self, place: usize, lost: Option<u64>) -> Result<(), Failure> {
        self.watch.lines.totals.overrun(lost);
        Ok(self.watch.lines.note(self.labels[place].as_deref(), WatchNote::Overrun { lost })?)
    }

    fn wait(&self, time: Duration) -> Result<Woken, Failure> {
        let sockets: Vec<_> = self.watch.sockets.iter().map(|socket| socket.as_fd()).collect();
        Ok(wait(&sockets, Some(self.watch.stop.as_fd()), Some(self.watch.lines.fd()), time)?)
    }
}

fn span(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}
