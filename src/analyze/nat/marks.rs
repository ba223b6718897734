//! The mark that a packet may bear once nat's rules are asked: who sets it before.
//!
//! Filters and nat alike are walked, from where the packet comes in. May import model and its siblings only.

use super::super::answer::Gathered;
use super::super::netfilter::facts::KnownMark;
use super::super::netfilter::hooks::chains_before;
use super::super::netfilter::owners::is_of_services;
use super::super::netfilter::walk::{Place, Question, Walk};
use super::super::netfilter::{Ask, Clause, Condition, Packet};
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::table::TableRef;
use crate::model::view::NodeView;

/// The chains in which kube-proxy marks, with the bits that it uses: its chains of services, which are not entered,
/// lead there, or mark with the same bits (nftables mode of today).
const MARKING: [&str; 4] = ["KUBE-MARK-MASQ", "KUBE-MARK-DROP", "mark-for-masquerade", "services"];

/// What is known of a mark.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// What it is.
    pub(super) mark: KnownMark,
    /// The rules that may have set it, with the bits that they change, in the order in which they are asked.
    setters: Vec<(Place, u32)>,
}

impl Marks {
    /// The mark of a packet that passes these hooks; at each it is known as it is told. `mark` is what it bears before.
    pub(super) fn of(node: &dyn NodeView, mark: KnownMark, way: &[(Hook, Packet)], gathered: &mut Gathered) -> Self {
        let host = node.node().host_netns;
        let view = node.netfilter();
        let mut marks = Self { mark, setters: Vec::new() };
        for (hook, packet) in way {
            let mut packet = packet.clone();
            packet.mark = marks.mark;
            let question = Question { tells: &|_| false, enters: &|chain| !is_of_services(chain) };
            let mut walk = Walk::new(view, host, question);
            for chain in chains_before(view, host, *hook, &packet, gathered) {
                walk.base_chain(&chain.id, &mut packet);
                marks.setters.append(&mut walk.marked);
                let tables: Vec<TableRef> =
                    std::mem::take(&mut walk.left_out).into_iter().map(|chain| chain.table).collect();
                for table in &tables {
                    let bits = marks.services(node, table, &packet);
                    packet.mark = packet.mark.without(bits);
                }
            }
            gathered.issues.append(&mut walk.issues);
            marks.mark = packet.mark;
        }
        marks
    }

    /// The bits that kube-proxy's own rules of a table may set; notes these.
    fn services(&mut self, node: &dyn NodeView, table: &TableRef, packet: &Packet) -> u32 {
        let host = node.node().host_netns;
        let view = node.netfilter();
        let mut bits = 0;
        for name in MARKING {
            let id = table.chain(name);
            if view.chain(host, &id).value.is_none() {
                continue;
            }
            let mut walk = Walk::new(view, host, Question { tells: &|_| false, enters: &|_| false });
            walk.base_chain(&id, &mut packet.clone());
            for (place, changed) in walk.marked {
                bits |= changed;
                if !self
                    .setters
                    .iter()
                    .any(|(known, _)| known.chain == place.chain && known.rule.number == place.rule.number)
                {
                    self.setters.push((place, changed));
                }
            }
        }
        // A shape that is not known may set any.
        if bits == 0 { u32::MAX } else { bits }
    }

    /// The rules that may have set the bits that some conditions ask for.
    pub(super) fn setters(&self, when: &[Clause]) -> impl Iterator<Item = &Place> {
        let asked = when.iter().map(asked).fold(0, |one, other| one | other);
        self.setters.iter().filter(move |(_, bits)| bits & asked != 0).map(|(place, _)| place)
    }
}

/// The bits of the mark that a clause asks for.
fn asked(clause: &Clause) -> u32 {
    match clause {
        Clause::Is(Condition { ask: Ask::Mark { mask, .. }, .. }) => *mask,
        Clause::Is(_) => 0,
        Clause::Unless(all) => all.iter().map(asked).fold(0, |one, other| one | other),
    }
}
