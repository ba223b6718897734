use super::super::super::mask::numbers;
use super::exprs::{Context, mask};
use super::*;
use crate::model::netfilter::expr::{
    BitwiseOp, Compare, Data, Expr, Nat, NatKind, PayloadBase, Register, RegisterRange,
};
use crate::model::netfilter::ipset::IpSetMember;
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::table::Family;

fn bytes(bytes: &[u8]) -> Bytes {
    Bytes(bytes.to_vec())
}

fn with<T>(act: impl FnOnce(&mut RuleMasks<'_, '_>) -> T) -> T {
    let mut random = numbers();
    let mut masks = Masks::new(&mut random);
    act(&mut RuleMasks { masks: &mut masks, chains: BTreeMap::new() })
}

fn row(family: Family, mut row: Vec<Expr>) -> Vec<Expr> {
    with(|masks| mask(masks, &mut row, &Context::new(family, &[])));
    row
}

fn payload(base: PayloadBase, offset: u32, length: u32) -> Expr {
    Expr::Payload { to: Register(1), base, offset, length }
}

fn cmp(value: &[u8]) -> Expr {
    Expr::Cmp { from: Register(1), op: Compare::Eq, value: bytes(value) }
}

fn compared(row: &[Expr]) -> &[u8] {
    let found = row.iter().find_map(|expr| match expr {
        Expr::Cmp { value, .. } => Some(value.0.as_slice()),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn values_are_masked_by_what_they_are_compared_with() {
    let network = PayloadBase::Network;
    for (family, load, value, stays) in [
        (Family::Ip, payload(network, 12, 4), [10, 200, 0, 5].as_slice(), false),
        (Family::Ip, payload(network, 16, 3), &[10, 200, 0], false),
        (Family::Ip, payload(network, 12, 8), &[10, 200, 0, 5, 10, 200, 0, 6], false),
        (Family::Inet, payload(network, 24, 16), &[0xfd, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], false),
        (Family::Ip, payload(network, 9, 1), &[6], true),
        (Family::Inet, payload(network, 9, 1), &[6], true),
        (Family::Inet, payload(network, 10, 4), &[1, 2, 3, 4], false),
        (Family::Ip, payload(PayloadBase::Transport, 2, 2), &[0, 80], true),
        (Family::Ip, payload(PayloadBase::Inner, 0, 4), b"HTTP", false),
        (Family::Bridge, payload(PayloadBase::Link, 6, 6), &[0x52, 0, 1, 2, 3, 4], false),
        (Family::Ip, Expr::Meta { to: Register(1), key: 3 }, &[1, 2, 3, 4], true),
        (Family::Ip, Expr::Meta { to: Register(1), key: 6 }, b"customer0\0\0\0\0\0\0\0", false),
        (Family::Ip, Expr::Meta { to: Register(1), key: 6 }, b"eth0\0\0\0\0\0\0\0\0\0\0\0\0", true),
        (Family::Ip, Expr::Meta { to: Register(1), key: 999 }, b"what", false),
        (Family::Ip, Expr::Ct { to: Register(1), key: 0, direction: None }, &[8, 0, 0, 0], true),
        (Family::Ip, Expr::Ct { to: Register(1), key: 6, direction: None }, b"helper-of-acme\0\0", false),
        (Family::Ip, Expr::Ct { to: Register(1), key: 8, direction: None }, &[10, 200, 0, 5], false),
        (Family::Ip, Expr::Fib { to: Register(1), result: 2, flags: 1 }, b"customer0\0\0\0\0\0\0\0", false),
    ] {
        let told = format!("{load:?} {value:?}");
        let masked = row(family, vec![load, cmp(value)]);
        assert_eq!(compared(&masked).len(), value.len(), "{told}");
        assert_eq!(compared(&masked) == value, stays, "{told}: {:?}", compared(&masked));
    }
}

#[test]
fn equal_addresses_stay_equal_wherever_they_stand() {
    let address = bytes(&[10, 200, 0, 5]);
    let masked = row(
        Family::Ip,
        vec![
            payload(PayloadBase::Network, 16, 4),
            Expr::Bitwise {
                from: Register(1),
                to: Register(1),
                length: 4,
                op: BitwiseOp::MaskXor { mask: bytes(&[255; 4]), xor: bytes(&[0; 4]) },
            },
            cmp(&address.0),
            Expr::Immediate { to: Register(1), data: Data::Value(address.clone()) },
            Expr::Immediate { to: Register(2), data: Data::Value(bytes(&[0x1f, 0x90])) },
            Expr::Nat(Nat {
                kind: NatKind::Dnat,
                family: Some(2),
                address: RegisterRange { min: Some(Register(1)), max: None },
                port: RegisterRange { min: Some(Register(2)), max: None },
                flags: 0,
            }),
            Expr::Immediate { to: Register(1), data: Data::Value(bytes(b"nobody uses this")) },
        ],
    );
    let values: Vec<&[u8]> = masked
        .iter()
        .filter_map(|expr| match expr {
            Expr::Cmp { value, .. } | Expr::Immediate { data: Data::Value(value), .. } => Some(value.0.as_slice()),
            _ => None,
        })
        .collect();
    assert_eq!(values[0], values[1]);
    assert_ne!(values[0], address.0);
    assert_eq!(values[2], [0x1f, 0x90]);
    assert_eq!(values[3], [0; 16]);
}

fn set(key_type: u32, key_length: u32, flags: u32) -> Set {
    Set {
        id: TableRef::nf(Family::Ip, "t").set("s"),
        handle: None,
        flags,
        key_type,
        key_length,
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
    }
}

fn element(key: &[u8]) -> Element {
    Element {
        key: bytes(key),
        key_end: None,
        interval_end: false,
        catch_all: false,
        data: None,
        object: None,
        timeout_ms: None,
        expires_ms: None,
        exprs: Vec::new(),
        comment: None,
        user_data: Bytes::default(),
    }
}

#[test]
fn the_parts_of_a_key_are_masked_by_their_kinds() {
    // ipv4_addr . inet_proto . inet_service
    let set = set((0x7 << 12) | (0xc << 6) | 0xd, 12, 0);
    let key = [10, 32, 0, 10, 6, 0, 0, 0, 0, 53, 0, 0];
    let mut elements = [element(&key), element(&key[..5])];
    with(|masks| sets::elements(masks, &mut elements, Some(&set), &Context::new(Family::Ip, &[])));
    let whole = elements.iter().find(|element| element.key.0.len() == 12).unwrap();
    assert_ne!(whole.key.0[..4], key[..4]);
    assert_eq!(whole.key.0[4..], key[4..]);
    // A key of another length than its kinds have tells nothing.
    let short = elements.iter().find(|element| element.key.0.len() == 5).unwrap();
    assert_eq!(short.key.0, [0; 5]);
}

#[test]
fn intervals_stay_intervals() {
    let set = set(7, 4, Set::INTERVAL);
    let mut elements = vec![
        element(&[0, 0, 0, 0]),
        element(&[10, 0, 0, 0]),
        element(&[11, 0, 0, 0]),
        element(&[203, 0, 113, 5]),
        element(&[203, 0, 113, 9]),
    ];
    for closing in [0, 2, 4] {
        elements[closing].interval_end = true;
    }
    with(|masks| sets::elements(masks, &mut elements, Some(&set), &Context::new(Family::Ip, &[])));
    let number = |element: &Element| u32::from_be_bytes(element.key.0.clone().try_into().unwrap());
    let closed: Vec<bool> = elements.iter().map(|element| element.interval_end).collect();
    assert_eq!(closed, [true, false, true, false, true]);
    let lengths: Vec<u32> = elements[1..].chunks(2).map(|pair| number(&pair[1]) - number(&pair[0])).collect();
    assert_eq!(lengths, [1 << 24, 4]);
    assert_eq!(elements[0].key.0, [0; 4]);
    assert_eq!(elements[1].key.0, [10, 0, 0, 0], "a private range stays what it is");
    assert_ne!(elements[3].key.0, [203, 0, 113, 5]);
}

#[test]
fn names_that_every_node_has_stay_and_all_others_are_masked() {
    for (old, stays) in [
        ("PREROUTING", true),
        ("KUBE-SERVICES", true),
        ("KUBE-MARK-MASQ", true),
        ("KUBE-PROXY-CANARY", true),
        ("nat-postrouting", true),
        ("KUBE-SVC-4N57TFCL4MD7ZTDA", false),
        ("KUBE-ACME", false),
        ("ACME-INPUT", false),
        ("CNI-1182d302cd632d3d8cf6023e", false),
        ("service-2ETI3MDI-default/nginx/tcp/http", false),
        ("endpoint-RUZCSTAA-default/nginx/tcp/http__10.200.0.33/80", false),
    ] {
        let new = with(|masks| {
            let mut name = ByteText::from(old);
            masks.chain_name(&mut name);
            name.to_string()
        });
        assert_eq!(new == old, stays, "{old}: {new}");
        assert!(!new.contains("ACME") && !new.contains("nginx") && !new.contains("10.200"), "{old}: {new}");
        if !stays {
            let stem = |text: &str| text.split('-').next().unwrap().to_owned();
            let known = ["KUBE", "CNI", "service", "endpoint"].contains(&stem(old).as_str());
            assert_eq!(stem(old) == stem(&new), known, "{old}: {new}");
        }
    }
    for comment in
        ["default/nginx:http cluster IP", "name: \"acme-net\" id: \"0123456789abcdef\"", "call acme for help"]
    {
        let new = with(|masks| {
            let mut text = ByteText::from(comment);
            masks.words(&mut text);
            text.to_string()
        });
        assert!(!new.contains("nginx") && !new.contains("acme") && !new.contains("0123456789"), "{new}");
        assert_eq!(new.split(' ').count(), comment.split(' ').count());
    }
}

#[test]
fn members_of_ipsets_are_masked_part_by_part() {
    for (kind, entry, secrets) in [
        ("hash:ip,port", "10.200.0.5,tcp:80", vec!["10.200"]),
        ("hash:net,iface", "10.200.0.0/16,physdev:customer wildcard", vec!["10.200", "customer"]),
        ("hash:ip,mac", "10.200.0.5,52:00:11:22:33:44", vec!["10.200", "52:00"]),
        ("list:set", "acme", vec!["acme"]),
        ("hash:ip,mark", "10.200.0.5,0x00000007", vec!["10.200"]),
    ] {
        let mut member = IpSetMember {
            entry: entry.to_owned(),
            nomatch: false,
            timeout_ms: None,
            counters: None,
            comment: Some("acme".into()),
            skb: Bytes::default(),
        };
        with(|masks| masks.member(Some(&kind.into()), &mut member));
        for secret in secrets {
            assert!(!member.entry.contains(secret), "{entry}: {}", member.entry);
        }
        assert_ne!(member.comment, Some("acme".into()));
        let rest = |text: &str| {
            text.split(',').skip(1).map(|part| part.contains(':') || part.starts_with("0x")).collect::<Vec<_>>()
        };
        assert_eq!(rest(entry), rest(&member.entry), "{}", member.entry);
    }
}
