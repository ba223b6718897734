//! Rules.
//!
//! Must not import anything from the crate but model, the message framing and the xtables codec.

use super::{expr, fields::Fields, nfta, split, user_data};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::XtRule;
use crate::wire::netlink::attr::AttrError;
use crate::wire::xt::lift::{add_comment, lift};

/// A rule and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<'a> {
    /// Its table's family.
    pub family: Family,
    /// Its table. `NFTA_RULE_TABLE`
    pub table: &'a [u8],
    /// Its chain. `NFTA_RULE_CHAIN`
    pub chain: &'a [u8],
    /// The rule; its number is not in the message and is 0 here.
    pub rule: Rule,
}

/// The rule of an `NFT_MSG_NEWRULE`. In a table of iptables-nft it becomes an xtables rule where it can.
pub fn rule<'a>(message: &'a [u8], errors: &mut Vec<AttrError>) -> Option<Placed<'a>> {
    let (family, attrs) = split(message, errors)?;
    let mut fields = Fields::of(attrs, nfta::RULE_USERDATA, errors);
    let table = fields.needed(nfta::RULE_TABLE, "NFTA_RULE_TABLE")?;
    let chain = fields.needed(nfta::RULE_CHAIN, "NFTA_RULE_CHAIN")?;
    let handle = fields.u64(nfta::RULE_HANDLE);
    let (mut comment, user_data) = user_data::split(fields.raw(nfta::RULE_USERDATA), user_data::COMMENT);
    let list = fields.raw(nfta::RULE_EXPRESSIONS).unwrap_or_default();
    let errors = fields.errors;
    let body = match is_iptables(family, table).then(|| lifted(family, list, errors)).flatten() {
        Some(mut rule) => {
            // Newer versions write a rule's comment here; an xtables rule has it as a match.
            if let Some(comment) = comment.take() {
                add_comment(&mut rule, comment);
            }
            Body::Xt(Box::new(rule))
        }
        None => Body::Nft(expr::list(family, list, 0, errors)),
    };
    Some(Placed { family, table, chain, rule: Rule { number: 0, handle, body, comment, user_data } })
}

/// The expressions as an xtables rule. Where they are none, nothing of them is told: they are read once more.
fn lifted(family: Family, list: &[u8], errors: &mut Vec<AttrError>) -> Option<XtRule> {
    let before = errors.len();
    let rule = lift(family, expr::each(family, list, 0, errors));
    if rule.is_none() {
        errors.truncate(before);
    }
    rule
}

/// Whether iptables-nft keeps its rules in a table of this name.
pub fn is_iptables(family: Family, table: &[u8]) -> bool {
    matches!(family, Family::Ip | Family::Ip6) && matches!(table, b"filter" | b"nat" | b"mangle" | b"raw" | b"security")
}
