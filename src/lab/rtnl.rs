//! Requests to rtnetlink, one at a time, each answered before the next.
//!
//! May import sys. The socket is opened inside the namespace; nothing here enters one.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd as _;

use futures_util::TryStreamExt as _;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink_packet_route::address::AddressHeaderFlags;
use netlink_packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkMessage};
use netlink_packet_route::route::RouteProtocol;
use rtnetlink::{
    Error, Handle, LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::error::LabError;
use crate::sys::netns::NsThread;

/// A veth pair to be made: one end here, the other in another namespace.
pub struct Veth<'a> {
    /// The end in this socket's namespace.
    pub name: &'a str,
    /// The other end.
    pub peer: &'a str,
    /// Where the other end goes.
    pub peer_netns: &'a File,
}

/// A socket in one namespace, and what drives it while a request waits for its answer.
pub struct Rtnl {
    runtime: Runtime,
    handle: Handle,
    /// Ends only when the socket fails.
    connection: JoinHandle<()>,
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
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let registrar = runtime.handle().clone();
        let (connection, handle) = thread.within(netns, move || {
            // The socket is made there, but waited for by the runtime here.
            let _entered = registrar.enter();
            rtnetlink::new_connection().map(|(connection, handle, _)| (connection, handle))
        })?;
        let connection = runtime.spawn(connection);
        Ok(Self { runtime, handle, connection })
    }

    /// Makes a bridge that keeps its address, as the bridge plugin sees to, and whose bridge id bears it.
    ///
    /// Without that the bridge would take over its lowest port's address, each time ports come and go.
    /// Only an address that differs from the one it is born with becomes part of its id
    /// (`br_set_mac_address`), so that one is made of the random one.
    pub fn add_bridge(&self, name: &str) -> Result<Found, LabError> {
        let bridge = LinkMessageBuilder::<LinkBridge>::new(name).build();
        self.wait(self.handle.link().add(bridge).execute(), || format!("making the bridge {name}"))?;
        let mut found = self.find(name)?;
        if let Some(last) = found.mac.last_mut() {
            *last ^= 1;
        }
        let keep = LinkUnspec::new_with_index(found.index).address(found.mac.clone());
        self.change(keep.build(), || format!("giving {name} its address"))?;
        Ok(found)
    }

    /// Makes a veth pair, both ends down.
    pub fn add_veth(&self, veth: &Veth<'_>) -> Result<(), LabError> {
        let peer = LinkUnspec::new_with_name(veth.peer).txqueuelen(0).setns_by_fd(veth.peer_netns.as_raw_fd()).build();
        let pair = LinkVeth::new(veth.name, veth.peer)
            .txqueuelen(0)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        self.wait(self.handle.link().add(pair).execute(), || {
            format!("making the veth pair {} and {}", veth.name, veth.peer)
        })
    }

    /// Sets a link up.
    pub fn set_up(&self, index: u32) -> Result<(), LabError> {
        self.change(LinkUnspec::new_with_index(index).up().build(), || format!("setting link {index} up"))
    }

    /// Makes a link a port of a bridge.
    pub fn set_port(&self, index: u32, bridge: u32) -> Result<(), LabError> {
        self.change(LinkUnspec::new_with_index(index).controller(bridge).build(), || {
            format!("making link {index} a port of bridge {bridge}")
        })
    }

    /// Lets a bridge port send frames back to where they came from.
    pub fn set_hairpin(&self, index: u32) -> Result<(), LabError> {
        self.change(LinkBridgePort::new(index).hairpin(true).build(), || format!("setting hairpin on port {index}"))
    }

    /// Gives a link an address with its broadcast address.
    pub fn add_address(&self, index: u32, address: impl Into<IpNet>) -> Result<(), LabError> {
        let address = address.into();
        let mut request = self.handle.address().add(index, address.addr(), address.prefix_len());
        if address.addr().is_ipv6() {
            // It is nobody else's, and to be used at once: no duplicates are looked for.
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        }
        self.wait(request.execute(), || format!("giving link {index} the address {address}"))
    }

    /// Adds a route to `to` by way of `gateway` to the main table.
    pub fn add_route(&self, to: Ipv4Net, gateway: Ipv4Addr, index: u32) -> Result<(), LabError> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(to.network(), to.prefix_len())
            .gateway(gateway)
            .output_interface(index)
            .protocol(RouteProtocol::Boot)
            .build();
        self.wait(self.handle.route().add(route).execute(), || format!("adding the route {to} via {gateway}"))
    }

    /// The same for IPv6.
    pub fn add_route_v6(&self, to: Ipv6Net, gateway: Ipv6Addr, index: u32) -> Result<(), LabError> {
        let route = RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(to.network(), to.prefix_len())
            .gateway(gateway)
            .output_interface(index)
            .protocol(RouteProtocol::Boot)
            .build();
        self.wait(self.handle.route().add(route).execute(), || format!("adding the route {to} via {gateway}"))
    }

    /// The link with that name.
    pub fn find(&self, name: &str) -> Result<Found, LabError> {
        let what = || format!("looking the link {name} up");
        let mut answers = self.handle.link().get().match_name(name).execute();
        let link = self.wait(answers.try_next(), what)?;
        let link = link.ok_or_else(|| kernel(what(), io::Error::other("the kernel's answer is not a link")))?;
        let mac = link.attributes.into_iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(mac) => Some(mac),
            _ => None,
        });
        Ok(Found { index: link.header.index, mac: mac.unwrap_or_default() })
    }

    /// Changes a link that is there, by `RTM_NEWLINK` without the flags of creating: a port's own settings
    /// can be changed in no other way.
    fn change(&self, link: LinkMessage, what: impl Fn() -> String) -> Result<(), LabError> {
        self.wait(self.handle.link().change(link).execute(), what)
    }

    fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, Error>>,
        what: impl Fn() -> String,
    ) -> Result<T, LabError> {
        match self.runtime.block_on(request) {
            // The crate takes the end of the answers for success, even where the socket failed before one came.
            Ok(_) if self.connection.is_finished() => {
                Err(kernel(what(), io::Error::other("the netlink socket failed")))
            }
            Ok(answer) => Ok(answer),
            Err(Error::NetlinkError(error)) => Err(kernel(what(), error.to_io())),
            Err(error) => Err(kernel(what(), io::Error::other(error))),
        }
    }
}

