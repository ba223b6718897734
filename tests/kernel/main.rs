//! The live reading of namespaces, against what `ip`, `bridge` and `tc` say of them.

mod live;
mod oracle;
mod testbed;
mod topology;
