//! The command that removes one flow and no other.
//!
//! May import model and its siblings only. It is told and never run.

use crate::analyze::flows::types::L4;
use crate::model::flow::tuple::{Key, Tuple, Zone, ZoneDirection};

/// `conntrack -D …` for a flow. Both tuples are in it: a flow that a client made anew meanwhile, to another
/// endpoint, has the same original tuple and is spared. `zones` says whether flows of other zones than the
/// default one were seen: then the default one is named too, for without it `conntrack` means all of them.
///
/// `None` for GRE and DCCP: `conntrack` 1.4.7 takes their keys and ports and does not look at them.
pub(super) fn delete(original: &Tuple, reply: &Tuple, zone: Zone, zones: bool) -> Option<String> {
    if matches!(original.protocol, 33 | 47) {
        return None;
    }
    let mut words = vec!["conntrack -D".to_owned()];
    if original.src.is_ipv6() {
        words.push("-f ipv6".to_owned());
    }
    words.push(format!("-p {}", protocol(original.protocol)));
    words.push(format!("--orig-src {} --orig-dst {}", original.src, original.dst));
    words.push(format!("--reply-src {} --reply-dst {}", reply.src, reply.dst));
    match (original.key, reply.key) {
        (Key::Ports { src, dst }, Key::Ports { src: back_src, dst: back_dst }) => {
            words.push(format!("--orig-port-src {src} --orig-port-dst {dst}"));
            words.push(format!("--reply-port-src {back_src} --reply-port-dst {back_dst}"));
        }
        (Key::Icmp { kind, code, id }, _) => {
            let name = if original.protocol == 58 { "icmpv6" } else { "icmp" };
            words.push(format!("--{name}-type {kind} --{name}-code {code} --{name}-id {id}"));
        }
        _ => {}
    }
    match (zone.direction, zone.id) {
        (ZoneDirection::Both, 0) if !zones => {}
        (ZoneDirection::Both, id) => words.push(format!("-w {id}")),
        (ZoneDirection::Original, id) => words.push(format!("--orig-zone {id}")),
        (ZoneDirection::Reply, id) => words.push(format!("--reply-zone {id}")),
    }
    Some(words.join(" "))
}

/// As `conntrack` takes it: by name where it has options for the protocol, else by number.
fn protocol(number: u8) -> String {
    match number {
        1 | 6 | 17 | 58 | 132 | 136 => L4(number).to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(src: &str, dst: &str, protocol: u8, key: Key) -> Tuple {
        Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), protocol, key }
    }

    #[test]
    fn both_tuples_family_and_zone_are_named() {
        let told = |original: &Tuple, reply: &Tuple, zone, zones| delete(original, reply, zone, zones).unwrap();
        let ports = |src, dst| Key::Ports { src, dst };
        let zone = |id, direction| Zone { id, direction };
        let udp = (
            tuple("10.200.0.4", "10.32.0.10", 17, ports(4000, 53)),
            tuple("10.200.0.9", "10.200.0.4", 17, ports(5353, 4000)),
        );
        let of_udp = "conntrack -D -p udp --orig-src 10.200.0.4 --orig-dst 10.32.0.10 --reply-src 10.200.0.9 \
                      --reply-dst 10.200.0.4 --orig-port-src 4000 --orig-port-dst 53 --reply-port-src 5353 \
                      --reply-port-dst 4000";
        assert_eq!(told(&udp.0, &udp.1, Zone::default(), false), of_udp);
        assert_eq!(told(&udp.0, &udp.1, Zone::default(), true), format!("{of_udp} -w 0"));
        assert_eq!(told(&udp.0, &udp.1, zone(7, ZoneDirection::Both), true), format!("{of_udp} -w 7"));
        assert_eq!(told(&udp.0, &udp.1, zone(7, ZoneDirection::Original), true), format!("{of_udp} --orig-zone 7"));
        assert_eq!(told(&udp.0, &udp.1, zone(7, ZoneDirection::Reply), true), format!("{of_udp} --reply-zone 7"));
        let echo = |kind| Key::Icmp { kind, code: 0, id: 7 };
        let six = (tuple("fd00::1", "fd00::2", 58, echo(128)), tuple("fd00::2", "fd00::1", 58, echo(129)));
        assert_eq!(
            told(&six.0, &six.1, Zone::default(), false),
            "conntrack -D -f ipv6 -p icmpv6 --orig-src fd00::1 --orig-dst fd00::2 --reply-src fd00::2 --reply-dst \
             fd00::1 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 7"
        );
        let other = (tuple("10.0.0.1", "10.0.0.2", 89, Key::None), tuple("10.0.0.2", "10.0.0.1", 89, Key::None));
        assert_eq!(
            told(&other.0, &other.1, Zone::default(), false),
            "conntrack -D -p 89 --orig-src 10.0.0.1 --orig-dst 10.0.0.2 --reply-src 10.0.0.2 --reply-dst 10.0.0.1"
        );
        let gre = (tuple("10.0.0.1", "10.0.0.2", 47, ports(1, 2)), tuple("10.0.0.2", "10.0.0.1", 47, ports(2, 1)));
        assert_eq!(delete(&gre.0, &gre.1, Zone::default(), false), None);
    }
}
