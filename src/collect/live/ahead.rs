//! Reading what is going to be asked for while the container runtime makes up its list.
//!
//! May import model, wire and sys. Judges nothing: what is read ahead is what would be read later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use super::LiveNode;
use crate::collect::kernel::Namespace;
use crate::model::ids::NetnsId;
use crate::model::sandbox::SandboxFilter;
use crate::model::view::NodeView;

/// Reads the links and addresses of every bound namespace beside the list of sandboxes.
///
/// containerd takes as long to write out the containers of a node of hundreds of pods as the kernel to
/// tell of their links. An open handle keeps a namespace's identity, so nothing is taken for another's.
pub(super) fn read(node: &LiveNode) {
    let ids: BTreeSet<NetnsId> = node.bound_names().value.iter().map(|name| name.id).collect();
    let namespaces: Vec<Arc<Namespace>> = ids.into_iter().filter_map(|id| node.namespace(id).value).collect();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            namespaces.iter().map(|netns| (netns.id(), netns.links(), netns.addresses())).collect::<Vec<_>>()
        });
        let _ = node.sandboxes(&SandboxFilter::All);
        for (id, links, addresses) in reader.join().unwrap_or_default() {
            node.memory.links.put(id, links);
            node.memory.addresses.put(id, addresses);
        }
    });
}
