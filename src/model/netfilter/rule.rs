//! One rule of a chain.
//!
//! Must not import anything from the crate but its sibling model types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expr::{Data, Expr, Verdict};
use super::xt::XtRule;
use super::xt::targets::Target;
use crate::model::text::{ByteText, Bytes};

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// Its place in its chain, from 1, as `iptables -L --line-numbers` counts.
    pub number: u32,
    /// `NFTA_RULE_HANDLE`; legacy rules have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// What it says.
    pub body: Body,
    /// The comment in its user data (`NFTNL_UDATA_RULE_COMMENT`). An xtables rule's comment is a match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<ByteText>,
    /// User data that is no comment. `NFTA_RULE_USERDATA`
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    pub user_data: Bytes,
}

/// What a rule says, in the words of those who write such rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// An xtables rule: from a legacy table, or from iptables-nft and wholly understood as one.
    Xt(Box<XtRule>),
    /// A row of nf_tables expressions.
    Nft(Vec<Expr>),
}

impl Rule {
    /// The rule as an xtables rule, where it is one.
    pub fn xt(&self) -> Option<&XtRule> {
        match &self.body {
            Body::Xt(rule) => Some(rule),
            Body::Nft(_) => None,
        }
    }

    /// The chain that it jumps or goes to; a map may lead to more.
    pub fn leads_to(&self) -> Option<&ByteText> {
        match &self.body {
            Body::Xt(rule) => match &rule.target.does {
                Target::Jump(chain) | Target::Goto(chain) => Some(chain),
                _ => None,
            },
            Body::Nft(exprs) => exprs.iter().find_map(|expr| match expr {
                Expr::Immediate { data: Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)), .. } => Some(chain),
                _ => None,
            }),
        }
    }

    /// The rule's comment, wherever it stands.
    pub fn comment(&self) -> Option<&ByteText> {
        self.comment.as_ref().or_else(|| self.xt()?.comment())
    }
}
