//! The only unsafe and the only raw system calls: namespaces, netlink and packet sockets, tables of xtables, bpf, cgroups.
//!
//! May import nothing of the crate but wire's message framing. It moves bytes and fds and knows no meaning.
pub mod bpf;
pub mod events;
pub mod limits;
pub mod netlink;
pub mod netns;
pub mod packet;
pub mod pidfd;
pub mod sender;
pub mod stop;
pub mod uts;
pub mod xtables;
