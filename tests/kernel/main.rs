//! The live reading of namespaces, against what `ip`, `bridge` and `tc` say of them.

mod bpf;
mod live;
mod loader;
mod oracle;
mod testbed;
mod topology;
