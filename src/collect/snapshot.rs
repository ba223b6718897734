//! Snapshot files: opened, checked and parsed in bounded memory, and written.
//!
//! May import model. What a file holds is never trusted: `guard` stops it while its bytes flow.

pub mod guard;
pub mod write;

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::model::snapshot::{FORMAT, Snapshot};
use guard::{Excess, Guard, Limits};

/// What every version of the format begins with.
const FORMAT_NAME: &str = "podnet-snapshot/";
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a file is no snapshot that this podnet can use.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file could not be opened or read.
    #[error("reading {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A folder, FIFO, socket or device.
    #[error("{} is {kind}, not a snapshot file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// Its name ends in `.gz`, its bytes are something else; or the compressed bytes are damaged.
    #[error("{}: not gzip, or damaged ({detail})", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// It ends before the snapshot does.
    #[error("{}: cut short: {detail}", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
        /// Where.
        detail: String,
    },
    /// It is not JSON.
    #[error("{}: not JSON: {detail}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What, at which line and column.
        detail: String,
    },
    /// JSON, and something else than a snapshot.
    #[error("{}: not a podnet snapshot: {detail}", path.display())]
    NotASnapshot {
        /// The file.
        path: PathBuf,
        /// What is missing.
        detail: String,
    },
    /// A snapshot of another version.
    #[error("{}: format {found:?}, but this podnet reads {FORMAT:?}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// The right format, and a field that does not fit it.
    #[error("{}: malformed: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which, at which line and column.
        detail: String,
    },
    /// It holds more than a node can.
    #[error("{}: refused: {excess}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Which limit, and where.
        excess: Excess,
    },
}

impl SnapshotError {
    /// What to do about it, where something sensible can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Version { .. } => Some("read it with the podnet version that its \"written_by\" names"),
            Self::Cut { .. } => Some("copy it again, or take it again with `podnet snapshot`"),
            Self::NotASnapshot { .. } | Self::NotAFile { .. } => Some("`podnet snapshot FILE` writes one"),
            _ => None,
        }
    }
}

/// Opens a snapshot, plain or gzip (told by its first bytes), within [`Limits::default`].
///
/// The node's `source` becomes the path as it was given, and the issues lose their hints: "run as
/// root" helps nobody who reads a file.
pub fn open(path: &Path) -> Result<Snapshot, SnapshotError> {
    open_within(path, Limits::default())
}

/// The same within other limits.
pub fn open_within(path: &Path, limits: Limits) -> Result<Snapshot, SnapshotError> {
    let mut file = open_regular(path)?;
    let compressed = is_gzip(&mut file, path)?;
    // The format comes first: a file of another version must not fail over a field that is new there.
    let format = match head(&mut stream(&mut file, compressed, limits, path)?) {
        Ok(found) => found,
        Err(error) => return Err(parse_error(path, error, compressed)),
    };
    match format {
        None => {
            let detail = "it has no \"format\" field at its top".to_owned();
            return Err(SnapshotError::NotASnapshot { path: path.to_owned(), detail });
        }
        Some(found) if found == FORMAT => {}
        Some(found) if found.starts_with(FORMAT_NAME) => {
            return Err(SnapshotError::Version { path: path.to_owned(), found });
        }
        Some(found) => {
            let detail = format!("its \"format\" is {found:?}");
            return Err(SnapshotError::NotASnapshot { path: path.to_owned(), detail });
        }
    }
    let mut parser = serde_json::Deserializer::from_reader(stream(&mut file, compressed, limits, path)?);
    let parsed = serde::Deserialize::deserialize(&mut parser).and_then(|found: Snapshot| parser.end().map(|()| found));
    let mut snapshot = parsed.map_err(|error| parse_error(path, error, compressed))?;
    snapshot.node.source = path.to_string_lossy().into_owned();
    snapshot.drop_hints();
    Ok(snapshot)
}

