//! Messages that this kernel cannot make, built by hand from the layouts of `linux/netfilter/nf_tables.h`; and any
//! damage to captured ones. What captured ones mean is tested against `nft` in `tests/netfilter`.

use proptest::prelude::*;

use super::{chain, element, hook, nfta, object, rule, set, table};
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::expr::{BitwiseOp, Data, Expr, Register, Verdict};
use crate::model::netfilter::hook::HookEntry;
use crate::model::netfilter::rule::Body;
use crate::model::netfilter::table::{Family, TableRef};
use crate::model::text::Bytes;
use crate::wire::netlink::attr::{AttrError, attribute as attr};
use crate::wire::netlink::frame::messages;

const CAPTURED: [&[u8]; 6] = [
    include_bytes!("../../../fixtures/rules/nf_tables/captured/tables.bin"),
    include_bytes!("../../../fixtures/rules/nf_tables/captured/chains.bin"),
    include_bytes!("../../../fixtures/rules/nf_tables/captured/rules.bin"),
    include_bytes!("../../../fixtures/rules/nf_tables/captured/sets.bin"),
    include_bytes!("../../../fixtures/rules/nf_tables/captured/elements.bin"),
    include_bytes!("../../../fixtures/rules/nf_tables/captured/objects.bin"),
];

fn nest(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attr(kind | 0x8000, &parts.concat())
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attr(kind, &value.to_be_bytes())
}

fn expression(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    nest(nfta::LIST_ELEM, &[attr(nfta::EXPR_NAME, name.as_bytes()), nest(nfta::EXPR_DATA, parts)])
}

/// A rule of `inet t`, chain `c`.
fn message(exprs: &[Vec<u8>]) -> Vec<u8> {
    let parts = [attr(nfta::RULE_TABLE, b"t\0"), attr(nfta::RULE_CHAIN, b"c\0"), nest(nfta::RULE_EXPRESSIONS, exprs)];
    [vec![1, 0, 0, 0], parts.concat()].concat()
}

/// What a rule's expressions are, and what there was to complain of.
fn decoded(exprs: &[Vec<u8>]) -> (Vec<Expr>, Vec<AttrError>) {
    let mut errors = Vec::new();
    let bytes = message(exprs);
    let placed = rule::rule(&bytes, &mut errors).unwrap();
    assert_eq!((placed.family, placed.table, placed.chain), (Family::Inet, &b"t"[..], &b"c"[..]));
    let Body::Nft(exprs) = placed.rule.body else { panic!("no row of expressions") };
    (exprs, errors)
}

/// An expression that is whole, so that nothing is complained of.
fn one(name: &str, parts: &[Vec<u8>]) -> Expr {
    let (mut exprs, errors) = decoded(&[expression(name, parts)]);
    assert_eq!((exprs.len(), errors), (1, vec![]));
    exprs.remove(0)
}

fn unknown(name: &str, parts: &[Vec<u8>]) -> Expr {
    Expr::Unknown { name: name.into(), data: Bytes(parts.concat()) }
}

#[test]
fn what_this_kernel_lacks_is_decoded() {
    let parts = [attr(nfta::QUEUE_NUM, &[0, 1]), attr(nfta::QUEUE_TOTAL, &[0, 3]), attr(nfta::QUEUE_FLAGS, &[0, 1])];
    assert_eq!(one("queue", &parts), Expr::Queue { number: Some(1), total: Some(3), flags: 1, from: None });

    let registers = [
        number(nfta::BITWISE_SREG, 1),
        number(nfta::BITWISE_DREG, 1),
        number(nfta::BITWISE_LEN, 4),
        number(nfta::BITWISE_OP, 4),
        number(nfta::BITWISE_SREG2, 9),
    ];
    let op = BitwiseOp::Registers { op: 4, other: Register(9) };
    let wanted = Expr::Bitwise { from: Register(1), to: Register(1), length: 4, op };
    assert_eq!(one("bitwise", &registers), wanted);
}

