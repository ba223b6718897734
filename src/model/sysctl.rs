//! The names of the sysctls that matter to a path, below `net.`.
//!
//! Must not import anything from the crate but its sibling model types.

use super::text::ByteText;

/// Those of the whole namespace.
pub const GLOBAL: &[&str] = &[
    "ipv4.ip_forward",
    "ipv4.icmp_ratelimit",
    "ipv4.fib_multipath_hash_policy",
    "ipv4.fib_multipath_use_neigh",
    "ipv4.ip_no_pmtu_disc",
    "ipv4.ip_forward_use_pmtu",
    "ipv4.fwmark_reflect",
    "ipv4.icmp_errors_use_inbound_ifaddr",
    "ipv4.ip_nonlocal_bind",
    "ipv4.ip_default_ttl",
    "ipv4.ip_local_port_range",
    "ipv4.tcp_l3mdev_accept",
    "ipv4.udp_l3mdev_accept",
    "ipv6.bindv6only",
    "ipv6.fwmark_reflect",
    "ipv6.icmp.ratelimit",
    "bridge.bridge-nf-call-iptables",
    "bridge.bridge-nf-call-ip6tables",
    "bridge.bridge-nf-call-arptables",
    "netfilter.nf_conntrack_max",
    "netfilter.nf_conntrack_acct",
    "netfilter.nf_conntrack_timestamp",
    "netfilter.nf_conntrack_tcp_be_liberal",
];

/// Those that tell how long flows are remembered, and how many.
pub const CONNTRACK: &[&str] = &[
    "netfilter.nf_conntrack_buckets",
    "netfilter.nf_conntrack_count",
    "netfilter.nf_conntrack_events",
    "netfilter.nf_conntrack_expect_max",
    "netfilter.nf_conntrack_tcp_loose",
    "netfilter.nf_conntrack_tcp_max_retrans",
    "netfilter.nf_conntrack_generic_timeout",
    "netfilter.nf_conntrack_gre_timeout",
    "netfilter.nf_conntrack_gre_timeout_stream",
    "netfilter.nf_conntrack_icmp_timeout",
    "netfilter.nf_conntrack_icmpv6_timeout",
    "netfilter.nf_conntrack_udp_timeout",
    "netfilter.nf_conntrack_udp_timeout_stream",
    "netfilter.nf_conntrack_tcp_timeout_close",
    "netfilter.nf_conntrack_tcp_timeout_close_wait",
    "netfilter.nf_conntrack_tcp_timeout_established",
    "netfilter.nf_conntrack_tcp_timeout_fin_wait",
    "netfilter.nf_conntrack_tcp_timeout_last_ack",
    "netfilter.nf_conntrack_tcp_timeout_max_retrans",
    "netfilter.nf_conntrack_tcp_timeout_syn_recv",
    "netfilter.nf_conntrack_tcp_timeout_syn_sent",
    "netfilter.nf_conntrack_tcp_timeout_time_wait",
    "netfilter.nf_conntrack_tcp_timeout_unacknowledged",
    "netfilter.nf_conntrack_sctp_timeout_closed",
    "netfilter.nf_conntrack_sctp_timeout_cookie_echoed",
    "netfilter.nf_conntrack_sctp_timeout_cookie_wait",
    "netfilter.nf_conntrack_sctp_timeout_established",
    "netfilter.nf_conntrack_sctp_timeout_heartbeat_sent",
    "netfilter.nf_conntrack_sctp_timeout_shutdown_ack_sent",
    "netfilter.nf_conntrack_sctp_timeout_shutdown_recd",
    "netfilter.nf_conntrack_sctp_timeout_shutdown_sent",
    "netfilter.nf_conntrack_dccp_timeout_closereq",
    "netfilter.nf_conntrack_dccp_timeout_closing",
    "netfilter.nf_conntrack_dccp_timeout_open",
    "netfilter.nf_conntrack_dccp_timeout_partopen",
    "netfilter.nf_conntrack_dccp_timeout_request",
    "netfilter.nf_conntrack_dccp_timeout_respond",
    "netfilter.nf_conntrack_dccp_timeout_timewait",
];

/// Those of each IPv4 interface, and of `all` and `default`.
pub const IPV4_LINK: &[&str] = &[
    "forwarding",
    "rp_filter",
    "accept_local",
    "proxy_arp",
    "proxy_arp_pvlan",
    "route_localnet",
    "arp_ignore",
    "arp_announce",
    "arp_filter",
    "send_redirects",
    "accept_redirects",
    "src_valid_mark",
];

/// Those of each IPv6 interface, and of `all` and `default`.
pub const IPV6_LINK: &[&str] =
    &["forwarding", "force_forwarding", "mtu", "disable_ipv6", "accept_ra", "proxy_ndp", "accept_dad", "use_tempaddr"];

/// The name of an interface's sysctl, in the slash form where the interface's name has a dot.
///
/// `None` when the interface's name is no UTF-8 (such a file cannot be named in text).
pub fn of_link(family: &str, link: &ByteText, setting: &str) -> Option<String> {
    let link = link.as_str()?;
    Some(if link.contains('.') {
        format!("{family}/conf/{link}/{setting}")
    } else {
        format!("{family}.conf.{link}.{setting}")
    })
}
