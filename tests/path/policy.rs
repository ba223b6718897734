//! What the kernel names of a packet when it asks the policy rules: rules that refuse what it names, and are not asked
//! for what it does not.

use crate::compare::{agreed, run};
use crate::errors::row;
use crate::script::Script;
use crate::wire::Shot;

const RULES: &str = "@h1 ip\n-4 rule add priority 100 tos 0x10 prohibit\n-6 rule add priority 100 tos 0x10 prohibit\n\
@h2 sysctl\nipv4/fwmark_reflect=1\nipv6/fwmark_reflect=1\nipv4/conf/u2/rp_filter=1\n\
@h2 ip\n-4 rule add priority 100 fwmark 7 blackhole\n-6 rule add priority 100 fwmark 7 blackhole\n\
route add default via 10.3.0.2 table 20\n-4 rule add priority 200 ipproto udp sport 443 table 20\n\
@h2 nft -f -\ntable inet t {\n    chain c {\n        type filter hook prerouting priority 0;
        icmp type echo-request meta length > 500 meta mark set 7 counter
        icmpv6 type echo-request meta length > 500 meta mark set 7 counter
    }\n}
@h3 ip\n-4 rule add priority 100 ipproto tcp blackhole\n-6 rule add priority 100 ipproto tcp blackhole\n";

const CASES: [(&str, &str); 14] = [
    // The first host refuses what is of one class: IPv4 asks in it, IPv6 answers in it and asks without.
    ("0 1 0.0.0.0 20000 10.1.0.2 20000 0 16 0 0", "unanswered"),
    ("0 58 :: 20001 fd00:1::2 20001 0 16 0 0", "answered"),
    ("0 6 0.0.0.0 20002 10.1.0.2 7 0 16 0 0", "dropped"),
    ("0 6 :: 20003 fd00:1::2 7 0 16 0 0", "rejected"),
    ("0 6 0.0.0.0 20004 10.1.0.2 7 0 0 0 0", "rejected"),
    // The second gives its answers the mark that its rules gave the question.
    ("0 1 0.0.0.0 20005 10.2.0.2 20005 0 0 0 600", "unanswered"),
    ("0 58 :: 20006 fd00:2::2 20006 0 0 0 600", "unanswered"),
    ("0 1 0.0.0.0 20007 10.2.0.2 20007 0 0 0 0", "answered"),
    ("0 58 :: 20008 fd00:2::2 20008 0 0 0 0", "answered"),
    // It asks for the way back to a source with the ports turned around.
    ("0 17 0.0.0.0 20009 10.3.0.2 443 0 0 0 0", "dropped"),
    ("0 17 0.0.0.0 20010 10.3.0.2 80 0 0 0 0", "answered"),
    // The third takes questions for its address, which name no protocol, and answers none of TCP.
    ("0 6 0.0.0.0 20011 10.3.0.2 80 0 0 0 0", "unanswered"),
    ("0 6 :: 20012 fd00:3::2 80 0 0 0 0", "unanswered"),
    ("0 17 :: 20013 fd00:3::2 80 0 0 0 0", "answered"),
];

#[test]
fn what_the_kernel_asks_the_rules_with() {
    let (script, _) = Script::parse(&(row() + RULES));
    let shots: Vec<Shot> = CASES.iter().map(|(line, _)| line.parse().unwrap()).collect();
    assert_eq!(agreed(&run(&script, &shots)), CASES.map(|(_, verdict)| verdict));
}
