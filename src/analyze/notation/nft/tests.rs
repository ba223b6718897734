//! What cannot be written as nft would be, and what nobody should ever meet.

use super::*;
use crate::model::issue::{Issue, Read, Why};
use crate::model::netfilter::expr::{
    BitwiseOp, Compare, Data, Expr, Nat, NatKind, PayloadBase, Register, RegisterRange,
};
use crate::model::netfilter::table::TableRef;

/// A table that has nothing, or a set that cannot be read.
struct Nothing(Option<Set>);

impl Contents for Nothing {
    fn set(&self, _name: &ByteText) -> Option<Set> {
        self.0.clone()
    }

    fn elements(&self, _name: &ByteText) -> Section<Vec<Element>> {
        Read::failed(Issue::incomplete("elements", Why::Timeout { detail: "5 s".to_owned() })).section()
    }
}

const ONE: Register = Register(1);

fn written(exprs: Vec<Expr>) -> (String, bool) {
    written_with(exprs, &Nothing(None))
}

fn written_with(exprs: Vec<Expr>, contents: &dyn Contents) -> (String, bool) {
    let whole = Rule { number: 1, handle: None, body: Body::Nft(exprs), comment: None, user_data: Bytes::default() };
    let Text { text, exact } = rule(&whole, Family::Inet, contents);
    (text, exact)
}

fn payload(base: PayloadBase, offset: u32, length: u32) -> Expr {
    Expr::Payload { to: ONE, base, offset, length }
}

fn equals(value: &[u8]) -> Expr {
    Expr::Cmp { from: ONE, op: Compare::Eq, value: value.into() }
}

fn port(number: u8) -> Vec<Expr> {
    vec![Expr::Meta { to: ONE, key: 16 }, equals(&[6]), payload(PayloadBase::Transport, 2, 2), equals(&[0, number])]
}

#[test]
fn what_an_unknown_expression_may_have_put_into_a_register_is_not_guessed() {
    let mut exprs = vec![
        payload(PayloadBase::Transport, 2, 2),
        Expr::Unknown { name: "osf".into(), data: Bytes(vec![1, 2]) },
        equals(&[0, 80]),
    ];
    exprs.extend(port(81));
    assert_eq!(written(exprs), ("[ osf 0x0102 ] [ cmp eq reg 1 0x0050 ] tcp dport 81".to_owned(), false));
}

#[test]
fn what_was_asked_before_an_unknown_expression_stays() {
    let mut exprs = port(80);
    exprs.insert(2, Expr::Unknown { name: "xfrm".into(), data: Bytes::default() });
    assert_eq!(written(exprs), ("meta l4proto 6 [ xfrm 0x ] tcp dport 80".to_owned(), false));
}

#[test]
fn a_set_that_is_not_there_is_not_guessed() {
    let lookup = Expr::Lookup { set: "__set0".into(), from: ONE, to: None, not: false };
    let text = "[ payload load 4b @ network header + 12 => reg 1 ] [ lookup reg 1 set __set0 0x0 ]";
    assert_eq!(written(vec![payload(PayloadBase::Network, 12, 4), lookup]), (text.to_owned(), false));
}

#[test]
fn elements_that_could_not_be_read_are_not_left_out() {
    let set = Set {
        id: TableRef::nf(Family::Inet, "t").set("__set0"),
        handle: None,
        flags: Set::ANONYMOUS | Set::CONSTANT,
        key_type: 13,
        key_length: 2,
        fields: Vec::new(),
        data_type: None,
        data_length: None,
        object_kind: None,
        timeout_ms: None,
        gc_interval_ms: None,
        size: None,
        policy: None,
        exprs: Vec::new(),
        comment: None,
        user_data: Bytes::default(),
    };
    let mut exprs = port(80);
    exprs.pop();
    exprs.push(Expr::Lookup { set: "__set0".into(), from: ONE, to: None, not: false });
    // That TCP was asked for is not implied by what is in brackets.
    let text = "meta l4proto 6 [ payload load 2b @ transport header + 2 => reg 1 ] [ lookup reg 1 set __set0 0x0 ]";
    assert_eq!(written_with(exprs, &Nothing(Some(set))), (text.to_owned(), false));
}

#[test]
fn a_value_of_another_length_than_its_field_is_not_read_as_one() {
    let exprs = vec![Expr::Meta { to: ONE, key: 3 }, equals(&[1, 0])];
    let text = "[ meta load key 3 => reg 1 ] [ cmp eq reg 1 0x0100 ]";
    assert_eq!(written(exprs), (text.to_owned(), false));
}

#[test]
fn several_fields_that_differ_together_are_not_split() {
    let mut exprs = port(80);
    exprs[2] = payload(PayloadBase::Transport, 0, 4);
    exprs[3] = Expr::Cmp { from: ONE, op: Compare::Neq, value: Bytes(vec![0, 80, 0, 81]) };
    let text = "meta l4proto 6 [ payload load 4b @ transport header + 0 => reg 1 ] [ cmp neq reg 1 0x00500051 ]";
    assert_eq!(written(exprs), (text.to_owned(), false));
}

#[test]
fn a_translation_with_flags_of_another_time_is_not_written_without_them() {
    let nat = Nat {
        kind: NatKind::Masquerade,
        family: None,
        address: RegisterRange::default(),
        port: RegisterRange::default(),
        flags: 1 << 20,
    };
    assert_eq!(written(vec![Expr::Nat(nat)]), ("[ nat masquerade flags 0x100000 ]".to_owned(), false));
}

#[test]
fn numbers_at_their_ends_do_no_harm() {
    for offset in [0, 1, u32::MAX / 8, u32::MAX] {
        for length in [0, 1, 3, 16, 17, 64, u32::MAX / 8, u32::MAX] {
            for base in [PayloadBase::Link, PayloadBase::Network, PayloadBase::Transport, PayloadBase::Tunnel] {
                let bytes = vec![0xff; usize::try_from(length.min(64)).unwrap()];
                let op = BitwiseOp::MaskXor { mask: Bytes(bytes.clone()), xor: Bytes(vec![0; bytes.len()]) };
                let mask = Expr::Bitwise { from: ONE, to: ONE, length, op };
                written(vec![payload(base, offset, length), equals(&bytes)]);
                written(vec![payload(base, offset, length), mask, equals(&bytes)]);
                written(vec![
                    Expr::Exthdr { to: Some(ONE), from: None, kind: 2, offset, length, flags: 0, op: 1 },
                    equals(&[1]),
                ]);
            }
        }
    }
}

#[test]
fn a_calculation_of_a_thousand_steps_is_not_nested() {
    let turn = Expr::Byteorder { from: ONE, to: ONE, to_network: true, length: 4, size: 4 };
    let mut exprs = vec![Expr::Immediate { to: ONE, data: Data::Value(Bytes(vec![0; 4])) }];
    exprs.extend(vec![turn; 100_000]);
    let (text, exact) = written(exprs);
    assert!(!exact && text.starts_with("[ immediate reg 1 0x00000000 ] [ byteorder"));
}
