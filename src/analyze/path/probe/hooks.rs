//! The rules of a hook: those that were predicted to act, beside those that the kernel says were hit.
//!
//! May import model and analyze's siblings only.

use super::Marked;
use super::seen::Of;
use super::words;
use crate::analyze::path::types::{Acted, Step, StepKind};
use crate::model::ids::NetnsId;
use crate::model::netfilter::chain::{ChainRef, Hook};
use crate::model::netfilter::table::{BackEnd, Family};
use crate::model::probe::{Hit, HitVerdict, Means};

/// Marks one crossing; `steps` are all of its way, for a hook may be told in two steps.
pub(super) fn mark(of: Of<'_>, netns: NetnsId, place: usize, hook: Hook, rules: &[Acted], steps: &[Step]) -> Marked {
    if let Some(marked) = legacy(of, netns, rules) {
        return marked;
    }
    if let Some(why) = of.unwatched(netns, Means::Rules) {
        return Marked::not_watched(Some(why.to_owned()));
    }
    let mut crossings = of.hooks(netns, hook).peekable();
    if crossings.peek().is_none() {
        return Marked::not_seen();
    }
    // Those of rules beneath IP stand at the hook of IP that was before; steps of their own tell them.
    let is_ip = |hit: &&Hit| !matches!(hit.chain.table.family, Family::Bridge | Family::Netdev);
    let hits: Vec<&Hit> = crossings.flat_map(|crossing| &crossing.hits).filter(is_ip).collect();
    for acted in rules {
        let Some((chain, handle)) = traced(acted) else { continue };
        if !hits.iter().any(|hit| hit.chain == *chain && hit.handle == handle) {
            let instead = hits.iter().find(|hit| hit.verdict == HitVerdict::Drop);
            let instead = instead.map_or_else(String::new, |hit| format!("; {}", words::hit(hit)));
            let what = match &acted.rule {
                Some(rule) => format!("rule {} of {}", rule.number, rule.chain.name),
                None => format!("the policy of {}", acted.base.name),
            };
            return Marked::differs(format!("{what} was not hit{instead}"));
        }
    }
    let predicted = || {
        let same = steps.iter().filter(move |step| step.place == place);
        same.flat_map(move |step| match &step.what {
            StepKind::Hooked { hook: other, rules, .. } if *other == hook => rules.as_slice(),
            _ => &[],
        })
    };
    let decides = |hit: &&&Hit| {
        hit.handle.is_some()
            && matches!(hit.verdict, HitVerdict::Drop | HitVerdict::Accept | HitVerdict::Jump | HitVerdict::Goto)
            || hit.verdict == HitVerdict::Drop
    };
    let is_foreseen = |hit: &Hit| predicted().any(|acted| traced(acted) == Some((&hit.chain, hit.handle)));
    match hits.iter().filter(decides).find(|hit| !is_foreseen(hit)) {
        Some(hit) => Marked::differs(format!("{}, which was not predicted", words::hit(hit))),
        None => Marked::seen(),
    }
}

/// Marks rules beneath IP: a frame is traced there only where something before it has asked for that, as IP's output
/// has, so that one that was not traced says nothing; `None`: only what follows tells.
pub(super) fn mark_beneath(of: Of<'_>, netns: NetnsId, rules: &[Acted]) -> Option<Marked> {
    let here = || of.crossings().filter(|crossing| crossing.netns == netns);
    let hits = || here().flat_map(|crossing| &crossing.hits);
    let is_hit = |acted: &Acted| {
        traced(acted).is_some_and(|(chain, handle)| hits().any(|hit| hit.chain == *chain && hit.handle == handle))
    };
    (!rules.is_empty() && rules.iter().all(is_hit)).then(Marked::seen)
}

/// What the kernel's trace calls it; `None` of ip_tables, whose rules are not traced.
fn traced(acted: &Acted) -> Option<(&ChainRef, Option<u64>)> {
    match &acted.rule {
        Some(rule) if rule.chain.table.back_end == BackEnd::NfTables => Some((&rule.chain, Some(rule.handle?))),
        None if acted.base.table.back_end == BackEnd::NfTables => Some((&acted.base, None)),
        _ => None,
    }
}

/// A rule of ip_tables whose counter did not move; `None` where all did.
fn legacy(of: Of<'_>, netns: NetnsId, rules: &[Acted]) -> Option<Marked> {
    let own = rules.iter().filter_map(|acted| acted.rule.as_ref());
    own.filter(|rule| rule.chain.table.back_end == BackEnd::Legacy).find_map(|rule| {
        let counters = of.observed.counters.iter();
        let same = |one: &&crate::model::probe::Counted| {
            (one.netns, &one.chain, one.number) == (netns, &rule.chain, rule.number)
        };
        let counted = counters.clone().find(same)?;
        (counted.after <= counted.before).then(|| {
            let words = format!("the counter of rule {} of {} stayed at", rule.number, rule.chain.name);
            Marked::differs(format!("{words} {}", counted.before))
        })
    })
}
