//! What rules of nf_tables write to a packet: header bytes, beside conntrack and whatever it thinks of the packet.
//!
//! May import model and analyze's siblings only. What would make the packet another thing than it is (its length, its
//! protocol), or leave it with a wrong checksum, is unknown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::register::Value;
use crate::analyze::path::frame::Layer;
use crate::analyze::path::packet::{Packet, TCP, UDP};
use crate::analyze::path::types::Stop;
use crate::analyze::path::walk::Walk;
use crate::model::ids::MacAddr;
use crate::model::netfilter::expr::PayloadBase;
use crate::model::route::Family;

/// `NFT_PAYLOAD_L4CSUM_PSEUDOHDR`
const PSEUDO_HEADER: u32 = 1;
/// `NFT_PAYLOAD_CSUM_INET`
const INET: u32 = 1;
/// Where IPv4, TCP and UDP have their checksums.
const IN_IPV4: u32 = 10;
const IN_TCP: u32 = 16;
const IN_UDP: u32 = 6;
/// `IP_DF` in the byte that bears it.
const DF: u8 = 0x40;

/// Where something is written, and which checksum is set right with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub base: PayloadBase,
    pub offset: u32,
    /// `NFTA_PAYLOAD_CSUM_TYPE`, `_OFFSET` and `_FLAGS`.
    pub checksum: (u32, u32, u32),
}

/// One byte and which of its bits are known.
struct Bits {
    byte: u8,
    known: u8,
}

impl Bits {
    fn whole(&self) -> Result<u8, Stop> {
        if self.known == 0xff { Ok(self.byte) } else { Err(Stop::unknown("a rule writes what nothing tells to it")) }
    }
}

impl Walk<'_, '_> {
    /// Writes to the packet; in words what was done. Mirrors `nft_payload_set_eval`.
    pub(super) fn write(&mut self, place: Place, value: &Value) -> Result<String, Stop> {
        let before = self.packet.clone();
        let from = usize::try_from(place.offset).map_err(|_| far())?;
        if place.base == PayloadBase::Link && self.frame.layer != Layer::Ip {
            return self.write_frame(from, value);
        }
        if self.frame.arp.is_some() {
            return Err(Stop::unknown("a rule writes to a question for a neighbour, which is not followed"));
        }
        for (index, (byte, known)) in value.bytes.iter().zip(&value.known).enumerate() {
            let (at, bits) = (from + index, Bits { byte: *byte, known: *known });
            match (place.base, before.family()) {
                (PayloadBase::Network, Family::Ipv4) => self.write4(at, &bits)?,
                (PayloadBase::Network, Family::Ipv6) => self.write6(at, &bits)?,
                (PayloadBase::Transport, _) => self.write_ports(at, &bits)?,
                _ => {
                    return Err(Stop::unknown(
                        "a rule writes beside IP's and the transport's header, which is not followed",
                    ));
                }
            }
        }
        self.is_right(place, &before)?;
        let place = match place.base {
            PayloadBase::Network => "IP's header",
            _ => "the transport's header",
        };
        Ok(format!("writes to {place}"))
    }

    /// The frame's addresses; where it goes to is what counts from then on.
    fn write_frame(&mut self, from: usize, value: &Value) -> Result<String, Stop> {
        for (index, (byte, known)) in value.bytes.iter().zip(&value.known).enumerate() {
            let byte = Bits { byte: *byte, known: *known }.whole()?;
            let at = from + index;
            let (mac, at) = match at {
                0..6 => (&mut self.frame.to, at),
                6..12 => (&mut self.mac, at - 6),
                _ => return Err(Stop::unknown("a rule writes to a frame's header, which is not followed")),
            };
            let mac: &mut MacAddr = mac.as_mut().ok_or_else(far)?;
            *mac.0.get_mut(at).ok_or_else(far)? = byte;
        }
        Ok("writes to the frame's header".to_owned())
    }

    fn write4(&mut self, at: usize, bits: &Bits) -> Result<(), Stop> {
        match at {
            // Version and length of the header, length of all, protocol.
            0 => same(bits, 0x45),
            1 => {
                self.packet.tos = bits.whole()?;
                Ok(())
            }
            2 | 3 => same(bits, u16::try_from(self.packet.length).unwrap_or(0).to_be_bytes()[at - 2]),
            6 => {
                if bits.known & DF == 0 {
                    return Err(Stop::unknown("a rule writes what nothing tells to it"));
                }
                self.whole = bits.byte & DF != 0;
                Ok(())
            }
            8 => {
                self.packet.ttl = bits.whole()?;
                Ok(())
            }
            9 => same(bits, self.packet.tuple.protocol),
            12..16 => put(&mut self.packet.tuple.source, at - 12, bits.whole()?),
            16..20 => put(&mut self.packet.tuple.destination, at - 16, bits.whole()?),
            // Identification, place of a fragment, checksum.
            4 | 5 | 7 | 10 | 11 => Ok(()),
            _ => Err(far()),
        }
    }

