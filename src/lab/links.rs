//! Links, addresses and routes: the fabric, the workers and the pods.
//!
//! May import model and sys.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::error::{Context, LabError};
use super::rtnl::{Rtnl, Veth};
use crate::model::ids::MacAddr;
use crate::model::lab::{LabPod, LabState, LabWorker};
use crate::model::sandbox::CniInterface;
use crate::sys::netns::NsThread;

/// The fabric's bridge, in the gateway's namespace.
pub const FABRIC: &str = "vpc0";

/// The gateway's address in the network of the outside host.
const OUTSIDE_GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// The same in IPv6, of a dual-stack lab.
const OUTSIDE_GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 1);

fn socket(thread: &NsThread, netns: &str) -> Result<Rtnl, LabError> {
    Rtnl::open(thread, &open(netns)?).context(|| format!("opening a netlink socket in {netns}"))
}

fn open(netns: &str) -> Result<File, LabError> {
    File::open(Path::new(netns)).context(|| format!("opening {netns}"))
}

fn loopback(rtnl: &Rtnl) -> Result<(), LabError> {
    let lo = rtnl.find("lo")?.index;
    rtnl.set_up(lo)
}

fn default_route(rtnl: &Rtnl, gateway: Ipv4Addr, link: u32) -> Result<(), LabError> {
    rtnl.add_route(Ipv4Net::default(), gateway, link)
}

fn default_route_v6(rtnl: &Rtnl, gateway: Ipv6Addr, link: u32) -> Result<(), LabError> {
    rtnl.add_route_v6(Ipv6Net::default(), gateway, link)
}

/// The VPC's bridge with the gateway's address.
pub fn gateway(thread: &NsThread, state: &LabState) -> Result<(), LabError> {
    let rtnl = socket(thread, &state.gateway.netns)?;
    loopback(&rtnl)?;
    let bridge = rtnl.add_bridge(FABRIC)?;
    rtnl.add_address(bridge.index, within_24(v4(state.gateway.address)))?;
    if let Some(six) = state.gateway.address_v6 {
        rtnl.add_address(bridge.index, within_64(six))?;
    }
    rtnl.set_up(bridge.index)
}

/// The host beyond the gateway and the link to it.
pub fn outside(thread: &NsThread, state: &LabState) -> Result<(), LabError> {
    let gateway = socket(thread, &state.gateway.netns)?;
    let outside = socket(thread, &state.outside.netns)?;
    loopback(&outside)?;
    let far = open(&state.gateway.netns)?;
    outside.add_veth(&Veth { name: "eth0", peer: "outside0", peer_netns: &far })?;
    let near = gateway.find("outside0")?.index;
    gateway.add_address(near, within_24(OUTSIDE_GATEWAY))?;
    gateway.set_up(near)?;
    let eth0 = outside.find("eth0")?.index;
    outside.add_address(eth0, within_24(v4(state.outside.address)))?;
    outside.set_up(eth0)?;
    default_route(&outside, OUTSIDE_GATEWAY, eth0)?;
    if let Some(six) = state.outside.address_v6 {
        gateway.add_address(near, within_64(OUTSIDE_GATEWAY_V6))?;
        outside.add_address(eth0, within_64(six))?;
        default_route_v6(&outside, OUTSIDE_GATEWAY_V6, eth0)?;
    }
    Ok(())
}

/// A worker's uplink, its pods' bridge, and the gateway's route to its pods.
pub fn worker(thread: &NsThread, state: &LabState, worker: &LabWorker) -> Result<(), LabError> {
    let gateway = socket(thread, &state.gateway.netns)?;
    let rtnl = socket(thread, &worker.netns)?;
    loopback(&rtnl)?;
    let far = open(&state.gateway.netns)?;
    rtnl.add_veth(&Veth { name: "eth0", peer: &worker.name, peer_netns: &far })?;
    let fabric = gateway.find(FABRIC)?.index;
    let port = gateway.find(&worker.name)?.index;
    gateway.set_port(port, fabric)?;
    gateway.set_up(port)?;
    let eth0 = rtnl.find("eth0")?.index;
    let (address, pods, bridge_address) =
        (v4_net(worker.address), v4_net(worker.pod_cidr), v4_net(worker.bridge_address));
    rtnl.add_address(eth0, address)?;
    rtnl.set_up(eth0)?;
    default_route(&rtnl, v4(state.gateway.address), eth0)?;
    let bridge = rtnl.add_bridge(&worker.bridge)?;
    rtnl.add_address(bridge.index, bridge_address)?;
    rtnl.set_up(bridge.index)?;
    gateway.add_route(pods, address.addr(), fabric)?;
    if let (Some(six), Some(way_out)) = (worker.v6, state.gateway.address_v6) {
        rtnl.add_address(eth0, six.address)?;
        default_route_v6(&rtnl, way_out, eth0)?;
        rtnl.add_address(bridge.index, six.bridge_address)?;
        gateway.add_route_v6(six.pod_cidr, six.address.addr(), fabric)?;
    }
    Ok(())
}

/// A pod's veth pair, made from the pod's side as the plugin does; gives the interfaces of its result.
pub fn pod(
    thread: &NsThread,
    state: &LabState,
    worker: &LabWorker,
    pod: &LabPod,
) -> Result<Vec<CniInterface>, LabError> {
    let host = socket(thread, &worker.netns)?;
    let inside = socket(thread, &pod.netns)?;
    loopback(&inside)?;
    let host_netns = open(&worker.netns)?;
    inside.add_veth(&Veth { name: "eth0", peer: &pod.host_link, peer_netns: &host_netns })?;
    let bridge = host.find(&worker.bridge)?;
    let outer = host.find(&pod.host_link)?;
    host.set_port(outer.index, bridge.index)?;
    if state.options.hairpin {
        host.set_hairpin(outer.index)?;
    }
    host.set_up(outer.index)?;
    let eth0 = inside.find("eth0")?;
    inside.add_address(eth0.index, v4_net(pod.address))?;
    inside.set_up(eth0.index)?;
    default_route(&inside, v4_net(worker.bridge_address).addr(), eth0.index)?;
    if let (Some(six), Some(own)) = (worker.v6, pod.address_v6) {
        inside.add_address(eth0.index, own)?;
        default_route_v6(&inside, six.bridge_address.addr(), eth0.index)?;
    }
    let interface = |name: &str, mac, sandbox: Option<&String>| CniInterface {
        name: name.to_owned(),
        mac: Some(MacAddr(mac)),
        // The plugin is handed the path by its old name.
        sandbox: sandbox.map(|path| path.replacen("/run/", "/var/run/", 1)),
    };
    Ok(vec![
        interface(&worker.bridge, bridge.mac, None),
        interface(&pod.host_link, outer.mac, None),
        interface("eth0", eth0.mac, Some(&pod.netns)),
    ])
}

fn within_24(address: Ipv4Addr) -> Ipv4Net {
    Ipv4Net::new_assert(address, 24)
}

fn within_64(address: Ipv6Addr) -> Ipv6Net {
    Ipv6Net::new_assert(address, 64)
}

/// The lab's first addresses are IPv4: the plan makes no others, and a state file is not built from.
fn v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

fn v4_net(address: IpNet) -> Ipv4Net {
    match address {
        IpNet::V4(address) => address,
        IpNet::V6(_) => Ipv4Net::default(),
    }
}
