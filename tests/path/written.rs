//! Rules that write to packets (`ip dscp set`, `ip ttl set`, `ip daddr set`, …), each frame and counter compared.

use crate::compare::{agreed, run};
use crate::errors::row;
use crate::script::Script;
use crate::wire::Shot;

/// h0 leads all to h1; who is asked for at 10.9 is h3, by bytes that rules write there and back.
const WAYS: &str = "@h0 ip\nroute add default via 10.1.0.2\nroute add default via fd00:1::2\n";

const RULES: &str = "@h1 nft -f -\ntable inet t {\n    chain a {\n        type filter hook prerouting priority -350;
        ip daddr 10.9.0.1 ip daddr set 10.3.0.2 counter
        ip6 daddr fd00:9::1 ip6 daddr set fd00:3::2 counter
        iifname \"d1\" ip saddr 10.3.0.2 udp sport 8080 ip saddr set 10.9.0.1 counter
        iifname \"d1\" ip6 saddr fd00:3::2 udp sport 8080 ip6 saddr set fd00:9::1 counter
        iifname \"u1\" udp dport 443 udp dport set 5300 counter
        iifname \"d1\" udp sport 5300 udp sport set 443 counter
        iifname \"u1\" tcp dport 443 tcp dport set 5300 counter
        iifname \"d1\" tcp sport 5300 tcp sport set 443 counter
    }
    chain b {\n        type filter hook forward priority 0;
        ip dscp set cs1 counter
        ip6 dscp set cs3 counter
        ip protocol icmp ip ttl set 9 counter
        ip6 nexthdr icmpv6 ip6 hoplimit set 9 counter
    }
    chain c {\n        type filter hook postrouting priority 0;
        ip dscp cs1 counter\n        ip6 dscp cs3 counter\n        ip ttl 9 counter\n        ip6 hoplimit 9 counter
        ip dscp != cs1 counter\n        ip6 dscp != cs3 counter
    }\n}
@h2 nft -f -\ntable inet t {\n    chain a {\n        type filter hook prerouting priority 0;
        ip dscp cs1 counter\n        ip6 dscp cs3 counter\n        ip ttl 9 counter\n        ip6 hoplimit 9 counter
    }\n    chain b {\n        type filter hook postrouting priority 0;
        ip protocol icmp ip ttl set 1 counter\n    }\n}
";

/// The last TTL that h2 sets is enough for h3, and none for who would send it on.
const SHOTS: [&str; 12] = [
    "0 17 0.0.0.0 20000 10.9.0.1 8080 0 0 0 0",
    "0 17 :: 20001 fd00:9::1 8080 0 0 0 0",
    "0 17 0.0.0.0 20002 10.3.0.2 443 0 0 0 0",
    "0 17 :: 20003 fd00:3::2 443 0 0 0 0",
    "0 6 0.0.0.0 20004 10.3.0.2 443 0 0 0 0",
    "0 6 :: 20005 fd00:3::2 443 0 0 0 0",
    "0 1 0.0.0.0 20006 10.3.0.2 20006 0 0 0 0",
    "0 58 :: 20007 fd00:3::2 20007 0 0 0 0",
    "0 17 0.0.0.0 20008 10.3.0.2 80 0 16 0 0",
    "0 17 :: 20009 fd00:3::2 80 0 16 0 0",
    // Without somebody to write it back.
    "0 17 0.0.0.0 20010 10.9.0.1 80 0 0 0 0",
    "3 1 0.0.0.0 20011 10.1.0.1 20011 0 0 0 0",
];

#[test]
fn rules_that_write_to_packets() {
    let (script, _) = Script::parse(&(row() + WAYS + RULES));
    let shots: Vec<Shot> = SHOTS.iter().map(|line| line.parse().unwrap()).collect();
    let verdicts = agreed(&run(&script, &shots));
    let answered = verdicts.iter().filter(|verdict| **verdict == "answered").count();
    assert!(answered >= 8, "{verdicts:?}");
}
