//! Whether conntrack looks at a namespace's packets at all: it is hooked in only while a rule needs it.
//!
//! May import model and analyze's siblings only. Mirrors who calls `nf_ct_netns_get`: a chain of nat alone does not,
//! and its rules are then never asked.

use super::types::Stop;
use super::world::{Place, World};
use crate::model::netfilter::chain::Rules;
use crate::model::netfilter::expr::Expr;
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::table::Family as TableFamily;
use crate::model::netfilter::xt::targets::{Ct, Target};
use crate::model::netfilter::xt::{XtMatch, XtTarget};
use crate::model::route::Family;

/// Matches of xtables that ask conntrack.
const MATCHES: [&[u8]; 8] =
    [b"conntrack", b"state", b"connmark", b"connbytes", b"connlimit", b"connlabel", b"helper", b"cluster"];
/// Targets that podnet does not decode, and that do.
const TARGETS: [&[u8]; 3] = [b"SYNPROXY", b"CONNSECMARK", b"CLUSTERIP"];
/// Expressions of nf_tables that podnet does not decode, and that do.
const EXPRESSIONS: [&[u8]; 3] = [b"connlimit", b"flow_offload", b"synproxy"];
/// Objects of nf_tables: `NFT_OBJECT_CT_HELPER`, `_CONNLIMIT`, `_CT_TIMEOUT`, `_CT_EXPECT`, `_SYNPROXY`.
const OBJECTS: [u32; 5] = [3, 5, 7, 9, 10];

impl World<'_> {
    /// Whether any rule of a namespace has conntrack look at packets of a family.
    pub fn tracks(&self, place: Place, family: Family) -> Result<bool, Stop> {
        let key = (place, family);
        if let Some(known) = self.memory.tracks.borrow().get(&key) {
            return Ok(*known);
        }
        let tracks = self.asks_for_tracking(place, family)?;
        self.memory.tracks.borrow_mut().insert(key, tracks);
        Ok(tracks)
    }

    fn asks_for_tracking(&self, place: Place, family: Family) -> Result<bool, Stop> {
        let counts = |of: TableFamily| match of {
            TableFamily::Inet | TableFamily::Bridge => true,
            TableFamily::Ip => family == Family::Ipv4,
            TableFamily::Ip6 => family == Family::Ipv6,
            _ => false,
        };
        let netfilter = self.view(place)?.netfilter();
        let bases = Self::whole(netfilter.base_chains(place.netns))?;
        // Nearly always a rule of a base chain asks, and these are looked at anyway.
        for chain in bases.value.iter().filter(|chain| counts(chain.id.table.family)) {
            if self.chain(place, &chain.id)?.value.as_ref().is_some_and(asks) {
                return Ok(true);
            }
        }
        let tables = Self::whole(netfilter.tables(place.netns))?;
        for table in tables.value.iter().filter(|table| counts(table.id.family)) {
            if Self::whole(netfilter.rules_of(place.netns, &table.id))?.value.iter().any(asks) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn asks(rules: &Rules) -> bool {
    rules.rules.iter().any(rule_asks)
}

fn rule_asks(rule: &Rule) -> bool {
    match &rule.body {
        Body::Xt(rule) => rule.matches.iter().any(match_asks) || target_asks(&rule.target),
        Body::Nft(exprs) => exprs.iter().any(|expr| match expr {
            Expr::Ct { .. } | Expr::CtSet { .. } | Expr::Nat(_) => true,
            Expr::XtMatch(found) => match_asks(found),
            Expr::XtTarget(target) => target_asks(target),
            Expr::Objref { object: Some(object), .. } => OBJECTS.contains(&object.kind),
            Expr::Unknown { name, .. } => EXPRESSIONS.contains(&name.as_bytes()),
            _ => false,
        }),
    }
}

fn match_asks(found: &XtMatch) -> bool {
    MATCHES.contains(&found.name.as_bytes())
}

fn target_asks(target: &XtTarget) -> bool {
    const NOTRACK: u16 = 1 | 2;
    match &target.does {
        Target::Dnat(_)
        | Target::Snat(_)
        | Target::Masquerade(_)
        | Target::Redirect(_)
        | Target::Netmap(_)
        | Target::Connmark(_) => true,
        Target::Ct(ct) => matches!(**ct, Ct { flags, .. } if flags & NOTRACK == 0),
        _ => TARGETS.contains(&target.name.as_bytes()),
    }
}
