//! The live reading of namespaces, against what `ip`, `bridge` and `tc` say of them.

mod bpf;
mod fixtures;
mod live;
mod loader;
mod namespace;
mod oracle;
mod race;
mod sockets;
mod testbed;
mod topology;
