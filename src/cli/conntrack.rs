//! `podnet conntrack [POD]`.
//!
//! May import analyze and render.
#![allow(clippy::doc_markdown)] // doc comments here are the help text, which has no markup

use clap::{Args, ValueEnum};

use super::args::Global;
use super::error::Failure;

/// Arguments of `conntrack`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // switches of a command line
#[command(group = clap::ArgGroup::new("question").args(["who", "stale", "stats", "watch", "expectations"]))]
pub struct ConntrackArgs {
    /// Only flows of this pod: see `podnet --help`; without one, all flows of the node
    #[arg(conflicts_with = "who")]
    pub pod: Option<String>,

    /// Who is behind an address and port that a server sees: 10.240.0.20:56732, [fd00::1]:53/udp
    #[arg(long, value_name = "ADDR:PORT[/PROTO]", help_heading = "Other questions")]
    pub who: Option<String>,
    /// Flows that go where nothing is any more, with the commands that would remove them; exit code 1 where there are any
    #[arg(long, help_heading = "Other questions")]
    pub stale: bool,
    /// How full the table is, who fills it, and what the kernel counted
    #[arg(long, help_heading = "Other questions")]
    pub stats: bool,
    /// Flows as they begin, change and end, until Ctrl-C
    #[arg(long, help_heading = "Other questions")]
    pub watch: bool,
    /// The flows that helpers expect
    #[arg(long, help_heading = "Other questions")]
    pub expectations: bool,

    /// Only flows to this address, ADDR:PORT or pod: as it was asked for, or where it went
    #[arg(long, value_name = "X", help_heading = "Filters")]
    pub to: Option<String>,
    /// Only flows from this address, ADDR:PORT or pod: the client's own, or the one that the server saw
    #[arg(long, value_name = "X", help_heading = "Filters")]
    pub from_addr: Option<String>,
    /// Only flows that asked for this service: NAME, NAMESPACE/NAME, NAMESPACE/NAME:PORT, IP:PORT or a node port
    #[arg(long, value_name = "SERVICE", help_heading = "Filters")]
    pub service: Option<String>,
    /// Only flows in this state: half-open, no-answer, answered, assured, established, closing, closed, offloaded,
    /// dying, or one of the kernel's (SYN_SENT, TIME_WAIT, …)
    #[arg(long, value_name = "STATE", help_heading = "Filters")]
    pub state: Option<String>,
    /// Only flows of this protocol, by name or number
    #[arg(long, value_name = "PROTOCOL", help_heading = "Filters")]
    pub protocol: Option<String>,
    /// Only flows with this mark: 0x4000, 0x4000/0x4000
    #[arg(long, value_name = "MARK[/MASK]", help_heading = "Filters")]
    pub mark: Option<String>,
    /// Only flows that were translated so; snat and dnat include those that were both
    #[arg(long, value_enum, value_name = "KIND", help_heading = "Filters")]
    pub nat: Option<NatArg>,
    /// Only flows of this zone
    #[arg(long, value_name = "ZONE", help_heading = "Filters")]
    pub zone: Option<u16>,

    /// Sort by this, the most first; without it flows stand as the kernel tells them
    #[arg(long, value_enum, value_name = "KEY", help_heading = "Order")]
    pub sort: Option<SortArg>,
    /// At most so many flows
    #[arg(long, value_name = "N", help_heading = "Order")]
    pub limit: Option<usize>,

    /// The pod's own flows, as its namespace tracks them, not the node's
    #[arg(long, value_enum, value_name = "WHOSE", requires = "pod")]
    pub netns: Option<NetnsArg>,
}

/// What was translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NatArg {
    /// Nothing
    None,
    /// The source
    Snat,
    /// The destination
    Dnat,
    /// The destination, back to the client
    Hairpin,
}

/// What flows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortArg {
    /// Bytes both ways, where they are recorded
    Bytes,
    /// Packets both ways, where they are recorded
    Packets,
    /// How long until it is forgotten
    Timeout,
    /// How long ago it began, where that is recorded
    Age,
}

/// Whose table of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetnsArg {
    /// The node's
    Host,
    /// The pod's own
    Pod,
}

/// Flows with their NAT undone.
pub fn run(global: &Global, args: &ConntrackArgs) -> Result<u8, Failure> {
    if args.stats {
        return super::conntrack_stats::stats_of(global, args);
    }
    if args.stale {
        return super::conntrack_stats::stale_of(global, args);
    }
    if args.watch {
        return Err(Failure::new("this question is not answered yet"));
    }
    let _ = global;
    Err(Failure::new("flows are not answered yet"))
}
