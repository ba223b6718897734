//! Flows as podnet reads them, against `conntrack` and the kernel.

mod oracle;
mod random;
mod table;
#[path = "../kernel/testbed.rs"]
#[allow(dead_code, reason = "what tests/kernel needs of it and these tests do not")]
mod testbed;
