//! The recorded worker: rules restored into a namespace and read from the kernel, pods as the API server had them.

use std::sync::OnceLock;

use podnet::model::snapshot::{NetfilterSections, Snapshot};
use podnet::model::view::NodeView as _;

use crate::built::{HOST, Node};
use crate::cluster::Cluster;
use crate::restored::{self, live};
use crate::testbed::Netns;

macro_rules! rules {
    ($path:literal) => {
        include_str!(concat!("../../fixtures/rules/", $path))
    };
}

pub const TODAY: [&str; 2] = [
    rules!("ground-truth/worker-0-iptables-nft.iptables-save-c.txt"),
    rules!("ground-truth/worker-0-iptables-nft.ip6tables-save-c.txt"),
];
const V1_30: [&str; 2] = [
    rules!("ground-truth/worker-0-iptables-nft-kubeproxy-1.30.iptables-save-c.txt"),
    rules!("ground-truth/worker-0-iptables-nft-kubeproxy-1.30.ip6tables-save-c.txt"),
];
pub const NFTABLES: &str = rules!("nf_tables/kube-proxy.nft");
const NFTABLES_1_30: &str = include_str!("../../fixtures/services/kube-proxy-1.30.nft");
const WALKTHROUGH: &str = include_str!("../../fixtures/services/kube-proxy-1.10.save");

/// Which rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    Iptables,
    IptablesLegacy,
    Iptables130,
    Iptables130Legacy,
    Nftables,
    Nftables130,
    Walkthrough,
}

impl Rules {
    /// Those of the recorded cluster.
    pub const RECORDED: [Self; 6] = [
        Self::Iptables,
        Self::IptablesLegacy,
        Self::Iptables130,
        Self::Iptables130Legacy,
        Self::Nftables,
        Self::Nftables130,
    ];

    pub fn is_nftables(self) -> bool {
        matches!(self, Self::Nftables | Self::Nftables130)
    }

    /// The recorded worker with these rules. Read once for all tests of a run.
    pub fn node(self) -> Snapshot {
        static READ: [OnceLock<Snapshot>; 7] = [const { OnceLock::new() }; 7];
        READ[self as usize].get_or_init(|| worker(&|netns| self.restore(netns))).clone()
    }

    fn restore(self, netns: &Netns) {
        match self {
            Self::Iptables => iptables(netns, "nft", TODAY),
            Self::IptablesLegacy => iptables(netns, "legacy", TODAY),
            Self::Iptables130 => iptables(netns, "nft", V1_30),
            Self::Iptables130Legacy => iptables(netns, "legacy", V1_30),
            Self::Nftables => feed(netns, &["nft", "-f", "-"], NFTABLES),
            Self::Nftables130 => feed(netns, &["nft", "-f", "-"], NFTABLES_1_30),
            Self::Walkthrough => feed(netns, &["iptables-nft-restore", "-c"], WALKTHROUGH),
        }
    }
}

/// Restores what `iptables-save` and `ip6tables-save` wrote.
pub fn iptables(netns: &Netns, back_end: &str, [four, six]: [&str; 2]) {
    add_accounts(netns);
    feed(netns, &[&format!("iptables-{back_end}-restore"), "-c"], four);
    feed(netns, &[&format!("ip6tables-{back_end}-restore"), "-c"], six);
}

/// The recorded worker, with rules that are put in force by a function and read back from the kernel.
pub fn worker(restore: &dyn Fn(&Netns)) -> Snapshot {
    let netns = Netns::new();
    restore(&netns);
    let live = live(&netns);
    let taken = NetfilterSections::take(live.netfilter(), live.node().host_netns);
    let mut node = Node::new("worker-0");
    node.sysctl("ipv4.conf.all.route_localnet", Some("1"));
    node.address(HOST, 2, "fd00:240::20/64");
    for (number, pod) in (2..).zip(Cluster::read().pods_of("worker-0")) {
        let ino = if pod.host_network {
            HOST
        } else {
            node.netns(2000 + u64::from(number), None);
            2000 + u64::from(number)
        };
        node.sandbox(&format!("{}/{}", pod.namespace, pod.name), number, ino, &[&pod.ip]);
    }
    node.sections(HOST).netfilter = Some(taken);
    node.done()
}

/// Runs a program within and gives it text.
pub fn feed(netns: &Netns, program: &[&str], input: &str) {
    drop(restored::feed(netns, program, input));
}

/// The nfacct objects that kube-proxy 1.36 makes before it names them in rules. No program here makes them.
fn add_accounts(netns: &Netns) {
    const SCRIPT: &str = r#"
import socket, struct, sys
for name in sys.argv[1:]:
    name = name.encode() + b"\0"
    attr = struct.pack("HH", 4 + len(name), 1) + name
    attr += b"\0" * (-len(attr) % 4)
    body = struct.pack("BBH", 0, 0, 0) + attr
    line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    line.send(struct.pack("IHHII", 16 + len(body), 7 << 8, 0x405, 1, 0) + body)
    assert struct.unpack_from("i", line.recv(4096), 16)[0] == 0
"#;
    feed(netns, &["python3", "-c", SCRIPT, "ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts"], "");
}
