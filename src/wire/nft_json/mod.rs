//! `nft -j list ruleset`, read back into the expressions that the kernel was given.
//!
//! The program writes statements, and leaves out what a later one implies; the kernel has expressions.
//! So each rule is turned back as nft itself would turn it. What the file does not tell: comments of
//! chains, the link of an ingress chain, whether a set is `dynamic`, its `typeof`, names of anonymous sets, fractions of seconds,
//! anything of xtables matches and targets but their names. May import model only.

mod action;
mod compile;
mod load;
mod nat;
mod relation;
mod sets;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

use serde_json::Value;

use self::compile::Rule as Compiler;
use self::sets::Known;
use self::value::count;
use crate::model::issue::{Issue, Read, Why};
use crate::model::netfilter::chain::{Base, Chain, ChainKind, Hook, Policy, Rules};
use crate::model::netfilter::expr::{Limit, Quota};
use crate::model::netfilter::object::{Object, ObjectState};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::table::{Counters, Family, Table, TableRef};
use crate::model::snapshot::{SetSections, TableSections};
use crate::model::text::{ByteText, Bytes};

/// How long a file may be, bytes.
pub const SIZE_LIMIT: usize = 1 << 30;

/// How many statements of one rule are read; the kernel takes 128 expressions (`NFT_RULE_MAXEXPRS`).
const STATEMENTS: usize = 256;

/// How many items that cannot be read are told one by one.
const COMPLAINTS: usize = 100;

/// All that a file tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// The tables, by family and name.
    pub tables: Vec<Table>,
    /// What each holds, in the same order.
    pub contents: Vec<TableSections>,
}

/// One table as it is read.
#[derive(Default)]
struct Draft {
    table: Option<Table>,
    chains: BTreeMap<ByteText, Chain>,
    /// The item, the chain it is in, its handle, the rule itself.
    rules: Vec<(usize, ByteText, Option<u64>, Value)>,
    sets: Known,
    elements: BTreeMap<ByteText, Vec<Element>>,
    objects: Vec<Object>,
}

/// What could not be read, item by item.
#[derive(Default)]
struct Complaints(Vec<Issue>);

impl Complaints {
    fn at(&mut self, item: usize, what: &str) {
        if self.0.len() < COMPLAINTS {
            let detail = format!("item {item} of \"nftables\": {what}");
            self.0.push(Issue::incomplete("reading nft's JSON", Why::Malformed { detail }));
        }
    }
}

/// The contents of all tables, by family and name.
pub fn parse(text: &str) -> Read<Vec<TableSections>> {
    let Read { value, issues } = ruleset(text);
    Read { value: value.contents, issues }
}

/// All that the file tells: tables, and what they hold.
pub fn ruleset(text: &str) -> Read<Ruleset> {
    let fail = |detail: String| Read::failed(Issue::incomplete("reading nft's JSON", Why::Malformed { detail }));
    if text.len() > SIZE_LIMIT {
        return fail(format!("{} bytes are more than {SIZE_LIMIT}", text.len()));
    }
    // The parser's own limit keeps the depth at 128; its error names line and column.
    let json: Value = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(error) => return fail(error.to_string()),
    };
    let Some(items) = json.get("nftables").and_then(Value::as_array) else {
        return fail("no list \"nftables\" in it".to_owned());
    };
    let mut complaints = Complaints::default();
    let mut drafts: BTreeMap<TableRef, Draft> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        let Some((name, inner)) = item.as_object().and_then(|object| object.iter().next()) else {
            complaints.at(at, "not an object");
            continue;
        };
        if name != "metainfo" && take(&mut drafts, at, name, inner).is_none() {
            let called = inner.get("name").and_then(Value::as_str).unwrap_or_default();
            complaints.at(at, &format!("the {name} {called:?} cannot be read back"));
        }
    }
    let mut found = Ruleset::default();
    for (id, draft) in drafts {
        let (table, contents) = finish(&id, draft, &mut complaints);
        found.tables.push(table);
        found.contents.push(contents);
    }
    Read { value: found, issues: complaints.0 }
}

fn text(json: &Value, name: &str) -> Option<ByteText> {
    json.get(name).and_then(Value::as_str).map(ByteText::from)
}

/// One item; `None` where it is not as it should be.
fn take(drafts: &mut BTreeMap<TableRef, Draft>, at: usize, name: &str, inner: &Value) -> Option<()> {
    let family = Family::named(inner.get("family")?.as_str()?)?;
    let table = text(inner, if name == "table" { "name" } else { "table" })?;
    let id = TableRef::nf(family, table);
    let draft = drafts.entry(id.clone()).or_default();
    match name {
        "table" => draft.table = Some(table_of(id, inner)?),
        "chain" => {
            let chain = chain(&id, inner)?;
            draft.chains.insert(chain.id.name.clone(), chain);
        }
        "rule" => {
            inner.get("expr")?.as_array()?;
            draft.rules.push((at, text(inner, "chain")?, count(inner.get("handle")), inner.clone()));
        }
        "set" | "map" => {
            let (set, elements) = sets::named(&id, inner, name == "map")?;
            draft.elements.insert(set.id.name.clone(), elements);
            draft.sets.insert(set.id.name.clone(), set);
        }
        "counter" | "quota" | "limit" => draft.objects.push(object(&id, name, inner)?),
        // Kinds of objects whose contents podnet does not decode, here as in the kernel.
        "ct helper" | "ct timeout" | "ct expectation" | "secmark" | "synproxy" => {
            draft.objects.push(object(&id, name, inner)?);
        }
        _ => return None,
    }
    Some(())
}

