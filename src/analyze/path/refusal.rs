//! What tells a sender that its packet did not arrive, and what its program sees of that.
//!
//! May import model and analyze's siblings only. Numbers of ICMP are those of the packet's own family.

use schemars::JsonSchema;
use serde::Serialize;

use super::packet::{ICMP, ICMPV6, TCP};
use crate::model::route::Family;

/// What goes to the sender of a packet that does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing goes anywhere: the sender's own call fails at once.
    Errno,
    /// An ICMP error.
    Icmp {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
        /// The MTU that it names.
        mtu: Option<u32>,
    },
    /// A RST of TCP.
    Reset,
    /// Something that is not followed.
    Other,
}

/// What the program of the sender sees of a packet that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sees {
    /// The name of the error that its call gets; `None`: no call of it fails.
    pub error: Option<String>,
    /// That in words.
    pub how: String,
}

/// `ICMP_DEST_UNREACH` and its codes.
const UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
/// `ICMP_TIME_EXCEEDED`
const TIME_EXCEEDED: u8 = 11;
/// `ICMPV6_DEST_UNREACH`, `ICMPV6_PKT_TOOBIG`, `ICMPV6_TIME_EXCEED`
const UNREACHABLE6: u8 = 1;
const TOO_BIG6: u8 = 2;
const TIME_EXCEEDED6: u8 = 3;
/// `ENETUNREACH`
const ENETUNREACH: i32 = 101;
/// `EHOSTUNREACH`
const EHOSTUNREACH: i32 = 113;
/// `EACCES`
const EACCES: i32 = 13;

impl Refusal {
    const fn icmp(kind: u8, code: u8) -> Self {
        Self::Icmp { kind, code, mtu: None }
    }

    /// Nobody on a link answers for the next hop. Mirrors `ipv4_link_failure` and `ip6_link_failure`.
    pub(super) fn no_neighbour(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::icmp(UNREACHABLE, 1),
            Family::Ipv6 => Self::icmp(UNREACHABLE6, 3),
        }
    }

    /// No port of that number is open.
    pub(super) fn port(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::icmp(UNREACHABLE, 3),
            Family::Ipv6 => Self::icmp(UNREACHABLE6, 4),
        }
    }

    pub(super) fn time_exceeded(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::icmp(TIME_EXCEEDED, 0),
            Family::Ipv6 => Self::icmp(TIME_EXCEEDED6, 0),
        }
    }

    pub(super) fn too_big(family: Family, mtu: u32) -> Self {
        match family {
            Family::Ipv4 => Self::Icmp { kind: UNREACHABLE, code: FRAGMENTATION_NEEDED, mtu: Some(mtu) },
            Family::Ipv6 => Self::Icmp { kind: TOO_BIG6, code: 0, mtu: Some(mtu) },
        }
    }

    /// Which error a route that refuses with an errno makes, and how it is called; `None`: none. Mirrors `ip_error`
    /// and `ip6_pkt_drop`.
    pub(super) fn of_route(family: Family, errno: i32) -> Option<(Self, &'static str)> {
        Some(match (family, errno) {
            (Family::Ipv4, ENETUNREACH) => (Self::icmp(UNREACHABLE, 0), "network unreachable"),
            (Family::Ipv4, EHOSTUNREACH) => (Self::icmp(UNREACHABLE, 1), "host unreachable"),
            (Family::Ipv4, EACCES) => (Self::icmp(UNREACHABLE, 13), "administratively prohibited"),
            (Family::Ipv6, ENETUNREACH) => (Self::icmp(UNREACHABLE6, 0), "network unreachable"),
            (Family::Ipv6, EHOSTUNREACH) => (Self::icmp(UNREACHABLE6, 0), "host unreachable"),
            (Family::Ipv6, EACCES) => (Self::icmp(UNREACHABLE6, 1), "administratively prohibited"),
            _ => return None,
        })
    }

    /// `reject` of nf_tables: `NFT_REJECT_*` and its code.
    pub(super) fn of_nft(kind: u32, code: u8, family: Family) -> Self {
        match (kind, family, code) {
            (1, ..) => Self::Reset,
            (0, Family::Ipv4, code) => Self::icmp(UNREACHABLE, code),
            (0, Family::Ipv6, code) => Self::icmp(UNREACHABLE6, code),
            (2, Family::Ipv4, 0) => Self::icmp(UNREACHABLE, 0),
            (2, Family::Ipv6, 0) => Self::icmp(UNREACHABLE6, 0),
            (2, _, 1) => Self::port(family),
            (2, Family::Ipv4, 2) => Self::icmp(UNREACHABLE, 1),
            (2, Family::Ipv6, 2) => Self::icmp(UNREACHABLE6, 3),
            (2, Family::Ipv4, 3) => Self::icmp(UNREACHABLE, 13),
            (2, Family::Ipv6, 3) => Self::icmp(UNREACHABLE6, 1),
            _ => Self::Other,
        }
    }

    /// `REJECT` of xtables: `enum ipt_reject_with`, `enum ip6t_reject_with`.
    pub(super) fn of_xt(kind: u32, family: Family) -> Self {
        let code = match (family, kind) {
            (Family::Ipv4, 7) | (Family::Ipv6, 6) => return Self::Reset,
            (Family::Ipv4 | Family::Ipv6, 0) => 0,
            (Family::Ipv4 | Family::Ipv6, 1) => 1,
            (Family::Ipv4 | Family::Ipv6, 2) => 2,
            (Family::Ipv4 | Family::Ipv6, 3) => 3,
            (Family::Ipv6, 4) => 4,
            (Family::Ipv6, 7) => 5,
            (Family::Ipv6, 8) => 6,
            (Family::Ipv4, 5) => 9,
            (Family::Ipv4, 6) => 10,
            (Family::Ipv4, 8) => 13,
            _ => return Self::Other,
        };
        match family {
            Family::Ipv4 => Self::icmp(UNREACHABLE, code),
            Family::Ipv6 => Self::icmp(UNREACHABLE6, code),
        }
    }
}

