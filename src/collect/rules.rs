//! Rules that other programs wrote to files: `iptables-save`, `ip6tables-save`, `nft -j list ruleset`.
//!
//! May import model and wire. The files are never trusted: each is read within bounds, and what it is
//! is told from its content.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;

use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Read, Why};
use crate::model::netfilter::table::{Family, Table, TableRef};
use crate::model::node::NodeInfo;
use crate::model::snapshot::{Snapshot, TableSections};
use crate::model::text::Bytes;
use crate::wire::{nft_json, xt_save};

/// How many bytes one file may hold, after decompression: the rules of 10,000 services are 20 MB.
const LIMIT: u64 = 256 << 20;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Endings that say of what kind a file is, and nothing of the node.
const ENDINGS: [&str; 5] = [".gz", ".txt", ".json", ".rules", ".save"];

/// Why a file gives no rules.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It could not be opened or read, or is damaged gzip.
    #[error("reading {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A folder, FIFO, socket or device.
    #[error("{} is no file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// More than a node's rules can be.
    #[error("{}: refused: more than {LIMIT} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Something else than rules.
    #[error("{}: {detail}", path.display())]
    NotRules {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        detail: String,
    },
}

impl RulesError {
    /// What to do about it, where something sensible can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotRules { detail, .. } if detail.contains("snapshot") => Some("name it with --from"),
            Self::NotRules { .. } => {
                Some("write one with `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`")
            }
            _ => None,
        }
    }
}

/// What a file is; the better telling of one table comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Text of `iptables-save`.
    Save,
    /// JSON of `nft`, which of xtables matches and targets has the names alone.
    Json,
    /// Nothing at all: `iptables-legacy-save` writes that where there are no tables.
    Empty,
}

/// A table as one file tells it.
struct Told {
    kind: Kind,
    table: Table,
    contents: TableSections,
}

/// Opens the files of one machine as a node of which only the rules are known, named after the first file.
pub fn open(paths: &[PathBuf]) -> Result<Snapshot, RulesError> {
    let mut tables: BTreeMap<TableRef, Told> = BTreeMap::new();
    let mut issues = Vec::new();
    let mut newest: Option<SystemTime> = None;
    for path in paths {
        let (bytes, written) = contents(path)?;
        newest = newest.max(written);
        let (kind, read) = parse(path, &bytes)?;
        issues.extend(read.issues.iter().cloned());
        for (table, mut contents) in read.value {
            // Whoever asks for one chain must hear of the lines that may have been its rules.
            Arc::make_mut(&mut contents.chains).issues.extend(read.issues.iter().cloned());
            let id = table.id.clone();
            let told = Told { kind, table, contents };
            match tables.get(&id) {
                Some(known) if known.kind < kind => {}
                Some(known) if known.kind == kind => issues.push(twice(path, &id)),
                _ => drop(tables.insert(id, told)),
            }
        }
    }
    issues.push(only_these(paths));
    issues.sort();
    issues.dedup();
    let node = NodeInfo {
        name: paths.first().map(|path| name(path)).unwrap_or_default(),
        source: paths.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(", "),
        taken_at: newest.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH),
        // No inode of any nsfs: the files do not tell it.
        host_netns: NetnsId { dev: 0, ino: 0 },
    };
    let value = tables.into_values().map(|told| (told.table, told.contents)).collect();
    let mut snapshot = Snapshot::of_rules(node, Read { value, issues });
    snapshot.drop_hints();
    Ok(snapshot)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<(Kind, Read<Vec<(Table, TableSections)>>), RulesError> {
    let not_rules = |detail: &str| RulesError::NotRules { path: path.to_owned(), detail: detail.to_owned() };
    let (kind, read) = if bytes.trim_ascii().is_empty() {
        (Kind::Empty, Read::default())
    } else if xt_save::is_save(bytes) {
        let read = xt_save::parse(bytes, family(path));
        let value = read.value.into_iter().map(|contents| (table(&contents.table), contents)).collect();
        (Kind::Save, Read { value, issues: read.issues })
    } else if bytes.trim_ascii_start().first() == Some(&b'{') {
        let text = std::str::from_utf8(bytes).map_err(|_| not_rules("JSON that is no UTF-8"))?;
        if text.contains(crate::model::snapshot::FORMAT) && !text.contains("\"nftables\"") {
            return Err(not_rules("a podnet snapshot, not rules of another program"));
        }
        let Read { value, issues } = nft_json::ruleset(text);
        if value.tables.is_empty()
            && let Some(issue) = issues.first()
        {
            return Err(not_rules(issue.why.detail()));
        }
        (Kind::Json, Read { value: value.tables.into_iter().zip(value.contents).collect(), issues })
    } else {
        return Err(not_rules("neither text of iptables-save nor JSON of nft"));
    };
    let issues = read.issues.into_iter().map(|issue| of_file(issue, path)).collect();
    Ok((kind, Read { value: read.value, issues }))
}

