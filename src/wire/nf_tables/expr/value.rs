//! Expressions on registers: values, comparisons, arithmetic, look-ups.
//!
//! Must not import anything from the crate but model and its sibling files.

use super::super::nfta;
use super::Place;
use crate::model::netfilter::expr::{BitwiseOp, Compare, Expr};

pub fn immediate(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Immediate { to: fields.register(nfta::IMMEDIATE_DREG)?, data: fields.data(nfta::IMMEDIATE_DATA)? })
}

pub fn cmp(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    let op = match fields.u32(nfta::CMP_OP)? {
        0 => Compare::Eq,
        1 => Compare::Neq,
        2 => Compare::Lt,
        3 => Compare::Lte,
        4 => Compare::Gt,
        5 => Compare::Gte,
        _ => return None,
    };
    Some(Expr::Cmp { from: fields.register(nfta::CMP_SREG)?, op, value: fields.value(nfta::CMP_DATA)? })
}

pub fn range(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Range {
        from: fields.register(nfta::RANGE_SREG)?,
        not: flag(fields.u32(nfta::RANGE_OP)?)?,
        min: fields.value(nfta::RANGE_FROM_DATA)?,
        max: fields.value(nfta::RANGE_TO_DATA)?,
    })
}

pub fn bitwise(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    // Shifts by a number of bits: its four bytes are in the machine's order, as registers have numbers.
    let shift = |bytes: Vec<u8>| bytes.try_into().ok().map(u32::from_ne_bytes);
    let op = match fields.u32(nfta::BITWISE_OP).unwrap_or_default() {
        0 => BitwiseOp::MaskXor { mask: fields.value(nfta::BITWISE_MASK)?, xor: fields.value(nfta::BITWISE_XOR)? },
        1 => BitwiseOp::ShiftLeft(shift(fields.value(nfta::BITWISE_DATA)?.0)?),
        2 => BitwiseOp::ShiftRight(shift(fields.value(nfta::BITWISE_DATA)?.0)?),
        // With a value in place of the second register: kept as it came.
        op => BitwiseOp::Registers { op, other: fields.register(nfta::BITWISE_SREG2)? },
    };
    Some(Expr::Bitwise {
        from: fields.register(nfta::BITWISE_SREG)?,
        to: fields.register(nfta::BITWISE_DREG)?,
        length: fields.u32(nfta::BITWISE_LEN)?,
        op,
    })
}

pub fn byteorder(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Byteorder {
        from: fields.register(nfta::BYTEORDER_SREG)?,
        to: fields.register(nfta::BYTEORDER_DREG)?,
        to_network: flag(fields.u32(nfta::BYTEORDER_OP)?)?,
        length: fields.u32(nfta::BYTEORDER_LEN)?,
        size: fields.u32(nfta::BYTEORDER_SIZE)?,
    })
}

pub fn lookup(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Lookup {
        set: fields.name(nfta::LOOKUP_SET)?,
        from: fields.register(nfta::LOOKUP_SREG)?,
        to: fields.register(nfta::LOOKUP_DREG),
        not: flag(fields.u32(nfta::LOOKUP_FLAGS).unwrap_or_default())?,
    })
}

pub fn dynset(place: &mut Place<'_, '_>) -> Option<Expr> {
    /// `NFT_DYNSET_F_INV`
    const NOT: u32 = 1;
    /// `NFT_DYNSET_F_EXPR`: that there are expressions.
    const EXPR: u32 = 2;
    let fields = &mut place.fields;
    let flags = fields.u32(nfta::DYNSET_FLAGS).unwrap_or_default();
    if flags & !(NOT | EXPR) != 0 {
        return None;
    }
    let (one, many) = (fields.raw(nfta::DYNSET_EXPR), fields.raw(nfta::DYNSET_EXPRESSIONS));
    Some(Expr::Dynset {
        set: fields.name(nfta::DYNSET_SET_NAME)?,
        op: fields.u32(nfta::DYNSET_OP)?,
        key: fields.register(nfta::DYNSET_SREG_KEY)?,
        data: fields.register(nfta::DYNSET_SREG_DATA),
        timeout_ms: fields.u64(nfta::DYNSET_TIMEOUT),
        not: flags & NOT != 0,
        exprs: super::one_or_list(place.family, one, many, place.depth + 1, fields.errors),
    })
}

pub fn numgen(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    Some(Expr::Numgen {
        to: fields.register(nfta::NG_DREG)?,
        modulus: fields.u32(nfta::NG_MODULUS)?,
        random: flag(fields.u32(nfta::NG_TYPE)?)?,
        offset: fields.u32(nfta::NG_OFFSET).unwrap_or_default(),
    })
}

pub fn hash(place: &mut Place<'_, '_>) -> Option<Expr> {
    let fields = &mut place.fields;
    let symmetric = flag(fields.u32(nfta::HASH_TYPE).unwrap_or_default())?;
    let from = if symmetric { None } else { Some(fields.register(nfta::HASH_SREG)?) };
    Some(Expr::Hash {
        from,
        to: fields.register(nfta::HASH_DREG)?,
        length: fields.u32(nfta::HASH_LEN).unwrap_or_default(),
        modulus: fields.u32(nfta::HASH_MODULUS)?,
        seed: fields.u32(nfta::HASH_SEED),
        offset: fields.u32(nfta::HASH_OFFSET).unwrap_or_default(),
    })
}

/// 0 or 1; nothing else has a meaning here.
fn flag(value: u32) -> Option<bool> {
    match value {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
