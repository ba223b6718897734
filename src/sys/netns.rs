//! Network namespaces: entering, making, naming and telling them apart.
//!
//! Must not import anything from the crate. The one thread that enters namespaces lives here; no
//! other thread ever changes its own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

/// Device and inode of the namespace the thread is in; a job that enters another one says so here.
/// It stays true: while a thread is in a namespace, that inode is not used again.
type Current = Option<(u64, u64)>;
type Job = Box<dyn FnOnce(&mut Current) + Send>;

/// The one thread that enters namespaces. It hands back what was opened there: sockets and files.
///
/// The thread ends when this is dropped; it never returns to the namespace it came from.
#[derive(Debug)]
pub struct NsThread {
    jobs: mpsc::Sender<Job>,
}

impl NsThread {
    /// Starts the thread.
    pub fn spawn() -> io::Result<Self> {
        let (jobs, work) = mpsc::channel::<Job>();
        thread::Builder::new().name("netns".to_owned()).spawn(move || {
            let mut current = own_identity().ok();
            while let Ok(job) = work.recv() {
                job(&mut current);
            }
        })?;
        Ok(Self { jobs })
    }

    /// Enters `netns` (an open nsfs file) and runs `open` there. Where the thread already is there, it
    /// enters nothing, so that podnet's own namespace can be read without any rights.
    ///
    /// `open` should only open sockets or files (`/proc/thread-self/net/…`, `/proc/sys/net/…`) and
    /// return them: the thread serves all readers.
    pub fn within<T: Send + 'static>(
        &self,
        netns: impl AsFd,
        open: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let netns = netns.as_fd().try_clone_to_owned()?;
        let (answer, result) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |current| {
            let outcome = move_to(&File::from(netns), current).and_then(|()| open());
            let _ = answer.send(outcome);
        });
        self.jobs.send(job).map_err(|_| io::Error::other("the namespace thread has ended"))?;
        result.recv().map_err(|_| io::Error::other("the namespace thread has ended"))?
    }
}

fn own_identity() -> io::Result<(u64, u64)> {
    let found = fs::metadata("/proc/thread-self/ns/net")?;
    Ok((found.dev(), found.ino()))
}

fn move_to(netns: &File, current: &mut Current) -> io::Result<()> {
    let target = identity(netns)?;
    if *current != Some(target) {
        enter(netns.as_fd())?;
        *current = Some(target);
    }
    Ok(())
}

/// Moves the calling thread into `netns`. For threads that do nothing else afterwards, and for a
/// process that is about to `exec`.
pub fn enter(netns: BorrowedFd<'_>) -> io::Result<()> {
    setns(netns, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
}

/// Device and inode of an open nsfs file: the identity of the namespace.
pub fn identity(netns: &File) -> io::Result<(u64, u64)> {
    let found = netns.metadata()?;
    Ok((found.dev(), found.ino()))
}

/// The namespace's cookie, `SO_NETNS_COOKIE` of any socket made in it; never used twice while the machine runs.
#[allow(unsafe_code)]
pub fn cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie: u64 = 0;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).map_err(io::Error::other)?;
    // SAFETY: `cookie` and `length` are valid for writes of the sizes that are named.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if status == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}

/// The cookie of a namespace the thread may not be in: a thread of its own goes there to ask.
pub fn cookie_of(netns: &File) -> io::Result<u64> {
    let netns = netns.try_clone()?;
    on_own_thread(move || {
        enter(netns.as_fd())?;
        cookie(UnixDatagram::unbound()?.as_fd())
    })
}

/// Makes a new network namespace, which lives as long as the file is open or it is bound somewhere.
///
/// Its cookie comes with it: to ask for it later takes a thread that enters the namespace once more.
pub fn create() -> io::Result<(File, Option<u64>)> {
    on_own_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        // Kernels before 5.14 give none.
        let cookie = UnixDatagram::unbound().and_then(|socket| cookie(socket.as_fd())).ok();
        Ok((File::open("/proc/thread-self/ns/net")?, cookie))
    })
}

/// Binds a namespace at `path`, which must not exist; its folder must.
pub fn bind(netns: &File, path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o444).open(path)?;
    let source = format!("/proc/self/fd/{}", netns.as_raw_fd());
    mount(Some(source.as_str()), path, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(|error| {
        let _ = fs::remove_file(path);
        error.into()
    })
}

/// Makes a new network namespace and binds it at `path`, as [`create`] and [`bind`] do.
pub fn create_bound(path: &Path) -> io::Result<File> {
    let (netns, _) = create()?;
    bind(&netns, path)?;
    Ok(netns)
}

fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let thread = thread::Builder::new().name("netns-once".to_owned()).spawn(work)?;
    thread.join().map_err(|_| io::Error::other("the thread that enters a namespace panicked"))?
}

/// Undoes [`bind`]: takes the binding away and removes the file. Fine when it is already gone.
///
/// A symbolic link is removed itself; what it leads to stays bound.
pub fn remove_bound(path: &Path) -> io::Result<()> {
    match umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes `folder` (`/run/netns`) and sees that it is a shared mount, as `ip netns` and containerd do.
///
/// Else the first of them to come later would mount it over itself, and what is bound in it now would
/// stay bound below, out of reach, for good.
pub fn share_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // `ip netns` takes the same lock.
    let lock = nix::fcntl::Flock::lock(File::open(folder)?, nix::fcntl::FlockArg::LockExclusive);
    let _lock = lock.map_err(|(_, error)| error)?;
    let share = || mount(None::<&str>, folder, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    match share() {
        // Not a mount point.
        Err(nix::errno::Errno::EINVAL) => {
            mount(Some(folder), folder, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
            share()?;
        }
        other => other?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_comes_back_to_where_a_job_wants_it() {
        let (home, away) = (
            File::open("/proc/thread-self/ns/net").unwrap(),
            thread::spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).unwrap();
                File::open("/proc/thread-self/ns/net").unwrap()
            })
            .join()
            .unwrap(),
        );
        let thread = NsThread::spawn().unwrap();
        let place = |netns: &File| thread.within(netns, own_identity).unwrap();
        for netns in [&home, &away, &away, &home, &home] {
            assert_eq!(place(netns), identity(netns).unwrap());
        }
        assert_ne!(place(&home), place(&away));
        // A file that is no namespace moves the thread nowhere.
        assert!(thread.within(File::open("/dev/null").unwrap(), own_identity).is_err());
        assert_eq!(place(&away), identity(&away).unwrap());
    }
}
