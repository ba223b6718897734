//! A packet's headers: whose it is, in IPv4 and IPv6, and in what an ICMP error quotes.
//!
//! May import model only. Headers that are cut short give what is there, or nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::probe::{Ends, Kind, Packet, Token};

/// How many IPv6 extension headers are skipped.
const MOST_EXTENSIONS: usize = 8;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// `INIT` and `INIT ACK`
const INIT: [u8; 2] = [1, 2];

/// Reads a packet from its IP header on; `None` where it is none of those that a probe is or is answered by.
pub fn packet(bytes: &[u8]) -> Option<Packet> {
    read(bytes, false)
}

fn read(bytes: &[u8], quoted: bool) -> Option<Packet> {
    let (source, destination, protocol, rest) = match bytes.first()? >> 4 {
        4 => four(bytes)?,
        6 => six(bytes)?,
        _ => return None,
    };
    let ends = |source_port, destination_port| Ends { source, destination, protocol, source_port, destination_port };
    let two = |at: usize| Some(u16::from_be_bytes(*rest.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_be_bytes(*rest.get(at..)?.first_chunk()?));
    let token = || rest.get(8..)?.first_chunk::<12>().copied() as Option<Token>;
    match protocol {
        TCP => {
            // An error quotes eight bytes at least.
            let (acknowledged, flags) = (word(8).unwrap_or(0), rest.get(13).copied().unwrap_or(0));
            let kind = Kind::Tcp { flags, sequence: word(4)?, acknowledged };
            (quoted || rest.len() >= 14).then_some(Packet { ends: ends(two(0)?, two(2)?), kind })
        }
        UDP => Some(Packet { ends: ends(two(0)?, two(2)?), kind: Kind::Udp { token: token() } }),
        SCTP => {
            let chunk = rest.get(12).copied().unwrap_or(u8::MAX);
            let initiate = if INIT.contains(&chunk) { word(16) } else { None };
            let kind = Kind::Sctp { chunk, tag: word(4)?, initiate };
            Some(Packet { ends: ends(two(0)?, two(2)?), kind })
        }
        ICMP | ICMPV6 => {
            let (icmp, code) = (*rest.first()?, *rest.get(1)?);
            let is_error = if protocol == ICMP { matches!(icmp, 3 | 11 | 12) } else { (1..=4).contains(&icmp) };
            if is_error {
                if quoted {
                    return None;
                }
                let about = Box::new(read(rest.get(8..)?, true)?);
                let ends = ends(about.ends.source_port, about.ends.destination_port);
                return Some(Packet { ends, kind: Kind::Error { icmp, code, about } });
            }
            let reply = match (protocol, icmp) {
                (ICMP, 8) | (ICMPV6, 128) => false,
                (ICMP, 0) | (ICMPV6, 129) => true,
                _ => return None,
            };
            Some(Packet { ends: ends(two(4)?, two(4)?), kind: Kind::Echo { reply, token: token() } })
        }
        _ => None,
    }
}

type Parts<'b> = (IpAddr, IpAddr, u8, &'b [u8]);

fn four(bytes: &[u8]) -> Option<Parts<'_>> {
    let header = usize::from(bytes.first()? & 0xf) * 4;
    let at = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?)));
    // Of a fragment that is not the first the ports are elsewhere.
    let offset = u16::from_be_bytes(*bytes.get(6..)?.first_chunk()?) & 0x1fff;
    if header < 20 || offset != 0 {
        return None;
    }
    Some((at(12)?, at(16)?, *bytes.get(9)?, bytes.get(header..)?))
}

fn six(bytes: &[u8]) -> Option<Parts<'_>> {
    let at = |at: usize| Some(IpAddr::V6(Ipv6Addr::from(*bytes.get(at..)?.first_chunk::<16>()?)));
    let (source, destination) = (at(8)?, at(24)?);
    let mut next = *bytes.get(6)?;
    let mut rest = bytes.get(40..)?;
    for _ in 0..MOST_EXTENSIONS {
        // Hop-by-hop options, routing, destination options.
        if !matches!(next, 0 | 43 | 60) {
            break;
        }
        let length = (usize::from(*rest.get(1)?) + 1) * 8;
        next = *rest.first()?;
        rest = rest.get(length..)?;
    }
    Some((source, destination, next, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(protocol: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.extend_from_slice(body);
        bytes
    }

    fn ends(protocol: u8, source_port: u16, destination_port: u16) -> Ends {
        let (source, destination) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        Ends { source, destination, protocol, source_port, destination_port }
    }

    #[test]
    fn a_syn_is_read() {
        let syn = [0x12, 0x34, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 2, 0, 0, 0, 0, 0, 0];
        let kind = Kind::Tcp { flags: 2, sequence: 7, acknowledged: 9 };
        assert_eq!(packet(&header(6, &syn)), Some(Packet { ends: ends(6, 0x1234, 80), kind: kind.clone() }));
        // An error quotes eight bytes of it.
        let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
        error.extend(header(6, &syn[..8]));
        let about =
            Box::new(Packet { ends: ends(6, 0x1234, 80), kind: Kind::Tcp { flags: 0, sequence: 7, acknowledged: 0 } });
        let kind = Kind::Error { icmp: 3, code: 3, about };
        assert_eq!(packet(&header(1, &error)), Some(Packet { ends: ends(1, 0x1234, 80), kind }));
    }

    #[test]
    fn a_datagram_and_an_echo_bear_their_token() {
        let datagram = [&[0, 9, 0, 53, 0, 20, 0, 0][..], b"podnABCDEFGH"].concat();
        let token = Some(*b"podnABCDEFGH");
        assert_eq!(packet(&header(17, &datagram)), Some(Packet { ends: ends(17, 9, 53), kind: Kind::Udp { token } }));
        let echo = [&[0, 0, 0, 0, 0, 5, 0, 1][..], b"podnABCDEFGH"].concat();
        let kind = Kind::Echo { reply: true, token };
        assert_eq!(packet(&header(1, &echo)), Some(Packet { ends: ends(1, 5, 5), kind }));
    }

    #[test]
    fn a_later_fragment_is_nobodys() {
        let mut bytes = header(17, &[0; 20]);
        bytes[7] = 1;
        assert_eq!(packet(&bytes), None);
    }

    #[test]
    fn extension_headers_are_skipped() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 16, 0, 64];
        bytes.extend([0; 32]);
        bytes.extend([17, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 8, 0, 0]);
        let seen = packet(&bytes).unwrap();
        assert_eq!((seen.ends.protocol, seen.ends.source_port, seen.ends.destination_port), (17, 1, 2));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), six in any::<bool>()) {
            if let Some(first) = bytes.first_mut() {
                *first = if six { 0x60 } else { 0x45 };
            }
            let _ = packet(&bytes);
        }
    }
}
