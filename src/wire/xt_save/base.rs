//! The base chains of xtables' own tables: text tells neither hook nor priority, for they are always the same.
//!
//! May import model only.

use crate::model::netfilter::chain::{Base, ChainKind, Hook, Policy};

/// What makes a chain of a table a base chain; `None` for a table that xtables does not have.
pub(super) fn base(table: &[u8], chain: &[u8], policy: Policy) -> Option<Base> {
    use Hook::{Forward, Input, Output, Postrouting, Prerouting};
    let hook = Hook::named(std::str::from_utf8(chain).ok()?)?;
    // NF_IP_PRI_*
    let (priority, hooks): (i32, &[Hook]) = match (table, hook) {
        (b"raw", _) => (-300, &[Prerouting, Output]),
        (b"mangle", _) => (-150, &[Prerouting, Input, Forward, Output, Postrouting]),
        (b"nat", Prerouting | Output) => (-100, &[Prerouting, Output]),
        (b"nat", _) => (100, &[Input, Postrouting]),
        (b"filter", _) => (0, &[Input, Forward, Output]),
        (b"security", _) => (50, &[Input, Forward, Output]),
        _ => return None,
    };
    let kind = match (table, hook) {
        (b"nat", _) => ChainKind::Nat,
        (b"mangle", Output) => ChainKind::Route,
        _ => ChainKind::Filter,
    };
    hooks.contains(&hook).then_some(Base { hook, priority, kind, policy, devices: Vec::new() })
}
