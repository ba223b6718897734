use super::*;
use crate::model::netfilter::expr::{Nat, NatKind, RegisterRange, Verdict};
use crate::model::netfilter::xt::MaskedAddress;
use crate::model::netfilter::xt::matches::{Icmp, Ports, Range, Tcp, TcpFlags, TtlTest};
use crate::model::netfilter::xt::targets::{Log, NatRange, Nflog, SetMark};
use crate::model::text::Bytes;

const ONE: Register = Register(1);

fn cmp(op: Compare, value: &[u8]) -> Expr {
    Expr::Cmp { from: ONE, op, value: Bytes::from(value) }
}

fn is(value: &[u8]) -> Expr {
    cmp(Compare::Eq, value)
}

fn payload(base: PayloadBase, offset: u32, length: u32) -> Expr {
    Expr::Payload { to: ONE, base, offset, length }
}

fn network(offset: u32, length: u32) -> Expr {
    payload(PayloadBase::Network, offset, length)
}

fn transport(offset: u32, length: u32) -> Expr {
    payload(PayloadBase::Transport, offset, length)
}

fn meta(key: u32) -> Expr {
    Expr::Meta { to: ONE, key }
}

fn mask(mask: &[u8]) -> Expr {
    let op = BitwiseOp::MaskXor { mask: Bytes::from(mask), xor: Bytes(vec![0; mask.len()]) };
    Expr::Bitwise { from: ONE, to: ONE, length: 4, op }
}

fn verdict(verdict: Verdict) -> Expr {
    Expr::Immediate { to: Register::VERDICT, data: Data::Verdict(verdict) }
}

fn value(to: u32, value: &[u8]) -> Expr {
    Expr::Immediate { to: Register(to), data: Data::Value(Bytes::from(value)) }
}

fn counter() -> Expr {
    Expr::Counter(Counters { packets: 1, bytes: 2 })
}

fn lifted(family: Family, exprs: &[Expr]) -> XtRule {
    lift(family, exprs.to_vec()).unwrap()
}

fn refused(exprs: &[Expr]) {
    assert_eq!(lift(Family::Ip, exprs.to_vec()), None, "{exprs:?}");
}

fn address(address: &str, mask: &str) -> MaskedAddress {
    MaskedAddress { address: address.parse().unwrap(), mask: mask.parse().unwrap() }
}

#[test]
fn a_head_of_everything() {
    let rule = lifted(
        Family::Ip,
        &[
            meta(META_IIFNAME),
            is(b"eth"),
            meta(META_OIFNAME),
            cmp(Compare::Neq, b"eth0\0\0\0\0\0\0\0\0\0\0\0\0"),
            meta(META_L4PROTO),
            is(&[6]),
            network(12, 1),
            is(&[10]),
            network(16, 4),
            mask(&[255, 0, 255, 0]),
            cmp(Compare::Neq, &[1, 0, 3, 0]),
            network(6, 2),
            mask(&[0x1f, 0xff]),
            is(&[0, 0]),
            counter(),
            verdict(Verdict::Goto("c".into())),
        ],
    );
    let header = Header {
        source: Some(Test::is(address("10.0.0.0", "255.0.0.0"))),
        destination: Some(Test { not: true, value: address("1.0.3.0", "255.0.255.0") }),
        in_interface: Some(Test::is("eth+".into())),
        out_interface: Some(Test { not: true, value: "eth0".into() }),
        protocol: Some(Test::is(6)),
        fragment: Some(Test { not: true, value: () }),
        unknown: Bytes::default(),
    };
    let target = native_target("", Target::Goto("c".into()));
    assert_eq!(rule, XtRule { header, matches: vec![], target, counters: Some(Counters { packets: 1, bytes: 2 }) });
}

#[test]
fn the_link_that_cannot_be_is_any_link_turned_around() {
    let rule = lifted(Family::Ip, &[meta(META_OIFNAME), is(b"INVAL/D\0"), meta(META_IIFNAME), counter()]);
    assert_eq!(rule.header.out_interface, Some(Test { not: true, value: "+".into() }));
    assert_eq!(rule.header.in_interface, None);
}

#[test]
fn ports_and_flags_come_together_in_one_match() {
    let tcp = [meta(META_L4PROTO), is(&[6])];
    let rule = lifted(
        Family::Ip6,
        &[
            &tcp[..],
            &[
                transport(13, 1),
                mask(&[0x17]),
                cmp(Compare::Neq, &[2]),
                transport(2, 2),
                is(&[0, 80]),
                transport(0, 2),
                Expr::Range { from: ONE, not: true, min: Bytes(vec![0, 5]), max: Bytes(vec![0, 9]) },
                transport(2, 2),
                cmp(Compare::Gte, &[0, 6]),
            ],
        ]
        .concat(),
    );
    let range = |min, max| Range { min, max };
    let first = Tcp {
        ports: Ports {
            source: Some(Test { not: true, value: range(5, 9) }),
            destination: Some(Test::is(range(80, 80))),
        },
        flags: Some(Test { not: true, value: TcpFlags { mask: 0x17, set: 2 } }),
        option: None,
    };
    // A second destination port is a question of its own; iptables-nft would forget the first.
    let second = Tcp { ports: Ports { source: None, destination: Some(Test::is(range(6, 65535))) }, ..Tcp::default() };
    assert_eq!(rule.matches, [native("tcp", Match::Tcp(first)), native("tcp", Match::Tcp(second))]);
    let both = lifted(Family::Ip, &[meta(META_L4PROTO), is(&[17]), transport(0, 4), is(&[0, 5, 0, 6])]);
    let ports = Ports { source: Some(Test::is(range(5, 5))), destination: Some(Test::is(range(6, 6))) };
    assert_eq!(both.matches, [native("udp", Match::Udp(ports))]);
}