/// The errno of an ICMP error, and whether it is fatal to a socket that is no TCP's.
fn errno(family: Family, kind: u8, code: u8) -> Option<(&'static str, bool)> {
    match family {
        Family::Ipv4 => errno4(kind, code),
        Family::Ipv6 => errno6(kind, code),
    }
}

/// Mirrors `icmp_err_convert`.
fn errno4(kind: u8, code: u8) -> Option<(&'static str, bool)> {
    Some(match (kind, code) {
        (UNREACHABLE, 0 | 11) => ("ENETUNREACH", false),
        (UNREACHABLE, 1 | 12) | (TIME_EXCEEDED, _) => ("EHOSTUNREACH", false),
        (UNREACHABLE, 2) => ("ENOPROTOOPT", true),
        (UNREACHABLE, 3) => ("ECONNREFUSED", true),
        (UNREACHABLE, FRAGMENTATION_NEEDED) => ("EMSGSIZE", true),
        (UNREACHABLE, 5) => ("EOPNOTSUPP", false),
        (UNREACHABLE, 6 | 9) => ("ENETUNREACH", true),
        (UNREACHABLE, 7) => ("EHOSTDOWN", true),
        (UNREACHABLE, 8) => ("ENONET", true),
        (UNREACHABLE, 10 | 13..=15) => ("EHOSTUNREACH", true),
        _ => return None,
    })
}

/// Mirrors `icmpv6_err_convert`.
fn errno6(kind: u8, code: u8) -> Option<(&'static str, bool)> {
    Some(match (kind, code) {
        (UNREACHABLE6, 0) => ("ENETUNREACH", false),
        (UNREACHABLE6, 1 | 5 | 6) => ("EACCES", true),
        (UNREACHABLE6, 2 | 3) | (TIME_EXCEEDED6, _) => ("EHOSTUNREACH", false),
        (UNREACHABLE6, 4) => ("ECONNREFUSED", true),
        (TOO_BIG6, _) => ("EMSGSIZE", true),
        _ => return None,
    })
}

impl Sees {
    fn error(name: &str, how: String) -> Self {
        Self { error: Some(name.to_owned()), how }
    }

    fn nothing(how: impl Into<String>) -> Self {
        Self { error: None, how: how.into() }
    }

    /// Its own kernel refuses the call.
    pub(super) fn refused(name: &str) -> Self {
        Self::error(name, format!("its call fails at once with {name}"))
    }

    /// Nothing comes back at all.
    pub(super) fn silence(protocol: u8, later: bool) -> Self {
        match (protocol, later) {
            (TCP, false) => Self::error(
                "ETIMEDOUT",
                "connect() fails with ETIMEDOUT, when the last SYN that it sends again is not answered".to_owned(),
            ),
            (TCP, true) => Self::error(
                "ETIMEDOUT",
                "its connection sends again and again, and ends with ETIMEDOUT after a quarter of an hour or so"
                    .to_owned(),
            ),
            _ => Self::nothing("nothing: it waits until its own time is up"),
        }
    }

    /// Rules of its own namespace drop the packet while it is being sent.
    pub(super) fn dropped_while_sent(protocol: u8, later: bool) -> Self {
        // `ping_v6_sendmsg` does not look at how it went either.
        if matches!(protocol, TCP | ICMPV6) {
            return Self::silence(protocol, later);
        }
        Self::error("EPERM", "its call that sends fails with EPERM".to_owned())
    }

