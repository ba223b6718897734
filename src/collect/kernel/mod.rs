//! What the kernel says of one network namespace: links, addresses, routes and the rest, live.
//!
//! May import model, wire and sys. Reads and never judges; a namespace is only ever entered by the
//! one thread in `sys::netns`, which opens sockets and files there and hands them back.

mod bpf;
pub(in crate::collect) mod dump;
mod sections;
mod sysctl;
mod witness;

pub use bpf::cgroup_programs;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::collect::handle::NetnsHandle;
use crate::collect::netfilter::{LegacyMemory, SetMemory};
use crate::model::ids::{NetnsId, Nsid};
use crate::sys::netlink::{NETFILTER, NetlinkError, NetlinkSocket, ROUTE, SOCK_DIAG};
use crate::sys::netns::{self, NsThread};
use crate::wire::rtnetlink::nsid;

/// The way into network namespaces.
#[derive(Debug)]
pub struct Kernel {
    thread: Arc<NsThread>,
}

impl Kernel {
    /// Starts the thread that enters namespaces.
    pub fn new() -> io::Result<Self> {
        Ok(Self { thread: Arc::new(NsThread::spawn()?) })
    }

    /// A reader of one namespace. Nothing is opened before the first question.
    pub fn open(&self, netns: &NetnsHandle) -> Namespace {
        let [route, netfilter, beside, sockets] =
            [ROUTE, NETFILTER, NETFILTER, SOCK_DIAG].map(|protocol| Line { protocol, socket: Mutex::new(None) });
        Namespace {
            thread: Arc::clone(&self.thread),
            netns: netns.clone(),
            route,
            netfilter,
            beside,
            sockets,
            legacy: LegacyMemory::default(),
            sets: SetMemory::default(),
        }
    }

    /// Opens something in a namespace.
    pub(in crate::collect) fn within<T: Send + 'static>(
        &self,
        netns: &NetnsHandle,
        open: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.thread.within(&*netns.file, open)
    }
}

/// The live reader of one network namespace. Each method asks the kernel anew, but for the tables of
/// ip_tables: those are read whole, and once.
#[derive(Debug)]
pub struct Namespace {
    thread: Arc<NsThread>,
    netns: NetnsHandle,
    route: Line,
    netfilter: Line,
    /// A second nfnetlink socket, for what two threads read at once: the kernel makes one dump at a time a socket.
    beside: Line,
    sockets: Line,
    pub(in crate::collect) legacy: LegacyMemory,
    pub(in crate::collect) sets: SetMemory,
}

/// One socket of the namespace, which the first question opens.
#[derive(Debug)]
struct Line {
    protocol: isize,
    socket: Mutex<Option<NetlinkSocket>>,
}

impl Namespace {
    /// Which namespace it reads.
    pub fn id(&self) -> NetnsId {
        self.netns.id
    }

    /// The thread that enters it.
    pub(in crate::collect) fn thread(&self) -> &NsThread {
        &self.thread
    }

    /// What the thread enters.
    pub(in crate::collect) fn file(&self) -> &std::fs::File {
        &self.netns.file
    }

    /// The number this namespace uses for `target`; `None` when it has none yet (asking assigns none).
    pub fn nsid_of(&self, target: &NetnsHandle) -> io::Result<Option<Nsid>> {
        use std::os::fd::AsRawFd;
        let request = nsid::query(target.file.as_raw_fd());
        let reply = self.with_socket(|socket| socket.ask(&request)).map_err(dump::into_io)?;
        let Some(reply) = reply else { return Ok(None) };
        let mut errors = Vec::new();
        let found = nsid::nsid(&reply.payload, &mut errors);
        match errors.into_iter().next() {
            Some(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            None => Ok(found),
        }
    }

    /// The namespace's cookie (`SO_NETNS_COOKIE`), which is never used twice while the machine runs.
    pub fn cookie(&self) -> io::Result<u64> {
        let mut slot = self.route.slot();
        netns::cookie(std::os::fd::AsFd::as_fd(self.opened(ROUTE, &mut slot)?))
    }

    /// Closes its sockets until the next question: a node may have more namespaces than a process may have open files.
    pub fn close(&self) {
        *self.route.slot() = None;
        *self.netfilter.slot() = None;
        *self.beside.slot() = None;
        *self.sockets.slot() = None;
    }

    /// A socket for nfnetlink that is the caller's own, for dumps that run at the same time or end early.
    pub(in crate::collect) fn own_netfilter(&self) -> Result<NetlinkSocket, NetlinkError> {
        self.thread
            .within(&*self.netns.file, || NetlinkSocket::open(NETFILTER))
            .map_err(|source| NetlinkError::Io { operation: "opening a socket in the namespace", source })
    }

    /// Runs one exchange on the namespace's rtnetlink socket.
    fn with_socket<T>(
        &self,
        exchange: impl FnOnce(&mut NetlinkSocket) -> Result<T, NetlinkError>,
    ) -> Result<T, NetlinkError> {
        self.with_line(&self.route, exchange)
    }

    /// Runs one exchange on the namespace's nfnetlink socket, which nobody else uses meanwhile.
    pub(in crate::collect) fn with_netfilter<T>(
        &self,
        exchange: impl FnOnce(&mut NetlinkSocket) -> Result<T, NetlinkError>,
    ) -> Result<T, NetlinkError> {
        self.with_line(&self.netfilter, exchange)
    }

    /// The same on a second socket, while the first is in use.
    pub(in crate::collect) fn beside_netfilter<T>(
        &self,
        exchange: impl FnOnce(&mut NetlinkSocket) -> Result<T, NetlinkError>,
    ) -> Result<T, NetlinkError> {
        self.with_line(&self.beside, exchange)
    }

    /// Runs one exchange on the namespace's `sock_diag` socket.
    pub(in crate::collect) fn with_sockets<T>(
        &self,
        exchange: impl FnOnce(&mut NetlinkSocket) -> Result<T, NetlinkError>,
    ) -> Result<T, NetlinkError> {
        self.with_line(&self.sockets, exchange)
    }

    fn with_line<T>(
        &self,
        line: &Line,
        exchange: impl FnOnce(&mut NetlinkSocket) -> Result<T, NetlinkError>,
    ) -> Result<T, NetlinkError> {
        let mut slot = line.slot();
        let socket = self
            .opened(line.protocol, &mut slot)
            .map_err(|source| NetlinkError::Io { operation: "opening a socket in the namespace", source })?;
        let outcome = exchange(socket);
        if matches!(outcome, Err(NetlinkError::Timeout(_) | NetlinkError::Frame(_) | NetlinkError::Io { .. })) {
            // What is left in its queue is not worth sorting out: the next caller gets a new one.
            *slot = None;
        }
        outcome
    }

    fn opened<'a>(&self, protocol: isize, slot: &'a mut Option<NetlinkSocket>) -> io::Result<&'a mut NetlinkSocket> {
        let socket = match slot.take() {
            Some(socket) => socket,
            None => self.thread.within(&*self.netns.file, move || NetlinkSocket::open(protocol))?,
        };
        Ok(slot.insert(socket))
    }
}

impl Line {
    fn slot(&self) -> MutexGuard<'_, Option<NetlinkSocket>> {
        // A panic elsewhere leaves the socket whole: answers are told apart by their sequence number.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
