//! Sockets of a namespace that packets of new flows are handed to, live.
//!
//! May import model, wire and sys. Judges nothing.

use std::path::Path;

use super::kernel::Namespace;
use super::kernel::dump::{malformed, why};
use crate::model::issue::{Issue, Read, Why};
use crate::model::socket::{SCTP, Socket, TCP, UDP, protocol_name};
use crate::sys::netlink::NetlinkError;
use crate::wire::sock_diag::{BY_FAMILY, IPV4, IPV6, request, socket};

/// Exists where the kernel has SCTP.
const SCTP_PART: &str = "/sys/module/sctp";

impl Namespace {
    /// Sockets that listen, and UDP sockets with a port, sorted. None twice; a dump of them is no instant.
    ///
    /// A kernel whose part for this is not loaded loads it, as it does for `ss`.
    pub fn sockets(&self) -> Read<Vec<Socket>> {
        let mut read = Read::ok(Vec::new());
        for protocol in [TCP, UDP, SCTP] {
            if protocol == SCTP && !Path::new(SCTP_PART).exists() {
                continue;
            }
            for family in [IPV4, IPV6] {
                self.dump_sockets(family, protocol, &mut read);
            }
        }
        read.value.sort();
        read.value.dedup();
        read.issues.sort();
        read.issues.dedup();
        read
    }

    fn dump_sockets(&self, family: u8, protocol: u8, read: &mut Read<Vec<Socket>>) {
        let name = protocol_name(protocol).unwrap_or("other");
        let subject = format!("{name} sockets of {}", self.id());
        let asked = request(family, protocol);
        let mut complaints = Vec::new();
        let outcome = self.with_sockets(|line| {
            line.dump(&asked, &mut |message| {
                if message.kind == BY_FAMILY {
                    read.value.extend(socket(message.payload, protocol, &mut complaints));
                }
            })
        });
        read.issues.extend(malformed(&subject, &complaints));
        let Err(error) = outcome else { return };
        let why = match &error {
            // No handler: the part of the kernel that tells is not there, whatever there is to be told.
            NetlinkError::Refused(refusal) if refusal.errno == libc::ENOENT => {
                Why::Unsupported { detail: "this kernel does not tell of them (inet_diag)".to_owned() }
            }
            other => why(other),
        };
        read.issues.push(Issue::incomplete(format!("reading {subject}"), why));
    }
}