/// The same issue with the name of the file that it is of.
fn of_file(issue: Issue, path: &Path) -> Issue {
    Issue { what: format!("reading {}", path.display()), ..issue }
}

/// A table of which only the name and what it holds are known.
fn table(id: &TableRef) -> Table {
    Table {
        id: id.clone(),
        handle: None,
        dormant: false,
        owner: None,
        flags: 0,
        objects: None,
        comment: None,
        user_data: Bytes::default(),
    }
}

fn twice(path: &Path, table: &TableRef) -> Issue {
    let detail = format!("the {} table {} stands in another file, too: that one counts", table.family, table.name);
    Issue::incomplete(format!("reading {}", path.display()), Why::Disagreement { detail })
}

fn only_these(paths: &[PathBuf]) -> Issue {
    let number = if paths.len() == 1 { "one file".to_owned() } else { format!("{} files", paths.len()) };
    let detail = format!("the rules are those of {number}: whether the machine had others is not known");
    Issue::note("reading rules", Why::NotRecorded { detail })
}

/// What a file's name says of the family: for text that itself does not tell.
fn family(path: &Path) -> Option<Family> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    if name.contains("ip6") {
        Some(Family::Ip6)
    } else if name.contains("iptables") || name.contains("ip4") {
        Some(Family::Ip)
    } else {
        None
    }
}

/// The node's name: the file's without what tells its kind.
fn name(path: &Path) -> String {
    let mut name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    while let Some(shorter) =
        ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).filter(|name| !name.is_empty())
    {
        name = shorter.to_owned();
    }
    name
}

/// All of a file, plain or gzip, and when it was written.
fn contents(path: &Path) -> Result<(Vec<u8>, Option<SystemTime>), RulesError> {
    let failed = |error| RulesError::Io { path: path.to_owned(), error };
    let special = |found: &std::fs::Metadata| {
        if found.is_file() { Ok(()) } else { Err(RulesError::NotAFile { path: path.to_owned() }) }
    };
    // Looked at before it is opened, for opening a device can act; and again, for it may have been replaced.
    special(&std::fs::metadata(path).map_err(failed)?)?;
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    special(&found)?;
    let bytes = within_limit(file).map_err(failed)?;
    match bytes {
        Some(bytes) => Ok((bytes, found.modified().ok())),
        None => Err(RulesError::TooLarge { path: path.to_owned() }),
    }
}

/// `None` where it holds more than may be.
fn within_limit(file: File) -> io::Result<Option<Vec<u8>>> {
    let mut file = BufReader::new(file);
    let is_gzip = io::BufRead::fill_buf(&mut file)?.starts_with(&GZIP_MAGIC);
    let mut bytes = Vec::new();
    if is_gzip {
        MultiGzDecoder::new(file).take(LIMIT + 1).read_to_end(&mut bytes)?;
    } else {
        file.take(LIMIT + 1).read_to_end(&mut bytes)?;
    }
    Ok(Some(bytes).filter(|bytes| u64::try_from(bytes.len()).is_ok_and(|length| length <= LIMIT)))
}

#[cfg(test)]
mod tests;
