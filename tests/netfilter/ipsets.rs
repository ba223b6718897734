//! IP sets as podnet reads them, against `ipset save`, `ipset list` and `ipset test`.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use podnet::collect::kernel::Namespace;
use podnet::model::netfilter::ipset::{IpSet, IpSetMember};
use podnet::model::text::ByteText;

use crate::compat::{inside, opened};
use crate::testbed::Netns;

/// Sets of each type that this kernel has, those with options too.
const SETS: &str = "create bip bitmap:ip range 10.0.0.0/24
create bipn bitmap:ip range 10.0.0.0-10.0.255.255 netmask 24 timeout 6000 counters comment skbinfo
create bipm bitmap:ip,mac range 10.0.0.0/24 timeout 6000 counters comment skbinfo
create bport bitmap:port range 0-1024 timeout 6000 counters comment skbinfo
create hip hash:ip timeout 0 counters comment skbinfo forceadd hashsize 64 maxelem 100 bucketsize 8
create hip6 hash:ip family inet6 netmask 64
create hipn hash:ip netmask 24
create hipb hash:ip bitmask 255.255.0.255
create hipport hash:ip,port timeout 6000 counters comment skbinfo
create hipport6 hash:ip,port family inet6
create hippi hash:ip,port,ip
create hippi6 hash:ip,port,ip family inet6
create hippn hash:ip,port,net
create hnet hash:net timeout 6000 counters comment skbinfo
create hnet6 hash:net family inet6
create hnp hash:net,port forceadd
create hnp6 hash:net,port family inet6
create hni hash:net,iface
create hni6 hash:net,iface family inet6
create ls list:set size 4 timeout 6000 counters comment skbinfo
create lplain list:set
create empty hash:ip
add bip 10.0.0.1
add bip 10.0.0.4-10.0.0.7
add bipn 10.0.3.0 timeout 4000 comment \"a b\" packets 5 bytes 6 skbmark 0x1/0xff skbprio 1:10 skbqueue 3
add bipm 10.0.0.1,52:00:00:00:AB:01
add bipm 10.0.0.2
add bport 80
add bport 90-92 comment \"ports\"
add hip 10.0.0.1
add hip 10.0.0.2 timeout 0 skbprio 1:2
add hip 10.0.0.3 comment \"its\" packets 18446744073709551614 bytes 7
add hip 10.0.0.4 skbmark 0xabcdef01
add hip6 fd00::1
add hipn 10.0.0.77
add hipb 10.1.2.3
add hipport 10.0.0.1,tcp:80
add hipport 10.0.0.1,udp:53
add hipport 10.0.0.1,icmp:8/0
add hipport 10.0.0.1,icmp:200/7
add hipport 10.0.0.1,icmp:3/1
add hipport 10.0.0.1,vrrp:0
add hipport 10.0.0.1,sctp:5
add hipport 10.0.0.1,udplite:5
add hipport 10.0.0.1,253:0
add hipport6 fd00::1,icmpv6:128/0
add hipport6 fd00::1,tcp:80
add hipport6 fd00::1,icmpv6:200/7
add hipport6 fd00::1,icmpv6:1/6
add hippi 10.0.0.1,tcp:80,10.0.0.2
add hippi6 fd00::1,tcp:80,fd00::2
add hippn 10.0.0.1,tcp:80,10.0.0.0/8
add hippn 10.0.0.1,tcp:80,10.0.0.1
add hippn 10.0.0.1,tcp:80,10.1.0.0/16 nomatch
add hnet 10.0.0.0/8
add hnet 10.0.1.0/24 nomatch
add hnet 10.0.1.5
add hnet 0.0.0.0/1
add hnet6 fd00::/8
add hnet6 fd00::1
add hnp 10.0.0.0/8,tcp:80
add hnp6 fd00::/8,udp:53
add hni 10.0.0.0/8,eth0
add hni 10.0.0.0/8,physdev:eth0
add hni 10.0.0.0/8,eth wildcard
add hni 0.0.0.0/0,eth1
add hni 10.1.0.0/16,eth0 nomatch
add hni6 fd00::/8,eth0
add ls hip
add ls hnet timeout 5000
add lplain hip6
";

