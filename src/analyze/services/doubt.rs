//! Rules that are not kube-proxy's where its own are: what they may do to a packet on its way to a service.
//!
//! Nothing of what they do is told; that they are there makes an answer unsure. May import model and its
//! siblings only.

use std::collections::BTreeSet;

use super::source::{Held, Source};
use super::step::{Step, Then, When};
use crate::analyze::netfilter::{self, Deed};
use crate::model::issue::{Issue, Why};
use crate::model::netfilter::chain::{ChainKind, Hook};
use crate::model::netfilter::expr::{Data, Expr, Register};
use crate::model::netfilter::rule::Body;
use crate::model::text::ByteText;

/// How many rules of foreign chains are looked at, before what they do is taken for unknown.
const MOST: usize = 10_000;

/// How a rule bears on where a packet goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bears {
    /// Not at all: it counts, marks or logs.
    Not,
    /// The chain is left.
    Returns,
    /// As that chain does.
    Like(ByteText),
    /// It translates, lets in, drops, or is not read.
    Decides,
}

/// Whether a rule of a chain of kube-proxy's, or of a base chain, may keep packets from the rules behind it.
pub(super) fn decides(source: &Source<'_>, step: &Step<'_>) -> bool {
    match bears(step) {
        Bears::Not => false,
        Bears::Returns | Bears::Decides => true,
        Bears::Like(chain) => leads_astray(source, chain),
    }
}

/// Whether a packet that is sent to a chain may not come back as it was.
fn leads_astray(source: &Source<'_>, chain: ByteText) -> bool {
    let mut waiting = vec![chain];
    let mut seen = BTreeSet::new();
    let mut left = MOST;
    while let Some(chain) = waiting.pop() {
        if !seen.insert(chain.clone()) {
            continue;
        }
        let Some(held) = source.chain(&chain) else { return true };
        for step in held.steps() {
            left = left.saturating_sub(1);
            match bears(&step) {
                Bears::Not | Bears::Returns => {}
                Bears::Like(chain) => waiting.push(chain),
                Bears::Decides => return true,
            }
            if left == 0 {
                return true;
            }
        }
    }
    false
}

fn bears(step: &Step<'_>) -> Bears {
    if step.then == Then::Mark {
        return Bears::Not;
    }
    match &step.rule.body {
        Body::Xt(xt) => does(netfilter::deed_of_target(&xt.target)),
        Body::Nft(exprs) => exprs.iter().map(expression).find(|bears| *bears != Bears::Not).unwrap_or(Bears::Not),
    }
}

fn does(deed: Deed) -> Bears {
    match deed {
        Deed::Nothing | Deed::Notrack => Bears::Not,
        Deed::Return => Bears::Returns,
        Deed::Jump(chain) | Deed::Goto(chain) => Bears::Like(chain),
        _ => Bears::Decides,
    }
}

fn expression(expr: &Expr) -> Bears {
    match expr {
        Expr::Immediate { data: Data::Verdict(verdict), .. } => does(netfilter::deed_of_verdict(verdict)),
        Expr::XtTarget(found) => does(netfilter::deed_of_target(found)),
        Expr::Lookup { to: Some(Register::VERDICT), .. }
        | Expr::Nat(_)
        | Expr::Reject { .. }
        | Expr::Queue { .. }
        | Expr::Tproxy { .. }
        | Expr::PayloadSet { .. }
        | Expr::Unknown { .. } => Bears::Decides,
        _ => Bears::Not,
    }
}

/// Whether that base chain of nat is hooked in there and leads to kube-proxy's rules; what stands there before that is `foreign`'s to tell.
pub(super) fn leads(source: &Source<'_>, (base, hook): (&str, Hook), to: &str) -> bool {
    let Some(held) = source.chain(&ByteText::from(base)) else { return false };
    let is_hooked = held.chain().and_then(|chain| chain.base.as_ref());
    if !is_hooked.is_some_and(|is| is.hook == hook && is.kind == ChainKind::Nat) {
        return false;
    }
    let goal = Then::To(to.into());
    let mut conditional = None;
    for (at, step) in held.steps().enumerate() {
        if step.then == goal {
            if step.when.iter().all(|when| *when == When::New) {
                return true;
            }
            conditional.get_or_insert(at);
        }
    }
    let Some(at) = conditional else { return false };
    let detail = format!(
        "rule {} of {base} leads to {to} under a condition: which packets get to their service is unknown",
        at + 1
    );
    source.issue(Issue::incomplete(what(&held), Why::Unsupported { detail }));
    true
}

/// A rule in a chain where services begin that is none of kube-proxy's shapes.
pub(super) fn among(source: &Source<'_>, held: &Held, at: usize) {
    let detail = format!(
        "rule {} is not of a shape that kube-proxy writes, and may decide otherwise: which packets get to their \
         service is unknown",
        at + 1
    );
    source.issue(Issue::incomplete(what(held), Why::Unsupported { detail }));
}

/// Something in a chain that leaves the answer unsure.
pub(super) fn unsure(source: &Source<'_>, held: &Held, detail: String) {
    source.issue(Issue::incomplete(what(held), Why::Unsupported { detail }));
}

fn what(held: &Held) -> String {
    format!("{} of table {} {}", held.id.name, held.id.table.family, held.id.table.name)
}
