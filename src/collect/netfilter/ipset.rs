//! IP sets, read through nfnetlink.
//!
//! May import model, wire and sys. Judges nothing.

use std::path::Path;

use crate::collect::kernel::Namespace;
use crate::collect::kernel::dump::{repeated, why};
use crate::model::issue::{Issue, Read, Why};
use crate::model::netfilter::ipset::{IpSet, IpSetMember};
use crate::model::text::ByteText;
use crate::sys::netlink::{NetlinkError, NetlinkSocket};
use crate::wire::ipset::{self, Listed, request};
use crate::wire::netlink::attr::AttrError;
use crate::wire::netlink::request::Request;

/// Where the kernel lists its parts: nfnetlink *loads* the one that a question is for.
const PARTS: &str = "/sys/module";

impl Namespace {
    /// The ipsets, by name.
    pub fn ipsets(&self) -> Read<Vec<IpSet>> {
        let mut read = self.listing("ipsets", request::headers);
        read.value.sort_by(|one, other| one.set.name.cmp(&other.set.name));
        Read { value: read.value.into_iter().map(|listed| listed.set).collect(), issues: read.issues }
    }

    /// The members of one, by text; `None` where there is no such set.
    pub fn ipset_members(&self, set: &ByteText) -> Read<Option<Vec<IpSetMember>>> {
        if !request::is_name(set) {
            return Read::ok(None);
        }
        let read = self.listing("the members of an ipset", |protocol| request::list(protocol, set));
        let found = read.value.into_iter().find(|listed| listed.set.name == *set);
        let members = found.map(|listed| {
            let mut members = listed.members;
            members.sort();
            members
        });
        Read { value: members, issues: read.issues }
    }

    /// Whether the kernel finds a member in it; `None` where there is no such set.
    pub fn ipset_has(&self, set: &ByteText, member: &str) -> Read<Option<bool>> {
        if !request::is_name(set) || !has_ipset() {
            return Read::ok(None);
        }
        let what = format!("looking {member} up in the ipset {set} of {}", self.id());
        let header = match self.of_versions(|protocol, socket| socket.ask(&request::header(protocol, set))) {
            Ok(Some(reply)) => ipset::header(&reply.payload, &mut Vec::new()),
            Ok(None) => None,
            Err(error) if is_absent(&error) => None,
            Err(error) => return Read::failed(Issue::incomplete(what, why(&error))),
        };
        let Some(header) = header else { return Read::ok(None) };
        // The kernel says no to what it cannot read, too: only a question that is right is asked.
        if request::test(request::PROTOCOLS[0], &header, member).is_none() {
            let detail = format!("{member:?} is no member of a set of type {}", header.type_name);
            return Read::failed(Issue::incomplete(what, Why::Malformed { detail }));
        }
        let test = |protocol, socket: &mut NetlinkSocket| match request::test(protocol, &header, member) {
            Some(request) => socket.ask(&request),
            None => Ok(None),
        };
        match self.of_versions(test) {
            Ok(_) => Read::ok(Some(true)),
            Err(NetlinkError::Refused(refusal)) if refusal.errno == ipset::ERR_EXIST => Read::ok(Some(false)),
            Err(error) if is_absent(&error) => Read::ok(None),
            Err(error) => Read::failed(Issue::incomplete(what, why(&error))),
        }
    }

    /// Lists sets, in the newest version of the protocol that the kernel speaks.
    fn listing(&self, what: &str, request: impl Fn(u8) -> Request) -> Read<Vec<Listed>> {
        if !has_ipset() {
            return Read::default();
        }
        repeated(&format!("{what} of {}", self.id()), |value: &mut Vec<Listed>, complaints: &mut Vec<AttrError>| {
            let outcome = self.of_versions(|protocol, socket| {
                socket.dump(&request(protocol), &mut |message| {
                    if message.kind == ipset::LIST {
                        ipset::listed(message.payload, value, complaints);
                    }
                })
            });
            match outcome {
                Err(error) if is_absent(&error) => Ok(()),
                outcome => outcome,
            }
        })
    }

    /// Asks in each version of the protocol until the kernel understands.
    fn of_versions<T>(
        &self,
        mut ask: impl FnMut(u8, &mut NetlinkSocket) -> Result<T, NetlinkError>,
    ) -> Result<T, NetlinkError> {
        let [newest, older] = request::PROTOCOLS;
        self.with_netfilter(|socket| match ask(newest, socket) {
            Err(NetlinkError::Refused(refusal)) if refusal.errno == ipset::ERR_PROTOCOL => ask(older, socket),
            outcome => outcome,
        })
    }
}

/// Whether the kernel has ipsets now: to ask a kernel that could load them would make it do so.
fn has_ipset() -> bool {
    let parts = Path::new(PARTS);
    !parts.is_dir() || parts.join("ip_set").exists()
}

/// Whether the kernel says that there is no such set, or that it has no ipsets at all.
fn is_absent(error: &NetlinkError) -> bool {
    match error {
        NetlinkError::Refused(refusal) => matches!(refusal.errno, libc::ENOENT | libc::EINVAL | libc::EOPNOTSUPP),
        NetlinkError::Io { source, .. } => source.raw_os_error() == Some(libc::EPROTONOSUPPORT),
        _ => false,
    }
}
