//! BPF programs on links and cgroups: ids and names.
//!
//! May import model, wire and sys. What the kernel does not tell is an issue, never an empty list alone.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use crate::model::bpf::BpfAttachment;
use crate::model::ids::IfIndex;
use crate::model::issue::{Issue, Read, Why};
use crate::model::link::{Link, LinkKind};
use crate::sys::bpf::{self, AttachType};
use crate::wire::netlink::request::Request;
use crate::wire::rtnetlink::filter::{self, Direction};
use crate::wire::rtnetlink::{GETLINK, NEWLINK, NEWTFILTER, link};

use super::Namespace;
use super::dump::{self, Dump};

const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

impl Namespace {
    /// The programs on one link: XDP, tc (clsact and ingress), tcx, netkit; sorted.
    pub fn link_bpf(&self, ifindex: IfIndex) -> Read<Vec<BpfAttachment>> {
        let what = format!("reading the programs on link {ifindex} of {}", self.id());
        let link = match self.link(ifindex) {
            Ok(link) => link,
            Err(why) => return Read::failed(Issue::incomplete(what, why)),
        };
        let mut read = Read::ok(link.xdp.clone());
        for direction in Direction::ALL {
            let dump = Dump { request: filter::query(ifindex.0, direction), wanted: NEWTFILTER, family: None };
            let name = format!("tc filters on link {ifindex}");
            let filters =
                self.dump(&name, &[dump], |message, errors| Some(filter::programs(message, direction, errors)));
            read.value.extend(filters.value.into_iter().flatten());
            read.issues.extend(filters.issues);
        }
        let mut hooks = bpf::TCX.to_vec();
        match link.kind {
            LinkKind::Netkit { primary: true, .. } => hooks.extend_from_slice(bpf::NETKIT),
            LinkKind::Netkit { primary: false, .. } => {
                let detail = "the kernel tells the programs of a netkit pair at its primary end only".to_owned();
                read.issues.push(Issue::note(what.clone(), Why::Unsupported { detail }));
            }
            _ => {}
        }
        // The query looks the link up in the namespace of the thread that asks.
        let answers = self.thread.within(&*self.netns.file, move || {
            Ok(hooks.into_iter().map(|hook| (hook, bpf::on_link(ifindex.0, hook))).collect::<Vec<_>>())
        });
        match answers {
            Ok(answers) => take(&mut read, answers, &what, None),
            Err(error) => read.issues.push(Issue::incomplete(what, Why::from_io(&error))),
        }
        named(read)
    }

    /// One link, without its counters.
    fn link(&self, ifindex: IfIndex) -> Result<Link, Why> {
        let mut fixed = vec![0; 16];
        fixed.splice(4..8, ifindex.0.to_ne_bytes());
        let request = Request::get(GETLINK, &fixed).attr(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        let reply = self.with_socket(|socket| socket.ask(&request)).map_err(|error| dump::why(&error))?;
        let mut errors = Vec::new();
        reply
            .filter(|reply| reply.kind == NEWLINK)
            .and_then(|reply| link::link(&reply.payload, &mut errors))
            .ok_or_else(|| Why::Malformed { detail: "the answer is no link".to_owned() })
    }
}

/// The programs attached to one cgroup itself; `path` is how the answer calls it. Sorted.
pub fn cgroup_programs(dir: &File, path: &str) -> Read<Vec<BpfAttachment>> {
    let answers = bpf::CGROUP.iter().map(|hook| (*hook, bpf::on_cgroup(dir.as_fd(), *hook))).collect();
    let mut read = Read::ok(Vec::new());
    take(&mut read, answers, &format!("reading the programs on cgroup {path}"), Some(path));
    named(read)
}

/// Adds what each hook answered; hooks that failed for one reason share an issue.
fn take(
    read: &mut Read<Vec<BpfAttachment>>,
    answers: Vec<(AttachType, io::Result<Vec<u32>>)>,
    what: &str,
    detail: Option<&str>,
) {
    let mut failures: Vec<(Option<i32>, Why, Vec<&str>)> = Vec::new();
    for (hook, answer) in answers {
        match answer {
            Ok(ids) => read.value.extend(ids.into_iter().map(|id| BpfAttachment {
                hook: hook.name.to_owned(),
                id: Some(id),
                name: None,
                detail: detail.map(ToOwned::to_owned),
            })),
            Err(error) => match failures.iter_mut().find(|(errno, ..)| *errno == error.raw_os_error()) {
                Some((_, _, hooks)) => hooks.push(hook.name),
                None => failures.push((error.raw_os_error(), unknown(&error), vec![hook.name])),
            },
        }
    }
    for (_, why, hooks) in failures {
        read.issues.push(Issue::incomplete(format!("{what}: {}", hooks.join(", ")), why));
    }
}

fn unknown(error: &io::Error) -> Why {
    match error.raw_os_error() {
        Some(libc::EINVAL) => {
            Why::Unsupported { detail: "this kernel does not tell which programs are attached there".to_owned() }
        }
        Some(libc::EBADF) => Why::Unsupported { detail: "no cgroup of version 2".to_owned() },
        _ => Why::from_io(error),
    }
}

/// Looks up the name of each program, and sorts.
fn named(mut read: Read<Vec<BpfAttachment>>) -> Read<Vec<BpfAttachment>> {
    let mut refused = None;
    for attachment in &mut read.value {
        let Some(id) = attachment.id else { continue };
        match bpf::program_name(id) {
            Ok(name) if name.is_empty() => {}
            Ok(name) => attachment.name = Some(String::from_utf8_lossy(&name).into_owned()),
            // It was detached meanwhile: nothing is wrong.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused {
        read.issues.push(Issue::incomplete("reading the names of BPF programs", Why::from_io(&error)));
    }
    read.value.sort();
    read.issues.sort();
    read.issues.dedup();
    read
}
