//! Sysctls of the lab's namespaces, set before any link is there so that `default` reaches them all.
//!
//! May import model and sys.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::error::{Context, LabError};
use crate::model::lab::LabOptions;
use crate::model::lab_service::LabProxy;
use crate::sys::netns::NsThread;

/// One setting below `/proc/sys/net`.
struct Setting {
    name: &'static str,
    value: &'static str,
    /// Whether the lab does without it where the kernel has no such file (IPv6 off, no `br_netfilter`).
    optional: bool,
}

const fn must(name: &'static str, value: &'static str) -> Setting {
    Setting { name, value, optional: false }
}

const fn may(name: &'static str, value: &'static str) -> Setting {
    Setting { name, value, optional: true }
}

/// The fabric: routes, sends no redirects, and never lets rules see what it only bridges.
pub fn gateway(thread: &NsThread, netns: &str, options: LabOptions) -> Result<(), LabError> {
    let mut settings = vec![
        must("ipv4/ip_forward", "1"),
        must("ipv4/conf/all/rp_filter", "0"),
        must("ipv4/conf/default/rp_filter", "0"),
        // The kernel sends them if either asks for it.
        must("ipv4/conf/all/send_redirects", "0"),
        must("ipv4/conf/default/send_redirects", "0"),
        must("ipv4/icmp_ratelimit", "0"),
        may("bridge/bridge-nf-call-iptables", "0"),
        may("bridge/bridge-nf-call-ip6tables", "0"),
    ];
    if options.dual_stack {
        settings.extend([must("ipv6/conf/all/forwarding", "1"), must("ipv6/icmp/ratelimit", "0")]);
    }
    set(thread, netns, settings)
}

/// A worker, as a node is set up for Kubernetes.
pub fn worker(thread: &NsThread, netns: &str, options: LabOptions) -> Result<(), LabError> {
    let mut settings = vec![
        must("ipv4/ip_forward", "1"),
        may("ipv6/conf/all/forwarding", "1"),
        must("ipv4/conf/all/rp_filter", "0"),
        must("ipv4/conf/default/rp_filter", "0"),
        // Else a REJECT answers a second late now and then.
        must("ipv4/icmp_ratelimit", "0"),
    ];
    if options.dual_stack {
        settings.push(must("ipv6/icmp/ratelimit", "0"));
    }
    if options.proxy != LabProxy::Nftables {
        // kube-proxy sets it, for node ports at 127.0.0.1; in mode nftables there are none.
        settings.push(must("ipv4/conf/all/route_localnet", "1"));
    }
    if let Some(on) = options.bridge_nf {
        let value = if on { "1" } else { "0" };
        settings.push(must("bridge/bridge-nf-call-iptables", value));
        settings.push(may("bridge/bridge-nf-call-ip6tables", value));
    }
    set(thread, netns, settings)
}

/// Whether this kernel lets bridged frames be seen by iptables at all: `br_netfilter` is loaded.
pub fn has_bridge_nf() -> bool {
    fs::exists("/proc/sys/net/bridge/bridge-nf-call-iptables").unwrap_or(false)
}

fn set(thread: &NsThread, netns: &str, settings: Vec<Setting>) -> Result<(), LabError> {
    let file = File::open(netns).context(|| format!("opening {netns}"))?;
    // /proc/sys/net shows the namespace of the thread that opens it.
    let outcome = thread.within(&file, move || Ok(settings.iter().find_map(|setting| write(setting).err())));
    match outcome.context(|| format!("entering {netns}"))? {
        Some((path, why)) => Err(LabError::Io { what: format!("setting {} in {netns}", path.display()), why }),
        None => Ok(()),
    }
}

fn write(setting: &Setting) -> Result<(), (PathBuf, io::Error)> {
    let path = PathBuf::from("/proc/sys/net").join(setting.name);
    match fs::write(&path, setting.value) {
        Err(error) if setting.optional && error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err((path, error)),
        Ok(()) => Ok(()),
    }
}
