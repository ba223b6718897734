//! Requests to rtnetlink, one at a time, each acknowledged before the next.
//!
//! May import sys. The socket is opened inside the namespace; nothing here enters one.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use ipnet::Ipv4Net;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::error::LabError;
use crate::sys::netns::NsThread;

/// The largest answer to one link's `RTM_GETLINK` that is taken.
const ANSWER_BYTES: usize = 64 * 1024;

/// A veth pair to be made: one end here, the other in another namespace.
pub struct Veth<'a> {
    /// The end in this socket's namespace.
    pub name: &'a str,
    /// The other end.
    pub peer: &'a str,
    /// Where the other end goes.
    pub peer_netns: &'a File,
}

/// A socket in one namespace.
pub struct Rtnl {
    socket: Socket,
    sequence: u32,
}

/// A link as far as the lab needs to know it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its index.
    pub index: u32,
    /// Its link-layer address.
    pub mac: Vec<u8>,
}

impl Rtnl {
    /// Opens a socket in `netns`.
    pub fn open(thread: &NsThread, netns: &File) -> io::Result<Self> {
        let socket = thread.within(netns, || {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            // Errors then come without a copy of the request, and with no surprise in length.
            socket.set_cap_ack(true)?;
            Ok(socket)
        })?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Makes a bridge that keeps the address it is born with, as the bridge plugin sees to.
    ///
    /// Without that the bridge would take over its lowest port's address, each time ports come and go.
    pub fn add_bridge(&mut self, name: &str) -> Result<Found, LabError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        self.create(RouteNetlinkMessage::NewLink(message), || format!("making the bridge {name}"))?;
        let found = self.find(name)?;
        let mut keep = LinkMessage::default();
        keep.header.index = found.index;
        keep.attributes = vec![LinkAttribute::Address(found.mac.clone())];
        self.request(RouteNetlinkMessage::SetLink(keep), 0, || format!("keeping the address of {name}"))?;
        Ok(found)
    }

    /// Makes a veth pair, both ends down.
    pub fn add_veth(&mut self, veth: &Veth<'_>) -> Result<(), LabError> {
        let mut peer = LinkMessage::default();
        peer.attributes = vec![
            LinkAttribute::IfName(veth.peer.to_owned()),
            LinkAttribute::TxQueueLen(0),
            LinkAttribute::NetNsFd(veth.peer_netns.as_raw_fd()),
        ];
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(veth.name.to_owned()),
            LinkAttribute::TxQueueLen(0),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        self.create(RouteNetlinkMessage::NewLink(message), || {
            format!("making the veth pair {} and {}", veth.name, veth.peer)
        })
    }

    /// Sets a link up.
    pub fn set_up(&mut self, index: u32) -> Result<(), LabError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::SetLink(message), 0, || format!("setting link {index} up"))
    }

    /// Makes a link a port of a bridge.
    pub fn set_port(&mut self, index: u32, bridge: u32) -> Result<(), LabError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes = vec![LinkAttribute::Controller(bridge)];
        self.request(RouteNetlinkMessage::SetLink(message), 0, || {
            format!("making link {index} a port of bridge {bridge}")
        })
    }

    /// Lets a bridge port send frames back to where they came from.
    pub fn set_hairpin(&mut self, index: u32) -> Result<(), LabError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes = vec![LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)])),
        ])];
        self.create_or_change(RouteNetlinkMessage::NewLink(message), || format!("setting hairpin on port {index}"))
    }

    /// Gives a link an address with its broadcast address.
    pub fn add_address(&mut self, index: u32, address: Ipv4Net) -> Result<(), LabError> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.index = index;
        message.header.prefix_len = address.prefix_len();
        message.attributes = vec![
            AddressAttribute::Local(address.addr().into()),
            AddressAttribute::Address(address.addr().into()),
            AddressAttribute::Broadcast(address.broadcast()),
        ];
        self.create(RouteNetlinkMessage::NewAddress(message), || format!("giving link {index} the address {address}"))
    }

    /// Adds a route to `to` by way of `gateway` to the main table.
    pub fn add_route(&mut self, to: Ipv4Net, gateway: Ipv4Addr, index: u32) -> Result<(), LabError> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.destination_prefix_length = to.prefix_len();
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Boot;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        if to.prefix_len() > 0 {
            message.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(to.network())));
        }
        message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet(gateway)));
        message.attributes.push(RouteAttribute::Oif(index));
        self.create(RouteNetlinkMessage::NewRoute(message), || format!("adding the route {to} via {gateway}"))
    }

    /// The link with that name.
    pub fn find(&mut self, name: &str) -> Result<Found, LabError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        let what = || format!("looking the link {name} up");
        self.send(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST, what)?;
        match self.answer(what)? {
            Some(RouteNetlinkMessage::NewLink(link)) => {
                let mac = link.attributes.iter().find_map(|attribute| match attribute {
                    LinkAttribute::Address(mac) => Some(mac.clone()),
                    _ => None,
                });
                Ok(Found { index: link.header.index, mac: mac.unwrap_or_default() })
            }
            _ => Err(kernel(what(), io::Error::other("the kernel's answer is not a link"))),
        }
    }

    fn create(&mut self, message: RouteNetlinkMessage, what: impl Fn() -> String) -> Result<(), LabError> {
        self.request(message, NLM_F_CREATE | NLM_F_EXCL, what)
    }

    /// `RTM_NEWLINK` without the flags of creating is the one way to change a port's own settings.
    fn create_or_change(&mut self, message: RouteNetlinkMessage, what: impl Fn() -> String) -> Result<(), LabError> {
        self.request(message, 0, what)
    }

    fn request(&mut self, message: RouteNetlinkMessage, flags: u16, what: impl Fn() -> String) -> Result<(), LabError> {
        self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags, &what)?;
        self.answer(&what).map(|_| ())
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16, what: impl Fn() -> String) -> Result<(), LabError> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut whole = NetlinkMessage::new(header, NetlinkPayload::from(message));
        whole.finalize();
        let mut bytes = vec![0; whole.buffer_len()];
        whole.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(|error| kernel(what(), error))?;
        Ok(())
    }

    /// The answer to the request just sent: a message, an acknowledgement (`None`) or an error.
    fn answer(&mut self, what: impl Fn() -> String) -> Result<Option<RouteNetlinkMessage>, LabError> {
        loop {
            let mut bytes = bytes_buffer();
            self.socket.recv(&mut bytes, 0).map_err(|error| kernel(what(), error))?;
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes)
                .map_err(|error| kernel(what(), io::Error::new(io::ErrorKind::InvalidData, error.to_string())))?;
            if message.header.sequence_number != self.sequence {
                continue;
            }
            return match message.payload {
                NetlinkPayload::Error(error) if error.code.is_none() => Ok(None),
                NetlinkPayload::Error(error) => Err(kernel(what(), error.to_io())),
                NetlinkPayload::InnerMessage(inner) => Ok(Some(inner)),
                _ => Err(kernel(what(), io::Error::other("an answer that is neither"))),
            };
        }
    }
}

fn bytes_buffer() -> Vec<u8> {
    Vec::with_capacity(ANSWER_BYTES)
}

fn kernel(what: String, why: io::Error) -> LabError {
    LabError::Kernel { what, why }
}
