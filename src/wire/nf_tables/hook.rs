//! What runs at a hook, in order, from the kernel's `nfnetlink_hook`.
//!
//! Must not import anything from the crate but model and the message framing.

use super::{chain, fields::Fields, number, split};
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::hook::HookEntry;
use crate::model::netfilter::table::{Family, TableRef};
use crate::wire::netlink::attr::AttrError;
use crate::wire::netlink::request::Request;

/// `NFNL_SUBSYS_HOOK` and `NFNL_MSG_HOOK_GET`: the type of the request and of its answers.
pub const HOOK: u16 = 12 << 8;

const HOOKNUM: u16 = 1;
const PRIORITY: u16 = 2;
const FUNCTION_NAME: u16 = 4;
const MODULE_NAME: u16 = 5;
const CHAIN_INFO: u16 = 6;
const INFO_DESC: u16 = 1;
const INFO_TYPE: u16 = 2;
const CHAIN_TABLE: u16 = 1;
const CHAIN_FAMILY: u16 = 2;
const CHAIN_NAME: u16 = 3;
const BPF_ID: u16 = 1;

/// `NFNL_HOOK_TYPE_NFTABLES`
const NF_TABLES: u32 = 1;
/// `NFNL_HOOK_TYPE_BPF`
const BPF: u32 = 2;

/// What runs at a hook of a family; `None` for a hook that the family has not, or has for each device.
pub fn request(family: Family, hook: Hook) -> Option<Request> {
    if matches!(hook, Hook::Ingress | Hook::Egress) {
        return None;
    }
    let hook = (0..=4).find(|at| chain::hook(family, *at) == Some(hook))?;
    Some(Request::dump(HOOK, &[number(family), 0, 0, 0]).attr(HOOKNUM, &hook.to_be_bytes()))
}

/// One answer.
pub fn entry(message: &[u8], errors: &mut Vec<AttrError>) -> Option<HookEntry> {
    let (_, attrs) = split(message, errors)?;
    let mut fields = Fields::of(attrs, CHAIN_INFO, errors);
    let Some(priority) = fields.u32(PRIORITY) else {
        fields.errors.push(AttrError::Missing { name: "NFNLA_HOOK_PRIORITY" });
        return None;
    };
    let (function, module) = (fields.name(FUNCTION_NAME), fields.name(MODULE_NAME));
    let info = fields.raw(CHAIN_INFO).unwrap_or_default();
    let mut info = Fields::of(info, INFO_TYPE, fields.errors);
    let kind = info.u32(INFO_TYPE);
    let mut described = Fields::of(info.raw(INFO_DESC).unwrap_or_default(), CHAIN_NAME, info.errors);
    let (mut chain, mut program) = (None, None);
    match kind {
        Some(NF_TABLES) => {
            let family = described.u8(CHAIN_FAMILY);
            let family = Family::ALL.into_iter().find(|known| Some(number(*known)) == family);
            if let (Some(family), Some(table), Some(name)) =
                (family, described.text(CHAIN_TABLE), described.text(CHAIN_NAME))
            {
                chain = Some(TableRef::nf(family, table).chain(name));
            }
        }
        Some(BPF) => program = described.u32(BPF_ID),
        _ => {}
    }
    Some(HookEntry { priority: priority.cast_signed(), function, module, chain, program })
}
