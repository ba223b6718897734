//! Tables of ip_tables and ip6_tables, read whole through `getsockopt`, never one that is not there yet.
//!
//! May import model, wire and sys. Judges nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::halves::halves;
use crate::collect::kernel::Namespace;
use crate::model::issue::{Issue, Read, Why};
use crate::model::netfilter::chain::{Chain, ChainRef, Rules};
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::table::{Family, Table, TableRef};
use crate::model::text::{ByteText, Bytes};
use crate::sys::xtables::{ENTRIES_OFFSET, XtSocket};
use crate::wire::legacy::{Info, LegacyTable, Malformed};

/// The families, and where the kernel lists the tables that exist.
const LISTS: [(Family, &str); 2] =
    [(Family::Ip, "/proc/thread-self/net/ip_tables_names"), (Family::Ip6, "/proc/thread-self/net/ip6_tables_names")];
/// No list of tables is longer: there are five, of names below 32 bytes.
const LIST_LIMIT: u64 = 64 * 1024;
/// How often a table is read that has another size each time.
const ATTEMPTS: u32 = 20;

/// Has the first of two pieces of work done by a thread, where the machine gives one: else both are left to whoever asked.
fn by_two(one: &(dyn Fn() + Sync), other: &mut dyn FnMut()) {
    thread::scope(|scope| {
        let helper = thread::Builder::new().spawn_scoped(scope, one);
        other();
        drop(helper);
    });
}

/// The tables a namespace's reader holds: each is read once, whole.
#[derive(Debug, Default)]
pub(in crate::collect) struct LegacyMemory {
    tables: Mutex<BTreeMap<TableRef, Arc<LegacyTable>>>,
}

impl Namespace {
    /// The tables that exist.
    pub(super) fn legacy_tables(&self) -> Read<Vec<Table>> {
        let mut read: Read<Vec<Table>> = Read::default();
        for (family, path) in LISTS {
            match self.thread().within(self.file(), move || listed(path)) {
                Ok(names) => read.value.extend(names.into_iter().map(|name| table(TableRef::legacy(family, name)))),
                Err(error) => {
                    let what = format!("reading {path} of {}", self.id());
                    read.issues.push(Issue::incomplete(what, Why::from_io(&error)));
                }
            }
        }
        read.value.sort();
        read
    }

    /// Their base chains.
    pub(super) fn legacy_base_chains(&self) -> Read<Vec<Chain>> {
        let tables = self.legacy_tables();
        let mut read = Read { value: Vec::new(), issues: tables.issues };
        for table in tables.value {
            let chains = self.with_table(&table.id, LegacyTable::base_chains);
            read.value.extend(chains.value.unwrap_or_default());
            read.issues.extend(chains.issues);
        }
        read
    }

    /// The chains of a table.
    pub(super) fn legacy_chains(&self, table: &TableRef) -> Read<Vec<Chain>> {
        let read = self.with_table(table, LegacyTable::chains);
        Read { value: read.value.unwrap_or_default(), issues: read.issues }
    }

    /// Their names.
    pub fn legacy_chain_names(&self, table: &TableRef) -> Read<Vec<ByteText>> {
        let read = self.with_table(table, LegacyTable::names);
        Read { value: read.value.unwrap_or_default(), issues: read.issues }
    }

    /// One chain.
    pub(super) fn legacy_chain(&self, chain: &ChainRef) -> Read<Option<Rules>> {
        let mut read = self.with_table(&chain.table, |table| table.rules(&chain.name));
        let found = read.value.flatten();
        let value = found.map(|(rules, problem)| {
            read.issues.extend(problem.map(|problem| self.misread(&chain.table, &problem)));
            rules
        });
        Read { value, issues: read.issues }
    }

