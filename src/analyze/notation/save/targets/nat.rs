//! Address translation.
//!
//! May import model only.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::analyze::notation::save::masked;
use crate::analyze::notation::save::words::address;
use crate::model::netfilter::xt::MaskedAddress;
use crate::model::netfilter::xt::targets::NatRange;

/// DNAT and SNAT: `--to-… ADDRESSES:PORTS/BASE`.
pub(super) fn range(out: &mut String, option: &str, range: &NatRange) {
    if range.addresses.is_some() || range.ports.is_some() {
        let _ = write!(out, " {option} ");
    }
    if let Some((min, max)) = range.addresses {
        let mut written = address(min);
        if max != min {
            let _ = write!(written, "-{}", address(max));
        }
        // Brackets only where a port follows.
        let bracketed = min.is_ipv6() && range.ports.is_some();
        let _ = if bracketed { write!(out, "[{written}]") } else { write!(out, "{written}") };
    }
    if let Some(ports) = range.ports {
        out.push(':');
        write_ports(out, ports);
        if let Some(base) = range.base_port {
            let _ = write!(out, "/{base}");
        }
    }
    flags(out, range);
}

/// MASQUERADE and REDIRECT: ports alone.
pub(super) fn ports(out: &mut String, range: &NatRange) {
    if let Some(ports) = range.ports {
        out.push_str(" --to-ports ");
        write_ports(out, ports);
    }
    flags(out, range);
}

/// NETMAP: a network, given as its first and last address.
pub(super) fn network(out: &mut String, range: &NatRange) {
    let Some((min, max)) = range.addresses else { return };
    let mask = match (min, max) {
        (IpAddr::V4(min), IpAddr::V4(max)) => IpAddr::V4((!(min.to_bits() ^ max.to_bits())).into()),
        (IpAddr::V6(min), IpAddr::V6(max)) => IpAddr::V6((!(min.to_bits() ^ max.to_bits())).into()),
        _ => return,
    };
    let _ = write!(out, " --to {}", masked(&MaskedAddress { address: min, mask }));
}

fn write_ports(out: &mut String, (min, max): (u16, u16)) {
    let _ = write!(out, "{min}");
    if max != min {
        let _ = write!(out, "-{max}");
    }
}

fn flags(out: &mut String, range: &NatRange) {
    for (set, word) in
        [(range.random, " --random"), (range.random_fully, " --random-fully"), (range.persistent, " --persistent")]
    {
        if set {
            out.push_str(word);
        }
    }
}
