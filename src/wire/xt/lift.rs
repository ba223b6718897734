//! From the expressions of an iptables-nft rule to the xtables rule that was meant.
//!
//! May import model only.

use crate::model::netfilter::expr::Expr;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::XtRule;

/// The xtables rule that these expressions say, if they say one wholly; else the expressions as they came.
pub fn lift(_family: Family, exprs: Vec<Expr>) -> Result<XtRule, Vec<Expr>> {
    Err(exprs)
}
