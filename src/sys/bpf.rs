//! The parts of `bpf(2)` that tell which programs are attached where, and what they are called.
//!
//! Must not import anything from the crate. Nothing is loaded, attached or changed.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const BPF_PROG_GET_FD_BY_ID: libc::c_int = 13;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_PROG_QUERY: libc::c_int = 16;

/// More programs on one hook than this are not believed.
const PROGRAMS_LIMIT: u32 = 4096;
/// `BPF_OBJ_NAME_LEN`
const NAME_LENGTH: usize = 16;

/// An attach point: `enum bpf_attach_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachType {
    /// The number.
    pub number: u32,
    /// The name without `BPF_`, in lower case.
    pub name: &'static str,
}

const fn at(number: u32, name: &'static str) -> AttachType {
    AttachType { number, name }
}

/// Those of any link, since Linux 6.6. Asked in the link's namespace.
pub const TCX: &[AttachType] = &[at(46, "tcx_ingress"), at(47, "tcx_egress")];

/// Those of a netkit pair, since Linux 6.7. Asked for the primary end, in its namespace.
pub const NETKIT: &[AttachType] = &[at(54, "netkit_primary"), at(55, "netkit_peer")];

/// Those of a cgroup (version 2) that see sockets or their packets.
pub const CGROUP: &[AttachType] = &[
    at(0, "cgroup_inet_ingress"),
    at(1, "cgroup_inet_egress"),
    at(2, "cgroup_inet_sock_create"),
    at(3, "cgroup_sock_ops"),
    at(8, "cgroup_inet4_bind"),
    at(9, "cgroup_inet6_bind"),
    at(10, "cgroup_inet4_connect"),
    at(11, "cgroup_inet6_connect"),
    at(12, "cgroup_inet4_post_bind"),
    at(13, "cgroup_inet6_post_bind"),
    at(14, "cgroup_udp4_sendmsg"),
    at(15, "cgroup_udp6_sendmsg"),
    at(19, "cgroup_udp4_recvmsg"),
    at(20, "cgroup_udp6_recvmsg"),
    at(21, "cgroup_getsockopt"),
    at(22, "cgroup_setsockopt"),
    at(29, "cgroup_inet4_getpeername"),
    at(30, "cgroup_inet6_getpeername"),
    at(31, "cgroup_inet4_getsockname"),
    at(32, "cgroup_inet6_getsockname"),
    at(34, "cgroup_inet_sock_release"),
];

/// The `query` part of `union bpf_attr`, as of Linux 6.6; older kernels take the zeros behind what they know.
#[repr(C)]
#[derive(Default)]
struct QueryAttr {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    count: u32,
    padding: u32,
    program_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct IdAttr {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

#[repr(C)]
struct InfoAttr {
    fd: u32,
    length: u32,
    info: u64,
}

/// `struct bpf_prog_info` up to the name.
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    before_name: [u64; 8],
    name: [u8; NAME_LENGTH],
}

/// The ids of the programs on one hook of a link, in the order in which they run.
///
/// The link is looked up in the calling thread's network namespace. `EINVAL`: the kernel does not know the hook.
pub fn on_link(ifindex: u32, hook: AttachType) -> io::Result<Vec<u32>> {
    query(ifindex, hook)
}

/// The ids of the programs attached to one cgroup itself (not to those above), in the order in which they run.
///
/// `EINVAL`: the kernel does not know the hook. `EBADF`: no cgroup of version 2.
pub fn on_cgroup(cgroup: BorrowedFd<'_>, hook: AttachType) -> io::Result<Vec<u32>> {
    query(u32::try_from(cgroup.as_raw_fd()).map_err(io::Error::other)?, hook)
}

/// The name of a loaded program; empty when it has none.
pub fn program_name(id: u32) -> io::Result<Vec<u8>> {
    let mut numbered = IdAttr { id, ..IdAttr::default() };
    let fd = call(BPF_PROG_GET_FD_BY_ID, &mut numbered)?;
    // SAFETY: the kernel has just made this descriptor for us, and nothing else holds it.
    #[allow(unsafe_code)]
    let program = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut info = ProgramInfo::default();
    let mut wanted = InfoAttr {
        fd: u32::try_from(program.as_raw_fd()).map_err(io::Error::other)?,
        length: u32::try_from(size_of::<ProgramInfo>()).map_err(io::Error::other)?,
        info: address(&raw mut info),
    };
    call(BPF_OBJ_GET_INFO_BY_FD, &mut wanted)?;
    Ok(info.name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
}

fn query(target: u32, hook: AttachType) -> io::Result<Vec<u32>> {
    let mut room = 16;
    loop {
        let mut ids = vec![0u32; usize::try_from(room).map_err(io::Error::other)?];
        let mut attr = QueryAttr {
            target,
            attach_type: hook.number,
            program_ids: address(ids.as_mut_ptr()),
            count: room,
            ..QueryAttr::default()
        };
        match call(BPF_PROG_QUERY, &mut attr) {
            Ok(_) => {
                ids.truncate(usize::try_from(attr.count).map_err(io::Error::other)?);
                return Ok(ids);
            }
            // The kernel says how many there are; more may come meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && room < PROGRAMS_LIMIT => {
                room = attr.count.max(room).saturating_mul(2).min(PROGRAMS_LIMIT);
            }
            Err(error) => return Err(error),
        }
    }
}

/// A pointer as `union bpf_attr` holds it.
fn address<T>(pointer: *mut T) -> u64 {
    pointer.expose_provenance() as u64
}

#[allow(unsafe_code)]
fn call<T>(command: libc::c_int, attr: &mut T) -> io::Result<libc::c_int> {
    // SAFETY: `attr` is one of the `repr(C)` structures above, valid for its size, and every pointer
    // within it leads to memory of the size named beside it, which outlives the call.
    let status = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    libc::c_int::try_from(status).map_err(io::Error::other)
}
