//! Tables of `ip_tables` and `ip6_tables`, and names of ipsets, by `getsockopt` on a raw socket.
//!
//! Must not import anything from the crate. Asking for a table that is not there yet *makes* it: ask
//! only for those that `/proc/thread-self/net/ip(6)_tables_names` lists.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// `IPT_SO_GET_INFO`, and `IP6T_SO_GET_INFO` likewise.
const GET_INFO: libc::c_int = 64;
/// `IPT_SO_GET_ENTRIES`, and `IP6T_SO_GET_ENTRIES` likewise.
const GET_ENTRIES: libc::c_int = 65;
/// `XT_TABLE_MAXNAMELEN`, and `IPSET_MAXNAMELEN` likewise.
const NAME_LENGTH: usize = 32;
/// `sizeof(struct ipt_getinfo)`
const INFO_LENGTH: usize = 84;
/// `sizeof(struct ipt_get_entries)`: the name, the size, and padding.
pub const ENTRIES_OFFSET: usize = 40;
/// `SO_IP_SET`
const IP_SET: libc::c_int = 83;
/// `IP_SET_OP_GET_BYINDEX`
const GET_BY_INDEX: u32 = 7;
/// The oldest protocol that kernels still speak: `IPSET_PROTOCOL_MIN`.
const IP_SET_PROTOCOL: u32 = 6;
/// The smallest page of any machine that podnet runs on; where they are larger, the kernel refuses, or rounds up.
const PAGE: usize = 4096;
/// From this many bytes on a second thread helps.
const LONG: usize = 4 << 20;
/// A larger table than this is not read: a node with 10,000 services has 66 MB.
const ENTRIES_LIMIT: usize = 1 << 30;

/// A raw socket in the namespace whose tables are asked for.
#[derive(Debug)]
pub struct XtSocket {
    socket: OwnedFd,
    level: libc::c_int,
}

impl XtSocket {
    /// Opens one in the calling thread's namespace, for the tables of IPv6 or of IPv4.
    pub fn open(ipv6: bool) -> io::Result<Self> {
        let (family, level) =
            if ipv6 { (AddressFamily::Inet6, libc::IPPROTO_IPV6) } else { (AddressFamily::Inet, libc::IPPROTO_IP) };
        let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)?;
        Ok(Self { socket, level })
    }

    /// What the kernel tells of a table: `struct ipt_getinfo`, or `struct ip6t_getinfo`, which is the same.
    pub fn info(&self, table: &[u8]) -> io::Result<Vec<u8>> {
        let mut info = vec![0; INFO_LENGTH];
        name_into(&mut info, table)?;
        self.get(GET_INFO, &mut info)?;
        Ok(info)
    }

    /// A table's entries, from [`ENTRIES_OFFSET`] on. `size` is as [`Self::info`] has it; `EAGAIN`
    /// where the table has another size by now. One answer is one state of the table.
    pub fn entries(&self, table: &[u8], size: u32) -> io::Result<Vec<u8>> {
        let length = usize::try_from(size).ok().filter(|size| *size <= ENTRIES_LIMIT);
        let length = length.ok_or_else(|| io::Error::other(format!("a table of {size} bytes")))?;
        let mut bytes = vec![0; ENTRIES_OFFSET + length];
        name_into(&mut bytes, table)?;
        if let Some(place) = bytes.get_mut(NAME_LENGTH..NAME_LENGTH + 4) {
            place.copy_from_slice(&size.to_ne_bytes());
        }
        let room = Room::of(&mut bytes);
        if let Some(room) = room {
            room.enlarge();
        }
        thread::scope(|scope| {
            // Without a thread, or on a kernel before 5.14, each page is made as it is written to.
            let helper = room.map(|room| thread::Builder::new().spawn_scoped(scope, move || room.make()));
            let read = self.get(GET_ENTRIES, &mut bytes);
            if let Some(Ok(helper)) = helper {
                // It panics nowhere, and nothing hangs on it.
                let _ = helper.join();
            }
            read
        })?;
        Ok(bytes)
    }

    /// The name of an ipset that a rule knows by number: only of a socket for IPv4. `None` where the
    /// kernel has no set of this number, or none at all.
    pub fn ipset_name(&self, index: u16) -> io::Result<Option<Vec<u8>>> {
        // `struct ip_set_req_get_set`: operation, version, and the number where the name will be.
        let mut bytes = [GET_BY_INDEX.to_ne_bytes(), IP_SET_PROTOCOL.to_ne_bytes()].concat();
        bytes.extend(index.to_ne_bytes());
        bytes.resize(8 + NAME_LENGTH, 0);
        match self.get(IP_SET, &mut bytes) {
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => return Ok(None),
            other => other?,
        }
        let name = bytes.get(8..).and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default();
        Ok((!name.is_empty()).then(|| name.to_vec()))
    }

    #[allow(unsafe_code)]
    fn get(&self, option: libc::c_int, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut length = libc::socklen_t::try_from(bytes.len()).map_err(io::Error::other)?;
        // SAFETY: the buffer is valid for reads and writes of `length` bytes, which is its length, and
        // the kernel writes no more; `length` is valid for reads and writes.
        let status = unsafe {
            libc::getsockopt(self.socket.as_raw_fd(), self.level, option, bytes.as_mut_ptr().cast(), &raw mut length)
        };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
        // The kernel may tell of less than there was room for, never of more.
        bytes.truncate(usize::try_from(length).map_err(io::Error::other)?);
        Ok(())
    }
}

/// The pages of a long buffer that was not written to yet. To make 16,000 of them takes a fifth of the time of the
/// whole read: a second thread does it while the kernel counts.
#[derive(Debug, Clone, Copy)]
struct Room {
    address: usize,
    length: usize,
}

impl Room {
    /// `None` where they are too few to be worth a thread.
    fn of(bytes: &mut [u8]) -> Option<Self> {
        let address = bytes.as_mut_ptr().expose_provenance();
        let begin = address.next_multiple_of(PAGE);
        let length = (address + bytes.len()).saturating_sub(begin) / PAGE * PAGE;
        (length >= LONG).then_some(Self { address: begin, length })
    }

    /// Asks for large pages, of which a machine may have some.
    #[allow(unsafe_code)]
    fn enlarge(self) {
        let address = std::ptr::with_exposed_provenance_mut(self.address);
        // SAFETY: this changes no byte of memory, whosever it is: it tells the kernel which size of page would be
        // of use. Where it fails, nothing was done.
        unsafe { libc::madvise(address, self.length, libc::MADV_HUGEPAGE) };
    }

    #[allow(unsafe_code)]
    fn make(self) {
        let address = std::ptr::with_exposed_provenance_mut(self.address);
        // SAFETY: populating changes no byte of memory, whosever it is: it has the kernel map pages as a write
        // would. Where it fails, nothing was done.
        unsafe { libc::madvise(address, self.length, libc::MADV_POPULATE_WRITE) };
    }
}

/// Writes a table's name, which must leave room for a NUL, to the beginning of a request.
fn name_into(bytes: &mut [u8], table: &[u8]) -> io::Result<()> {
    let fits = !table.is_empty() && table.len() < NAME_LENGTH && !table.contains(&0);
    match bytes.get_mut(..table.len()).filter(|_| fits) {
        Some(place) => {
            place.copy_from_slice(table);
            Ok(())
        }
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "no name of a table")),
    }
}
