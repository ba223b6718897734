use super::request::test as ask;
use super::*;
use crate::model::netfilter::table::Counters;
use crate::wire::netlink::attr::attribute as attr;

const NET: u16 = NETWORK_ORDER;
const NESTED: u16 = 0x8000;

fn v4(kind: u16, address: [u8; 4]) -> Vec<u8> {
    attr(kind | NESTED, &attr(1 | NET, &address))
}

fn v6(kind: u16, last: u8) -> Vec<u8> {
    let mut address = [0; 16];
    (address[0], address[15]) = (0xfd, last);
    attr(kind | NESTED, &attr(2 | NET, &address))
}

fn message(type_name: &str, family: u8, head: &[Vec<u8>], members: &[Vec<u8>]) -> Vec<u8> {
    let members: Vec<u8> = members.iter().flat_map(|member| attr(top::DATA | NESTED, member)).collect();
    [
        vec![2, 0, 0, 0],
        attr(top::PROTOCOL, &[7]),
        attr(top::SETNAME, b"a set\0"),
        attr(top::TYPENAME, &[type_name.as_bytes(), &[0]].concat()),
        attr(top::FAMILY, &[family]),
        attr(top::REVISION, &[3]),
        attr(top::INDEX | NET, &[0x01, 0x02]),
        attr(top::DATA | NESTED, &head.concat()),
        attr(top::ADT | NESTED, &members),
    ]
    .concat()
}

fn only(type_name: &str, family: u8, head: &[Vec<u8>], member: &[Vec<u8>]) -> (IpSet, IpSetMember) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    listed(&message(type_name, family, head, &[member.concat()]), &mut found, &mut errors);
    assert_eq!(errors, [], "{type_name}");
    let [listed] = found.as_slice() else { panic!("{found:?}") };
    let [member] = listed.members.as_slice() else { panic!("{listed:?}") };
    (listed.set.clone(), member.clone())
}

/// The types that the kernel of the live tests does not have among them.
#[test]
fn members_of_every_type_are_written_by_their_parts() {
    let (one, two) = ([10, 0, 0, 1], [10, 1, 0, 0]);
    let port = |protocol: u8, port: u16| {
        [attr(data::PORT | NET, &port.to_be_bytes()), attr(data::PROTO, &[protocol])].concat()
    };
    let mac = attr(data::ETHER, &[0x52, 0, 0, 0xab, 0, 1]);
    for (type_name, family, member, expected) in [
        ("bitmap:ip", 2, vec![v4(data::IP, one)], "10.0.0.1"),
        ("bitmap:ip,mac", 2, vec![v4(data::IP, one), mac.clone()], "10.0.0.1,52:00:00:AB:00:01"),
        ("bitmap:ip,mac", 2, vec![v4(data::IP, one)], "10.0.0.1"),
        ("bitmap:port", 2, vec![attr(data::PORT | NET, &[0, 80])], "80"),
        ("hash:ip", 10, vec![v6(data::IP, 1)], "fd00::1"),
        ("hash:mac", 0, vec![mac.clone()], "52:00:00:AB:00:01"),
        ("hash:ip,mac", 10, vec![v6(data::IP, 1), mac.clone()], "fd00::1,52:00:00:AB:00:01"),
        ("hash:ip,port", 2, vec![v4(data::IP, one), port(6, 80)], "10.0.0.1,tcp:80"),
        ("hash:ip,port", 2, vec![v4(data::IP, one), port(1, 0x0800)], "10.0.0.1,icmp:echo-request"),
        ("hash:ip,port", 10, vec![v6(data::IP, 1), port(58, 0x8000)], "fd00::1,ipv6-icmp:echo-request"),
        ("hash:ip,port,ip", 2, vec![v4(data::IP, one), port(17, 53), v4(data::IP2, two)], "10.0.0.1,udp:53,10.1.0.0"),
        (
            "hash:ip,port,net",
            2,
            vec![v4(data::IP, one), port(17, 53), v4(data::IP2, two), attr(data::CIDR2, &[16])],
            "10.0.0.1,udp:53,10.1.0.0/16",
        ),
        ("hash:ip,mark", 2, vec![v4(data::IP, one), attr(data::MARK | NET, &[0, 0, 0x12, 0])], "10.0.0.1,0x00001200"),
        ("hash:net", 2, vec![v4(data::IP, one), attr(data::CIDR, &[32])], "10.0.0.1"),
        ("hash:net", 10, vec![v6(data::IP, 0), attr(data::CIDR, &[8])], "fd00::/8"),
        (
            "hash:net,net",
            2,
            vec![v4(data::IP, two), v4(data::IP2, one), attr(data::CIDR, &[16]), attr(data::CIDR2, &[32])],
            "10.1.0.0/16,10.0.0.1",
        ),
        ("hash:net,port", 2, vec![v4(data::IP, two), attr(data::CIDR, &[16]), port(132, 5)], "10.1.0.0/16,sctp:5"),
        (
            "hash:net,port,net",
            2,
            vec![v4(data::IP, two), attr(data::CIDR, &[16]), port(6, 5), v4(data::IP2, two), attr(data::CIDR2, &[24])],
            "10.1.0.0/16,tcp:5,10.1.0.0/24",
        ),
        (
            "hash:net,iface",
            2,
            vec![
                v4(data::IP, two),
                attr(data::CIDR, &[16]),
                attr(data::IFACE, b"eth0\0"),
                attr(data::FLAGS | NET, &[0, 0, 0, 2]),
            ],
            "10.1.0.0/16,physdev:eth0",
        ),
        ("list:set", 0, vec![attr(data::NAME, b"other\0")], "other"),
    ] {
        let (set, found) = only(type_name, family, &[], &member);
        assert_eq!(found.entry, expected, "{type_name}");
        // And what is written can be asked for, in the same attributes but for their order.
        let asked = format!("{:?}", ask(7, &set, expected));
        assert!(asked.len() > 100, "{type_name} {expected}: {asked}");
    }
}