    fn write6(&mut self, at: usize, bits: &Bits) -> Result<(), Stop> {
        match at {
            0 => {
                let byte = bits.whole()?;
                self.packet.tos = (self.packet.tos & 0x0f) | (byte << 4);
                same(&Bits { byte: byte & 0xf0, known: 0xff }, 0x60)
            }
            // Four bits of the traffic class, and four of the flow label, which is looked at by nobody here.
            1 => {
                let high = Bits { byte: bits.byte, known: bits.known | 0x0f }.whole()?;
                self.packet.tos = (self.packet.tos & 0xf0) | (high >> 4);
                Ok(())
            }
            2 | 3 => Ok(()),
            4 | 5 => {
                let length = u16::try_from(self.packet.length.saturating_sub(40)).unwrap_or(0);
                same(bits, length.to_be_bytes()[at - 4])
            }
            6 => same(bits, self.packet.tuple.protocol),
            7 => {
                self.packet.ttl = bits.whole()?;
                Ok(())
            }
            8..24 => put(&mut self.packet.tuple.source, at - 8, bits.whole()?),
            24..40 => put(&mut self.packet.tuple.destination, at - 24, bits.whole()?),
            _ => Err(far()),
        }
    }

    fn write_ports(&mut self, at: usize, bits: &Bits) -> Result<(), Stop> {
        let tuple = &mut self.packet.tuple;
        if !matches!(tuple.protocol, TCP | UDP) {
            return Err(Stop::unknown("a rule writes to a transport's header that is not TCP's or UDP's"));
        }
        let (port, index) = match at {
            0 | 1 => (&mut tuple.source_port, at),
            2 | 3 => (&mut tuple.destination_port, at - 2),
            _ => return Err(far()),
        };
        // Of a port that is drawn both bytes have to be written: the first one that is makes it known.
        let mut bytes = port.unwrap_or(0).to_be_bytes();
        if let Some(byte) = bytes.get_mut(index) {
            *byte = bits.whole()?;
        }
        *port = Some(u16::from_be_bytes(bytes));
        Ok(())
    }

    /// A changed packet has to have the right checksums, or its receiver throws it away.
    fn is_right(&self, place: Place, before: &Packet) -> Result<(), Stop> {
        let (kind, offset, flags) = place.checksum;
        let (old, new) = (&before.tuple, &self.packet.tuple);
        let addresses = (old.source, old.destination) != (new.source, new.destination);
        let header = before.family() == Family::Ipv4 && place.base == PayloadBase::Network;
        let own = (kind, offset) == (INET, IN_IPV4);
        let fits = match place.base {
            PayloadBase::Network => (!header || own) && (!addresses || flags & PSEUDO_HEADER != 0),
            _ => kind == INET && offset == if new.protocol == TCP { IN_TCP } else { IN_UDP },
        };
        if fits {
            return Ok(());
        }
        Err(Stop::unknown("a rule writes to the packet and leaves a checksum that may be wrong"))
    }
}

fn far() -> Stop {
    Stop::unknown("a rule writes to a part of the packet that is not followed")
}

/// What is written has to be what is there.
fn same(bits: &Bits, is: u8) -> Result<(), Stop> {
    if (bits.byte ^ is) & bits.known == 0 && bits.known != 0 {
        return Ok(());
    }
    Err(Stop::unknown("a rule makes the packet another kind of packet, which is not followed"))
}

fn put(address: &mut IpAddr, at: usize, byte: u8) -> Result<(), Stop> {
    match address {
        IpAddr::V4(own) => {
            let mut bytes = own.octets();
            *bytes.get_mut(at).ok_or_else(far)? = byte;
            *own = Ipv4Addr::from(bytes);
        }
        IpAddr::V6(own) => {
            let mut bytes = own.octets();
            *bytes.get_mut(at).ok_or_else(far)? = byte;
            *own = Ipv6Addr::from(bytes);
        }
    }
    Ok(())
}
