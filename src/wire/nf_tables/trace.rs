//! The kernel's own trace of rules: one message a rule or policy that a traced packet hits.
//!
//! Must not import anything from the crate but model and the message framing.

use super::fields::Fields;
use super::{nfta, split};
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::table::TableRef;
use crate::model::probe::{Hit, HitVerdict};
use crate::wire::netlink::attr::AttrError;

/// `NFNLGRP_NFTRACE`: the group that hears it.
pub const GROUP: u32 = 9;

/// `NFT_TRACETYPE_POLICY`
const POLICY: u32 = 1;
/// `NFT_TRACETYPE_RETURN`
const RETURN: u32 = 2;
/// `NFT_TRACETYPE_RULE`
const RULE: u32 = 3;

/// One message of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// The same of all messages about one packet in one namespace. `NFTA_TRACE_ID`
    pub id: u32,
    /// What was hit; `None`: a user chain ended, and the chain before goes on.
    pub hit: Option<Hit>,
    /// The chain it is about.
    pub chain: ChainRef,
    /// The packet's headers from IP's on; only in the first message of each base chain.
    pub headers: Option<Vec<u8>>,
}

/// An `NFT_MSG_TRACE`.
pub fn traced(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Traced> {
    let (family, attrs) = split(message, errors)?;
    let mut fields = Fields::of(attrs, nfta::TRACE_POLICY, errors);
    let table = fields.needed(nfta::TRACE_TABLE, "NFTA_TRACE_TABLE")?;
    let chain = TableRef::nf(family, table).chain(fields.needed(nfta::TRACE_CHAIN, "NFTA_TRACE_CHAIN")?);
    let id = fields.u32(nfta::TRACE_ID)?;
    let kind = fields.u32(nfta::TRACE_TYPE)?;
    let headers = fields.raw(nfta::TRACE_NETWORK_HEADER).map(|network| {
        let transport = fields.raw(nfta::TRACE_TRANSPORT_HEADER).unwrap_or_default();
        joined(network, transport)
    });
    let hit = match kind {
        POLICY => {
            let verdict = if fields.u32(nfta::TRACE_POLICY) == Some(0) { HitVerdict::Drop } else { HitVerdict::Accept };
            Some(Hit { chain: chain.clone(), handle: None, verdict })
        }
        RULE => {
            let handle = fields.u64(nfta::TRACE_RULE_HANDLE);
            let verdict = verdict(&mut fields);
            Some(Hit { chain: chain.clone(), handle, verdict })
        }
        RETURN => None,
        other => {
            let detail = format!("a trace of the kind {other}");
            fields.errors.push(AttrError::Value { kind: nfta::TRACE_TYPE, detail });
            return None;
        }
    };
    Some(Traced { id, hit, chain, headers })
}

fn verdict(fields: &mut Fields<'_, '_>) -> HitVerdict {
    let nest = fields.raw(nfta::TRACE_VERDICT).unwrap_or_default();
    let code = Fields::of(nest, nfta::VERDICT_CHAIN_ID, fields.errors).u32(nfta::VERDICT_CODE);
    match code.map(u32::cast_signed) {
        Some(0) => HitVerdict::Drop,
        Some(1) => HitVerdict::Accept,
        Some(-1 | -2) => HitVerdict::Continue,
        Some(-3) => HitVerdict::Jump,
        Some(-4) => HitVerdict::Goto,
        Some(-5) => HitVerdict::Return,
        _ => HitVerdict::Other,
    }
}

/// The kernel copies forty bytes from the network header on, and what follows that header apart.
fn joined(network: &[u8], transport: &[u8]) -> Vec<u8> {
    let length = match network.first().map(|byte| (byte >> 4, byte & 0xf)) {
        Some((4, words)) => usize::from(words) * 4,
        _ => 40,
    };
    let mut bytes = network.get(..length).unwrap_or(network).to_vec();
    bytes.extend_from_slice(transport);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::netfilter::table::Family;
    use crate::wire::netlink::attr::attribute as attr;

    #[test]
    fn a_rule_that_drops_is_read() {
        let mut network = vec![0x45; 1];
        network.resize(28, 7);
        let message = [
            vec![2, 0, 0, 0],
            attr(1, b"filter\0"),
            attr(2, b"FORWARD\0"),
            attr(3, &9u64.to_be_bytes()),
            attr(4, &3u32.to_be_bytes()),
            attr(5, &attr(1, &0u32.to_be_bytes())),
            attr(6, &77u32.to_be_bytes()),
            attr(8, &network),
            attr(9, &[1, 2, 3, 4]),
        ]
        .concat();
        let mut errors = Vec::new();
        let chain = TableRef::nf(Family::Ip, "filter").chain("FORWARD");
        let hit = Some(Hit { chain: chain.clone(), handle: Some(9), verdict: HitVerdict::Drop });
        let headers = Some([&network[..20], &[1, 2, 3, 4]].concat());
        assert_eq!(traced(&message, &mut errors), Some(Traced { id: 77, hit, chain, headers }));
        assert_eq!(errors, []);
        for length in 0..message.len() {
            let _ = traced(&message[..length], &mut errors);
        }
    }
}
