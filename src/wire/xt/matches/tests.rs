use std::net::IpAddr;

use super::*;
use crate::model::netfilter::xt::MaskedAddress;
use crate::model::netfilter::xt::matches::{
    AddressRange, Addrtype, Conntrack, CounterTest, Expires, Hashlimit, Icmp, IdRange, Iprange, Multiport, Owner,
    Physdev, Ports, Range, Recent, RecentOp, Rpfilter, Sctp, SctpChunkFlags, SctpChunks, SetName, SetTest, SocketTest,
    Tcp, TcpFlags, TtlTest,
};
use crate::model::text::unhex;

const CAPTURED: &str = include_str!("../../../../fixtures/rules/xt/matches.tsv");
const OLDER: &str = include_str!("../../../../fixtures/rules/xt/matches-older.tsv");

struct Captured {
    family: Family,
    text: &'static str,
    name: &'static str,
    revision: u8,
    data: Vec<u8>,
}

impl Captured {
    fn decode(&self) -> Match {
        decode(self.family, self.name.as_bytes(), self.revision, &self.data)
    }
}

fn captured() -> impl Iterator<Item = Captured> {
    CAPTURED.lines().chain(OLDER.lines()).flat_map(|line| {
        let mut fields = line.split('\t');
        let family = Family::named(fields.next().unwrap()).unwrap();
        let text = fields.next().unwrap();
        fields.map(move |found| {
            let [name, revision, data] = found.split('/').collect::<Vec<_>>().try_into().unwrap();
            Captured { family, text, name, revision: revision.parse().unwrap(), data: unhex(data).unwrap() }
        })
    })
}

/// The match that a rule of this text has; the only one.
fn of(text: &str) -> Match {
    let mut found = captured().filter(|one| one.text == text);
    let first = found.next().unwrap_or_else(|| panic!("no capture of {text:?}"));
    first.decode()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn not<T>(value: T) -> Test<T> {
    Test { not: true, value }
}

const fn range(min: u16, max: u16) -> Range {
    Range { min, max }
}

#[test]
fn every_captured_match_is_known() {
    let mut seen = std::collections::BTreeSet::new();
    for one in captured() {
        assert!(!matches!(one.decode(), Match::Unknown(_)), "{} rev {}: {}", one.name, one.revision, one.text);
        seen.insert((one.name, one.revision));
    }
    let newest = [
        "addrtype",
        "comment",
        "connmark",
        "conntrack",
        "dscp",
        "hashlimit",
        "hl",
        "icmp",
        "icmp6",
        "iprange",
        "length",
        "limit",
        "mac",
        "mark",
        "multiport",
        "nfacct",
        "owner",
        "physdev",
        "pkttype",
        "recent",
        "rpfilter",
        "sctp",
        "set",
        "socket",
        "state",
        "statistic",
        "tcp",
        "tcpmss",
        "ttl",
        "udp",
    ];
    let names: std::collections::BTreeSet<&str> = seen.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), newest);
    let revisions = |name| seen.iter().filter(|(other, _)| *other == name).map(|(_, revision)| *revision).collect();
    let all: Vec<Vec<u8>> =
        ["conntrack", "set", "socket", "hashlimit", "recent", "addrtype", "nfacct"].map(revisions).to_vec();
    assert_eq!(
        all,
        [vec![1, 2, 3], vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3], vec![1, 2, 3], vec![0, 1], vec![0, 1], vec![0, 1]]
    );
}

