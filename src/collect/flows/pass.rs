//! One walk over the table, in a thread of its own.
//!
//! May import model, wire and sys.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use super::plan::Pass;
use crate::collect::kernel::dump::{ATTEMPTS, malformed, why};
use crate::model::flow::Flow;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Why};
use crate::sys::netlink::{Disturbance, NetlinkError, NetlinkSocket};
use crate::wire::conntrack::{self, request};
use crate::wire::netlink::attr::AttrError;
use crate::wire::netlink::request::Request;

/// How many flows travel at a time from the walk to who reads it.
const BATCH: usize = 128;
/// Complaints that are kept; the rest is counted.
const COMPLAINTS: usize = 64;

/// Some flows, in the kernel's order.
pub(super) type Batch = Vec<Flow>;

/// How a walk ended.
#[derive(Default)]
pub(super) struct Outcome {
    complaints: Vec<AttrError>,
    failure: Option<Why>,
}

impl Outcome {
    /// The same in words.
    pub fn issues(self, id: NetnsId) -> Vec<Issue> {
        let mut issues = malformed(&format!("flows of {id}"), &self.complaints);
        issues.extend(self.failure.map(|why| Issue::incomplete(format!("reading flows of {id}"), why)));
        issues
    }
}

/// Walks over the table and sends what the pass accepts. A walk that lost messages is done again, unless
/// `forgot` says that what was sent before is no longer known; it breaks where nobody reads what it sends.
pub(super) fn walk(
    socket: &mut NetlinkSocket,
    pass: &Pass,
    sender: &SyncSender<Batch>,
    forgot: &AtomicBool,
) -> (ControlFlow<()>, Outcome) {
    let mut asked = request::flows(&pass.asked);
    let mut is_filtered = true;
    let mut outcome = Outcome::default();
    let mut attempt = 1;
    loop {
        outcome.complaints.clear();
        match once(socket, &asked, pass, sender, &mut outcome.complaints) {
            Ok(end) => return (end, outcome),
            // This kernel is built without what the filter needs; it is checked here all the same.
            Err(NetlinkError::Refused(refusal))
                if is_filtered && matches!(refusal.errno, libc::EOPNOTSUPP | libc::EINVAL) =>
            {
                is_filtered = false;
                asked = request::all_flows(pass.asked.ipv6);
            }
            Err(NetlinkError::Disturbed(disturbance)) if disturbance != Disturbance::Changed => {
                if attempt == ATTEMPTS || forgot.load(Ordering::Relaxed) {
                    let detail = format!("{disturbance}, {attempt} times: flows may be missing");
                    outcome.failure = Some(Why::Interrupted { detail });
                    return (ControlFlow::Continue(()), outcome);
                }
                attempt += 1;
            }
            Err(NetlinkError::Disturbed(_)) => return (ControlFlow::Continue(()), outcome),
            Err(error) => {
                outcome.failure = Some(why(&error));
                return (ControlFlow::Break(()), outcome);
            }
        }
    }
}

fn once(
    socket: &mut NetlinkSocket,
    asked: &Request,
    pass: &Pass,
    sender: &SyncSender<Batch>,
    complaints: &mut Vec<AttrError>,
) -> Result<ControlFlow<()>, NetlinkError> {
    let mut batch = Batch::new();
    let mut beyond = Vec::new();
    let end = socket.dump_while(asked, &mut |message| {
        if message.kind != conntrack::NEW {
            return ControlFlow::Continue(());
        }
        let errors = if complaints.len() < COMPLAINTS { &mut *complaints } else { &mut beyond };
        let flow = conntrack::flow(message.payload, errors);
        beyond.clear();
        let Some(flow) = flow.filter(|flow| pass.accepts(flow)) else { return ControlFlow::Continue(()) };
        batch.push(flow);
        if batch.len() < BATCH {
            return ControlFlow::Continue(());
        }
        send(sender, std::mem::replace(&mut batch, Batch::with_capacity(BATCH)))
    });
    // What came before a failure is as good as what comes without one.
    let last = if batch.is_empty() { ControlFlow::Continue(()) } else { send(sender, batch) };
    end.map(|end| if end.is_break() { end } else { last })
}

fn send(sender: &SyncSender<Batch>, batch: Batch) -> ControlFlow<()> {
    match sender.send(batch) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}
