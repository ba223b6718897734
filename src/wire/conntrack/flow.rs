//! One flow, of a dump or an event.
//!
//! May import model only.

use super::nest::Notes;
use super::protocol::state;
use super::top;
use super::tuple::tuple;
use crate::model::flow::status::Status;
use crate::model::flow::tuple::{Zone, ZoneDirection};
use crate::model::flow::{BothWays, Counted, Flow, Helper, More, SequenceAdjustment, Synproxy, Timestamps};
use crate::model::text::{ByteText, Bytes};
use crate::wire::netlink::attr::{Attr, AttrError};

/// `CTA_COUNTERS_*`
mod counters {
    pub const PACKETS: u16 = 1;
    pub const BYTES: u16 = 2;
    pub const PAD: u16 = 5;
}

/// `CTA_TIMESTAMP_*`
mod timestamp {
    pub const START: u16 = 1;
    pub const STOP: u16 = 2;
    pub const PAD: u16 = 3;
}

/// `CTA_HELP_*`
mod help {
    pub const NAME: u16 = 1;
    pub const INFO: u16 = 2;
}

/// `CTA_SEQADJ_*`
mod seqadj {
    pub const CORRECTION_POS: u16 = 1;
    pub const OFFSET_BEFORE: u16 = 2;
    pub const OFFSET_AFTER: u16 = 3;
}

/// `CTA_SYNPROXY_*`
mod synproxy {
    pub const ISN: u16 = 1;
    pub const ITS: u16 = 2;
    pub const TSOFF: u16 = 3;
}

/// `CTA_SECCTX_NAME`
const SECCTX_NAME: u16 = 1;

/// Reads a message of type [`super::NEW`] or [`super::DELETE`]; `None` and a complaint without what every flow has:
/// both tuples, status and id.
pub fn flow(payload: &[u8], errors: &mut Vec<AttrError>) -> Option<Flow> {
    let mut notes = Notes::new(errors);
    let (mut original, mut reply, mut zone) = (None, None, None);
    let (mut status, mut id, mut timeout_s, mut mark, mut uses) = (None, None, None, None, None);
    let (mut protocol, mut sent, mut answered, mut timestamps) = (None, None, None, None);
    let (mut more, mut adjusted) = (More::default(), BothWays::<Option<SequenceAdjustment>>::default());
    notes.message(payload, |notes, attr| match attr.kind {
        top::TUPLE_ORIG => original = tuple(attr, notes),
        top::TUPLE_REPLY => reply = tuple(attr, notes),
        top::STATUS => status = notes.take(attr.be32()),
        top::ID => id = notes.take(attr.be32()),
        top::TIMEOUT => timeout_s = notes.take(attr.be32()),
        top::MARK => mark = notes.take(attr.be32()),
        top::USE => uses = notes.take(attr.be32()),
        top::ZONE => zone = notes.take(attr.be16()),
        top::PROTOINFO => protocol = state(attr, notes),
        top::COUNTERS_ORIG => sent = counted(attr, notes),
        top::COUNTERS_REPLY => answered = counted(attr, notes),
        top::TIMESTAMP => timestamps = times(attr, notes),
        top::LABELS => more.labels = Some(Bytes::from(attr.payload)),
        top::HELP => more.helper = helper(attr, notes),
        top::SEQ_ADJ_ORIG => adjusted.original = sequence_adjustment(attr, notes),
        top::SEQ_ADJ_REPLY => adjusted.reply = sequence_adjustment(attr, notes),
        top::SYNPROXY => more.synproxy = proxied(attr, notes),
        top::TUPLE_MASTER => more.master = tuple(attr, notes).map(|(tuple, _)| tuple),
        top::SECCTX => more.security_context = security_context(attr, notes),
        _ => notes.keep(&[], attr),
    });
    let (original, original_zone) = notes.need(original, "CTA_TUPLE_ORIG")?;
    let (reply, reply_zone) = notes.need(reply, "CTA_TUPLE_REPLY")?;
    let status = Status(notes.need(status, "CTA_STATUS")?);
    let id = notes.need(id, "CTA_ID")?;
    if adjusted != BothWays::default() {
        more.sequence_adjustment = Some(adjusted);
    }
    more.unknown = notes.unknown;
    let zone = match (zone, original_zone, reply_zone) {
        (Some(id), ..) => Zone { id, direction: ZoneDirection::Both },
        (None, Some(id), _) => Zone { id, direction: ZoneDirection::Original },
        (None, None, Some(id)) => Zone { id, direction: ZoneDirection::Reply },
        (None, None, None) => Zone::default(),
    };
    Some(Flow {
        original,
        reply,
        zone,
        status,
        timeout_s,
        mark,
        id,
        uses,
        state: protocol,
        counters: sent.zip(answered).map(|(original, reply)| BothWays { original, reply }),
        timestamps,
        more: (more != More::default()).then(|| Box::new(more)),
    })
}

