//! Flows that are going to be asked for, read by a thread while something else is asked.
//!
//! May import model, wire and sys. Judges nothing: what is read ahead is what would be read later. Memory stays
//! bounded: when enough of them wait to be asked for, the reading waits too.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{Builder, JoinHandle};

use crate::collect::kernel::Namespace;
use crate::model::flow::Flow;
use crate::model::flow::filter::FlowFilter;
use crate::model::ids::NetnsId;
use crate::model::issue::Read;

/// How many flows travel at a time.
const BATCH: usize = 128;
/// How many batches may wait to be asked for.
const WAITING: usize = 64;

/// The one question that was expected last.
#[derive(Debug, Default)]
pub(super) struct FlowsAhead(RefCell<Option<Reading>>);

/// Flows that are being read.
#[derive(Debug)]
pub(super) struct Reading {
    netns: NetnsId,
    filters: Vec<FlowFilter>,
    flows: Receiver<Vec<Flow>>,
    thread: JoinHandle<Read<()>>,
}

impl FlowsAhead {
    /// Begins to read. Where the machine gives no thread, they are read when they are asked for.
    pub(super) fn begin(&self, namespace: Arc<Namespace>, filters: &[FlowFilter]) {
        let (netns, own) = (namespace.id(), filters.to_vec());
        let (sender, flows) = mpsc::sync_channel(WAITING);
        let read = move || {
            let mut batch = Vec::new();
            let read = namespace.flows(&own, &mut |flow| {
                batch.push(flow.clone());
                if batch.len() < BATCH {
                    return ControlFlow::Continue(());
                }
                // Nobody asks any more.
                if sender.send(std::mem::take(&mut batch)).is_err() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            // Where nobody asks any more, nobody misses them.
            let _ = sender.send(batch);
            read
        };
        if let Ok(thread) = Builder::new().name("flows".to_owned()).spawn(read) {
            *self.0.borrow_mut() = Some(Reading { netns, filters: filters.to_vec(), flows, thread });
        }
    }

    /// What is being read, where it was begun.
    pub(super) fn take(&self, netns: NetnsId, filters: &[FlowFilter]) -> Option<Reading> {
        let is_meant = |one: &Reading| one.netns == netns && one.filters == filters;
        self.0.borrow_mut().take_if(|one| is_meant(one))
    }
}

impl Reading {
    /// Hands the flows on as they come; `None` where the reading broke down and nothing was handed on yet.
    pub(super) fn tell(self, each: &mut dyn FnMut(&Flow) -> ControlFlow<()>) -> Option<Read<()>> {
        let mut told = false;
        for flow in self.flows.iter().flatten() {
            told = true;
            if each(&flow).is_break() {
                return Some(Read::ok(()));
            }
        }
        match self.thread.join() {
            Ok(read) => Some(read),
            Err(panic) if told => std::panic::resume_unwind(panic),
            Err(_) => None,
        }
    }
}
