//! Which table is meant.
//!
//! May import model and its siblings only.

use std::collections::BTreeSet;

use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::table::{BackEnd, Family, Table, TableRef};
use crate::model::text::ByteText;

/// What `rules` was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RulesQuery {
    /// A table: its name, with the back end and the family before it where they were given.
    pub table: Option<TableWords>,
    /// A chain of it.
    pub chain: Option<ByteText>,
    /// Base chains of this hook instead.
    pub hook: Option<Hook>,
    /// Only tables, or packets, of this family.
    pub family: Option<Family>,
}

/// The words for a table: `nat`, `ip nat`, `legacy nat`, `nft ip nat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableWords {
    /// The back end.
    pub back_end: Option<BackEnd>,
    /// The family.
    pub family: Option<Family>,
    /// The name.
    pub name: ByteText,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// No table is called so.
    #[error("there is no table {asked:?}; there are {known}")]
    NoTable {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// Several tables are.
    #[error("{asked:?} is ambiguous: {candidates}")]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// The command for each of them.
        candidates: String,
    },
    /// The table has no such chain.
    #[error("there is no chain {chain:?} in that table")]
    NoChain {
        /// The chain.
        chain: String,
    },
    /// The words name no table.
    #[error("a table's name is missing behind {words:?}")]
    NoName {
        /// The words.
        words: String,
    },
    /// There are more words than a table and a chain have.
    #[error("{word:?} is one word too many: [legacy|nft] [FAMILY] TABLE [CHAIN]")]
    TooMany {
        /// The word.
        word: String,
    },
}

impl RulesQuery {
    /// Reads the words of a command line: `[legacy|nft] [FAMILY] TABLE [CHAIN]`.
    pub fn of_words(words: &[ByteText], hook: Option<Hook>, family: Option<Family>) -> Result<Self, RulesError> {
        // `"ip nat"` may be one word of the shell.
        let (first, rest) = match words.split_first() {
            Some((first, rest)) => (first.as_bytes().split(|byte| *byte == b' ').map(ByteText::from).collect(), rest),
            None => (Vec::new(), words),
        };
        let words: Vec<ByteText> =
            first.into_iter().chain(rest.iter().cloned()).filter(|word| !word.as_bytes().is_empty()).collect();
        let mut rest = words.as_slice();
        let mut table = TableWords { back_end: None, family: None, name: ByteText::default() };
        // A table may be called like a family: the last word is a name in any case.
        if let [word, more @ ..] = rest
            && !more.is_empty()
            && let Some(back_end) = back_end(word)
        {
            table.back_end = Some(back_end);
            rest = more;
        }
        if let [word, more @ ..] = rest
            && !more.is_empty()
            && let Some(family) = word.as_str().and_then(Family::named)
        {
            table.family = Some(family);
            rest = more;
        }
        let joined = || words.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        match rest {
            [] if words.is_empty() => Ok(Self { table: None, chain: None, hook, family }),
            [] => Err(RulesError::NoName { words: joined() }),
            [name] => Ok(Self { table: Some(TableWords { name: name.clone(), ..table }), chain: None, hook, family }),
            [name, chain] => {
                let table = Some(TableWords { name: name.clone(), ..table });
                Ok(Self { table, chain: Some(chain.clone()), hook, family })
            }
            [_, _, word, ..] => Err(RulesError::TooMany { word: word.to_string() }),
        }
    }

    /// For each node the table that is meant, where one is named: at most one.
    pub(super) fn choose(&self, nodes: &[Vec<Table>]) -> Result<Vec<Vec<TableRef>>, RulesError> {
        let Some(words) = &self.table else { return Ok(nodes.iter().map(|_| Vec::new()).collect()) };
        let fits = |table: &&Table| {
            let TableRef { back_end, family, name } = &table.id;
            name.is_called(&words.name)
                && words.back_end.is_none_or(|asked| asked == *back_end)
                && words.family.or(self.family).is_none_or(|asked| asked == *family)
        };
        let found: Vec<Vec<TableRef>> =
            nodes.iter().map(|tables| tables.iter().filter(fits).map(|table| table.id.clone()).collect()).collect();
        let list = |tables: &mut dyn Iterator<Item = &TableRef>| {
            let mut words: Vec<String> = tables.map(called).collect();
            words.sort();
            words.dedup();
            if words.is_empty() { "none".to_owned() } else { words.join(", ") }
        };
        if found.iter().any(|tables| tables.len() > 1) {
            let tables: BTreeSet<&TableRef> = found.iter().flatten().collect();
            let commands: Vec<String> = tables.iter().map(|table| self.command(table, &tables)).collect();
            return Err(RulesError::Ambiguous { asked: words.name.to_string(), candidates: commands.join(", ") });
        }
        if found.iter().all(Vec::is_empty) {
            let known = list(&mut nodes.iter().flatten().map(|table| &table.id));
            return Err(RulesError::NoTable { asked: words.name.to_string(), known });
        }
        Ok(found)
    }

    /// What to type to mean that one of several tables.
    fn command(&self, table: &TableRef, among: &BTreeSet<&TableRef>) -> String {
        let has_twin = among
            .iter()
            .any(|other| other.back_end != table.back_end && other.family == table.family && other.name == table.name);
        let nft = if has_twin && table.back_end == BackEnd::NfTables { "nft " } else { "" };
        let legacy = if table.back_end == BackEnd::Legacy { "legacy " } else { "" };
        let chain = self.chain.as_ref().map_or_else(String::new, |chain| format!(" {}", quoted(chain)));
        format!("podnet rules {nft}{legacy}{} {}{chain}", table.family, quoted(&table.name))
    }
}

/// A name as a shell takes it for one word.
fn quoted(name: &ByteText) -> String {
    let text = name.to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
    if text.bytes().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn back_end(word: &ByteText) -> Option<BackEnd> {
    match word.as_str() {
        Some("legacy") => Some(BackEnd::Legacy),
        Some("nft") => Some(BackEnd::NfTables),
        _ => None,
    }
}

/// A table as it can be asked for: `ip nat`, `legacy ip nat`.
pub fn called(table: &TableRef) -> String {
    let back_end = if table.back_end == BackEnd::Legacy { "legacy " } else { "" };
    format!("{back_end}{} {}", table.family, table.name)
}
