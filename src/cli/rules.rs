//! `podnet rules [TABLE [CHAIN]]`.
//!
//! May import analyze, model and render.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::rules::{RulesQuery, rules};
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::table::Family;
use crate::model::text::ByteText;
use crate::render;

/// Arguments of `rules`.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// A table, and a chain of it: nat, ip nat, legacy nat, inet firewalld, ip nat POSTROUTING; without one, all tables
    #[arg(value_name = "TABLE [CHAIN]")]
    words: Vec<OsString>,
    /// The base chains of this hook instead, in the order in which the kernel runs them: prerouting, input, forward, output, postrouting, ingress, egress
    #[arg(long, value_name = "HOOK", value_parser = hook, conflicts_with = "words")]
    hook: Option<Hook>,
    /// Only tables, or with --hook packets, of this family: ip, ip6, inet, arp, bridge, netdev
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    family: Option<Family>,
}

fn hook(text: &str) -> Result<Hook, String> {
    let names = || Hook::ALL.map(Hook::name).join(", ");
    Hook::named(text).ok_or_else(|| format!("{text:?} is none of {}", names()))
}

fn family(text: &str) -> Result<Family, String> {
    let names = || Family::ALL.map(Family::name).join(", ");
    Family::named(text).ok_or_else(|| format!("{text:?} is none of {}", names()))
}

/// Rules in their own tools' words.
pub fn run(global: &Global, args: &RulesArgs) -> Result<u8, Failure> {
    let words: Vec<_> = args.words.iter().map(|word| ByteText::from(word.as_bytes())).collect();
    let query = RulesQuery::of_words(&words, args.hook, args.family)?;
    run::answer(global, "rules", |nodes| Ok(rules(nodes, &query)?), render::rules::write)
}