#[test]
fn verdicts_are_told_apart_and_unknown_ones_kept() {
    let verdict = |code: i32, chain: Option<&str>| {
        let mut parts = vec![number(nfta::VERDICT_CODE, code.cast_unsigned())];
        parts.extend(chain.map(|chain| attr(nfta::VERDICT_CHAIN, chain.as_bytes())));
        let data = nest(nfta::IMMEDIATE_DATA, &[nest(nfta::DATA_VERDICT, &parts)]);
        match one("immediate", &[number(nfta::IMMEDIATE_DREG, 0), data]) {
            Expr::Immediate { to: Register::VERDICT, data: Data::Verdict(verdict) } => verdict,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(verdict(0, None), Verdict::Drop);
    assert_eq!(verdict(-2, None), Verdict::Break);
    assert_eq!(verdict(-3, Some("x")), Verdict::Jump("x".into()));
    assert_eq!(verdict(0x0005_0003, None), Verdict::Queue(5));
    assert_eq!(verdict(2, None), Verdict::Other(2));
    assert_eq!(verdict(-9, None), Verdict::Other(-9));
    // A jump to nowhere is none.
    assert_eq!(verdict(-4, None), Verdict::Other(-4));
}

#[test]
fn what_is_newer_than_this_podnet_stays_as_it_came() {
    let parts = [number(nfta::RT_DREG, 1), number(nfta::RT_KEY, 3), number(7, 1)];
    assert_eq!(one("rt", &parts), unknown("rt", &parts));
    let parts = [number(nfta::CMP_SREG, 1), number(nfta::CMP_OP, 6)];
    assert_eq!(one("cmp", &parts), unknown("cmp", &parts));
    assert_eq!(one("inner", &[number(1, 1)]), unknown("inner", &[number(1, 1)]));
}

#[test]
fn a_broken_attribute_costs_one_expression() {
    let broken = [attr(nfta::META_DREG, &[0, 1]), number(nfta::META_KEY, 3)];
    let sound = [number(nfta::META_DREG, 1), number(nfta::META_KEY, 3)];
    let (exprs, errors) = decoded(&[expression("meta", &broken), expression("meta", &sound)]);
    assert_eq!(exprs, [unknown("meta", &broken), Expr::Meta { to: Register(1), key: 3 }]);
    assert_eq!(errors, [AttrError::Length { kind: nfta::META_DREG, length: 2, wanted: "4" }]);
}

#[test]
fn expressions_in_expressions_have_a_bottom() {
    let mut inner = expression("counter", &[]);
    for _ in 0..200 {
        let parts = [
            attr(nfta::DYNSET_SET_NAME, b"s"),
            number(nfta::DYNSET_OP, 0),
            number(nfta::DYNSET_SREG_KEY, 1),
            nest(nfta::DYNSET_EXPRESSIONS, &[inner]),
        ];
        inner = expression("dynset", &parts);
    }
    let (exprs, _) = decoded(&[inner]);
    let mut depth = 0;
    let mut at = &exprs;
    while let [Expr::Dynset { exprs, .. }] = &at[..] {
        depth += 1;
        at = exprs;
    }
    assert_eq!(depth, 4);
    assert!(matches!(&at[..], [Expr::Unknown { .. }]));
}

#[test]
fn devices_may_be_given_by_prefix() {
    let devices = [attr(nfta::DEVICE_NAME, b"eth0\0"), attr(nfta::DEVICE_PREFIX, b"cali\0")];
    let hook = [number(nfta::HOOK_HOOKNUM, 1), number(nfta::HOOK_PRIORITY, u32::MAX), nest(nfta::HOOK_DEVS, &devices)];
    let parts = [
        attr(nfta::CHAIN_TABLE, b"t\0"),
        attr(nfta::CHAIN_NAME, b"c\0"),
        nest(nfta::CHAIN_HOOK, &hook),
        number(nfta::CHAIN_POLICY, 1),
        attr(nfta::CHAIN_TYPE, b"filter\0"),
    ];
    let mut errors = Vec::new();
    let found = chain::chain(&[vec![5, 0, 0, 0], parts.concat()].concat(), &mut errors).unwrap();
    let base = found.base.unwrap();
    assert_eq!((base.hook, base.priority, errors), (Hook::Egress, -1, vec![]));
    assert_eq!(base.devices, ["eth0", "cali*"]);
}

#[test]
fn a_family_that_is_not_known_is_not_of_our_sort() {
    let mut errors = Vec::new();
    let mut bytes = message(&[]);
    bytes[0] = 12;
    assert_eq!(rule::rule(&bytes, &mut errors), None);
    assert_eq!(errors, []);
    assert_eq!(table::table(&[2, 0], &mut errors), None);
    assert_eq!(errors, [AttrError::Fixed { length: 2, wanted: 4 }]);
}

/// `nfnl_hook_dump_one` of Linux 6.18: `struct nfgenmsg`, function, module, hook, priority, what it belongs to.
#[test]
fn what_runs_at_a_hook_is_told_by_function_and_chain() {
    let answer = |priority: i32, function: &str, module: Option<&str>, info: Option<Vec<u8>>| {
        let mut parts = vec![attr(4, &[function.as_bytes(), &[0]].concat())];
        parts.extend(module.map(|module| attr(5, &[module.as_bytes(), &[0]].concat())));
        parts.extend([number(1, 0), number(2, priority.cast_unsigned())]);
        parts.extend(info);
        let mut errors = Vec::new();
        let found = hook::entry(&[vec![2, 0, 0, 0], parts.concat()].concat(), &mut errors).unwrap();
        assert_eq!(errors, []);
        found
    };
    let described = [attr(1, b"kube-proxy\0"), attr(3, b"nat-prerouting\0"), attr(2, &[1])];
    let info = nest(6, &[number(2, 1), nest(1, &described)]);
    let chain = TableRef::nf(Family::Inet, "kube-proxy").chain("nat-prerouting");
    let plain = HookEntry { priority: -100, function: None, module: None, chain: None, program: None };
    assert_eq!(
        answer(-100, "nft_nat_do_chain", Some("nft_chain_nat"), Some(info)),
        HookEntry {
            function: Some("nft_nat_do_chain".into()),
            module: Some("nft_chain_nat".into()),
            chain: Some(chain),
            ..plain.clone()
        }
    );
    let function = Some("ipv4_conntrack_in".into());
    assert_eq!(answer(-200, "ipv4_conntrack_in", None, None), HookEntry { priority: -200, function, ..plain.clone() });
    let info = nest(6, &[number(2, 2), nest(1, &[number(1, 77)])]);
    let function = Some("nf_hook_run_bpf".into());
    assert_eq!(
        answer(5, "nf_hook_run_bpf", None, Some(info)),
        HookEntry { priority: 5, function, program: Some(77), ..plain }
    );
}

#[test]
fn a_hook_is_asked_for_by_the_familys_number() {
    // The message's header, then NFPROTO_ARP, then NFNLA_HOOK_HOOKNUM with NF_ARP_OUT.
    let request = hook::request(Family::Arp, Hook::Output).unwrap();
    assert!(request.is_dump());
    assert_eq!(request.bytes(1, 0)[16..], [3, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 1]);
    assert_eq!(hook::request(Family::Arp, Hook::Postrouting), None);
    assert_eq!(hook::request(Family::Netdev, Hook::Ingress), None);
}

/// Every decoder on any bytes: a value or a complaint.
fn all(payload: &[u8]) -> usize {
    let errors = &mut Vec::new();
    let _ = table::table(payload, errors);
    let _ = chain::chain(payload, errors);
    let _ = chain::is_base(payload);
    let _ = rule::rule(payload, errors);
    let _ = set::set(payload, errors);
    element::elements(payload, &mut Vec::new(), errors);
    let _ = object::object(payload, errors);
    let _ = hook::entry(payload, errors);
    let _ = super::generation::generation(payload, errors);
    errors.len()
}

#[test]
fn no_prefix_of_a_captured_message_is_a_panic() {
    for bytes in CAPTURED {
        for message in messages(bytes) {
            let payload = message.unwrap().payload;
            for length in 0..payload.len() {
                // A rule that ends early is never as if it were whole.
                let cut = &payload[..length];
                assert!(all(cut) > 0 || length % 4 == 0, "{length} of {payload:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_flip_in_a_captured_message_is_a_panic(which in 0..CAPTURED.len(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = CAPTURED[which].to_vec();
        for (at, by) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= by;
        }
        for message in messages(&bytes).flatten() {
            all(message.payload);
        }
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        all(&bytes);
    }
}
