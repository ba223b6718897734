//! Which socket of a namespace a packet is handed to that begins a conversation, or who refuses it.
//!
//! May import model and analyze's siblings only. The choice is that of [`crate::analyze::sockets`]. What a
//! program of `sk_lookup` would choose nobody looks at, which is told among what is taken for granted.

use schemars::JsonSchema;
use serde::Serialize;

use super::packet::{SCTP, TCP, UDP};
use super::refusal::Refusal;
use super::types::Stop;
use super::walk::{LOOPBACK, Walk};
use super::world::{Link, Place, World};
use crate::analyze::sockets::{Sought, best, elsewhere};
use crate::model::ids::IfIndex;
use crate::model::route::Family;
use crate::model::socket::{Socket, protocol_name};

/// Flags of a TCP header that begins a connection.
const SYN: u8 = 0x02;

/// Who gets a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listener {
    /// The socket; where several share the port, one of them.
    pub socket: Socket,
    /// How many share it (`SO_REUSEPORT`), this one counted.
    pub one_of: usize,
}

impl Listener {
    /// Whose it is; `None` where several share the port, of which any may get the packet.
    pub(super) fn user(&self) -> Option<u32> {
        (self.one_of == 1).then_some(self.socket.uid)
    }
}

impl Walk<'_, '_> {
    /// The socket that the packet is for; `None` where it is no socket's that waits, or where that is taken for
    /// granted. A packet that no socket takes is refused.
    pub fn hand_to_socket(&mut self, place: Place, link: &Link) -> Result<Option<Listener>, Stop> {
        let tuple = self.packet.tuple;
        let begins = !self.packet.is_answer && self.tcp_flags().is_none_or(|flags| flags == SYN);
        let (true, true, Some(port)) = (begins, tuple.has_ports(), tuple.destination_port) else { return Ok(None) };
        let section = self.world.view(place)?.sockets(place.netns);
        let sockets = match World::whole(section) {
            Ok(section) => section,
            Err(Stop::Unknown { because }) => {
                self.assume(format!("a program listens where it arrives ({because})"));
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        self.assume("no sk_lookup program of BPF chooses another socket where it arrives".to_owned());
        let sought = Sought {
            protocol: tuple.protocol,
            destination: tuple.destination,
            port,
            source: tuple.source_port.map(|port| (tuple.source, port)),
            by: Some(self.as_seen_by_sockets(place, link)?),
        };
        let fitting = best(&sockets.value, &sought);
        let Some(first) = fitting.first() else { return Err(refused(&sockets.value, &sought)) };
        if let Some(queue) = first.queue.filter(|queue| fitting.len() == 1 && queue.waiting > queue.limit) {
            return Err(Stop::dropped(format!(
                "{} connections wait for the program that listens there, and it lets {} wait",
                queue.waiting, queue.limit
            )));
        }
        Ok(Some(Listener { socket: (*first).clone(), one_of: fitting.len() }))
    }

    /// The link that a socket may be bound to in order to get the packet. What a namespace sends to itself counts as
    /// coming by the link that has the address (`ip_route_output_key_hash_rcu`, `ip6_rcv_core`).
    fn as_seen_by_sockets(&self, place: Place, link: &Link) -> Result<IfIndex, Stop> {
        if link.ifindex != LOOPBACK {
            return Ok(link.ifindex);
        }
        let destination = self.packet.tuple.destination;
        let addresses = self.world.addresses(place)?;
        let holder = addresses.value.iter().find(|held| held.address.addr() == destination);
        Ok(holder.map_or(LOOPBACK, |held| held.ifindex))
    }
}

/// What the sender hears where no socket takes the packet.
fn refused(sockets: &[Socket], sought: &Sought) -> Stop {
    let name = protocol_name(sought.protocol).unwrap_or("its protocol");
    let near = elsewhere(sockets, sought);
    let near = if near.is_empty() { near } else { format!("; {near}") };
    let why = |says: &str| {
        format!("nothing listens on {name} port {} of {} there, {says}{near}", sought.port, sought.destination)
    };
    match sought.protocol {
        TCP => Stop::rejected("connection refused", Refusal::Reset, why("and its kernel answers with a reset")),
        UDP => Stop::rejected(
            "port unreachable",
            Refusal::port(Family::of(sought.destination)),
            why("and its kernel says so by ICMP"),
        ),
        SCTP => {
            Stop::rejected("abort", Refusal::Other, why("and its kernel aborts, or says by ICMP that it has no SCTP"))
        }
        _ => Stop::unknown(why("whatever that means")),
    }
}
