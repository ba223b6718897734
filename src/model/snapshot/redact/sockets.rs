//! Sockets: masked by their type, so that a new field of the model is no forgotten one.
//!
//! Must not import anything from the crate but its sibling model types. Ports, users and numbers of the
//! kernel's name nobody; what is opaque becomes zeros.

use std::sync::Arc;

use super::super::mask::Masks;
use crate::model::flow::UnknownAttribute;
use crate::model::issue::Section;
use crate::model::socket::{Peer, Socket};

/// Masks the sockets of a namespace, all but the sentences of issues.
pub(super) fn mask(masks: &mut Masks<'_>, sockets: &mut Section<Vec<Socket>>) {
    let sockets = &mut Arc::make_mut(sockets).value;
    for socket in sockets.iter_mut() {
        self::socket(masks, socket);
    }
    sockets.sort();
}

fn socket(masks: &mut Masks<'_>, socket: &mut Socket) {
    let Socket {
        protocol: _,
        port: _,
        address,
        link: _,
        peer,
        v6only: _,
        queue: _,
        uid: _,
        inode: _,
        cgroup: _,
        mark: _,
        cookie: _,
        addresses,
        unknown,
    } = socket;
    *address = masks.address(*address);
    if let Some(Peer { address, port: _ }) = peer {
        *address = masks.address(*address);
    }
    for address in addresses {
        *address = masks.address(*address);
    }
    for UnknownAttribute { path: _, bytes } in unknown {
        bytes.0.fill(0);
    }
}
