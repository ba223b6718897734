//! What the kernel itself answers to a route look-up.
//!
//! Two things to know of the answers. Until a namespace has a rule of its own, the kernel keeps the local and the
//! main table as one, and says `main` of an entry that a dump lists in `local`. And an IPv6 answer may tell
//! the source it was asked with as `src`. May import model, wire and sys.

use crate::model::issue::{Issue, Read, Why};
use crate::model::route::{Route, RouteQuery, RouteWitness};
use crate::sys::netlink::NetlinkError;
use crate::wire::rtnetlink::{NEWROUTE, lookup, route};

use super::{Namespace, dump};

/// What a kernel without fib-match puts on its answer: it is the resolved route again.
const CLONED: &str = "cloned";

enum Answer {
    Route(Box<Route>),
    Refused(i32),
}

impl Namespace {
    /// Asks `RTM_GETROUTE` plainly and with `RTM_F_FIB_MATCH`; `None` when there was no answer, with an issue that says why.
    pub fn route_witness(&self, query: &RouteQuery) -> Read<Option<RouteWitness>> {
        let what = || format!("asking the kernel for the route to {} in {}", query.dst, self.id());
        let resolved = match self.look_up(query, false) {
            Ok(Answer::Route(route)) => route,
            Ok(Answer::Refused(errno)) => return Read::ok(Some(RouteWitness::Refused { errno })),
            Err(why) => return Read::failed(Issue::incomplete(what(), why)),
        };
        // Kernels before 4.13 (IPv6: 4.14) ignore the flag or refuse it.
        let matched = match self.look_up(query, true) {
            Ok(Answer::Route(route)) if !route.flags.iter().any(|flag| flag == CLONED) => Some(route),
            _ => None,
        };
        Read::ok(Some(RouteWitness::Found { resolved, matched }))
    }

    fn look_up(&self, query: &RouteQuery, fib_match: bool) -> Result<Answer, Why> {
        let request = lookup::query(query, fib_match);
        let reply = match self.with_socket(|socket| socket.ask(&request)) {
            Ok(reply) => reply,
            Err(NetlinkError::Refused(refusal)) => return Ok(Answer::Refused(refusal.errno)),
            Err(error) => return Err(dump::why(&error)),
        };
        let mut errors = Vec::new();
        let found =
            reply.filter(|reply| reply.kind == NEWROUTE).and_then(|reply| route::route(&reply.payload, &mut errors));
        match (found, errors.first()) {
            (Some(route), None) => Ok(Answer::Route(Box::new(route))),
            (_, Some(error)) => Err(Why::Malformed { detail: error.to_string() }),
            (None, None) => Err(Why::Malformed { detail: "the answer is no route".to_owned() }),
        }
    }
}
