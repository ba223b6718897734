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
    let (tables, chains) = (view.tables(netns), view.base_chains(netns));
    let tables = gathered.take(&tables);
    let is_dormant = |chain: &Chain| tables.iter().any(|table| table.id == chain.id.table && table.dormant);
    let mut found: Vec<Chain> = gathered
        .take(&chains)
        .iter()
        .filter(|chain| packet.is_seen_by(chain.id.table.family) && !is_dormant(chain))
        .filter(|chain| chain.base.as_ref().is_some_and(|base| base.hook == hook && base.kind == ChainKind::Nat))
        .cloned()
        .collect();
    found.sort_by_key(|chain| chain.base.as_ref().map(|base| base.priority));
    found
}