    /// The rules of some chains.
    pub(super) fn legacy_rules_in(&self, table: &TableRef, chains: &[ByteText]) -> Read<Vec<Vec<Rule>>> {
        let read = self.with_table(table, |table| {
            halves(chains, |chains| chains.iter().map(|name| table.rules_in(name)).collect::<Vec<_>>())
        });
        let Some(found) = read.value else {
            return Read { value: chains.iter().map(|_| Vec::new()).collect(), issues: read.issues };
        };
        let mut all = Read { value: Vec::with_capacity(chains.len()), issues: read.issues };
        for rules in found {
            let (rules, problem) = rules.unwrap_or_default();
            all.value.push(rules);
            all.issues.extend(problem.map(|problem| self.misread(table, &problem)));
        }
        all.issues.sort();
        all.issues.dedup();
        all
    }

    /// All chains of a table.
    pub(super) fn legacy_rules_of(&self, table: &TableRef) -> Read<Vec<Rules>> {
        let mut read = self.with_table(table, |table| table.all_rules().collect::<Vec<_>>());
        let mut value = Vec::new();
        for (rules, problem) in read.value.unwrap_or_default() {
            value.push(rules);
            read.issues.extend(problem.map(|problem| self.misread(table, &problem)));
        }
        Read { value, issues: read.issues }
    }

    /// Asks a table, which is read if it was not before; `None` where there is none.
    fn with_table<T>(&self, id: &TableRef, ask: impl FnOnce(&LegacyTable) -> T) -> Read<Option<T>> {
        // A panic elsewhere leaves the map whole.
        let mut tables = self.legacy.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tables.get(id).cloned();
        let table = match known {
            Some(table) => table,
            None => match self.read_table(id) {
                Ok(Some(table)) => Arc::clone(tables.entry(id.clone()).or_insert_with(|| Arc::new(table))),
                Ok(None) => return Read::ok(None),
                Err(why) => return Read::failed(Issue::incomplete(self.reading(id), why)),
            },
        };
        drop(tables);
        let issues = table.problems().iter().map(|problem| self.misread(id, problem)).collect();
        Read { value: Some(ask(&table)), issues }
    }

    /// Reads a table that is there already; one that is not would come to be by reading it.
    fn read_table(&self, id: &TableRef) -> Result<Option<LegacyTable>, Why> {
        let Some((_, path)) = LISTS.into_iter().find(|(family, _)| *family == id.family) else { return Ok(None) };
        let (name, ipv6) = (id.name.clone(), id.family == Family::Ip6);
        let opened = self.thread().within(self.file(), move || {
            if listed(path)?.contains(&name) { XtSocket::open(ipv6).map(Some) } else { Ok(None) }
        });
        let Some(socket) = opened.map_err(|error| Why::from_io(&error))? else { return Ok(None) };
        let name = id.name.as_bytes();
        for _ in 0..ATTEMPTS {
            let info = socket.info(name).map_err(|error| Why::from_io(&error))?;
            let info = Info::parse(&info).map_err(|error| Why::Malformed { detail: error.to_string() })?;
            match socket.entries(name, info.size) {
                Ok(bytes) => return Ok(Some(LegacyTable::read(id.clone(), &info, bytes, ENTRIES_OFFSET, by_two))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Why::from_io(&error)),
            }
        }
        Err(Why::Interrupted { detail: format!("another size each time, {ATTEMPTS} times") })
    }

    fn reading(&self, id: &TableRef) -> String {
        let program = if id.family == Family::Ip6 { "ip6_tables" } else { "ip_tables" };
        format!("reading table {} of {program} in {}", id.name, self.id())
    }

    fn misread(&self, id: &TableRef, problem: &Malformed) -> Issue {
        Issue::incomplete(self.reading(id), Why::Malformed { detail: problem.to_string() })
    }
}

/// The tables that exist; none where the kernel has no such back end.
fn listed(path: &str) -> io::Result<Vec<ByteText>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(LIST_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes.split(|byte| *byte == b'\n').filter(|name| !name.is_empty()).map(ByteText::from).collect())
}

fn table(id: TableRef) -> Table {
    Table {
        id,
        handle: None,
        dormant: false,
        owner: None,
        flags: 0,
        objects: None,
        comment: None,
        user_data: Bytes::default(),
    }
}
