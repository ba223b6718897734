//! Lists of the `recent` match, filled by packets.

use podnet::model::issue::Read;
use podnet::model::text::ByteText;

use crate::compat::{inside, opened};
use crate::testbed::Netns;

const LISTED: &str = "*filter
:INPUT ACCEPT [0:0]
-A INPUT -p udp -m recent --set --name PNT-SEEN --rsource
COMMIT
";

#[test]
fn who_sent_packets_is_in_the_list_with_its_age() {
    let netns = Netns::new();
    netns.ip("addr add 10.9.0.1/32 dev lo");
    inside(&netns, &["iptables-nft-restore"], LISTED);
    inside(&netns, &["ip6tables-nft-restore"], &LISTED.replace("PNT-SEEN", "PNT-SEEN6"));
    let namespace = opened(&netns);
    let seen = ByteText::from("PNT-SEEN");
    assert_eq!(namespace.recent(&seen).value.unwrap().entries, []);
    for to in ["127.0.0.1", "127.0.0.1", "10.9.0.1", "::1"] {
        inside(&netns, &["bash", "-c", &format!("echo x > /dev/udp/{to}/9")], "");
    }
    let read = namespace.recent(&seen);
    assert_eq!(read.issues, []);
    let entries = read.value.unwrap().entries;
    let told: Vec<(String, u8, u32)> =
        entries.iter().map(|entry| (entry.address.to_string(), entry.ttl, entry.stamps)).collect();
    assert_eq!(told, [("10.9.0.1".to_owned(), 64, 1), ("127.0.0.1".to_owned(), 64, 2)]);
    let theirs = inside(&netns, &["cat", "/proc/thread-self/net/xt_recent/PNT-SEEN"], "");
    for entry in &entries {
        assert!(theirs.contains(&format!("last_seen: {} ", entry.last_seen_jiffies)), "{entry:?}: {theirs}");
        assert!(entry.age_ms.unwrap() < 60_000, "{entry:?}");
    }
    assert!(entries[0].age_ms <= entries[1].age_ms, "{entries:?}");
    let six = namespace.recent(&"PNT-SEEN6".into()).value.unwrap().entries;
    assert_eq!(six.len(), 1);
    assert_eq!(six[0].address.to_string(), "::1");
    assert_eq!(namespace.recent(&"PNT-NONE".into()), Read::ok(None));
    assert_eq!(namespace.recent(&"../ip_vs".into()).issues.len(), 1);
}

#[test]
fn a_kernel_without_ipvs_has_no_services_of_it() {
    let netns = Netns::new();
    let theirs = std::path::Path::new("/proc/net/ip_vs").exists();
    let ours = opened(&netns).ipvs_services();
    assert_eq!((ours.value.is_some(), ours.issues.len()), (theirs, 0));
}
