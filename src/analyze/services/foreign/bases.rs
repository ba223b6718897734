//! The base chains that a packet meets before it is led to kube-proxy's rules.
//!
//! The tables that programs fill by the thousand are not listed for that: kube-proxy's own, and those of
//! iptables, whose base chains bear known names. May import model and its siblings only.

use crate::analyze::answer::Gathered;
use crate::analyze::services::index::IndexedSet;
use crate::analyze::services::types::Mode;
use crate::model::netfilter::chain::{Chain, ChainKind, ChainRef, Hook};
use crate::model::netfilter::table::{BackEnd, Family, Table, TableRef, XTABLES};
use crate::model::view::NodeView;

/// Where nat runs before routing: `NF_IP_PRI_NAT_DST`.
const NAT: i32 = -100;
/// kube-proxy's own table in nftables mode.
const OWN: &str = "kube-proxy";

/// The base chains of its table, those of 1.30 included.
const OWN_BASES: [&str; 8] = [
    "filter-forward",
    "filter-input",
    "filter-output",
    "filter-output-pre-dnat",
    "filter-prerouting-pre-dnat",
    "nat-output",
    "nat-postrouting",
    "nat-prerouting",
];
/// How many chains, sets and objects are looked through for base chains that bear other names.
const FEW: u32 = 2000;

/// A base chain that is asked, or may be, before kube-proxy's rules are.
pub(super) struct Before {
    pub(super) chain: Chain,
    /// Whether it is the one that leads to them: what stands before that counts.
    pub(super) is_own: bool,
    /// Whether it is known to come first.
    pub(super) order_known: bool,
}

/// They, in the order in which the kernel runs them as far as that is known; the one that leads to
/// kube-proxy's rules is the last. None where none leads there.
pub(super) fn bases(
    node: &dyn NodeView,
    set: &IndexedSet<'_>,
    hook: Hook,
    is_whole: bool,
    gathered: &mut Gathered,
) -> Vec<Before> {
    let own_table = &set.source.nat().table;
    let own = own_table.chain(own_name(set.set.mode, hook));
    let all = at_hook(node, set.set.family, hook, is_whole, gathered);
    let Some(place) = all.iter().find(|chain| chain.id == own).map(place) else { return Vec::new() };
    let is_rival = |chain: &Chain| chain.id != own && !is_kube_proxys(&chain.id) && self::place(chain) == place;
    let order = if all.iter().any(is_rival) {
        node.netfilter().hooks(node.node().host_netns, set.set.family, hook).value.clone().unwrap_or_default()
    } else {
        Vec::new()
    };
    let listed = |chain: &ChainRef| order.iter().position(|entry| entry.chain.as_ref() == Some(chain));
    let own_listed = listed(&own);
    let mut found: Vec<Before> = Vec::new();
    // What comes from a link meets that link's chains first, whatever their priority.
    let at_links = if hook == Hook::Prerouting {
        at_hook(node, set.set.family, Hook::Ingress, false, gathered)
    } else {
        Vec::new()
    };
    let at_links = at_links.into_iter().map(|chain| Before { chain, is_own: false, order_known: true });
    found.extend(at_links);
    for chain in all {
        let is_own = chain.id == own;
        if !is_own && is_kube_proxys(&chain.id) {
            continue;
        }
        let its = self::place(&chain);
        let known = its != place || is_own;
        let (order_known, comes) = match (known, listed(&chain.id), own_listed) {
            (true, ..) => (true, its <= place),
            (false, Some(its), Some(own)) => (true, its < own),
            (false, ..) => (false, true),
        };
        if comes {
            found.push(Before { chain, is_own, order_known });
        }
    }
    found.sort_by_key(|before| {
        (before.is_own, !is_ingress(&before.chain), self::place(&before.chain), before.chain.id.clone())
    });
    found
}

/// Where a chain runs: its priority, and among nat chains its own.
fn place(chain: &Chain) -> (i32, i32) {
    let Some(base) = &chain.base else { return (i32::MAX, 0) };
    if base.kind == ChainKind::Nat { (NAT, base.priority) } else { (base.priority, base.priority) }
}

fn is_ingress(chain: &Chain) -> bool {
    chain.base.as_ref().is_some_and(|base| base.hook == Hook::Ingress)
}

fn own_name(mode: Mode, hook: Hook) -> &'static str {
    match (mode, hook) {
        (Mode::Nftables, Hook::Output) => "nat-output",
        (Mode::Nftables, _) => "nat-prerouting",
        (_, Hook::Output) => "OUTPUT",
        _ => "PREROUTING",
    }
}

