//! Rules that ask where the routes lead: `rpfilter` and nft's `fib`, each counted by the kernel.

use std::fmt::Write as _;

use crate::compare::run;
use crate::errors::row;
use crate::script::Script;
use crate::wire::Shot;

/// h0 and h1 have a second pair, and h0 sends from the address of one by the other; h1 and h2 do as well.
const MORE: &str = "@h0 ip\nlink add x0 type veth peer name y1 netns @h1\nlink set x0 up\n\
addr add 10.4.0.1/24 dev x0\naddr add fd00:4::1/64 dev x0 nodad\n\
@h1 ip\nlink set y1 up\naddr add 10.4.0.2/24 dev y1\naddr add fd00:4::2/64 dev y1 nodad\n\
rule add fwmark 0x10 table 7\nroute add 10.4.0.0/24 via 10.1.0.1 table 7\n\
-6 rule add fwmark 0x10 table 7\nroute add fd00:4::/64 via fd00:1::1 table 7\n\
route add unreachable 10.1.0.77/32\n\
@h2 ip\nroute add 10.4.0.0/24 via 10.2.0.1\nroute add fd00:4::/64 via fd00:2::1\n\
@h3 ip\nroute add 10.4.0.0/24 via 10.3.0.1\nroute add fd00:4::/64 via fd00:3::1\n";

fn legacy(tool: &str) -> String {
    let mut text = format!("@h1 {tool}\n*raw\n");
    for more in ["", "--loose", "--invert", "--loose --invert", "--accept-local", "--loose --accept-local"] {
        writeln!(text, "-A PREROUTING -m rpfilter {more}").unwrap();
    }
    text += "COMMIT\n*mangle\n-A PREROUTING -p udp --dport 443 -j MARK --set-mark 0x10\n";
    for more in ["--validmark", "--validmark --loose", ""] {
        writeln!(text, "-A PREROUTING -m rpfilter {more}").unwrap();
    }
    text + "COMMIT\n"
}

fn native() -> String {
    let mut text = "@h1 nft -f -\ntable inet t {\n".to_owned();
    for hook in ["prerouting", "input", "forward"] {
        writeln!(text, "    chain {hook} {{\n        type filter hook {hook} priority 5;").unwrap();
        if hook == "prerouting" {
            text += "        udp dport 443 meta mark set 0x10\n";
        }
        let asks = [
            "fib saddr oif != 0",
            "fib daddr oif != 0",
            "fib saddr . mark oif != 0",
            "fib daddr oif \"lo\"",
            "fib saddr . iif oif exists",
            "fib saddr . mark . iif oif missing",
            "fib saddr . iif oif != 0",
            "fib saddr . iif oifname \"u1\"",
            "fib saddr . iif oifname \"y1\"",
        ];
        for ask in asks {
            writeln!(text, "        {ask} counter").unwrap();
        }
        text += "    }\n";
    }
    text + "}\n"
}

const SHOTS: [&str; 15] = [
    "0 17 10.1.0.1 20000 10.3.0.2 80 0 0 0 0",
    "0 17 10.4.0.1 20001 10.3.0.2 80 0 0 0 0",
    "0 17 10.4.0.1 20002 10.3.0.2 443 0 0 0 0",
    "0 17 10.4.0.1 20003 10.4.0.2 443 0 0 0 0",
    "0 17 10.4.0.1 20004 10.1.0.2 80 0 0 0 0",
    "0 17 fd00:1::1 20005 fd00:3::2 80 0 0 0 0",
    "0 17 fd00:4::1 20006 fd00:3::2 80 0 0 0 0",
    "0 17 fd00:4::1 20007 fd00:3::2 443 0 0 0 0",
    "0 17 fd00:4::1 20008 fd00:4::2 443 0 0 0 0",
    "3 17 10.3.0.2 20009 10.4.0.1 80 0 0 0 0",
    "3 6 fd00:3::2 20010 fd00:4::1 80 0 0 0 0",
    "1 17 10.1.0.2 20011 10.1.0.2 80 0 0 0 0",
    "1 17 fd00:1::2 20012 fd00:1::2 80 0 0 0 0",
    "1 17 10.4.0.2 20013 10.1.0.1 80 0 0 0 0",
    "0 6 10.4.0.1 20014 10.2.0.1 80 0 0 0 0",
];

#[test]
fn where_the_routes_lead_that_rules_ask() {
    let mut wrong = Vec::new();
    let four = legacy("iptables-legacy-restore") + &legacy("ip6tables-legacy-restore");
    let compat = legacy("iptables-nft-restore") + &legacy("ip6tables-nft-restore");
    for rules in [four, compat, native()] {
        let (script, _) = Script::parse(&(row() + MORE + &rules));
        let shots: Vec<Shot> = SHOTS.iter().map(|line| line.parse().unwrap()).collect();
        let told = run(&script, &shots);
        let exact = told.iter().filter(|told| told.exact == Some(true)).count();
        assert!(exact >= 5, "{exact} compared to the last packet");
        for told in told {
            assert_eq!(told.unknown, None);
            wrong.extend(told.wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