#[test]
fn a_header_and_a_member_are_read_whole() {
    let number = |kind: u16, value: u32| attr(kind | NET, &value.to_be_bytes());
    let head = [
        number(data::HASHSIZE, 64),
        number(data::MAXELEM, 100),
        // In the machine's own order, as the kernel gives this one.
        attr(data::MARKMASK, &0xff00_u32.to_ne_bytes()),
        attr(data::NETMASK, &[24]),
        v4(data::BITMASK, [255, 255, 0, 255]),
        number(data::TIMEOUT, 60),
        number(data::FLAGS, flag::WITH_COUNTERS | flag::WITH_COMMENT | flag::WITH_FORCEADD | flag::WITH_SKBINFO),
        attr(data::BUCKETSIZE, &[12]),
        attr(data::INITVAL, &0xabcd_u32.to_ne_bytes()),
        number(data::REFERENCES, 2),
        number(data::ELEMENTS, 1),
    ];
    let member = [
        v4(data::IP, [10, 0, 0, 1]),
        number(data::MARK, 7),
        number(data::TIMEOUT, 59),
        attr(data::PACKETS | NET, &5_u64.to_be_bytes()),
        attr(data::BYTES | NET, &6_u64.to_be_bytes()),
        attr(data::COMMENT, b"a \"b\"\0"),
        attr(data::SKBMARK | NET, &[0, 0, 0, 1, 0, 0, 0, 255]),
        number(data::SKBPRIO, 0x0001_0010),
        attr(data::SKBQUEUE | NET, &[0, 3]),
        number(data::FLAGS, flag::NOMATCH),
    ];
    let (set, member) = only("hash:ip,mark", 2, &head, &member);
    assert_eq!(
        set,
        IpSet {
            name: "a set".into(),
            index: Some(0x0102),
            type_name: "hash:ip,mark".into(),
            revision: 3,
            family: 2,
            options:
                "family inet hashsize 64 maxelem 100 markmask 0x0000ff00 netmask 24 bitmask 255.255.0.255 timeout 60 \
                      counters comment forceadd skbinfo bucketsize 12 initval 0x0000abcd"
                    .to_owned(),
            elements: Some(1),
            references: Some(2),
        }
    );
    assert_eq!(
        member,
        IpSetMember {
            entry: "10.0.0.1,0x00000007".to_owned(),
            nomatch: true,
            timeout_ms: Some(59_000),
            counters: Some(Counters { packets: 5, bytes: 6 }),
            comment: Some("a \"b\"".into()),
            skb: crate::model::text::Bytes(vec![0, 0, 0, 1, 0, 0, 0, 255, 0, 1, 0, 16, 0, 3]),
        }
    );
}

