//! A lease of the ipam plugin host-local: a file named after the address that holds who has it.
//!
//! May import model and sibling wire files only.

use std::net::IpAddr;

use crate::model::cni::CniLease;
use crate::model::ids::ContainerId;

/// Reads one file of a network's folder; `None` for the files that are no leases: the lock, and the
/// address that was given out last.
pub fn lease(folder: &str, network: &str, name: &str, bytes: &[u8]) -> Result<Option<CniLease>, String> {
    if name == "lock" || name.starts_with("last_reserved_ip.") {
        return Ok(None);
    }
    // On Linux the address stands as it is; other versions write `_` for `:`.
    let address: IpAddr =
        name.replace('_', ":").parse().map_err(|_| format!("the file's name {name:?} is no address"))?;
    let content = std::str::from_utf8(bytes).map_err(|error| format!("the content is no text: {error}"))?;
    let mut lines = content.trim().lines().map(str::trim);
    let container = lines.next().filter(|line| !line.is_empty()).ok_or("the file is empty")?;
    let interface = lines.next().filter(|line| !line.is_empty());
    Ok(Some(CniLease {
        path: format!("{folder}/{name}"),
        network: network.to_owned(),
        address,
        container: ContainerId(container.to_owned()),
        interface: interface.map(str::to_owned),
    }))
}