fn table_of(id: TableRef, inner: &Value) -> Option<Table> {
    let mut flags = 0;
    for word in action::words(inner.get("flags"))? {
        flags |= match word {
            "dormant" => 1,
            "owner" => 2,
            "persist" => 4,
            _ => return None,
        };
    }
    Some(Table {
        id,
        handle: count(inner.get("handle")),
        dormant: flags & 1 != 0,
        owner: None,
        flags,
        objects: None,
        comment: text(inner, "comment"),
        user_data: Bytes::default(),
    })
}

fn chain(table: &TableRef, inner: &Value) -> Option<Chain> {
    let base = match inner.get("hook") {
        None => None,
        Some(hook) => Some(Base {
            hook: Hook::named(hook.as_str()?)?,
            priority: i32::try_from(inner.get("prio")?.as_i64()?).ok()?,
            kind: match inner.get("type")?.as_str()? {
                "filter" => ChainKind::Filter,
                "nat" => ChainKind::Nat,
                "route" => ChainKind::Route,
                other => ChainKind::Other(other.into()),
            },
            policy: match inner.get("policy").and_then(Value::as_str) {
                None | Some("accept") => Policy::Accept,
                Some("drop") => Policy::Drop,
                Some(_) => return None,
            },
            devices: action::words(inner.get("dev"))?.into_iter().map(ByteText::from).collect(),
        }),
    };
    Some(Chain {
        id: table.chain(text(inner, "name")?),
        handle: count(inner.get("handle")),
        base,
        counters: None,
        uses: None,
        flags: 0,
        comment: text(inner, "comment"),
        user_data: Bytes::default(),
    })
}

fn object(table: &TableRef, kind: &str, inner: &Value) -> Option<Object> {
    use crate::model::netfilter::words::symbol::OBJECTS;
    let state = match kind {
        "counter" => {
            ObjectState::Counter(Counters { packets: count(inner.get("packets"))?, bytes: count(inner.get("bytes"))? })
        }
        "quota" => ObjectState::Quota(Quota {
            bytes: count(inner.get("bytes"))?,
            used: count(inner.get("used")).unwrap_or(0),
            flags: u32::from(inner.get("inv").and_then(Value::as_bool).unwrap_or(false)),
        }),
        "limit" => {
            let limit: Limit = action::limit(inner)?;
            ObjectState::Limit(limit)
        }
        _ => ObjectState::Other(Bytes(inner.to_string().into_bytes())),
    };
    Some(Object {
        table: table.clone(),
        kind: OBJECTS.iter().find(|row| row.2 == kind)?.0,
        name: text(inner, "name")?,
        handle: count(inner.get("handle")),
        uses: None,
        state,
        comment: text(inner, "comment"),
    })
}

/// Puts a table together.
fn finish(id: &TableRef, draft: Draft, complaints: &mut Complaints) -> (Table, TableSections) {
    let Draft { table, mut chains, mut rules, mut sets, mut elements, mut objects } = draft;
    let mut by_chain: BTreeMap<ByteText, Vec<(usize, Rule)>> = BTreeMap::new();
    let order: BTreeMap<usize, usize> = rules.iter().enumerate().map(|(place, rule)| (rule.0, place)).collect();
    // The kernel numbers anonymous sets as they are made, and so does the handle.
    rules.sort_by_key(|(item, _, handle, _)| (*handle, *item));
    let known = sets.clone();
    let mut names = (0, 0, 0);
    for (item, chain, handle, json) in rules {
        if !chains.contains_key(&chain) {
            complaints.at(item, &format!("a rule of the chain {chain}, which is not in the file"));
            if let Some(made) = bare_chain(id, &chain) {
                chains.insert(chain.clone(), made);
            }
        }
        let mut compiler = Compiler::new(id, &known, names);
        let statements = json.get("expr").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for statement in statements.iter().take(STATEMENTS) {
            compiler.statement(statement);
        }
        if statements.len() > STATEMENTS {
            complaints.at(item, &format!("a rule of {} statements, more than the kernel takes", statements.len()));
        }
        names = compiler.names;
        for (set, its) in compiler.sets {
            elements.insert(set.id.name.clone(), its);
            sets.insert(set.id.name.clone(), set);
        }
        let rule = Rule {
            number: 0,
            handle,
            body: Body::Nft(compiler.out),
            comment: text(&json, "comment"),
            user_data: Bytes::default(),
        };
        by_chain.entry(chain).or_default().push((order.get(&item).copied().unwrap_or(item), rule));
    }
    let with_rules = |chain: Chain| {
        let mut held = by_chain.remove(&chain.id.name).unwrap_or_default();
        held.sort_by_key(|(place, _)| *place);
        let numbered = held.into_iter().zip(1..).map(|((_, rule), number)| Rule { number, ..rule });
        Rules { rules: numbered.collect(), chain }
    };
    let chains: Vec<Rules> = chains.into_values().map(with_rules).collect();
    objects.sort();
    let sections = |(name, its): (ByteText, Vec<Element>)| SetSections { set: name, elements: Read::ok(its).section() };
    let contents = TableSections {
        table: id.clone(),
        chains: Read::ok(chains).section(),
        elements: elements.into_iter().map(sections).collect(),
        sets: Read::ok(sets.into_values().collect::<Vec<Set>>()).section(),
        objects: Read::ok(objects).section(),
    };
    let bare = || Table {
        id: id.clone(),
        handle: None,
        dormant: false,
        owner: None,
        flags: 0,
        objects: None,
        comment: None,
        user_data: Bytes::default(),
    };
    (table.unwrap_or_else(bare), contents)
}

fn bare_chain(table: &TableRef, name: &ByteText) -> Option<Chain> {
    chain(table, &serde_json::json!({ "name": name.as_str()? }))
}
