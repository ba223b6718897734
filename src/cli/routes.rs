//! `podnet routes POD|host [DST]`.
//!
//! May import analyze, model and render.

use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::answer::{Answer, Gathered};
use crate::analyze::identity::find_pod;
use crate::analyze::routes::{Routes, Subject, routes};
use crate::model::ids::IfIndex;
use crate::model::route::RouteQuery;
use crate::model::text::ByteText;
use crate::model::view::NodeView;
use crate::render;

/// Arguments of `routes`.
#[derive(Debug, Args)]
pub struct RoutesArgs {
    /// Which pod (see `podnet --help`), or host for the node itself
    #[arg(value_name = "POD|host")]
    subject: String,
    /// The destination of a packet; without one, all rules and tables
    #[arg(value_name = "DST")]
    destination: Option<IpAddr>,
    /// The packet's source; without one, the kernel chooses
    #[arg(long, value_name = "ADDRESS", requires = "destination", help_heading = "Packet")]
    source: Option<IpAddr>,
    /// The link it comes in by; without one, the namespace itself sends it
    #[arg(long, value_name = "LINK", requires = "destination", help_heading = "Packet")]
    iif: Option<OsString>,
    /// The link that the sending socket is bound to
    #[arg(long, value_name = "LINK", requires = "destination", help_heading = "Packet")]
    oif: Option<OsString>,
    /// The packet's mark, in decimal or as 0x4000
    #[arg(long, value_name = "MARK", value_parser = mark, requires = "destination", help_heading = "Packet")]
    mark: Option<u32>,
    /// The type of service byte
    #[arg(long, value_name = "TOS", value_parser = byte, requires = "destination", help_heading = "Packet")]
    tos: Option<u8>,
    /// tcp, udp, icmp, sctp, ipv6-icmp, or a number
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol, requires = "destination", help_heading = "Packet")]
    protocol: Option<u8>,
    /// The source port
    #[arg(long, value_name = "PORT", requires = "protocol", help_heading = "Packet")]
    sport: Option<u16>,
    /// The destination port
    #[arg(long, value_name = "PORT", requires = "protocol", help_heading = "Packet")]
    dport: Option<u16>,
    /// The user id of the sending socket; root's without it
    #[arg(long, value_name = "UID", requires = "destination", help_heading = "Packet")]
    uid: Option<u32>,
}

/// Tables and rules; or which route wins, and why the others lose.
pub fn run(global: &Global, args: &RoutesArgs) -> Result<u8, Failure> {
    run::answer(global, "routes", |nodes| ask(global, args, nodes), render::routes::write)
}

fn ask(global: &Global, args: &RoutesArgs, nodes: &[&dyn NodeView]) -> Result<Answer<Routes>, Failure> {
    let mut gathered = Gathered::default();
    let subject = subject(global, &args.subject, nodes, &mut gathered)?;
    let query = args.destination.map(|destination| query(args, destination, &subject)).transpose()?;
    let mut answer = routes(&subject, query.as_ref());
    answer.issues.append(&mut gathered.issues);
    answer.issues.sort();
    answer.issues.dedup();
    Ok(answer)
}

fn subject<'a>(
    global: &Global,
    wanted: &str,
    nodes: &[&'a dyn NodeView],
    gathered: &mut Gathered,
) -> Result<Subject<'a>, Failure> {
    if wanted == "host" {
        let [node] = nodes else {
            return Err(
                Failure::new("host means one node, and several are asked").hint("name one worker: --lab=WORKER")
            );
        };
        return Ok(Subject { node: *node, netns: node.node().host_netns, title: wanted.to_owned() });
    }
    let query = run::pod(global, wanted, false);
    let found = find_pod(nodes, &query, gathered).map_err(|error| run::not_found(error, nodes))?;
    let title = found.sandbox.pod.to_string();
    let netns = match found.sandbox.netns {
        Some(netns) => netns,
        None if found.sandbox.host_network => found.node.node().host_netns,
        None => return Err(Failure::new(format!("{title} has no network namespace (any more)"))),
    };
    Ok(Subject { node: found.node, netns, title })
}

fn query(args: &RoutesArgs, destination: IpAddr, subject: &Subject<'_>) -> Result<RouteQuery, Failure> {
    let link = |name: &Option<OsString>| -> Result<Option<IfIndex>, Failure> {
        let Some(name) = name else { return Ok(None) };
        let name = ByteText::new(name.as_bytes());
        match subject.link(&name) {
            Some(link) => Ok(Some(link.ifindex)),
            None => Err(Failure::new(format!("{} has no link {:?}", subject.title, name.to_string()))),
        }
    };
    Ok(RouteQuery {
        src: args.source,
        iif: link(&args.iif)?,
        oif: link(&args.oif)?,
        mark: args.mark.unwrap_or(0),
        tos: args.tos.unwrap_or(0),
        protocol: args.protocol,
        source_port: args.sport,
        destination_port: args.dport,
        uid: args.uid,
        ..RouteQuery::to(destination)
    })
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Reads a mark.
pub fn mark(text: &str) -> Result<u32, String> {
    number(text).ok_or_else(|| format!("{text:?} is no number such as 16384 or 0x4000"))
}

/// Reads a byte.
pub fn byte(text: &str) -> Result<u8, String> {
    let byte = number(text).and_then(|number| u8::try_from(number).ok());
    byte.ok_or_else(|| format!("{text:?} is no number from 0 to 255, or 0x00 to 0xff"))
}

/// Reads the name or number of a protocol.
pub fn protocol(text: &str) -> Result<u8, String> {
    match text {
        "icmp" => Ok(1),
        "tcp" => Ok(6),
        "udp" => Ok(17),
        "ipv6-icmp" => Ok(58),
        "sctp" => Ok(132),
        _ => byte(text).map_err(|_| format!("{text:?} is no protocol's name or number")),
    }
}
