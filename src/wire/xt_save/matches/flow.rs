//! Marks and the flow.
//!
//! May import model only.

use super::super::args::{Args, Parsed, Unclear};
use super::super::names::FLOW_STATUS;
use super::super::values::{bits, mark as mark_value, masked, named, pair, protocol, range};
use super::only;
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Conntrack, Expires, Match};

pub(super) fn mark(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--mark"])?;
    args.test(mark_value).map(Match::Mark)
}

pub(super) fn connmark(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--mark"])?;
    args.test(mark_value).map(Match::Connmark)
}

fn states(text: &str) -> Option<u32> {
    bits(text, &Conntrack::STATES)
}

pub(super) fn state(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--state"])?;
    let states = args.test(states)?;
    Ok(Match::State(states))
}

pub(super) fn conntrack(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut flow = Conntrack::default();
    let family = args.family;
    let net = |text: &str| masked(text, family);
    while let Some(option) = args.option() {
        match option {
            "--ctstate" => flow.states = Some(args.test(states)?),
            "--ctproto" => flow.protocol = Some(args.test(protocol)?),
            "--ctorigsrc" => flow.original_source = Some(args.test(net)?),
            "--ctorigdst" => flow.original_destination = Some(args.test(net)?),
            "--ctreplsrc" => flow.reply_source = Some(args.test(net)?),
            "--ctrepldst" => flow.reply_destination = Some(args.test(net)?),
            "--ctorigsrcport" => flow.original_source_port = Some(args.test(range)?),
            "--ctorigdstport" => flow.original_destination_port = Some(args.test(range)?),
            "--ctreplsrcport" => flow.reply_source_port = Some(args.test(range)?),
            "--ctrepldstport" => flow.reply_destination_port = Some(args.test(range)?),
            "--ctstatus" => flow.status = Some(args.test(|text| bits(text, &FLOW_STATUS))?),
            "--ctexpire" => {
                let expires = args.test(|text| pair(text, ':', 0, u32::MAX))?;
                let (min, max) = expires.value;
                flow.expires = Some(Test { not: expires.not, value: Expires { min, max } });
            }
            "--ctdir" => {
                flow.reply = Some(args.plain(|text| named::<u8>(text, &[(0, "ORIGINAL"), (1, "REPLY")]))? == 1);
            }
            _ => return Err(Unclear),
        }
    }
    Ok(Match::Conntrack(Box::new(flow)))
}
