//! Chains, and what hooks them in.
//!
//! Must not import anything from the crate but model and the message framing.

use super::{fields::Fields, nfta, split, user_data};
use crate::model::netfilter::chain::{Base, Chain, ChainKind, ChainRef, Hook, Policy};
use crate::model::netfilter::table::{Family, TableRef};
use crate::model::text::ByteText;
use crate::wire::netlink::attr::{AttrError, attrs};

/// Whether an `NFT_MSG_NEWCHAIN` is of this table: asked before all of it is decoded.
pub fn is_of(message: &[u8], table: &TableRef) -> bool {
    super::is_of(message, table, nfta::CHAIN_TABLE)
}

/// Whether an `NFT_MSG_NEWCHAIN` tells a base chain: asked before all of it is decoded.
pub fn is_base(message: &[u8]) -> bool {
    message
        .get(super::HEADER_LENGTH..)
        .is_some_and(|rest| attrs(rest).flatten().any(|attr| attr.kind == nfta::CHAIN_HOOK))
}

/// A chain of an `NFT_MSG_NEWCHAIN`.
pub fn chain(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Chain> {
    let (family, attrs) = split(message, errors)?;
    let mut fields = Fields::of(attrs, nfta::CHAIN_USERDATA, errors);
    let table = fields.needed(nfta::CHAIN_TABLE, "NFTA_CHAIN_TABLE")?;
    let name = fields.needed(nfta::CHAIN_NAME, "NFTA_CHAIN_NAME")?;
    let (comment, user_data) = user_data::split(fields.raw(nfta::CHAIN_USERDATA), user_data::COMMENT);
    Some(Chain {
        id: ChainRef { table: TableRef::nf(family, table), name: name.into() },
        handle: fields.u64(nfta::CHAIN_HANDLE),
        base: base(family, &mut fields),
        counters: fields.counters(nfta::CHAIN_COUNTERS),
        uses: fields.u32(nfta::CHAIN_USE),
        flags: fields.u32(nfta::CHAIN_FLAGS).unwrap_or_default(),
        comment,
        user_data,
    })
}

fn base(family: Family, chain: &mut Fields<'_, '_>) -> Option<Base> {
    let nest = chain.raw(nfta::CHAIN_HOOK)?;
    let policy = match chain.u32(nfta::CHAIN_POLICY) {
        Some(0) => Policy::Drop,
        _ => Policy::Accept,
    };
    let kind = match chain.text(nfta::CHAIN_TYPE).unwrap_or_default() {
        b"filter" => ChainKind::Filter,
        b"nat" => ChainKind::Nat,
        b"route" => ChainKind::Route,
        other => ChainKind::Other(other.into()),
    };
    let mut fields = Fields::of(nest, nfta::HOOK_DEVS, chain.errors);
    let number = fields.u32(nfta::HOOK_HOOKNUM);
    let Some(hook) = number.and_then(|number| hook(family, number)) else {
        let detail = format!("{number:?} is no hook of {family}");
        fields.errors.push(AttrError::Value { kind: nfta::HOOK_HOOKNUM, detail });
        return None;
    };
    let priority = fields.u32(nfta::HOOK_PRIORITY).unwrap_or_default().cast_signed();
    Some(Base { hook, priority, kind, policy, devices: devices(&mut fields) })
}

/// One link stands by its name alone and, in newer kernels, in the list too.
fn devices(hook: &mut Fields<'_, '_>) -> Vec<ByteText> {
    let Some(list) = hook.raw(nfta::HOOK_DEVS) else {
        return hook.name(nfta::HOOK_DEV).into_iter().collect();
    };
    let mut devices = Vec::new();
    for attr in attrs(list) {
        match attr {
            Ok(attr) if attr.kind == nfta::DEVICE_NAME => devices.push(attr.text().into()),
            Ok(attr) if attr.kind == nfta::DEVICE_PREFIX => devices.push(ByteText::new([attr.text(), b"*"].concat())),
            Ok(_) => {}
            Err(error) => hook.errors.push(error),
        }
    }
    devices
}

/// `NF_INET_*`, `NF_ARP_*`, `NF_BR_*`, `NF_NETDEV_*`.
pub(super) fn hook(family: Family, number: u32) -> Option<Hook> {
    Some(match (family, number) {
        (Family::Ip | Family::Ip6 | Family::Inet | Family::Bridge, 0) => Hook::Prerouting,
        (Family::Ip | Family::Ip6 | Family::Inet | Family::Bridge, 1) | (Family::Arp, 0) => Hook::Input,
        (Family::Ip | Family::Ip6 | Family::Inet | Family::Bridge | Family::Arp, 2) => Hook::Forward,
        (Family::Ip | Family::Ip6 | Family::Inet | Family::Bridge, 3) | (Family::Arp, 1) => Hook::Output,
        (Family::Ip | Family::Ip6 | Family::Inet | Family::Bridge, 4) => Hook::Postrouting,
        (Family::Inet, 5) | (Family::Netdev, 0) => Hook::Ingress,
        (Family::Netdev, 1) => Hook::Egress,
        _ => return None,
    })
}