fn open_regular(path: &Path) -> Result<File, SnapshotError> {
    let failed = |error| SnapshotError::Io { path: path.to_owned(), error };
    // Looked at before it is opened: opening a device can act. And O_NONBLOCK, for what was looked
    // at may have been replaced by a FIFO.
    refuse_special(&std::fs::metadata(path).map_err(failed)?, path)?;
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).map_err(failed)?;
    refuse_special(&file.metadata().map_err(failed)?, path)?;
    Ok(file)
}

fn refuse_special(found: &std::fs::Metadata, path: &Path) -> Result<(), SnapshotError> {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = found.file_type();
    let kind = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(SnapshotError::NotAFile { path: path.to_owned(), kind })
}

fn is_gzip(file: &mut File, path: &Path) -> Result<bool, SnapshotError> {
    let mut first = Vec::with_capacity(2);
    file.by_ref()
        .take(2)
        .read_to_end(&mut first)
        .map_err(|error| SnapshotError::Io { path: path.to_owned(), error })?;
    if first == GZIP_MAGIC {
        return Ok(true);
    }
    let named_gz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    // Plain JSON under such a name is read all the same: some tools unpack and keep the name.
    if named_gz && !matches!(first.first(), Some(b'{' | b' ' | b'\n' | b'\t' | b'\r')) {
        let detail = format!("it begins with {first:02x?} where gzip has [1f, 8b]");
        return Err(SnapshotError::Gzip { path: path.to_owned(), detail });
    }
    Ok(false)
}

type Stream<'a> = BufReader<Guard<Box<dyn Read + 'a>>>;

fn stream<'a>(file: &'a mut File, gzip: bool, limits: Limits, path: &Path) -> Result<Stream<'a>, SnapshotError> {
    file.seek(SeekFrom::Start(0)).map_err(|error| SnapshotError::Io { path: path.to_owned(), error })?;
    let bytes: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(BufReader::new(file))) } else { Box::new(file) };
    // The guard is below the buffer: it sees whole blocks, the parser single bytes.
    Ok(BufReader::with_capacity(64 << 10, Guard::new(bytes, limits)))
}

/// The top-level `format`, reading no further than it; `None` when there is none.
fn head(stream: &mut impl Read) -> Result<Option<String>, serde_json::Error> {
    struct Head<'a>(&'a mut Option<String>);

    impl<'de> Visitor<'de> for Head<'_> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("a podnet snapshot (a JSON object with the field \"format\")")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<String>()? {
                if key == "format" {
                    *self.0 = Some(map.next_value()?);
                    // Ends the parse here; the caller sees that a format was found.
                    return Err(A::Error::custom("found"));
                }
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }

    let mut format = None;
    let outcome = serde_json::Deserializer::from_reader(stream).deserialize_map(Head(&mut format));
    match outcome {
        Err(error) if format.is_none() => Err(error),
        _ => Ok(format),
    }
}

fn parse_error(path: &Path, error: serde_json::Error, gzip: bool) -> SnapshotError {
    use serde_json::error::Category;
    let path = path.to_owned();
    match error.classify() {
        Category::Eof => SnapshotError::Cut { path, detail: error.to_string() },
        Category::Syntax => SnapshotError::NotJson { path, detail: error.to_string() },
        Category::Data => SnapshotError::Malformed { path, detail: error.to_string() },
        Category::Io => {
            let error = io::Error::from(error);
            let excess = error.get_ref().and_then(|inner| inner.downcast_ref::<Excess>()).copied();
            match (excess, error.kind()) {
                (Some(excess), _) => SnapshotError::TooLarge { path, excess },
                (None, io::ErrorKind::UnexpectedEof) => {
                    SnapshotError::Cut { path, detail: "the compressed bytes end early".to_owned() }
                }
                (None, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) if gzip => {
                    SnapshotError::Gzip { path, detail: error.to_string() }
                }
                _ => SnapshotError::Io { path, error },
            }
        }
    }
}

#[cfg(test)]
mod tests;