#[test]
fn native_matches() {
    let limit = |rate, unit| Expr::Limit(Limit { rate, unit, burst: 5, bytes: false, over: false });
    let rule = lifted(
        Family::Ip,
        &[
            network(9, 1),
            is(&[1]),
            transport(0, 2),
            is(&[3, 4]),
            network(8, 1),
            cmp(Compare::Gte, &[5]),
            meta(META_MARK),
            mask(&4_u32.to_ne_bytes()),
            cmp(Compare::Neq, &4_u32.to_ne_bytes()),
            Expr::Ct { to: ONE, key: CT_MARK, direction: None },
            is(&4_u32.to_ne_bytes()),
            meta(META_PKTTYPE),
            is(&[2]),
            limit(7, 3600),
        ],
    );
    let matches = [
        native("icmp", Match::Icmp(Test::is(Icmp { kind: 3, code_min: 4, code_max: 4 }))),
        native("ttl", Match::Ttl(TtlTest { op: 3, value: 4 })),
        native("mark", Match::Mark(Test { not: true, value: Mark { value: 4, mask: 4 } })),
        native("connmark", Match::Connmark(Test::is(Mark { value: 4, mask: u32::MAX }))),
        native("pkttype", Match::Pkttype(Test::is(2))),
        native("limit", Match::Limit(Rate { average: 5_142_857, burst: 5 })),
    ];
    assert_eq!(rule.matches, matches);
}

#[test]
fn native_targets() {
    let target = |exprs: &[Expr]| lifted(Family::Ip, exprs).target;
    let nat = |kind, flags| Nat {
        kind,
        family: Some(2),
        address: RegisterRange { min: Some(Register(8)), max: None },
        port: RegisterRange { min: Some(Register(9)), max: None },
        flags,
    };
    let range = NatRange {
        addresses: Some(("1.2.3.4".parse().unwrap(), "1.2.3.4".parse().unwrap())),
        ports: Some((80, 80)),
        persistent: true,
        ..NatRange::default()
    };
    let given = [value(8, &[1, 2, 3, 4]), value(9, &[0, 80])];
    let dnat = [&given[..], &[Expr::Nat(nat(NatKind::Dnat, 1 + 2 + 8))]].concat();
    assert_eq!(target(&dnat), native_target("DNAT", Target::Dnat(range)));
    let trace = [value(9, &[1]), Expr::MetaSet { from: Register(9), key: META_NFTRACE }];
    assert_eq!(target(&trace), native_target("TRACE", Target::Trace));
    let mark = [value(1, &9_u32.to_ne_bytes()), Expr::MetaSet { from: ONE, key: META_MARK }];
    assert_eq!(target(&mark), native_target("MARK", Target::Mark(SetMark { value: 9, clear: u32::MAX })));
    let log = |group| Expr::Log {
        group,
        prefix: Some("p".into()),
        length: None,
        threshold: None,
        level: None,
        flags: Some(1),
    };
    let nflog = Nflog { group: 0, prefix: "p".into(), length: 0, sized: false, threshold: 0 };
    assert_eq!(target(&[log(Some(0))]), native_target("NFLOG", Target::Nflog(nflog)));
    let to_kernel = Log { level: 4, flags: 1, prefix: "p".into() };
    assert_eq!(target(&[log(None)]), native_target("LOG", Target::Log(to_kernel)));
    assert_eq!(target(&[Expr::Reject { kind: 0, code: 13 }]), native_target("REJECT", Target::Reject(8)));
    assert_eq!(target(&[counter()]), native_target("", Target::Nothing));
}

#[test]
fn what_would_mean_something_else_stays_as_it_is() {
    // A counter or a target before a condition, two of them, a condition of no known kind.
    refused(&[counter(), meta(META_L4PROTO), is(&[6])]);
    refused(&[verdict(Verdict::Accept), meta(META_L4PROTO), is(&[6])]);
    refused(&[counter(), counter()]);
    refused(&[verdict(Verdict::Accept), verdict(Verdict::Drop)]);
    refused(&[transport(2, 2), is(&[0, 80])]);
    refused(&[meta(META_L4PROTO), cmp(Compare::Neq, &[6]), transport(2, 2), is(&[0, 80])]);
    refused(&[meta(META_L4PROTO), is(&[6]), meta(META_L4PROTO), is(&[17])]);
    refused(&[meta(META_L4PROTO), cmp(Compare::Lt, &[6])]);
    refused(&[network(12, 4), is(&[1, 2, 3])]);
    refused(&[network(12, 8), is(&[1, 2, 3, 4, 5, 6, 7, 8])]);
    refused(&[network(1, 1), is(&[1])]);
    refused(&[meta(4), is(&[1, 0, 0, 0])]);
    refused(&[is(&[1])]);
    refused(&[meta(META_IIFNAME), is(b"a\0b")]);
    refused(&[Expr::Lookup { set: "__set0".into(), from: ONE, to: None, not: false }]);
    refused(&[Expr::Limit(Limit { rate: 0, unit: 1, burst: 0, bytes: false, over: false })]);
    refused(&[Expr::Limit(Limit { rate: 1, unit: 1, burst: 0, bytes: true, over: false })]);
    refused(&[verdict(Verdict::Queue(1))]);
    // A match that notes what it sees, before a condition of the head.
    let limit = Expr::Limit(Limit { rate: 1, unit: 1, burst: 0, bytes: false, over: false });
    refused(&[limit, meta(META_L4PROTO), is(&[6])]);
    assert_eq!(lift(Family::Inet, vec![counter()]), None);
}
