//! Flows as podnet reads them, against `conntrack`, the crate of that name and the kernel.

mod churn;
mod fields;
mod filters;
mod oracle;
mod random;
mod raw;
mod table;
#[path = "../kernel/testbed.rs"]
#[allow(dead_code, reason = "what tests/kernel needs of it and these tests do not")]
mod testbed;
mod traffic;
