//! Flows: masked by their types, so that a new field of the model is no forgotten one.
//!
//! Must not import anything from the crate but its sibling model types. Ports, states, counters and times name
//! nobody; what is opaque becomes zeros.

use std::sync::Arc;

use super::super::FlowSections;
use super::super::mask::Masks;
use super::rules::of;
use crate::model::flow::expectation::Expectation;
use crate::model::flow::tuple::Tuple;
use crate::model::flow::{Flow, More, UnknownAttribute};
use crate::model::text::{ByteText, Bytes};

/// The kernel's own helpers, and the functions that it names in expectations. Programs may name others.
const OWN_NAMES: [&str; 21] = [
    "amanda",
    "ftp",
    "h323",
    "RAS",
    "Q.931",
    "H.245",
    "irc",
    "netbios-ns",
    "pptp",
    "sane",
    "sip",
    "snmp",
    "snmp_trap",
    "tftp",
    "nat-follow-master",
    "nat-tftp",
    "nat-irc",
    "nat-amanda",
    "nat-ftp",
    "q931",
    "callforwarding",
];

/// Masks the flows of a namespace, all but the sentences of issues.
pub(super) fn mask(masks: &mut Masks<'_>, sections: &mut FlowSections) {
    let FlowSections { flows, left_out: _, expectations, statistics: _ } = sections;
    for flow in &mut Arc::make_mut(flows).value {
        self::flow(masks, flow);
    }
    let expectations = &mut Arc::make_mut(expectations).value;
    for expectation in expectations.iter_mut() {
        self::expectation(masks, expectation);
    }
    expectations.sort_by(|one, other| {
        (&one.master, &one.tuple, one.id, one.zone).cmp(&(&other.master, &other.tuple, other.id, other.zone))
    });
}

/// Masks the sentences of the issues: after all else, for what they may not tell is known by then.
pub(super) fn issues(masks: &mut Masks<'_>, sections: &mut FlowSections) {
    let FlowSections { flows, left_out: _, expectations, statistics } = sections;
    of(masks, flows);
    of(masks, expectations);
    of(masks, statistics);
}

fn flow(masks: &mut Masks<'_>, flow: &mut Flow) {
    let Flow {
        original,
        reply,
        zone: _,
        status: _,
        timeout_s: _,
        mark: _,
        id: _,
        uses: _,
        state: _,
        counters: _,
        timestamps: _,
        more,
    } = flow;
    tuple(masks, original);
    tuple(masks, reply);
    let Some(more) = more else { return };
    let More { labels, helper, sequence_adjustment: _, synproxy: _, master, security_context, unknown } = &mut **more;
    blank(labels.as_mut());
    if let Some(helper) = helper {
        name(masks, &mut helper.name);
        blank(helper.info.as_mut());
    }
    if let Some(master) = master {
        tuple(masks, master);
    }
    if let Some(context) = security_context {
        name(masks, context);
    }
    attributes(unknown);
}

fn expectation(masks: &mut Masks<'_>, expectation: &mut Expectation) {
    let Expectation {
        master,
        tuple: expected,
        // Netmasks, zeros and ones.
        mask: _,
        timeout_s: _,
        id: _,
        zone: _,
        helper,
        flags: _,
        class: _,
        function,
        nat,
        unknown,
    } = expectation;
    tuple(masks, master);
    tuple(masks, expected);
    if let Some((_, to)) = nat {
        tuple(masks, to);
    }
    for text in [helper, function].into_iter().flatten() {
        name(masks, text);
    }
    attributes(unknown);
}

fn tuple(masks: &mut Masks<'_>, tuple: &mut Tuple) {
    let Tuple { src, dst, protocol: _, key: _ } = tuple;
    *src = masks.address(*src);
    *dst = masks.address(*dst);
}

fn name(masks: &mut Masks<'_>, text: &mut ByteText) {
    let plain = text.to_string();
    // `sip-5060`: the port it listens on follows.
    let stem = plain.trim_end_matches(|next: char| next.is_ascii_digit()).trim_end_matches('-');
    if !OWN_NAMES.contains(&plain.as_str()) && !OWN_NAMES.contains(&stem) {
        *text = ByteText::from(masks.name(&plain).as_str());
    }
}

fn attributes(unknown: &mut [UnknownAttribute]) {
    for UnknownAttribute { path: _, bytes } in unknown {
        blank(Some(bytes));
    }
}

fn blank(bytes: Option<&mut Bytes>) {
    if let Some(bytes) = bytes {
        bytes.0.fill(0);
    }
}