#[test]
fn ports_flags_and_chunks() {
    let flags = TcpFlags { mask: 0x29, set: 0x21 };
    assert_eq!(
        of(" -m tcp ! --tcp-flags FIN,PSH,URG FIN,URG"),
        Match::Tcp(Tcp { flags: Some(not(flags)), ..Tcp::default() })
    );
    assert_eq!(
        of(" -m tcp --sport 0:1023 ! --dport 30000:32767"),
        Match::Tcp(Tcp {
            ports: Ports { source: Some(Test::is(range(0, 1023))), destination: Some(not(range(30000, 32767))) },
            ..Tcp::default()
        })
    );
    assert_eq!(
        of(" -m tcp --dport 22 --tcp-option 2 --tcp-flags SYN,RST SYN"),
        Match::Tcp(Tcp {
            ports: Ports { source: None, destination: Some(Test::is(range(22, 22))) },
            flags: Some(Test::is(TcpFlags { mask: 6, set: 2 })),
            option: Some(Test::is(2)),
        })
    );
    assert_eq!(
        of(" -m udp --sport 1:2 --dport 3:4"),
        Match::Udp(Ports { source: Some(Test::is(range(1, 2))), destination: Some(Test::is(range(3, 4))) })
    );
    assert_eq!(
        of(" -m sctp --sport 5 --dport 6:7"),
        Match::Sctp(Sctp {
            ports: Ports { source: Some(Test::is(range(5, 5))), destination: Some(Test::is(range(6, 7))) },
            chunks: None,
        })
    );
    let set = |kind, set, mask| SctpChunkFlags { kind, set, mask };
    assert_eq!(
        of(" -m sctp ! --chunk-types all DATA:IUbe,ABORT:T,SHUTDOWN_COMPLETE:t"),
        Match::Sctp(Sctp {
            chunks: Some(not(SctpChunks {
                kind: 2,
                types: vec![0, 6, 14],
                flags: vec![set(0, 0b1100, 0b1111), set(6, 1, 1), set(14, 0, 1)],
            })),
            ..Sctp::default()
        })
    );
    assert_eq!(
        of(" -m multiport --dports 80,443,8000:8080"),
        Match::Multiport(Test::is(Multiport {
            which: 1,
            ports: vec![range(80, 80), range(443, 443), range(8000, 8080)],
            spans: 0,
        }))
    );
}

#[test]
fn a_port_test_that_never_holds_stays() {
    let Match::Tcp(tcp) = decode(Family::Ip, b"tcp", 0, &[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0, 1]) else {
        panic!()
    };
    assert_eq!(tcp.ports, Ports { source: Some(not(range(0, u16::MAX))), destination: None });
}

#[test]
fn flows() {
    let masked = |address, mask| MaskedAddress { address: ip(address), mask: ip(mask) };
    assert_eq!(
        of(
            " -m conntrack --ctstate ESTABLISHED,UNTRACKED --ctrepldst 10.0.0.1 --ctreplsrcport 53 ! --ctstatus ASSURED,CONFIRMED --ctdir REPLY"
        ),
        Match::Conntrack(Box::new(Conntrack {
            states: Some(Test::is(0x102)),
            reply_destination: Some(Test::is(masked("10.0.0.1", "255.255.255.255"))),
            reply_source_port: Some(Test::is(range(53, 53))),
            status: Some(not(12)),
            reply: Some(true),
            ..Conntrack::default()
        }))
    );
    assert_eq!(
        of(" -m conntrack --ctorigsrc ::1.2.3.4/ff00:ff00:: --ctrepldst ::/31"),
        Match::Conntrack(Box::new(Conntrack {
            original_source: Some(Test::is(masked("::1.2.3.4", "ff00:ff00::"))),
            reply_destination: Some(Test::is(masked("::", "ffff:fffe::"))),
            ..Conntrack::default()
        }))
    );
    assert_eq!(
        of(" -m conntrack ! --ctexpire 10:20 --ctdir ORIGINAL"),
        Match::Conntrack(Box::new(Conntrack {
            expires: Some(not(Expires { min: 10, max: 20 })),
            reply: Some(false),
            ..Conntrack::default()
        }))
    );
    let ports = of(
        " -m conntrack --ctproto 6 ! --ctorigsrcport 1 ! --ctorigdstport 2:3 ! --ctreplsrcport 4 ! --ctrepldstport 5:65535",
    );
    assert_eq!(
        ports,
        Match::Conntrack(Box::new(Conntrack {
            protocol: Some(Test::is(6)),
            original_source_port: Some(not(range(1, 1))),
            original_destination_port: Some(not(range(2, 3))),
            reply_source_port: Some(not(range(4, 4))),
            reply_destination_port: Some(not(range(5, 65535))),
            ..Conntrack::default()
        }))
    );
    assert_eq!(of(" -m state ! --state INVALID,UNTRACKED"), Match::State(not(0x101)));
    assert_eq!(of(" -m state --state INVALID,UNTRACKED"), Match::State(Test::is(0x101)));
    assert_eq!(of(" -m mark --mark 0x4000/0x4000"), Match::Mark(Test::is(Mark { value: 0x4000, mask: 0x4000 })));
    assert_eq!(of(" -m connmark ! --mark 0x7"), Match::Connmark(not(Mark { value: 7, mask: u32::MAX })));
}

