//! Expressions that read or write the packet and what the kernel knows of it.
//!
//! Must not import anything from the crate but model and its sibling files.

use super::super::nfta;
use super::Place;
use crate::model::netfilter::expr::{Direction, Expr, PayloadBase};

pub fn payload(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    let base = match fields.u32(nfta::PAYLOAD_BASE)? {
        0 => PayloadBase::Link,
        1 => PayloadBase::Network,
        2 => PayloadBase::Transport,
        3 => PayloadBase::Inner,
        4 => PayloadBase::Tunnel,
        _ => return None,
    };
    let offset = fields.u32(nfta::PAYLOAD_OFFSET)?;
    let length = fields.u32(nfta::PAYLOAD_LEN)?;
    if let Some(to) = fields.register(nfta::PAYLOAD_DREG) {
        return Some(Expr::Payload { to, base, offset, length });
    }
    Some(Expr::PayloadSet {
        from: fields.register(nfta::PAYLOAD_SREG)?,
        base,
        offset,
        length,
        checksum: fields.u32(nfta::PAYLOAD_CSUM_TYPE).unwrap_or_default(),
        checksum_offset: fields.u32(nfta::PAYLOAD_CSUM_OFFSET).unwrap_or_default(),
        checksum_flags: fields.u32(nfta::PAYLOAD_CSUM_FLAGS).unwrap_or_default(),
    })
}

pub fn meta(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    let key = fields.u32(nfta::META_KEY)?;
    match fields.register(nfta::META_DREG) {
        Some(to) => Some(Expr::Meta { to, key }),
        None => Some(Expr::MetaSet { from: fields.register(nfta::META_SREG)?, key }),
    }
}

pub fn ct(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    let key = fields.u32(nfta::CT_KEY)?;
    let direction = match fields.u8(nfta::CT_DIRECTION) {
        None => None,
        Some(0) => Some(Direction::Original),
        Some(1) => Some(Direction::Reply),
        Some(_) => return None,
    };
    match fields.register(nfta::CT_DREG) {
        Some(to) => Some(Expr::Ct { to, key, direction }),
        None => Some(Expr::CtSet { from: fields.register(nfta::CT_SREG)?, key, direction }),
    }
}

pub fn fib(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Fib {
        to: fields.register(nfta::FIB_DREG)?,
        result: fields.u32(nfta::FIB_RESULT)?,
        flags: fields.u32(nfta::FIB_FLAGS)?,
    })
}

pub fn rt(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Rt { to: fields.register(nfta::RT_DREG)?, key: fields.u32(nfta::RT_KEY)? })
}

pub fn socket(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Socket {
        to: fields.register(nfta::SOCKET_DREG)?,
        key: fields.u32(nfta::SOCKET_KEY)?,
        level: fields.u32(nfta::SOCKET_LEVEL),
    })
}

pub fn exthdr(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Exthdr {
        to: fields.register(nfta::EXTHDR_DREG),
        from: fields.register(nfta::EXTHDR_SREG),
        kind: fields.u8(nfta::EXTHDR_TYPE)?,
        offset: fields.u32(nfta::EXTHDR_OFFSET).unwrap_or_default(),
        length: fields.u32(nfta::EXTHDR_LEN).unwrap_or_default(),
        flags: fields.u32(nfta::EXTHDR_FLAGS).unwrap_or_default(),
        op: fields.u32(nfta::EXTHDR_OP).unwrap_or_default(),
    })
}
