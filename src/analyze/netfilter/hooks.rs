//! The base chains of a hook, in the order in which the kernel runs them.
//!
//! May import model and its siblings only.

use super::facts::Packet;
use crate::analyze::answer::Gathered;
use crate::model::ids::NetnsId;
use crate::model::netfilter::chain::{Chain, ChainKind, Hook};
use crate::model::netfilter::view::NetfilterView;

/// Base chains of nat that a packet meets at a hook, by priority. Those of dormant tables are left out;
/// of equal priorities the order is not known.
pub fn nat_chains(
    view: &dyn NetfilterView,
    netns: NetnsId,
    hook: Hook,
    packet: &Packet,
    gathered: &mut Gathered,
) -> Vec<Chain> {
    let mut found = chains(view, netns, hook, packet, gathered);
    found.retain(|chain| chain.base.as_ref().is_some_and(|base| base.kind == ChainKind::Nat));
    found.sort_by_key(|chain| chain.base.as_ref().map(|base| base.priority));
    found
}

/// All base chains that a packet meets at a hook before its last look-up in nat, by place: after routing what
/// filters later than nat's own place is left out, before it and for this node's own packets nothing is.
pub fn chains_before(
    view: &dyn NetfilterView,
    netns: NetnsId,
    hook: Hook,
    packet: &Packet,
    gathered: &mut Gathered,
) -> Vec<Chain> {
    let place = |chain: &Chain| {
        let base = chain.base.as_ref()?;
        Some(if base.kind == ChainKind::Nat {
            (nat_place(hook), base.priority)
        } else {
            (base.priority, base.priority)
        })
    };
    let mut found = chains(view, netns, hook, packet, gathered);
    if hook == Hook::Postrouting {
        found.retain(|chain| place(chain).is_some_and(|(at, _)| at < nat_place(hook)));
    }
    found.sort_by_key(place);
    found
}

/// Where nat runs: `NF_IP_PRI_NAT_DST` and `NF_IP_PRI_NAT_SRC`.
pub fn nat_place(hook: Hook) -> i32 {
    if matches!(hook, Hook::Prerouting | Hook::Output) { -100 } else { 100 }
}

/// The base chains of tables that are not dormant.
fn chains(
    view: &dyn NetfilterView,
    netns: NetnsId,
    hook: Hook,
    packet: &Packet,
    gathered: &mut Gathered,
) -> Vec<Chain> {
    let (tables, chains) = (view.tables(netns), view.base_chains(netns));
    let tables = gathered.take(&tables);
    let is_dormant = |chain: &Chain| tables.iter().any(|table| table.id == chain.id.table && table.dormant);
    let is_at = |chain: &Chain| chain.base.as_ref().is_some_and(|base| base.hook == hook);
    let found = gathered.take(&chains).iter();
    found
        .filter(|chain| is_at(chain) && packet.is_seen_by(chain.id.table.family) && !is_dormant(chain))
        .cloned()
        .collect()
}
