//! What is not read is never taken for something that asks or does less.

use super::*;
use crate::model::netfilter::expr::{Compare, Expr, PayloadBase, Register, Verdict};
use crate::model::netfilter::xt::matches::{Match, Statistic};
use crate::model::netfilter::xt::targets::{NatRange, Target};
use crate::model::netfilter::xt::{Header, Test, XtMatch, XtRule, XtTarget};
use crate::model::text::Bytes;

fn rule(body: Body) -> Rule {
    Rule { number: 1, handle: None, body, comment: None, user_data: Bytes::default() }
}

fn nft(exprs: Vec<Expr>) -> (Vec<When>, Then) {
    let rule = rule(Body::Nft(exprs));
    let step = Step::of(&rule, Family::Ip);
    (step.when, step.then)
}

fn xt(header: Header, matches: Vec<Match>, target: Target) -> (Vec<When>, Then) {
    let matches = matches.into_iter().map(|is| XtMatch { name: "m".into(), revision: 0, is }).collect();
    let target = XtTarget { name: "T".into(), revision: 0, does: target };
    let rule = rule(Body::Xt(Box::new(XtRule { header, matches, target, counters: None })));
    let step = Step::of(&rule, Family::Ip);
    (step.when, step.then)
}

const REG1: Register = Register(1);

fn goto(chain: &str) -> Expr {
    Expr::Immediate { to: Register::VERDICT, data: Data::Verdict(Verdict::Goto(chain.into())) }
}

fn cmp(op: Compare, value: &[u8]) -> Expr {
    Expr::Cmp { from: REG1, op, value: value.into() }
}

fn source(length: u32) -> Expr {
    Expr::Payload { to: REG1, base: PayloadBase::Network, offset: 12, length }
}

#[test]
fn a_prefix_of_whole_bytes_is_compared_without_a_mask() {
    let net = When::Source { net: "10.200.0.0/16".parse().unwrap(), not: true };
    assert_eq!(nft(vec![source(2), cmp(Compare::Neq, &[10, 200]), goto("x")]), (vec![net], Then::To("x".into())));
}

#[test]
fn marking_chains_are_what_they_do() {
    assert_eq!(nft(vec![goto("mark-for-masquerade")]).1, Then::Mark);
    assert_eq!(xt(Header::default(), vec![], Target::Jump("KUBE-MARK-MASQ".into())).1, Then::Mark);
    assert_eq!(xt(Header::default(), vec![], Target::Jump("KUBE-MARK-DROP".into())).1, Then::Drop);
}

#[test]
fn expressions_that_are_not_read_leave_the_rule_unread() {
    let unknown = Expr::Unknown { name: "new".into(), data: Bytes::default() };
    // It may have ended the rule, or filled the register.
    assert_eq!(nft(vec![unknown.clone(), goto("x")]).1, Then::Other);
    let number = Expr::Numgen { to: REG1, modulus: 2, random: false, offset: 0 };
    let lookup = Expr::Lookup { set: "__map0".into(), from: REG1, to: Some(Register::VERDICT), not: false };
    assert_eq!(nft(vec![number, lookup]).1, Then::Other);
    assert_eq!(nft(vec![source(4), cmp(Compare::Lt, &[10, 0, 0, 1]), goto("x")]).0, [When::Other]);
    // A field that was not read is not the one that stood in the register before.
    let payload = Expr::Payload { to: REG1, base: PayloadBase::Inner, offset: 0, length: 4 };
    assert_eq!(nft(vec![source(4), payload, cmp(Compare::Eq, &[10, 0, 0, 1])]).0, [When::Other]);
}

#[test]
fn matches_that_are_not_read_stay_as_conditions() {
    let unknown = xt(Header::default(), vec![Match::Unknown(Bytes::default())], Target::Jump("x".into()));
    assert_eq!(unknown, (vec![When::Other], Then::To("x".into())));
    let never = Test { not: true, value: Statistic::Random { n: 1 << 30 } };
    assert_eq!(xt(Header::default(), vec![Match::Statistic(never)], Target::Nothing).0, [When::Other]);
    let header = Header { in_interface: Some(Test::is("eth0".into())), ..Header::default() };
    assert_eq!(xt(header, vec![], Target::Nothing).0, [When::Other]);
    let header = Header { protocol: Some(Test { not: true, value: 6 }), ..Header::default() };
    assert_eq!(xt(header, vec![], Target::Nothing).0, [When::Other]);
}

#[test]
fn a_range_of_addresses_is_no_endpoint() {
    let range = |last: &str| {
        let addresses = Some(("10.0.0.1".parse().unwrap(), last.parse().unwrap()));
        xt(
            Header::default(),
            vec![],
            Target::Dnat(NatRange { addresses, ports: Some((80, 80)), ..NatRange::default() }),
        )
        .1
    };
    assert_eq!(range("10.0.0.2"), Then::Other);
    assert_eq!(range("10.0.0.1"), Then::Dnat("10.0.0.1".parse().unwrap(), Some(80)));
}
