//! `trace POD`: a pod's whole road to the wire.
//!
//! May import model and its siblings only.

pub mod uplink;
