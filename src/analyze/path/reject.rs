//! What rules of one link answer as they reject a packet that comes in by it: straight out again by that link, past
//! IP, in the name of whom the packet was for.
//!
//! May import model and analyze's siblings only. Mirrors `nft_reject_netdev_eval`.

use super::error::Tells;
use super::flow::Tracking;
use super::frame::HOST;
use super::packet::{ICMP, ICMPV6, Packet, TCP, Tuple};
use super::refusal::Refusal;
use super::types::{StepKind, Stop};
use super::walk::{Now, Walk};
use super::world::Place;
use crate::model::ids::IfIndex;
use crate::model::route::Family;

/// How much of a packet such an error quotes.
const QUOTED: u32 = 536;
const QUOTED6: u32 = 1220;

impl Walk<'_, '_> {
    /// The packet becomes the answer to it.
    pub fn reject_on(&mut self, place: Place, link: IfIndex, by: Refusal) -> Result<Now, Stop> {
        let link = self.world.link(place, link)?;
        let about = self.packet.clone();
        let family = about.family();
        let back = about.tuple.inverted();
        let ttl = self.default_ttl(place, back.destination);
        let (tells, packet) = match by {
            Refusal::Reset if about.tuple.protocol != TCP => {
                return Err(Stop::dropped(
                    "a reset answers packets of TCP alone, and the rule drops all others in silence",
                ));
            }
            Refusal::Reset => {
                let length = about.header_length() + 20;
                let packet =
                    Packet { tuple: back, is_answer: true, icmp: None, mark: 0, tos: 0, ttl, length, uid: None };
                (Tells::Reset, packet)
            }
            Refusal::Icmp { kind, code, .. } => {
                let (protocol, length) = match family {
                    Family::Ipv4 => (ICMP, about.length.min(QUOTED) + 28),
                    Family::Ipv6 => (ICMPV6, about.length.min(QUOTED6) + 48),
                };
                let tuple = Tuple { protocol, source_port: None, destination_port: None, ..back };
                let icmp = Some(kind);
                let packet = Packet { tuple, is_answer: true, icmp, mark: 0, tos: 0, ttl, length, uid: None };
                (Tells::Icmp { about: about.tuple, echo: about.icmp, code }, packet)
            }
            Refusal::Errno | Refusal::Other => return Err(Stop::unknown("what goes to its sender")),
        };
        let to = self.mac.take().ok_or_else(|| Stop::unknown("where the frame came from"))?;
        self.mac = self.frame.to.take();
        self.frame.kind = HOST;
        self.tracking = Tracking::Not;
        self.begin(tells, packet);
        let tuple = self.packet.tuple;
        let source = "an error in the name of whom it was for, by rules of the link".to_owned();
        self.step(place, StepKind::Sent { tuple, source }, None);
        self.transmit(place, &link, Some(to))
    }
}