#[test]
fn marks_of_old_kernels_are_64_bits_wide() {
    let mut blob = [0; 24];
    blob[0] = 7;
    blob[8..16].fill(0xff);
    blob[16] = 1;
    assert_eq!(decode(Family::Ip, b"mark", 0, &blob), Match::Mark(not(Mark { value: 7, mask: u32::MAX })));
    blob[4] = 1;
    assert_eq!(decode(Family::Ip, b"mark", 0, &blob), Match::Unknown(Bytes(blob.to_vec())));
}

#[test]
fn chance_rates_and_lists() {
    assert_eq!(
        of(" -m statistic --mode random --probability 0.33333333349"),
        Match::Statistic(Test::is(Statistic::Random { n: 715_827_883 }))
    );
    assert_eq!(
        of(" -m statistic --mode nth ! --every 5 --packet 4"),
        Match::Statistic(not(Statistic::Nth { every: 4, first: 4 }))
    );
    assert_eq!(of(" -m limit --limit 7/min --limit-burst 50"), Match::Limit(Rate { average: 85714, burst: 50 }));
    let limited = Hashlimit {
        name: "h2".into(),
        above: true,
        mode: 4 | 16,
        average: 6_000_000,
        burst: 50,
        scale: 1_000_000,
        size: 0,
        max: 0,
        gc_interval_ms: 1000,
        expire_ms: 60_000,
        interval: 0,
        source_prefix: 24,
        destination_prefix: 32,
    };
    let text = " -m hashlimit --hashlimit-above 10/min --hashlimit-burst 50 --hashlimit-mode srcip --hashlimit-name h2 --hashlimit-srcmask 24";
    assert_eq!(of(text), Match::Hashlimit(Box::new(limited.clone())));
    let text = " -m hashlimit --hashlimit-above 20/sec --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name h --hashlimit-rate-match --hashlimit-rate-interval 3";
    let Match::Hashlimit(found) = of(text) else { panic!() };
    let wanted = Hashlimit {
        name: "h".into(),
        mode: 4 | 16 | 64,
        average: 50_000,
        burst: 5,
        expire_ms: 1000,
        interval: 3,
        source_prefix: 32,
        ..limited
    };
    assert_eq!(*found, wanted);
    let text = " -m recent ! --update --seconds 60 --reap --hitcount 4 --rttl --name ssh --rdest";
    let recent = Recent {
        name: "ssh".into(),
        op: RecentOp::Update,
        seconds: 60,
        hitcount: 4,
        reap: true,
        ttl: true,
        destination: true,
        mask: None,
    };
    assert_eq!(of(text), Match::Recent(not(recent)));
    assert_eq!(
        of(" -m nfacct --nfacct-name  ct_state_invalid_dropped_pkts"),
        Match::Nfacct("ct_state_invalid_dropped_pkts".into())
    );
}

