//! A table that has the kernel trace a few packets, and that goes when the socket which made it is closed.
//!
//! The kernel removes a table with the *owner* flag with its owner, however that ends (since 5.12). In it stand one
//! chain for each hook, before all others: those of prerouting and output mark the packets to be traced, the rest is
//! empty and shows in the trace that a hook is crossed. None asks conntrack: that would switch it on for the
//! namespace. May import model and the message framing.

use std::net::IpAddr;

use super::request::{fixed, nest, text};
use super::{NEWCHAIN, NEWRULE, NEWTABLE, SUBSYSTEM, nfta, number};
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::table::Family;
use crate::model::probe::Pattern;
use crate::wire::netlink::attr::attribute as attr;
use crate::wire::netlink::frame::{FLAG_ACK, FLAG_REQUEST};
use crate::wire::netlink::request::Request;

/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`
const BATCH: [u16; 2] = [0x10, 0x11];
/// `NLM_F_CREATE`, `NLM_F_EXCL`, `NLM_F_APPEND`
const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;
const APPEND: u16 = 0x800;
/// `NFT_TABLE_F_OWNER`
const OWNER: u32 = 2;
/// Before everything else.
const FIRST: i32 = i32::MIN;
/// `NF_ACCEPT`
const ACCEPT: u32 = 1;
/// `NFT_REG_1`
const REGISTER: u32 = 1;
/// `NFT_META_NFTRACE`
const NFTRACE: u32 = 12;
/// `NFT_META_NFPROTO`
const NFPROTO: u32 = 15;
/// `NFT_META_L4PROTO`
const L4PROTO: u32 = 16;
/// `NFT_PAYLOAD_NETWORK_HEADER`, `NFT_PAYLOAD_TRANSPORT_HEADER`
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

/// The hooks that the table has chains at, as the kernel numbers them.
const HOOKS: [Hook; 5] = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];

/// The hook of a chain of the table, by the chain's name.
pub fn hook_of(chain: &[u8]) -> Option<Hook> {
    HOOKS.into_iter().find(|hook| hook.name().as_bytes() == chain)
}

/// How many rules the table has.
pub fn rules(prerouting: &[Pattern], output: &[Pattern]) -> usize {
    prerouting.len() + output.len()
}

/// The messages that make the table, to be sent as one: what comes in as `prerouting` says and what is sent as
/// `output` says is traced.
pub fn table(name: &str, prerouting: &[Pattern], output: &[Pattern]) -> Vec<Request> {
    let inet = fixed(number(Family::Inet));
    let name = text(name.as_bytes());
    // The subsystem stands in the upper two bytes, in network order.
    let batch =
        |kind: u16| Request::with_flags(kind, FLAG_REQUEST, &[0, 0, 0, u8::try_from(SUBSYSTEM >> 8).unwrap_or(10)]);
    let mut all = vec![batch(BATCH[0])];
    all.push(
        Request::with_flags(NEWTABLE, FLAG_REQUEST | FLAG_ACK | CREATE | EXCLUSIVE, &inet)
            .attr(nfta::TABLE_NAME, &name)
            .attr(nfta::TABLE_FLAGS, &OWNER.to_be_bytes()),
    );
    for (hook, at) in HOOKS.into_iter().zip(0u32..) {
        let place = [attr(nfta::HOOK_HOOKNUM, &at.to_be_bytes()), attr(nfta::HOOK_PRIORITY, &FIRST.to_be_bytes())];
        all.push(
            Request::with_flags(NEWCHAIN, FLAG_REQUEST | FLAG_ACK | CREATE | EXCLUSIVE, &inet)
                .attr(nfta::CHAIN_TABLE, &name)
                .attr(nfta::CHAIN_NAME, &text(hook.name().as_bytes()))
                .attr(nfta::CHAIN_HOOK | NESTED, &place.concat())
                .attr(nfta::CHAIN_POLICY, &ACCEPT.to_be_bytes())
                .attr(nfta::CHAIN_TYPE, &text(b"filter")),
        );
    }
    for (hook, patterns) in [(Hook::Prerouting, prerouting), (Hook::Output, output)] {
        for pattern in patterns {
            all.push(
                Request::with_flags(NEWRULE, FLAG_REQUEST | FLAG_ACK | CREATE | APPEND, &inet)
                    .attr(nfta::RULE_TABLE, &name)
                    .attr(nfta::RULE_CHAIN, &text(hook.name().as_bytes()))
                    .attr(nfta::RULE_EXPRESSIONS | NESTED, &expressions(pattern)),
            );
        }
    }
    all.push(batch(BATCH[1]));
    all
}

/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;

fn expression(name: &[u8], data: &[Vec<u8>]) -> Vec<u8> {
    let inner = [attr(nfta::EXPR_NAME, &text(name)), nest(nfta::EXPR_DATA, &data.concat())].concat();
    nest(nfta::LIST_ELEM, &inner)
}

fn meta(key: u32) -> Vec<u8> {
    expression(b"meta", &[attr(nfta::META_KEY, &key.to_be_bytes()), attr(nfta::META_DREG, &REGISTER.to_be_bytes())])
}

fn equals(value: &[u8]) -> Vec<u8> {
    let data = [
        attr(nfta::CMP_SREG, &REGISTER.to_be_bytes()),
        attr(nfta::CMP_OP, &0u32.to_be_bytes()),
        nest(nfta::CMP_DATA, &attr(nfta::DATA_VALUE, value)),
    ];
    expression(b"cmp", &data)
}

fn payload(base: u32, at: u32, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap_or(0);
    let data = [
        attr(nfta::PAYLOAD_DREG, &REGISTER.to_be_bytes()),
        attr(nfta::PAYLOAD_BASE, &base.to_be_bytes()),
        attr(nfta::PAYLOAD_OFFSET, &at.to_be_bytes()),
        attr(nfta::PAYLOAD_LEN, &length.to_be_bytes()),
    ];
    [expression(b"payload", &data), equals(value)].concat()
}

/// What a packet must be, and then the mark that has it traced.
fn expressions(pattern: &Pattern) -> Vec<u8> {
    let (family, places) = if pattern.ipv6 { (10u8, [8, 24]) } else { (2, [12, 16]) };
    let mut all = [meta(NFPROTO), equals(&[family]), meta(L4PROTO), equals(&[pattern.protocol])].concat();
    for (at, address) in places.into_iter().zip([pattern.source, pattern.destination]) {
        match address {
            Some(IpAddr::V4(address)) => all.extend(payload(NETWORK, at, &address.octets())),
            Some(IpAddr::V6(address)) => all.extend(payload(NETWORK, at, &address.octets())),
            None => {}
        }
    }
    if matches!(pattern.protocol, 1 | 58) {
        // An echo's id.
        if let Some(id) = pattern.source_port.or(pattern.destination_port) {
            all.extend(payload(TRANSPORT, 4, &id.to_be_bytes()));
        }
    } else {
        for (at, port) in [(0, pattern.source_port), (2, pattern.destination_port)] {
            if let Some(port) = port {
                all.extend(payload(TRANSPORT, at, &port.to_be_bytes()));
            }
        }
    }
    let one = [
        attr(nfta::IMMEDIATE_DREG, &REGISTER.to_be_bytes()),
        nest(nfta::IMMEDIATE_DATA, &attr(nfta::DATA_VALUE, &[1])),
    ];
    all.extend(expression(b"immediate", &one));
    let set = [attr(nfta::META_KEY, &NFTRACE.to_be_bytes()), attr(nfta::META_SREG, &REGISTER.to_be_bytes())];
    all.extend(expression(b"meta", &set));
    all
}
