//! What rules do to a packet of which not all is known: yes, no, or under conditions that are told.
//!
//! `facts` is the packet, `read` turns a rule of either language into conditions and a deed,
//! `condition` holds conditions against the packet, [`walk`] goes through chains. May import model
//! and its siblings only.

pub mod condition;
pub mod deed;
pub mod facts;
pub mod hooks;
mod nft;
pub mod owners;
mod read;
pub mod text;
pub mod walk;
mod xt;

#[cfg(test)]
mod tests;

pub use condition::{Ask, Clause, Condition};
pub use deed::{Deed, MarkChange, Translation};
pub use facts::Packet;
pub use nft::deed_of as deed_of_verdict;
pub use read::Reading;
pub use xt::deed_of_target;
