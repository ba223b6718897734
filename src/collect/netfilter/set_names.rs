//! Names for the ipsets that rules know by number.
//!
//! May import model, wire and sys. Judges nothing.

use std::collections::BTreeMap;
use std::io;

use crate::collect::kernel::Namespace;
use crate::model::issue::{Issue, Why};
use crate::model::netfilter::expr::Expr;
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::xt::matches::{Match, SetName};
use crate::model::netfilter::xt::targets::Target;
use crate::model::netfilter::xt::{XtMatch, XtTarget};
use crate::model::text::ByteText;
use crate::sys::xtables::XtSocket;

impl Namespace {
    /// Turns numbers into names: a rule that uses a set keeps the kernel from giving its number to
    /// another. What has no name stays as it is.
    pub(super) fn name_sets<'r>(&self, rules: impl Iterator<Item = &'r mut Rule>) -> Option<Issue> {
        let mut sets: Vec<&mut SetName> = Vec::new();
        for rule in rules {
            match &mut rule.body {
                Body::Xt(rule) => {
                    rule.matches.iter_mut().for_each(|found| of_match(found, &mut sets));
                    of_target(&mut rule.target, &mut sets);
                }
                Body::Nft(exprs) => {
                    for expr in exprs {
                        match expr {
                            Expr::XtMatch(found) => of_match(found, &mut sets),
                            Expr::XtTarget(target) => of_target(target, &mut sets),
                            _ => {}
                        }
                    }
                }
            }
        }
        if sets.is_empty() {
            return None;
        }
        let what = || format!("reading the names of ipsets in {}", self.id());
        self.give_names(sets).err().map(|error| Issue::incomplete(what(), Why::from_io(&error)))
    }

    fn give_names(&self, sets: Vec<&mut SetName>) -> io::Result<()> {
        let socket = self.thread().within(self.file(), || XtSocket::open(false))?;
        let mut known: BTreeMap<u16, Option<ByteText>> = BTreeMap::new();
        for set in sets {
            let SetName::Index(index) = *set else { continue };
            let name = match known.get(&index) {
                Some(name) => name.clone(),
                None => known.entry(index).or_insert(socket.ipset_name(index)?.map(ByteText::new)).clone(),
            };
            if let Some(name) = name {
                *set = SetName::Name(name);
            }
        }
        Ok(())
    }
}

fn of_match<'a>(found: &'a mut XtMatch, sets: &mut Vec<&'a mut SetName>) {
    if let Match::Set(test) = &mut found.is {
        sets.push(&mut test.value.set);
    }
}

fn of_target<'a>(target: &'a mut XtTarget, sets: &mut Vec<&'a mut SetName>) {
    if let Target::Set(change) = &mut target.does {
        let keys = [&mut change.add, &mut change.delete, &mut change.map];
        sets.extend(keys.into_iter().flatten().map(|key| &mut key.set));
    }
}
