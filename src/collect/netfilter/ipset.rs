//! IP sets, read through nfnetlink.
//!
//! May import model, wire and sys. Judges nothing.

use std::collections::BTreeMap;
use std::path::Path;

use crate::collect::kernel::Namespace;
use crate::collect::kernel::dump::{repeated, why};
use crate::model::issue::{Issue, Read, Why};
use crate::model::netfilter::chain::Rules;
use crate::model::netfilter::expr::Expr;
use crate::model::netfilter::ipset::{IpSet, IpSetMember};
use crate::model::netfilter::rule::Body;
use crate::model::netfilter::xt::matches::{Match, SetName};
use crate::model::netfilter::xt::targets::Target;
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

    /// The name of the set that rules know by a number; `None` where there is none.
    pub fn ipset_name(&self, index: u16) -> Read<Option<ByteText>> {
        if !has_ipset() {
            return Read::ok(None);
        }
        match self.with_netfilter(|socket| socket.ask(&request::by_index(index))) {
            Ok(Some(reply)) => Read::ok(ipset::name(&reply.payload, &mut Vec::new())),
            Ok(None) => Read::ok(None),
            Err(error) if is_absent(&error) => Read::ok(None),
            Err(error) => {
                let what = format!("reading the name of ipset {index} of {}", self.id());
                Read::failed(Issue::incomplete(what, why(&error)))
            }
        }
    }

    /// Writes the names of ipsets into rules that have their numbers; gives what went wrong.
    pub(super) fn name_ipsets(&self, chains: &mut [Rules]) -> Vec<Issue> {
        let mut names: BTreeMap<u16, Option<ByteText>> = BTreeMap::new();
        let mut issues = Vec::new();
        for set in chains.iter_mut().flat_map(sets) {
            let SetName::Index(index) = *set else { continue };
            let name = names.entry(index).or_insert_with(|| {
                let named = self.ipset_name(index);
                issues.extend(named.issues);
                named.value
            });
            if let Some(name) = name {
                *set = SetName::Name(name.clone());
            }
        }
        issues
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

/// The sets that the rules of a chain name.
fn sets(rules: &mut Rules) -> Vec<&mut SetName> {
    let mut found = Vec::new();
    for rule in &mut rules.rules {
        match &mut rule.body {
            Body::Xt(rule) => {
                rule.matches.iter_mut().for_each(|one| of_match(&mut one.is, &mut found));
                of_target(&mut rule.target.does, &mut found);
            }
            Body::Nft(exprs) => exprs.iter_mut().for_each(|expr| match expr {
                Expr::XtMatch(one) => of_match(&mut one.is, &mut found),
                Expr::XtTarget(target) => of_target(&mut target.does, &mut found),
                _ => {}
            }),
        }
    }
    found
}

fn of_match<'a>(one: &'a mut Match, found: &mut Vec<&'a mut SetName>) {
    if let Match::Set(test) = one {
        found.push(&mut test.value.set);
    }
}

fn of_target<'a>(target: &'a mut Target, found: &mut Vec<&'a mut SetName>) {
    if let Target::Set(change) = target {
        let keys = [&mut change.add, &mut change.delete, &mut change.map];
        found.extend(keys.into_iter().flatten().map(|key| &mut key.set));
    }
}