#[test]
fn sets_are_known_by_number() {
    let plain = SetTest {
        set: SetName::Index(4),
        from_source: vec![true, false, true],
        return_nomatch: true,
        keep_counters: false,
        keep_subcounters: false,
        packets: None,
        bytes: None,
    };
    assert_eq!(
        of(" -m set ! --match-set [set 4] src,dst,src --return-nomatch"),
        Match::Set(Box::new(not(plain.clone())))
    );
    let counted = SetTest {
        set: SetName::Index(0),
        from_source: vec![true],
        packets: Some(CounterTest { op: 3, value: u64::MAX }),
        bytes: Some(CounterTest { op: 4, value: 3 }),
        return_nomatch: false,
        ..plain.clone()
    };
    let text = " -m set ! --match-set one src --packets-lt 18446744073709551615 --bytes-gt 3";
    assert_eq!(of(text), Match::Set(Box::new(not(counted.clone()))));
    let older = SetTest {
        keep_counters: true,
        packets: Some(CounterTest { op: 2, value: 7 }),
        bytes: Some(CounterTest { op: 4, value: 1 << 40 }),
        ..counted
    };
    let text = " -m set --match-set [set 0] src ! --update-counters ! --packets-eq 7 --bytes-gt 1099511627776";
    assert_eq!(of(text), Match::Set(Box::new(Test::is(older))));
}

#[test]
fn packets_and_links() {
    assert_eq!(of(" -m icmp ! --icmp-type 3/4"), Match::Icmp(not(Icmp { kind: 3, code_min: 4, code_max: 4 })));
    assert_eq!(
        of(" -m icmp6 --icmpv6-type 134"),
        Match::Icmp6(Test::is(Icmp { kind: 134, code_min: 0, code_max: 255 }))
    );
    assert_eq!(of(" -m length ! --length 100:200"), Match::Length(not(range(100, 200))));
    assert_eq!(of(" -m mac ! --mac-source ff:00:aa:bb:cc:dd"), Match::Mac(not([0xff, 0, 0xaa, 0xbb, 0xcc, 0xdd])));
    assert_eq!(of(" -m pkttype ! --pkt-type unicast"), Match::Pkttype(not(0)));
    assert_eq!(of(" -m ttl ! --ttl-eq 64"), Match::Ttl(TtlTest { op: 1, value: 64 }));
    assert_eq!(of(" -m hl --hl-gt 250"), Match::Ttl(TtlTest { op: 3, value: 250 }));
    assert_eq!(of(" -m dscp --dscp 0x2e"), Match::Dscp(Test::is(46)));
    let text = " -m iprange ! --src-range 10.0.0.1-10.0.0.9 ! --dst-range 1.1.1.1-2.2.2.2";
    let addresses = |min, max| not(AddressRange { min: ip(min), max: ip(max) });
    let iprange =
        Iprange { source: Some(addresses("10.0.0.1", "10.0.0.9")), destination: Some(addresses("1.1.1.1", "2.2.2.2")) };
    assert_eq!(of(text), Match::Iprange(iprange));
    let text =
        " -m physdev --physdev-is-in --physdev-in veth+ --physdev-is-out --physdev-out veth1 --physdev-is-bridged";
    let physdev = Physdev {
        input: Some(Test::is("veth+".into())),
        output: Some(Test::is("veth1".into())),
        is_in: Some(true),
        is_out: Some(true),
        is_bridged: Some(true),
    };
    assert_eq!(of(text), Match::Physdev(physdev));
}

#[test]
fn what_the_node_is_asked() {
    assert_eq!(
        of(" -m addrtype ! --src-type UNICAST,LOCAL --dst-type MULTICAST"),
        Match::Addrtype(Addrtype { source: Some(not(6)), destination: Some(Test::is(32)), ..Addrtype::default() })
    );
    assert_eq!(
        of(" -m addrtype ! --src-type LOCAL --limit-iface-out"),
        Match::Addrtype(Addrtype { source: Some(not(4)), limit_out: true, ..Addrtype::default() })
    );
    assert_eq!(
        of(" -m rpfilter --loose --validmark --accept-local --invert"),
        Match::Rpfilter(Rpfilter { loose: true, validmark: true, accept_local: true, invert: true })
    );
    let users = IdRange { min: 1000, max: 2000 };
    assert_eq!(
        of(" -m owner ! --uid-owner 1000-2000 --gid-owner 5"),
        Match::Owner(Owner {
            user: Some(not(users)),
            group: Some(Test::is(IdRange { min: 5, max: 5 })),
            ..Owner::default()
        })
    );
    assert_eq!(of(" -m owner ! --socket-exists"), Match::Owner(Owner { socket: Some(false), ..Owner::default() }));
    assert_eq!(
        of(" -m socket --transparent --nowildcard"),
        Match::Socket(SocketTest { transparent: true, nowildcard: true, restore_mark: false })
    );
}

