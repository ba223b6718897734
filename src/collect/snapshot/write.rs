//! Writing a snapshot so that nobody else reads it, nothing else is overwritten, and no half file stays.
//!
//! May import model.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::model::snapshot::Snapshot;

/// Why a snapshot was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is something under that name and `force` was not asked for.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// There is something under that name that is not a file, and is never replaced.
    #[error("{} exists and is not a file", .0.display())]
    NotAFile(PathBuf),
    /// Any other failure.
    #[error("writing {}: {error}", path.display())]
    Io {
        /// The file that was to be written.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// Writes `snapshot` to `path` with mode 0600, as gzip when the name ends in `.gz`.
///
/// It is first written under another name in the same folder, then renamed: whoever looks sees all
/// of it or nothing. A symbolic link under that name is not followed.
pub fn save(snapshot: &Snapshot, path: &Path, force: bool) -> Result<(), WriteError> {
    let failed = |error| WriteError::Io { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() && !found.is_symlink() => return Err(WriteError::NotAFile(path.to_owned())),
        Ok(_) if !force => return Err(WriteError::Exists(path.to_owned())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let (draft, file) = create_draft(path).map_err(failed)?;
    let gzip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let outcome = write_whole(snapshot, file, gzip).map_err(failed).and_then(|()| publish(&draft, path, force));
    if outcome.is_err() {
        let _ = fs::remove_file(&draft);
    }
    outcome
}

/// The document as it is stored: JSON on one line, and a line feed.
pub fn document(snapshot: &Snapshot, mut out: impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut out, snapshot)?;
    out.write_all(b"\n")
}

fn create_draft(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
    let mut draft_name = OsString::from(".");
    draft_name.push(name);
    draft_name.push(format!(".{}", uuid::Uuid::new_v4().simple()));
    let draft = path.with_file_name(draft_name);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true) // O_EXCL
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&draft)?;
    Ok((draft, file))
}

fn write_whole(snapshot: &Snapshot, file: File, gzip: bool) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    if gzip {
        // No time and no file name in the header: the same snapshot gives the same bytes.
        let mut packer = GzBuilder::new().write(&mut out, Compression::default());
        document(snapshot, &mut packer)?;
        packer.finish()?;
    } else {
        document(snapshot, &mut out)?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn publish(draft: &Path, path: &Path, force: bool) -> Result<(), WriteError> {
    let failed = |error| WriteError::Io { path: path.to_owned(), error };
    if force {
        return fs::rename(draft, path).map_err(failed);
    }
    match renameat2(AT_FDCWD, draft, AT_FDCWD, path, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::EEXIST) => Err(WriteError::Exists(path.to_owned())),
        // A file system without it: a hard link fails on an existing name just as well.
        Err(nix::errno::Errno::EINVAL) => match fs::hard_link(draft, path) {
            Ok(()) => fs::remove_file(draft).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(WriteError::Exists(path.to_owned())),
            Err(error) => Err(failed(error)),
        },
        Err(error) => Err(failed(error.into())),
    }
}