/// The base chains of a hook that packets of a family meet.
pub(super) fn at_hook(
    node: &dyn NodeView,
    family: Family,
    hook: Hook,
    is_whole: bool,
    gathered: &mut Gathered,
) -> Vec<Chain> {
    let host = node.node().host_netns;
    let view = node.netfilter();
    let tables = view.tables(host);
    let tables = gathered.take(&tables);
    let mut found: Vec<Chain> = Vec::new();
    let mut one_by_one = Vec::new();
    let mut others = hook != Hook::Ingress && (is_whole || is_small(tables, family));
    for table in tables.iter().filter(|table| !table.dormant) {
        let id = &table.id;
        if id.family == Family::Inet || (id.family == Family::Netdev && hook == Hook::Ingress) {
            let section = view.chains(host, id);
            found.extend(gathered.take(&section).iter().cloned());
        } else if id.family == family && hook != Hook::Ingress {
            if let Some(names) = known_names(id, hook) {
                one_by_one.extend(names.iter().map(|name| id.chain(*name)));
            } else {
                others = true;
            }
        }
    }
    if others {
        let section = view.base_chains(host);
        found.extend(gathered.take(&section).iter().filter(|chain| chain.id.table.family == family).cloned());
    } else {
        for id in one_by_one {
            let section = view.chain(host, &id);
            found.extend(gathered.take(&section).iter().map(|rules| rules.chain.clone()));
        }
        // Those of other names in the tables that are not listed.
        let hooked = if hook == Hook::Ingress { None } else { gathered.take(&view.hooks(host, family, hook)).clone() };
        for id in hooked.into_iter().flatten().filter_map(|entry| entry.chain) {
            if id.table.family == family && !found.iter().any(|chain| chain.id == id) {
                let section = view.chain(host, &id);
                found.extend(gathered.take(&section).iter().map(|rules| rules.chain.clone()));
            }
        }
    }
    let dormant = |table: &TableRef| tables.iter().any(|known| known.id == *table && known.dormant);
    found.retain(|chain| chain.base.as_ref().is_some_and(|base| base.hook == hook) && !dormant(&chain.id.table));
    found
}

/// Whether the tables of a family hold so little that all of their chains can be looked through.
fn is_small(tables: &[Table], family: Family) -> bool {
    let of_family = tables.iter().filter(|table| table.id.family == family && table.id.back_end == BackEnd::NfTables);
    of_family.map(|table| table.objects.unwrap_or(0)).fold(0, u32::saturating_add) <= FEW
}

/// Whether base chains of other names in kube-proxy's tables are not seen.
pub(super) fn are_unseen(node: &dyn NodeView, family: Family) -> bool {
    let (view, host) = (node.netfilter(), node.node().host_netns);
    let is_listed = |table: &Table| {
        let id = &table.id;
        !table.dormant
            && id.family == family
            && id.back_end == BackEnd::NfTables
            && (id.name == *OWN || id.name.as_str().is_some_and(|name| XTABLES.contains(&name)))
    };
    let tables = view.tables(host);
    let others = tables.value.iter().any(|table| {
        !table.dormant && table.id.family == family && !is_listed(table) && table.id.back_end == BackEnd::NfTables
    });
    tables.value.iter().any(is_listed)
        && !others
        && !is_small(&tables.value, family)
        && view.hooks(host, family, Hook::Prerouting).value.is_none()
}

/// Whether a base chain is one of those that kube-proxy makes in its own table.
pub(super) fn is_kube_proxys(chain: &ChainRef) -> bool {
    chain.table.name == *OWN && OWN_BASES.iter().any(|name| chain.name == **name)
}

/// The base chains of a hook in tables that are known by name; `None` where any may be there.
fn known_names(table: &TableRef, hook: Hook) -> Option<&'static [&'static str]> {
    let name = table.name.as_str()?;
    if table.back_end == BackEnd::NfTables && name == OWN {
        return Some(match hook {
            Hook::Prerouting => &["nat-prerouting"],
            Hook::Output => &["nat-output"],
            _ => &[],
        });
    }
    XTABLES.contains(&name).then_some(match (name, hook) {
        // They have none before routing, and their own comes after nat's.
        ("filter" | "security", Hook::Prerouting | Hook::Output) => &[],
        (_, Hook::Output) => &["OUTPUT"],
        (_, Hook::Prerouting) => &["PREROUTING"],
        ("filter" | "security" | "mangle", Hook::Forward) => &["FORWARD"],
        ("filter" | "security" | "mangle", Hook::Input) => &["INPUT"],
        ("mangle", Hook::Postrouting) => &["POSTROUTING"],
        _ => &[],
    })
}
