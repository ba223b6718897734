//! Netlink's own layer: messages in a datagram, attributes in a message, requests, refusals.
//!
//! Knows no protocol above it: `wire::rtnetlink` and the netfilter codecs stand on it, and so does
//! the socket in `sys`. Must not import anything from the crate but its sibling files.

pub mod answer;
pub mod attr;
pub mod frame;
pub mod program;
pub mod request;

#[cfg(test)]
mod tests;
