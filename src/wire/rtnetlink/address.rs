//! Addresses of links (`RTM_NEWADDR`).
//!
//! Must not import anything from the crate but model and sibling wire files.

use ipnet::IpNet;

use crate::model::address::{Address, Scope};
use crate::model::ids::IfIndex;
use crate::model::text::ByteText;
use crate::wire::netlink::attr::{Attr, AttrError, attrs};

use super::{AF_INET, AF_INET6, Known, fill, fixed, names, put, walk};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;

/// One bit, two names: `IFA_F_SECONDARY` of IPv4 is `IFA_F_TEMPORARY` of IPv6.
const IFA_F_SECONDARY: u32 = 1;

/// Reads one address.
pub fn address(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Address> {
    let (&[family, prefix, flags, scope, index @ ..], rest) = fixed::<8>(message, errors)?;
    if family != AF_INET && family != AF_INET6 {
        return None;
    }
    let mut flags = u32::from(flags);
    let (mut near, mut far, mut broadcast, mut label) = (None, None, None, None);
    let mut lifetimes = (None, None);
    walk(attrs(rest), errors, |attr, errors| {
        match attr.kind {
            IFA_ADDRESS => fill(&mut far, attr.address(), errors),
            IFA_LOCAL => fill(&mut near, attr.address(), errors),
            IFA_BROADCAST => fill(&mut broadcast, attr.address(), errors),
            IFA_LABEL => label = Some(ByteText::new(attr.text())),
            IFA_FLAGS => put(&mut flags, attr.u32(), errors),
            IFA_CACHEINFO => put(&mut lifetimes, cache_info(&attr), errors),
            _ => {}
        }
        Known::Yes
    });
    let Some(own) = near.or(far) else {
        errors.push(AttrError::Missing { name: "IFA_LOCAL nor IFA_ADDRESS" });
        return None;
    };
    let Ok(address) = IpNet::new(own, prefix) else {
        errors.push(AttrError::Value { kind: IFA_ADDRESS, detail: format!("{own} has no prefix of {prefix} bits") });
        return None;
    };
    let mut flag_names = names::bits(flags & !IFA_F_SECONDARY, names::ADDRESS_FLAGS);
    if flags & IFA_F_SECONDARY != 0 {
        flag_names.push(if family == AF_INET { "secondary" } else { "temporary" }.to_owned());
        flag_names.sort();
    }
    Some(Address {
        ifindex: IfIndex(u32::from_ne_bytes(index)),
        address,
        peer: far.filter(|far| *far != own),
        broadcast,
        scope: Scope::from_number(scope),
        flags: flag_names,
        label,
        preferred_s: lifetimes.0,
        valid_s: lifetimes.1,
    })
}

/// Preferred and valid lifetime of `struct ifa_cacheinfo`; all bits set is for ever.
fn cache_info(attr: &Attr<'_>) -> Result<(Option<u32>, Option<u32>), AttrError> {
    let wrong = || AttrError::Length { kind: attr.kind, length: attr.payload.len(), wanted: "16" };
    let (preferred, rest) = attr.payload.split_first_chunk::<4>().ok_or_else(wrong)?;
    let (valid, _) = rest.split_first_chunk::<4>().ok_or_else(wrong)?;
    let finite = |bytes: &[u8; 4]| Some(u32::from_ne_bytes(*bytes)).filter(|seconds| *seconds != u32::MAX);
    Ok((finite(preferred), finite(valid)))
}