fn kernel(what: String, why: io::Error) -> LabError {
    LabError::Kernel { what, why }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sys;

    #[test]
    fn a_bridges_id_is_its_address() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("netns");
        let netns = sys::netns::create_bound(&path).unwrap();
        let rtnl = Rtnl::open(&NsThread::spawn().unwrap(), &netns).unwrap();
        let made = rtnl.add_bridge("br0").unwrap();
        // Oracle: ip, which writes the id without leading zeros.
        let asked = Command::new("nsenter")
            .arg(format!("--net={}", path.display()))
            .args(["ip", "-j", "-d", "link", "show", "br0"])
            .output();
        sys::netns::remove_bound(&path).unwrap();
        let asked: serde_json::Value = serde_json::from_slice(&asked.unwrap().stdout).unwrap();
        let bytes =
            |text: &str| -> Vec<u8> { text.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect() };
        let id = asked[0]["linkinfo"]["info_data"]["bridge_id"].as_str().unwrap();
        let (priority, address) = id.split_once('.').unwrap();
        assert_eq!((priority, bytes(address)), ("8000", made.mac.clone()));
        assert_eq!(bytes(asked[0]["address"].as_str().unwrap()), made.mac);
    }

    #[test]
    fn an_error_of_the_kernel_keeps_its_number_and_the_socket_its_use() {
        let home = File::open("/proc/thread-self/ns/net").unwrap();
        let rtnl = Rtnl::open(&NsThread::spawn().unwrap(), &home).unwrap();
        let LabError::Kernel { what, why } = rtnl.find("pnt-no-such").unwrap_err() else { panic!("another error") };
        assert_eq!((what.as_str(), why.raw_os_error()), ("looking the link pnt-no-such up", Some(libc::ENODEV)));
        assert_eq!(rtnl.find("lo").unwrap().index, 1);
    }
}