#[test]
fn layouts_of_kernels_too_old_to_ask() {
    let owner = [&1000_u32.to_ne_bytes()[..], &[0; 28], &[1, 1, 0, 0]].concat();
    let user = Some(not(IdRange { min: 1000, max: 1000 }));
    let found = Match::Owner(Owner { user, ..Owner::default() });
    assert_eq!(decode(Family::Ip, b"owner", 0, &owner), found);
    assert_eq!(decode(Family::Ip6, b"owner", 0, &[&owner[..16], &owner[32..]].concat()), found);
    let range = [&[10, 0, 0, 1, 10, 0, 0, 9][..], &[0; 8], &[0x11, 0, 0, 0]].concat();
    let source = Some(not(AddressRange { min: ip("10.0.0.1"), max: ip("10.0.0.9") }));
    assert_eq!(decode(Family::Ip, b"iprange", 0, &range), Match::Iprange(Iprange { source, destination: None }));
    let ports = [&[1, 2][..], &80_u16.to_ne_bytes(), &443_u16.to_ne_bytes(), &[0; 26]].concat();
    let listed =
        Multiport { which: 1, ports: vec![Range { min: 80, max: 80 }, Range { min: 443, max: 443 }], spans: 0 };
    assert_eq!(decode(Family::Ip, b"multiport", 0, &ports), Match::Multiport(Test::is(listed)));
    // A range of one port, which iptables refuses and others may write.
    let port = |number: u16| number.to_ne_bytes();
    let numbers = [port(5), port(5), port(6)].concat();
    let ports = [&[1, 3][..], &numbers, &[0; 24], &[1], &[0; 15]].concat();
    let listed = Multiport { which: 1, ports: vec![Range { min: 5, max: 5 }, Range { min: 6, max: 6 }], spans: 1 };
    assert_eq!(decode(Family::Ip, b"multiport", 1, &ports), Match::Multiport(Test::is(listed)));
    let udplite = [0, 0, 0xff, 0xff, 1, 0, 2, 0, 2, 0];
    let destination = Some(not(Range { min: 1, max: 2 }));
    assert_eq!(decode(Family::Ip, b"udplite", 0, &udplite), Match::Udp(Ports { source: None, destination }));
}

#[test]
fn another_size_name_revision_or_family_is_kept_as_it_came() {
    for one in captured() {
        let kept = Match::Unknown(Bytes(one.data.clone()));
        assert_eq!(decode(one.family, b"no such match", one.revision, &one.data), kept);
        assert_eq!(decode(one.family, one.name.as_bytes(), 99, &one.data), kept);
        assert_eq!(decode(Family::Bridge, one.name.as_bytes(), one.revision, &one.data), kept);
        let longer = [one.data.as_slice(), &[0; 8]].concat();
        let found = decode(one.family, one.name.as_bytes(), one.revision, &longer);
        assert_eq!(found, Match::Unknown(Bytes(longer)));
    }
}

#[test]
fn every_prefix_and_every_flipped_bit_gives_a_value() {
    for one in captured() {
        let known = one.decode();
        for length in 0..one.data.len() {
            // The padding may be missing, but not a byte of the structure.
            let found = decode(one.family, one.name.as_bytes(), one.revision, &one.data[..length]);
            let kept = Match::Unknown(Bytes(one.data[..length].to_vec()));
            assert!(found == kept || (found == known && one.data.len() - length < 8), "{}: {length}", one.text);
        }
        for bit in 0..one.data.len() * 8 {
            let mut data = one.data.clone();
            data[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(one.family, one.name.as_bytes(), one.revision, &data);
        }
    }
}
