//! The state file on disk: written whole, in place at once, before what it names is made.
//!
//! May import model.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::error::{Context, LabError, name_option};
use crate::model::lab::{LabPhase, LabState, STATE_FILE, STATE_ROOT, check_name};

/// The name under which a new state is written before it takes the old one's place.
const NEW_FILE: &str = "state.json.new";

/// The largest state file that is read.
const STATE_BYTES: u64 = 16 * 1024 * 1024;

/// A lab's own folder, locked against every other podnet.
pub struct Folder {
    path: PathBuf,
    lock: Flock<File>,
}

/// The path of a lab's folder.
pub fn folder_path(name: &str) -> PathBuf {
    Path::new(STATE_ROOT).join(name)
}

impl Folder {
    /// Makes the folder of a new lab; an error when there is one.
    pub fn claim(name: &str) -> Result<Self, LabError> {
        let path = folder_path(name);
        let root = DirBuilder::new().recursive(true).mode(0o700).create(STATE_ROOT);
        root.context(|| format!("making {STATE_ROOT}"))?;
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let how = match load(name) {
                    Ok(state) if state.phase == LabPhase::Up => "up",
                    _ => "there, half made",
                };
                return Err(LabError::Exists { name: name.to_owned(), how, option: name_option(name) });
            }
            made => made.context(|| format!("making {}", path.display()))?,
        }
        Self::lock(name, path)?.ok_or_else(|| LabError::Busy(name.to_owned()))
    }

    /// Takes hold of a lab's folder; `None` when there is none.
    pub fn open(name: &str) -> Result<Option<Self>, LabError> {
        check_name(name).map_err(LabError::Usage)?;
        Self::lock(name, folder_path(name))
    }

    fn lock(name: &str, path: PathBuf) -> Result<Option<Self>, LabError> {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.context(|| format!("opening {}", path.display()))?,
        };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self { path, lock })),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(LabError::Busy(name.to_owned())),
            Err((_, error)) => Err(error).context(|| format!("locking {}", path.display())),
        }
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the state on disk; it is there, whole, when this returns.
    pub fn write(&self, state: &LabState) -> Result<(), LabError> {
        self.put(state, true)
    }

    /// The same, kept through the end of this process but not of the machine: for what ends with the machine.
    ///
    /// A lab records hundreds of namespaces one by one, and waiting for the disk each time takes seconds.
    pub fn note(&self, state: &LabState) -> Result<(), LabError> {
        self.put(state, false)
    }

    fn put(&self, state: &LabState, sync: bool) -> Result<(), LabError> {
        let new = self.path.join(NEW_FILE);
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec(state)?;
            text.push(b'\n');
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&text)?;
            if sync {
                file.sync_all()?;
            }
            fs::rename(&new, self.path.join(STATE_FILE))?;
            if sync { self.lock.sync_all() } else { Ok(()) }
        };
        write().context(|| format!("writing {}", new.display()))
    }

    /// The state; `None` when it was never written.
    pub fn read(&self) -> Result<Option<LabState>, LabError> {
        read(&self.path)
    }

    /// Removes the state file and the folder, which must be empty but for it.
    pub fn remove(self) -> Result<(), LabError> {
        for name in [NEW_FILE, super::programs::LOCK_FILE, STATE_FILE] {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.context(|| format!("removing {}", path.display()))?,
            }
        }
        fs::remove_dir(&self.path).context(|| format!("removing {}", self.path.display()))?;
        // Shared by all labs: the last one removes it.
        let _ = fs::remove_dir(STATE_ROOT);
        Ok(())
    }
}

/// The state of a lab that is there.
pub fn load(name: &str) -> Result<LabState, LabError> {
    check_name(name).map_err(LabError::Usage)?;
    read(&folder_path(name))?.ok_or_else(|| LabError::Absent { name: name.to_owned(), option: name_option(name) })
}

/// The names of all labs that are there, whole or not, sorted.
pub fn names() -> Result<Vec<String>, LabError> {
    let entries = match fs::read_dir(STATE_ROOT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context(|| format!("reading {STATE_ROOT}"))?,
    };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| check_name(name).is_ok())
        .collect();
    names.sort();
    Ok(names)
}

fn read(folder: &Path) -> Result<Option<LabState>, LabError> {
    let path = folder.join(STATE_FILE);
    let read = || -> io::Result<Option<Vec<u8>>> {
        let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let found = file.metadata()?;
        // It says what to remove and end: only whoever could do so anyway may have written it.
        if !found.is_file() || found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & 0o022 != 0 {
            return Err(io::Error::other("not a regular file that only this user can write"));
        }
        let mut text = Vec::new();
        file.take(STATE_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > STATE_BYTES {
            return Err(io::Error::other(format!("larger than {STATE_BYTES} bytes")));
        }
        Ok(Some(text))
    };
    let Some(text) = read().context(|| format!("reading {}", path.display()))? else { return Ok(None) };
    let state = LabState::parse(&text, &folder.to_string_lossy()).map_err(|why| LabError::State { path, why })?;
    Ok(Some(state))
}
