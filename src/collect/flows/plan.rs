//! Which walks over the kernel's table answer a row of filters.
//!
//! May import model and wire. The kernel walks over all of it for each dump, whatever the filter, and so
//! filters that ask it for the same share one; what it hands out is checked again by each.

use crate::model::flow::Flow;
use crate::model::flow::filter::{FlowFilter, TupleFilter};
use crate::wire::conntrack::request;

/// A walk in which the kernel leaves most out costs a fifth of one in which it hands all out.
const MANY: usize = 8;

/// How many empty buckets are passed in the time in which a flow is handed out and looked at: about 3 µs.
const BUCKETS_A_FLOW: u64 = 96;

/// One walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pass {
    /// What the kernel is asked to check.
    pub asked: FlowFilter,
    /// What is checked of that which it hands out: one of these must accept.
    filters: Vec<FlowFilter>,
}

impl Pass {
    /// Whether one of its filters accepts a flow.
    pub fn accepts(&self, flow: &Flow) -> bool {
        self.filters.iter().any(|filter| filter.accepts(flow))
    }
}

/// The walks for these filters, in their order.
pub(super) fn passes(filters: &[FlowFilter]) -> Vec<Pass> {
    let mut passes: Vec<Pass> = Vec::new();
    for filter in filters {
        if passes.iter().any(|pass| pass.filters.contains(filter)) {
            continue;
        }
        let asked = request::kernel_part(filter);
        match passes.iter_mut().find(|pass| covers(&pass.asked, &asked)) {
            Some(pass) => pass.filters.push(filter.clone()),
            None => passes.push(Pass { asked, filters: vec![filter.clone()] }),
        }
    }
    // A later one may cover earlier ones.
    let widest = passes.iter().find(|pass| passes.iter().all(|other| covers(&pass.asked, &other.asked)));
    let asked = match widest {
        Some(widest) => widest.asked.clone(),
        None if passes.len() > MANY => FlowFilter::default(),
        None => return passes,
    };
    vec![Pass { asked, filters: passes.into_iter().flat_map(|pass| pass.filters).collect() }]
}

/// The same walks, or a single one over a namespace with few flows in a table with many buckets.
pub(super) fn for_table(passes: Vec<Pass>, flows: u64, buckets: u64) -> Vec<Pass> {
    let more = u64::try_from(passes.len()).unwrap_or(u64::MAX).saturating_sub(1);
    if flows.saturating_mul(BUCKETS_A_FLOW) >= more.saturating_mul(buckets) {
        return passes;
    }
    let family = |pass: &Pass| pass.asked.ipv6;
    let ipv6 = passes.first().and_then(family).filter(|_| {
        passes.windows(2).all(|two| match two {
            [one, other] => family(one) == family(other),
            _ => true,
        })
    });
    let asked = FlowFilter { ipv6, ..FlowFilter::default() };
    vec![Pass { asked, filters: passes.into_iter().flat_map(|pass| pass.filters).collect() }]
}

/// Whether the kernel hands out for one all that it hands out for the other.
fn covers(one: &FlowFilter, other: &FlowFilter) -> bool {
    fn looser<T: Copy + PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || one == other
    }
    let tuple = |one: &TupleFilter, other: &TupleFilter| {
        looser(one.src, other.src)
            && looser(one.dst, other.dst)
            && looser(one.src_port, other.src_port)
            && looser(one.dst_port, other.dst_port)
    };
    looser(one.ipv6, other.ipv6)
        && looser(one.protocol, other.protocol)
        && tuple(&one.original, &other.original)
        && tuple(&one.reply, &other.reply)
        && looser(one.mark, other.mark)
        && looser(one.zone, other.zone)
        && looser(one.status, other.status)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn places(address: &str) -> [FlowFilter; 4] {
        FlowFilter::places_of(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn an_address_takes_four_walks_and_all_flows_take_one() {
        let four = places("10.200.0.7");
        let passes_of =
            |filters: &[FlowFilter]| -> Vec<usize> { passes(filters).iter().map(|pass| pass.filters.len()).collect() };
        assert_eq!(passes_of(&four), [1, 1, 1, 1]);
        assert_eq!(passes_of(&[four.clone(), four.clone()].concat()), [1, 1, 1, 1]);
        // The kernel compares IPv6 addresses the wrong way round: one walk over that family.
        assert_eq!(passes_of(&places("fd00::7")), [4]);
        assert_eq!(passes_of(&[four.to_vec(), vec![FlowFilter::default()]].concat()), [5]);
        assert_eq!(passes_of(&[vec![FlowFilter::default()], four.to_vec()].concat()), [5]);
        assert_eq!(passes_of(&[four.clone(), places("10.200.0.8")].concat()).len(), 8);
        assert_eq!(passes_of(&[four, places("10.200.0.8"), places("10.200.0.9")].concat()), [12]);
        assert_eq!(passes_of(&[]), [0; 0]);
    }

    #[test]
    fn a_namespace_of_few_flows_takes_one_walk() {
        let asked = |flows, buckets, filters: &[FlowFilter]| {
            let passes = for_table(passes(filters), flows, buckets);
            passes.into_iter().map(|pass| (pass.asked.ipv6, pass.filters.len())).collect::<Vec<_>>()
        };
        let four = places("10.200.0.7");
        assert_eq!(asked(100, 262_144, &four), [(Some(false), 4)]);
        assert_eq!(asked(8_191, 262_144, &four), [(Some(false), 4)]);
        assert_eq!(asked(8_192, 262_144, &four), [(Some(false), 1); 4]);
        assert_eq!(asked(1, 0, &four), [(Some(false), 1); 4]);
        let both = [four.to_vec(), places("fd00::7").to_vec()].concat();
        assert_eq!(asked(100, 262_144, &both), [(None, 8)]);
        assert_eq!(asked(100, 262_144, &places("fd00::7")), [(Some(true), 4)]);
    }
}
