//! The lines of `podnet conntrack --watch`: to stdout what happens, and to stderr, or as JSON, what is said of it.
//!
//! May import analyze, model and render.

use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};

use jiff::Timestamp;

use super::args::{Global, Output};
use super::{error, output};
use crate::analyze::flows::query::Wanted;
use crate::analyze::flows::reader::Reader;
use crate::analyze::flows::watch::{NoteLine, WatchLine, WatchNote, WatchTotals};
use crate::analyze::flows::watching::{Strangers, line};
use crate::model::flow::event::FlowEvent;
use crate::model::issue::Issue;
use crate::model::node::NodeInfo;
use crate::render::conntrack_watch as render;
use crate::render::style::Style;

/// How many events are kept, at most, until names were read anew.
const HELD: usize = 4096;

/// Where the lines go.
pub struct Lines {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
    style: Style,
    /// What was told so far.
    pub totals: WatchTotals,
    /// Lines that may still be told; `None`: any number.
    left: Option<usize>,
    failed: Option<io::Error>,
    strangers: Strangers,
    /// Whether a row names what may be newer than what was read of the node.
    pub met: bool,
    /// Whether events are kept back as soon as one does, and all that come behind it.
    pub may_hold: bool,
    held: Vec<(usize, FlowEvent)>,
}

/// What reads the events of one namespace.
pub struct Telling<'t, 'a> {
    /// The place of its node.
    pub place: usize,
    /// What is asked for.
    pub wanted: &'t Wanted<'a>,
    /// What names the parties.
    pub reader: &'t mut Reader<'a>,
}

impl Lines {
    /// To stdout, as was asked; at most so many events.
    pub fn new(global: &Global, limit: Option<usize>) -> Self {
        Self {
            out: BufWriter::with_capacity(64 * 1024, io::stdout().lock()),
            json: global.output == Output::Json,
            style: output::style(global),
            totals: WatchTotals::default(),
            left: limit,
            failed: None,
            strangers: Strangers::default(),
            met: false,
            may_hold: false,
            held: Vec::new(),
        }
    }

    /// The first line.
    pub fn head(&mut self, nodes: Vec<NodeInfo>, issues: Vec<Issue>) -> io::Result<()> {
        if self.json {
            return render::head(nodes, issues, &mut self.out);
        }
        error::tell_issues(&issues);
        Ok(())
    }

    /// Tells an event, or keeps it until names were read anew.
    pub fn event(&mut self, event: FlowEvent, telling: &mut Telling<'_, '_>) {
        if self.is_over() {
            return;
        }
        if !self.held.is_empty() && self.held.len() < HELD {
            self.held.push((telling.place, event));
            return;
        }
        let Some(told) = line(&event, Timestamp::now(), telling.wanted, telling.reader) else { return };
        if self.strangers.meets(&told.flow) {
            self.met = true;
            if self.may_hold {
                self.held.push((telling.place, event));
                return;
            }
        }
        self.totals.count(told.event, told.resynced);
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        let written = if self.json {
            render::line(&WatchLine::Flow(Box::new(told)), &mut self.out)
        } else {
            render::row(&told, self.style, &mut self.out)
        };
        self.failed = self.failed.take().or(written.err());
    }

    /// What was kept back, in order; from now on it is told.
    pub fn held(&mut self) -> Vec<(usize, FlowEvent)> {
        self.met = false;
        std::mem::take(&mut self.held)
    }

    /// Names were read anew because it was time.
    pub fn refreshed(&mut self) {
        self.strangers.refreshed();
    }

    /// Says something about the watch itself.
    pub fn note(&mut self, node: Option<&str>, note: WatchNote) -> io::Result<()> {
        if self.json {
            let line = NoteLine { at: Timestamp::now(), node: node.map(str::to_owned), note };
            return render::line(&WatchLine::Note(line), &mut self.out);
        }
        if let WatchNote::Issue { issue } = note {
            error::tell_issues(&[issue]);
        } else if let Some(words) = render::note(&note) {
            // After what it is about, where both go to one place.
            self.out.flush()?;
            match node {
                Some(node) => error::say(&format!("{node}: {words}")),
                None => error::say(&words),
            }
        }
        Ok(())
    }

    /// Whether nothing more is to be told.
    pub fn is_over(&self) -> bool {
        self.left == Some(0) || self.failed.is_some()
    }

    /// What went wrong with the output.
    pub fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Sends all lines on their way.
    pub fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        self.out.flush()
    }

    /// What the lines are written to.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.out.get_ref().as_fd()
    }
}