fn counted(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<Counted> {
    let (mut packets, mut bytes) = (None, None);
    notes.nest(nest, |notes, attr| match attr.kind {
        counters::PACKETS => packets = notes.take(attr.be64()),
        counters::BYTES => bytes = notes.take(attr.be64()),
        counters::PAD => {}
        _ => notes.keep(&[nest.kind], attr),
    });
    Some(Counted {
        packets: notes.need(packets, "CTA_COUNTERS_PACKETS")?,
        bytes: notes.need(bytes, "CTA_COUNTERS_BYTES")?,
    })
}

fn times(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<Timestamps> {
    let (mut start, mut stop_ns) = (None, None);
    notes.nest(nest, |notes, attr| match attr.kind {
        timestamp::START => start = notes.take(attr.be64()),
        timestamp::STOP => stop_ns = notes.take(attr.be64()),
        timestamp::PAD => {}
        _ => notes.keep(&[nest.kind], attr),
    });
    Some(Timestamps { start_ns: notes.need(start, "CTA_TIMESTAMP_START")?, stop_ns })
}

fn helper(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<Helper> {
    let (mut name, mut info) = (None, None);
    notes.nest(nest, |notes, attr| match attr.kind {
        help::NAME => name = Some(ByteText::from(attr.text())),
        help::INFO => info = Some(Bytes::from(attr.payload)),
        _ => notes.keep(&[nest.kind], attr),
    });
    Some(Helper { name: notes.need(name, "CTA_HELP_NAME")?, info })
}

fn sequence_adjustment(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<SequenceAdjustment> {
    let (mut position, mut before, mut after) = (None, None, None);
    notes.nest(nest, |notes, attr| match attr.kind {
        seqadj::CORRECTION_POS => position = notes.take(attr.be32()),
        seqadj::OFFSET_BEFORE => before = notes.take(attr.be32()).map(u32::cast_signed),
        seqadj::OFFSET_AFTER => after = notes.take(attr.be32()).map(u32::cast_signed),
        _ => notes.keep(&[nest.kind], attr),
    });
    Some(SequenceAdjustment {
        position: notes.need(position, "CTA_SEQADJ_CORRECTION_POS")?,
        before: notes.need(before, "CTA_SEQADJ_OFFSET_BEFORE")?,
        after: notes.need(after, "CTA_SEQADJ_OFFSET_AFTER")?,
    })
}

fn proxied(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<Synproxy> {
    let (mut isn, mut its, mut offset) = (None, None, None);
    notes.nest(nest, |notes, attr| match attr.kind {
        synproxy::ISN => isn = notes.take(attr.be32()),
        synproxy::ITS => its = notes.take(attr.be32()),
        synproxy::TSOFF => offset = notes.take(attr.be32()),
        _ => notes.keep(&[nest.kind], attr),
    });
    Some(Synproxy {
        isn: notes.need(isn, "CTA_SYNPROXY_ISN")?,
        its: notes.need(its, "CTA_SYNPROXY_ITS")?,
        timestamp_offset: notes.need(offset, "CTA_SYNPROXY_TSOFF")?,
    })
}

fn security_context(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<ByteText> {
    let mut name = None;
    notes.nest(nest, |notes, attr| match attr.kind {
        SECCTX_NAME => name = Some(ByteText::from(attr.text())),
        _ => notes.keep(&[nest.kind], attr),
    });
    notes.need(name, "CTA_SECCTX_NAME")
}
