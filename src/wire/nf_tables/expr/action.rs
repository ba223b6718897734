//! Expressions that do something with the packet.
//!
//! Must not import anything from the crate but model and its sibling files.

use super::super::nfta;
use super::Place;
use crate::model::netfilter::expr::{Expr, Nat, NatKind, ObjectMap, ObjectRef, RegisterRange};

pub fn nat(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    let kind = match fields.u32(nfta::NAT_TYPE)? {
        0 => NatKind::Snat,
        1 => NatKind::Dnat,
        _ => return None,
    };
    Some(Expr::Nat(Nat {
        kind,
        family: fields.u32(nfta::NAT_FAMILY),
        address: fields.range(nfta::NAT_REG_ADDR_MIN, nfta::NAT_REG_ADDR_MAX),
        port: fields.range(nfta::NAT_REG_PROTO_MIN, nfta::NAT_REG_PROTO_MAX),
        flags: fields.u32(nfta::NAT_FLAGS).unwrap_or_default(),
    }))
}

pub fn masquerade(place: &mut Place<'_, '_>) -> Expr {
    let ports = (nfta::MASQ_REG_PROTO_MIN, nfta::MASQ_REG_PROTO_MAX);
    Expr::Nat(to_here(place, NatKind::Masquerade, ports, nfta::MASQ_FLAGS))
}

pub fn redirect(place: &mut Place<'_, '_>) -> Expr {
    let ports = (nfta::REDIR_REG_PROTO_MIN, nfta::REDIR_REG_PROTO_MAX);
    Expr::Nat(to_here(place, NatKind::Redirect, ports, nfta::REDIR_FLAGS))
}

fn to_here(place: &mut Place<'_, '_>, kind: NatKind, ports: (u16, u16), flags: u16) -> Nat {
    let port = place.fields.range(ports.0, ports.1);
    let flags = place.fields.u32(flags).unwrap_or_default();
    Nat { kind, family: None, address: RegisterRange::default(), port, flags }
}

pub fn reject(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    // A TCP reset has no code.
    Some(Expr::Reject {
        kind: fields.u32(nfta::REJECT_TYPE)?,
        code: fields.u8(nfta::REJECT_ICMP_CODE).unwrap_or_default(),
    })
}

pub fn log(place: &mut Place<'_, '_>) -> Expr {
    let fields = &mut place.fields;
    Expr::Log {
        group: fields.u16(nfta::LOG_GROUP),
        prefix: fields.name(nfta::LOG_PREFIX),
        length: fields.u32(nfta::LOG_SNAPLEN),
        threshold: fields.u16(nfta::LOG_QTHRESHOLD),
        level: fields.u32(nfta::LOG_LEVEL),
        flags: fields.u32(nfta::LOG_FLAGS),
    }
}

pub fn queue(place: &mut Place<'_, '_>) -> Expr {
    let fields = &mut place.fields;
    Expr::Queue {
        number: fields.u16(nfta::QUEUE_NUM),
        total: fields.u16(nfta::QUEUE_TOTAL),
        flags: fields.u16(nfta::QUEUE_FLAGS).unwrap_or_default(),
        from: fields.register(nfta::QUEUE_SREG_QNUM),
    }
}

pub fn objref(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    let object = match fields.name(nfta::OBJREF_IMM_NAME) {
        Some(name) => Some(ObjectRef { kind: fields.u32(nfta::OBJREF_IMM_TYPE)?, name }),
        None => None,
    };
    let map = match fields.name(nfta::OBJREF_SET_NAME) {
        Some(set) => Some(ObjectMap { set, from: fields.register(nfta::OBJREF_SET_SREG)? }),
        None => None,
    };
    Some(Expr::Objref { object, map })
}

pub fn tproxy(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Tproxy {
        family: fields.u32(nfta::TPROXY_FAMILY)?,
        address: fields.register(nfta::TPROXY_REG_ADDR),
        port: fields.register(nfta::TPROXY_REG_PORT),
    })
}
