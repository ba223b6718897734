//! What container runtimes and the kubelet leave as text: containerd's metadata, bundles, crictl's configuration, log names.
//!
//! May import model only. No IO, no panic; Go writes `null` for an empty list or map, and every field may be missing.

pub mod bundle;
pub mod container;
pub mod crictl;
pub mod log_name;
pub mod sandbox;

#[cfg(test)]
mod tests;