#[test]
fn later_messages_of_a_set_add_members() {
    let first = message("hash:ip", 2, &[], &[v4(data::IP, [10, 0, 0, 1])]);
    let more = [
        vec![2, 0, 0, 0],
        attr(top::SETNAME, b"a set\0"),
        attr(top::ADT | NESTED, &attr(top::DATA | NESTED, &v4(data::IP, [10, 0, 0, 2]))),
    ]
    .concat();
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    listed(&first, &mut found, &mut errors);
    listed(&more, &mut found, &mut errors);
    assert_eq!(errors, []);
    assert_eq!(found.len(), 1);
    let entries: Vec<&str> = found[0].members.iter().map(|member| member.entry.as_str()).collect();
    assert_eq!(entries, ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn a_type_that_is_not_known_and_parts_that_are_missing_are_told() {
    for (type_name, member) in
        [("hash:frob", v4(data::IP, [1, 2, 3, 4])), ("frob", Vec::new()), ("hash:ip,port", v4(data::IP, [1, 2, 3, 4]))]
    {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        listed(&message(type_name, 2, &[], &[member]), &mut found, &mut errors);
        assert_eq!((found.len(), found[0].members.len(), errors.len()), (1, 0, 1), "{type_name}");
    }
}

#[test]
fn only_words_that_are_a_member_of_the_type_are_asked_for() {
    let set = |type_name: &str, family| IpSet {
        name: "s".into(),
        index: None,
        type_name: type_name.into(),
        revision: 0,
        family,
        options: String::new(),
        elements: None,
        references: None,
    };
    for (type_name, family, member, valid) in [
        ("hash:ip", 2, "10.0.0.1", true),
        ("hash:ip", 2, "10.0.0.0/8", false),
        ("hash:ip", 10, "10.0.0.1", false),
        ("hash:net", 2, "10.0.0.0/8", true),
        ("hash:net", 2, "10.0.0.0/33", false),
        ("hash:ip,port", 2, "10.0.0.1,80", true),
        ("hash:ip,port", 2, "10.0.0.1,icmp:ping", true),
        ("hash:ip,port", 2, "10.0.0.1,icmp:8", false),
        ("hash:ip,port", 2, "10.0.0.1,tcp:80,x", false),
        ("hash:ip,port", 2, "10.0.0.1", false),
        ("bitmap:ip,mac", 2, "10.0.0.1", true),
        ("hash:ip,mac", 2, "10.0.0.1", false),
        ("hash:mac", 0, "52:00:00:00:00", false),
        ("hash:ip,mark", 2, "10.0.0.1,0x12", true),
        ("hash:ip,mark", 2, "10.0.0.1,-1", false),
        ("hash:net,iface", 2, "10.0.0.0/8,physdev:eth0", true),
        ("hash:net,iface", 2, "10.0.0.0/8,", false),
        ("list:set", 0, "other", true),
        ("list:set", 0, "", false),
        ("hash:frob", 2, "x", false),
        ("hash:ip", 2, "", false),
    ] {
        assert_eq!(ask(7, &set(type_name, family), member).is_some(), valid, "{type_name} {member}");
    }
}

#[test]
fn any_beginning_and_any_changed_byte_is_read_without_a_panic() {
    let whole = message(
        "hash:net,port,net",
        2,
        &[attr(data::HASHSIZE | NET, &[0, 0, 4, 0]), attr(data::FLAGS | NET, &[0, 0, 0, 0xff])],
        &[[
            v4(data::IP, [10, 1, 0, 0]),
            attr(data::CIDR, &[16]),
            attr(data::PORT | NET, &[0, 80]),
            attr(data::PROTO, &[6]),
            v4(data::IP2, [10, 2, 0, 0]),
            attr(data::TIMEOUT | NET, &[0, 0, 0, 9]),
        ]
        .concat()],
    );
    let read = |bytes: &[u8]| {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        listed(bytes, &mut found, &mut errors);
        listed(bytes, &mut found, &mut errors);
        (found, errors)
    };
    let good = read(&whole);
    assert_eq!(good.1, []);
    for length in 0..whole.len() {
        let (found, errors) = read(&whole[..length]);
        assert!(!errors.is_empty() || found != good.0, "cut at {length}");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            let _ = read(&changed);
        }
    }
}
