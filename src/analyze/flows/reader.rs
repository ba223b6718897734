//! Reads flows: a value made once per node, which remembers what an address means.
//!
//! May import model and its siblings only.

use super::types::FlowRow;
use crate::analyze::answer::Gathered;
use crate::analyze::nat::NatRule;
use crate::analyze::services::types::ServicePort;
use crate::model::flow::Flow;
use crate::model::ids::NetnsId;
use crate::model::view::NodeView;

/// What is needed to read the flows of one namespace of one node: pods by address (those of all nodes that were
/// asked), node addresses, and services, which are read when the first flow needs them.
pub struct Reader<'a> {
    _node: &'a dyn NodeView,
}

/// What the rows refer to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Referred {
    /// The services, by title.
    pub services: Vec<ServicePort>,
    /// Rules that rewrite sources or lead hostPorts, in the order in which rows first referred to them.
    pub rules: Vec<NatRule>,
}

impl<'a> Reader<'a> {
    /// For the flows of a namespace of `nodes[at]`.
    pub fn new(nodes: &[&'a dyn NodeView], at: usize, _netns: NetnsId, _gathered: &mut Gathered) -> Self {
        Self { _node: nodes[at] }
    }

    /// Reads one flow. Costs about a microsecond once the addresses in it are known.
    pub fn read(&mut self, _flow: &Flow) -> FlowRow {
        unimplemented!("comes with the next commit")
    }

    /// What the rows that were read refer to, and what could not be read meanwhile.
    pub fn referred(self, _gathered: &mut Gathered) -> Referred {
        Referred::default()
    }
}