    /// Rules of the link that it leaves by drop the packet while it is being sent. UDP hides that from sockets without
    /// `IP_RECVERR`, TCP and echos of IPv6 from all.
    pub(super) fn dropped_by_link(protocol: u8, later: bool) -> Self {
        if protocol != ICMP {
            return Self::silence(protocol, later);
        }
        Self::error("ENOBUFS", "its call that sends fails with ENOBUFS".to_owned())
    }

    /// An error arrives at its socket. Mirrors `tcp_v4_err`, `__udp4_lib_err`, `ping_err` and those of IPv6.
    pub(super) fn of(refusal: Refusal, protocol: u8, family: Family, later: bool) -> Option<Self> {
        let (kind, code, mtu) = match refusal {
            Refusal::Icmp { kind, code, mtu } => (kind, code, mtu),
            Refusal::Reset if later => {
                return Some(Self::error("ECONNRESET", "its connection ends with ECONNRESET".to_owned()));
            }
            Refusal::Reset => {
                return Some(Self::error("ECONNREFUSED", "connect() fails with ECONNREFUSED".to_owned()));
            }
            Refusal::Errno | Refusal::Other => return None,
        };
        let (name, is_fatal) = errno(family, kind, code)?;
        if let (TCP, Some(mtu)) = (protocol, mtu) {
            return Some(Self::nothing(format!("nothing: TCP cuts what it sends to the MTU of {mtu} from then on")));
        }
        Some(match (protocol, later) {
            (TCP, false) => Self::error(name, format!("connect() fails with {name}")),
            (TCP, true) => Self::error(
                "ETIMEDOUT",
                format!(
                    "its connection goes on, sends again, and ends with {name} or ETIMEDOUT where that does not help"
                ),
            ),
            // `ping_err` asks `icmpv6_err_convert`, to which that is not fatal.
            _ if is_fatal && (protocol, mtu.is_some()) != (ICMPV6, true) => Self::error(
                name,
                format!(
                    "{name}, at its next call on a connected socket; one that is not connected sees nothing without IP_RECVERR"
                ),
            ),
            _ => Self::nothing(format!(
                "nothing: {name} is told to sockets with IP_RECVERR alone (as ping has), others wait until their time is up"
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::path::packet::UDP;

    fn error(by: Refusal, protocol: u8, family: Family, later: bool) -> Option<String> {
        Sees::of(by, protocol, family, later).expect("it is told").error
    }

    #[test]
    fn the_same_error_is_another_to_each_kind_of_socket() {
        let (four, six) = (Family::Ipv4, Family::Ipv6);
        let host = Refusal::no_neighbour(four);
        assert_eq!(error(host, TCP, four, false).as_deref(), Some("EHOSTUNREACH"));
        assert_eq!(error(host, UDP, four, false), None);
        assert_eq!(error(Refusal::port(six), UDP, six, false).as_deref(), Some("ECONNREFUSED"));
        assert_eq!(error(Refusal::too_big(six, 1300), UDP, six, false).as_deref(), Some("EMSGSIZE"));
        assert_eq!(error(Refusal::too_big(six, 1300), ICMPV6, six, false), None);
        assert_eq!(error(Refusal::too_big(four, 1300), TCP, four, true), None);
        assert_eq!(error(Refusal::Reset, TCP, four, false).as_deref(), Some("ECONNREFUSED"));
        assert_eq!(error(Refusal::Reset, TCP, four, true).as_deref(), Some("ECONNRESET"));
        assert_eq!(Sees::dropped_while_sent(UDP, false).error.as_deref(), Some("EPERM"));
        assert_eq!(Sees::dropped_while_sent(TCP, false).error.as_deref(), Some("ETIMEDOUT"));
    }

    #[test]
    fn both_kinds_of_rules_reject_alike() {
        // `icmp-port-unreachable`, `icmp-host-prohibited`; of IPv6 `icmp6-adm-prohibited`, `icmp6-reject-route`.
        assert_eq!(Refusal::of_xt(3, Family::Ipv4), Refusal::of_nft(2, 1, Family::Ipv4));
        assert_eq!(Refusal::of_xt(6, Family::Ipv4), Refusal::of_nft(0, 10, Family::Ipv4));
        assert_eq!(Refusal::of_xt(1, Family::Ipv6), Refusal::of_nft(2, 3, Family::Ipv6));
        assert_eq!(Refusal::of_xt(8, Family::Ipv6), Refusal::of_nft(0, 6, Family::Ipv6));
        assert_eq!(Refusal::of_xt(7, Family::Ipv4), Refusal::Reset);
        assert_eq!(Refusal::of_xt(6, Family::Ipv6), Refusal::Reset);
    }
}