fn netns() -> Netns {
    let netns = Netns::new();
    inside(&netns, &["ipset", "restore"], SETS);
    netns
}

/// The lines that `ipset save` writes, from what podnet read.
fn written(sets: &[(IpSet, Vec<IpSetMember>)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (set, members) in sets {
        // The program does not tell it, though it is in the kernel.
        let options = set.options.replace(" forceadd", "");
        lines.push(format!("create {} {} {options}", set.name, set.type_name).trim_end().to_owned());
        for member in members {
            lines.push(format!("add {} {}", set.name, member_words(set, member)));
        }
    }
    lines.sort();
    lines
}

fn member_words(set: &IpSet, member: &IpSetMember) -> String {
    let mut text = member.entry.clone();
    if set.options.contains("timeout") {
        let _ = write!(text, " timeout {}", member.timeout_ms.unwrap_or(0) / 1000);
    }
    if member.nomatch {
        text.push_str(" nomatch");
    }
    if let Some(counters) = member.counters {
        let _ = write!(text, " packets {} bytes {}", counters.packets, counters.bytes);
    }
    if let Some(comment) = &member.comment {
        let _ = write!(text, " comment \"{comment}\"");
    }
    if let Ok(skb) = <[u8; 14]>::try_from(member.skb.0.clone()) {
        let number =
            |range: std::ops::Range<usize>| skb[range].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let (mark, mask, queue) = (number(0..4), number(4..8), number(12..14));
        match (mark, mask) {
            (0, 0) => {}
            (mark, 0xffff_ffff) => drop(write!(text, " skbmark 0x{mark:x}")),
            (mark, mask) => drop(write!(text, " skbmark 0x{mark:x}/0x{mask:x}")),
        }
        if number(8..12) != 0 {
            let _ = write!(text, " skbprio {:x}:{:x}", number(8..10), number(10..12));
        }
        if queue != 0 {
            let _ = write!(text, " skbqueue {queue}");
        }
    }
    text
}

fn read(namespace: &Namespace) -> Vec<(IpSet, Vec<IpSetMember>)> {
    let sets = namespace.ipsets();
    assert_eq!(sets.issues, []);
    let each = sets.value.into_iter().map(|set| {
        let members = namespace.ipset_members(&set.name);
        assert_eq!(members.issues, []);
        (set, members.value.unwrap())
    });
    each.collect()
}

#[test]
fn sets_of_every_type_are_told_as_ipset_saves_them() {
    let netns = netns();
    let namespace = opened(&netns);
    let saved = || {
        let mut lines: Vec<String> = inside(&netns, &["ipset", "save"], "").lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let (ours, theirs) = loop {
        let before = saved();
        let ours = read(&namespace);
        // What is left of a member's time changes each second.
        if saved() == before {
            break (ours, before);
        }
        assert!(Instant::now() < deadline, "the sets do not come to rest");
    };
    let lines = written(&ours);
    for (one, other) in lines.iter().zip(&theirs) {
        assert_eq!(one, other);
    }
    assert_eq!(lines.len(), theirs.len());
    assert!(ours.iter().any(|(set, _)| set.name == "hip" && set.options.contains("forceadd")));
}

/// What `ipset list -o xml` writes of a set, from what podnet read; members sorted, without the memory that it takes.
fn as_xml((set, members): &(IpSet, Vec<IpSetMember>)) -> Vec<String> {
    let tagged = |words: &str| {
        let mut text = String::new();
        let mut words = words.split(' ').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            match word {
                "counters" | "comment" | "skbinfo" | "nomatch" | "wildcard" => drop(write!(text, "<{word}/>")),
                // The program does not tell it, though it is in the kernel.
                "forceadd" => {}
                _ => drop(write!(text, "<{word}>{}</{word}>", words.next().unwrap())),
            }
        }
        text
    };
    let number = |value: Option<u32>| value.unwrap();
    let mut lines = vec![
        format!("<ipset name=\"{}\">", set.name),
        format!("<type>{}</type>", set.type_name),
        format!("<revision>{}</revision>", set.revision),
        format!("<header>{}", tagged(&set.options)),
        format!("<references>{}</references>", number(set.references)),
        format!("<numentries>{}</numentries>", number(set.elements)),
        "</header>".to_owned(),
        "<members>".to_owned(),
    ];
    let mut all: Vec<String> = Vec::new();
    for member in members {
        let words = member_words(set, member);
        let (entry, rest) = words.split_once(' ').unwrap_or((&words, ""));
        let (rest, comment) =
            match rest.split_once(" comment ").or(rest.strip_prefix("comment ").map(|text| ("", text))) {
                // Behind the comment stand mark, priority and queue.
                Some((rest, behind)) => {
                    let end = behind[1..].find('"').unwrap() + 2;
                    (format!("{rest}{}", &behind[end..]), Some(behind[..end].to_owned()))
                }
                None => (rest.to_owned(), None),
            };
        let mut parts = tagged(&rest);
        if let Some(comment) = comment {
            let at = parts.find("<skb").unwrap_or(parts.len());
            parts.insert_str(at, &format!("<comment>{comment}</comment>"));
        }
        all.push(format!("<member><elem>{entry}</elem>{parts}</member>"));
    }
    all.sort();
    lines.append(&mut all);
    lines.extend(["</members>".to_owned(), "</ipset>".to_owned()]);
    lines
}

#[test]
fn sets_of_every_type_are_told_as_ipset_lists_them_in_xml() {
    let netns = netns();
    let namespace = opened(&netns);
    let listed = || -> Vec<Vec<String>> {
        let text = inside(&netns, &["ipset", "list", "-o", "xml"], "");
        let inner = text.trim().strip_prefix("<ipsets>").unwrap().strip_suffix("</ipsets>").unwrap();
        let sets = inner.split_inclusive("</ipset>\n").filter(|set| !set.trim().is_empty());
        let mut sets: Vec<Vec<String>> = sets
            .map(|set| {
                let lines = set.trim().lines().filter(|line| !line.starts_with("<memsize>"));
                let mut lines: Vec<String> = lines.map(str::to_owned).collect();
                let first = lines.iter().position(|line| line == "<members>").unwrap() + 1;
                let last = lines.len() - 2;
                lines[first..last].sort();
                lines
            })
            .collect();
        sets.sort_by_key(|set| set[0].clone());
        sets
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let (ours, theirs) = loop {
        let before = listed();
        let ours: Vec<Vec<String>> = read(&namespace).iter().map(as_xml).collect();
        if listed() == before {
            break (ours, before);
        }
        assert!(Instant::now() < deadline, "the sets do not come to rest");
    };
    assert_eq!(ours.len(), 22);
    for (one, other) in ours.iter().zip(&theirs) {
        assert_eq!(one, other);
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn headers_are_told_as_ipset_lists_them() {
    let netns = netns();
    let sets = opened(&netns).ipsets().value;
    let list = inside(&netns, &["ipset", "list", "-t"], "");
    let mut theirs: Vec<(String, String, u8, u32, u32)> = list
        .split("\n\n")
        .map(|set| {
            let field = |name: &str| set.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
            (
                field("Name:"),
                field("Type:"),
                field("Revision:").parse().unwrap(),
                field("References:").parse().unwrap(),
                field("Number of entries:").parse().unwrap(),
            )
        })
        .collect();
    theirs.sort();
    let ours: Vec<_> = sets
        .iter()
        .map(|set| {
            let number = |value: Option<u32>| value.unwrap();
            (
                set.name.to_string(),
                set.type_name.to_string(),
                set.revision,
                number(set.references),
                number(set.elements),
            )
        })
        .collect();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 22);
}

/// Whether `ipset test` says that the member is in it.
fn tested(netns: &Netns, set: &str, member: &str) -> bool {
    let words: Vec<&str> = member.split(' ').collect();
    let output = Command::new("nsenter")
        .arg(format!("--net={}", netns.path().display()))
        .args(["ipset", "test", set])
        .args(words)
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("is in set") || told.contains("is NOT in set"), "{set} {member}: {told}");
    output.status.success()
}

#[test]
fn the_kernel_is_asked_for_one_member_as_ipset_test_asks() {
    let netns = netns();
    let namespace = opened(&netns);
    let mut asked: Vec<(String, String)> = Vec::new();
    for (set, members) in read(&namespace) {
        let entries = members.into_iter().map(|member| (set.name.to_string(), member.entry));
        // The program cannot ask for a wildcard.
        asked.extend(entries.filter(|(_, entry)| !entry.ends_with(" wildcard")));
    }
    for (set, member) in [
        ("bip", "10.0.0.2"),
        ("bip", "10.1.0.2"),
        ("bipm", "10.0.0.1"),
        ("bipm", "10.0.0.1,52:00:00:00:ab:02"),
        ("bport", "81"),
        ("hip", "10.0.0.9"),
        ("hip6", "fd00::77"),
        ("hip6", "fd01::77"),
        ("hipn", "10.0.0.1"),
        ("hipport", "10.0.0.1,80"),
        ("hipport", "10.0.0.1,udp:80"),
        ("hipport", "10.0.0.1,icmp:echo-reply"),
        ("hipport6", "fd00::1,icmpv6:echo-request"),
        ("hippi", "10.0.0.1,tcp:80,10.0.0.3"),
        ("hippn", "10.0.0.1,tcp:80,10.2.3.4"),
        ("hippn", "10.0.0.1,tcp:80,10.1.3.4"),
        ("hippn", "10.0.0.1,tcp:81,10.2.3.4"),
        ("hnet", "10.0.1.1"),
        ("hnet", "10.0.1.5"),
        ("hnet", "10.9.9.9"),
        ("hnet", "200.0.0.1"),
        ("hnet6", "fd12::1"),
        ("hnp", "10.1.2.3,tcp:80"),
        ("hnp", "10.1.2.3,tcp:81"),
        ("hni", "10.2.3.4,eth0"),
        ("hni", "10.1.3.4,eth0"),
        ("hni", "10.2.3.4,physdev:eth0"),
        ("hni", "10.2.3.4,wlan0"),
        ("hni", "77.2.3.4,eth1"),
        ("ls", "hipn"),
        ("empty", "10.0.0.1"),
    ] {
        asked.push((set.to_owned(), member.to_owned()));
    }
    let mut yes = 0;
    for (set, member) in &asked {
        let ours = namespace.ipset_has(&set.as_str().into(), member);
        assert_eq!(ours.issues, [], "{set} {member}");
        assert_eq!(ours.value, Some(tested(&netns, set, member)), "{set} {member}");
        yes += usize::from(ours.value == Some(true));
    }
    assert!(yes > 40 && asked.len() - yes > 12, "{yes} of {}", asked.len());
}

#[test]
fn what_is_no_set_or_no_member_is_said_so() {
    let netns = netns();
    let namespace = opened(&netns);
    for name in ["none", "", &"x".repeat(40), "a\0b"] {
        let name = ByteText::from(name);
        let (has, members) = (namespace.ipset_has(&name, "10.0.0.1"), namespace.ipset_members(&name));
        assert_eq!((has.value, has.issues.len()), (None, 0), "{name}");
        assert_eq!((members.value, members.issues.len()), (None, 0), "{name}");
    }
    for (set, member) in [
        ("hip", "fd00::1"),
        ("hip", "10.0.0.1,tcp:80"),
        ("hip", "ten"),
        ("hipport", "10.0.0.1"),
        ("hipport", "10.0.0.1,frob:80"),
        ("hni", "10.0.0.1,a-name-that-is-too-long"),
        ("hnet", "10.0.0.0/33"),
    ] {
        let has = namespace.ipset_has(&set.into(), member);
        assert_eq!((has.value, has.issues.len()), (None, 1), "{set} {member}");
    }
    // Nothing was made anywhere by asking.
    let other = Netns::new();
    assert_eq!(opened(&other).ipsets(), podnet::model::issue::Read::ok(Vec::new()));
}
