//! One namespace that holds nearly every thing this kernel can, and two others at the far ends of its veths.

use crate::testbed::Netns;

pub struct Topology {
    pub host: Netns,
    pub pod: Netns,
    pub other: Netns,
}

impl Topology {
    pub fn build() -> Self {
        let built = Self { host: Netns::new(), pod: Netns::new(), other: Netns::new() };
        built.host.exec("sysctl", &["-qw", "net.ipv4.conf.all.forwarding=1"]);
        let links = LINKS.replace("{pod}", &built.pod.name).replace("{other}", &built.other.name);
        built.host.ip(&links);
        built.pod.ip("link set eth0 up");
        built.other.ip("link set eth0 up");
        built.host.ip(ADDRESSES);
        built.host.ip(NEIGHBOURS);
        built.host.batch("bridge", FDB);
        built.host.ip(RULES);
        built.host.ip6(RULES6);
        built.host.ip(NEXTHOPS);
        built.host.ip(ROUTES);
        built.host.ip6(ROUTES6);
        built
    }
}

const LINKS: &str = r#"
link add br0 type bridge ageing_time 20000 nf_call_iptables 1 nf_call_ip6tables 1 nf_call_arptables 1 mcast_snooping 0 priority 4096
link add br1 type bridge stp_state 0
link add h0 type veth peer name eth0 netns {pod}
link add h1 type veth peer name eth0 netns {other}
link add h2 type veth peer name h2p
link set h0 master br0
link set h1 master br0
link set h2 master br1
link set h0 type bridge_slave hairpin on isolated on learning off flood off mcast_flood off bcast_flood off cost 7 priority 8
link set h1 type bridge_slave guard on proxy_arp on neigh_suppress on
link set br0 up
link set br1 up
link set h0 up
link set h1 up
link set h2 up
link set h2p up
link add vx0 type vxlan id 42 local 10.9.0.1 remote 10.9.0.2 dstport 4789 nolearning
link add vx1 type vxlan external dstport 8472
link add vx6 type vxlan id 43 local fd00:9::1 remote fd00:9::2 dstport 4790
link add vx2 type vxlan id 44 local 10.9.0.1 dev h2p dstport 4791 ttl inherit tos inherit df inherit proxy rsc srcport 5000 6000 udp6zerocsumtx udp6zerocsumrx gbp
link add vx3 type vxlan id 45 local 10.9.0.1 dstport 4792 ttl 9 tos 0x10 df set
link add vx4 type vxlan external vnifilter dstport 4793 gpe
link add vx5 type vxlan id 46 dstport 4794
link set vx5 netns {other}
link add mv0 link h2p type macvlan mode private
link add mv1 link h2p type macvlan mode bridge
link add mt0 link h2p type macvtap mode vepa
link add name ifb9 type ifb
tuntap add dev tun0 mode tun
tuntap add dev tap0 mode tap
link property add dev h0 altname pod-a-long-alternative-name altname other
link set h1 alias "the other pod"
link set h2 mtu 1400
link set vx0 up
link set vx6 up
link set mv0 up
link set tun0 up
link set mv1 promisc on
"#;

const ADDRESSES: &str = "
addr add 10.200.0.1/24 brd + dev br0
addr add 10.200.0.5/24 dev br0
addr add 10.200.7.1/24 dev br0 label br0:x valid_lft 1000 preferred_lft 500
addr add 169.254.1.1 peer 169.254.1.2/32 dev h2 scope link
addr add 10.240.0.20/24 dev h2p noprefixroute
addr add fd00:200::1/64 dev br0 nodad
addr add fd00:200::2/64 dev br0 nodad preferred_lft 0 valid_lft 900
addr add fd00:201::2/64 dev h2p nodad home mngtmpaddr
addr add fd00:202::1 peer fd00:202::2/128 dev mv0 nodad
";

const NEIGHBOURS: &str = "
neigh add 10.200.0.9 lladdr 02:00:00:00:00:09 dev br0 nud permanent
neigh add 10.200.0.10 lladdr 02:00:00:00:00:0a dev br0 nud reachable
neigh add 10.200.0.11 lladdr 02:00:00:00:00:0b dev br0 nud stale
neigh add 10.200.0.12 lladdr 02:00:00:00:00:0c dev br0 nud noarp
neigh add 10.200.0.13 lladdr 02:00:00:00:00:0d dev br0 nud permanent extern_learn
neigh add 10.200.0.14 dev br0 nud failed
neigh add fd00:200::9 lladdr 02:00:00:00:00:09 dev br0 nud permanent router
neigh add proxy 10.200.0.77 dev br0
neigh add proxy fd00:200::77 dev br0
";

const FDB: &str = "
fdb add 02:00:00:00:01:01 dev h0 master static
fdb add 02:00:00:00:01:02 dev h1 master dynamic
fdb add 02:00:00:00:01:03 dev h1 master static sticky
fdb add 02:00:00:00:01:04 dev br0 self local
fdb add 02:00:00:00:01:05 dev h0 self
fdb add 02:00:00:00:01:06 dev h1 master extern_learn
fdb append 00:00:00:00:00:00 dev vx0 dst 10.9.0.3
fdb add 02:00:00:00:02:01 dev vx0 dst 10.9.0.4 vni 77 port 5000
fdb add 02:00:00:00:02:02 dev vx6 dst fd00:9::4
fdb append 02:00:00:00:02:03 dev vx3 dst 10.9.0.4 via h2p
";

const RULES: &str = "
rule add pref 100 from 10.1.0.0/16 to 10.2.0.0/16 table 100
rule add pref 101 not fwmark 0x1/0xff iif br0 lookup 101
rule add pref 102 oif h2 tos 0x10 lookup main suppress_prefixlength 0
rule add pref 103 uidrange 1000-2000 goto 200
rule add pref 104 ipproto tcp sport 1000-2000 dport 80 lookup 102
rule add pref 105 ipproto udp dport 53 blackhole
rule add pref 106 from 10.3.0.0/16 unreachable
rule add pref 107 from 10.4.0.0/16 prohibit
rule add pref 108 from 10.5.0.0/16 nop
rule add pref 109 lookup main suppress_ifgroup 5
rule add pref 110 tun_id 99 lookup 100
rule add pref 111 from 10.6.0.0/16 lookup 70000 protocol static
rule add pref 112 l3mdev
rule add pref 200 lookup 100
rule add pref 200 lookup 101
rule add pref 250 goto 9999
";

const RULES6: &str = "
rule add pref 100 from fd00:1::/64 to fd00:2::/64 fwmark 7 lookup 100
rule add pref 101 ipproto tcp dport 443 unreachable
";

const NEXTHOPS: &str = "
nexthop add id 1 via 10.200.0.9 dev br0
nexthop add id 2 via 10.200.0.10 dev br0
nexthop add id 3 blackhole
nexthop add id 10 group 1,3/2,7
nexthop add id 11 via fd00:200::9 dev br0
nexthop add id 12 dev h2
nexthop add id 13 via 10.9.0.9 fdb
nexthop add id 14 encap seg6 mode encap segs fd00:99::9 via fd00:200::9 dev br0
nexthop add id 15 via 10.77.0.1 dev br0 onlink proto bird
";

const ROUTES: &str = "
route add 10.50.0.0/16 via 10.200.0.9 dev br0
route add 10.51.0.0/16 via 10.200.0.9 dev br0 metric 50 src 10.200.0.5 mtu 1300 advmss 1200 proto bird
route add 10.51.0.0/16 dev br0 metric 60 tos 0x10 scope link
route add 10.52.0.0/16 nexthop via 10.200.0.9 dev br0 weight 3 nexthop via 10.200.0.10 dev br0 weight 5 nexthop dev h2 weight 1
route add 10.53.0.0/16 via inet6 fe80::1 dev br0
route add blackhole 10.54.0.0/16
route add unreachable 10.55.0.0/16 table 100
route add prohibit 10.56.0.0/16 table 70000
route add throw 10.57.0.0/16 table 100
route add 10.58.0.0/16 via 10.99.99.99 dev br0 onlink
route add 10.59.0.0/16 dev tun0 mtu lock 1200 window 10000 initcwnd 20 quickack 1 congctl cubic
route add local 10.60.0.0/16 dev lo
route add 10.61.0.0/16 encap seg6 mode encap segs fd00:99::1 dev br0
route add multicast 239.0.0.0/8 dev br0
route add 10.62.0.0/16 nhid 10
route add 10.63.0.0/16 nhid 3
route add 10.64.0.0/16 nhid 11
";

const ROUTES6: &str = "
route add fd00:60::/64 nhid 11
route add fd00:50::/64 via fd00:200::9 dev br0 metric 10 pref high
route add fd00:51::/64 via fd00:200::9 dev br0 expires 1000 pref low
route add fd00:52::/64 nexthop via fd00:200::9 dev br0 weight 2 nexthop via fd00:200::a dev br0
route add blackhole fd00:53::/64
route add unreachable fd00:54::/64 table 100
route add prohibit fd00:55::/64
route add throw fd00:56::/64
route add fd00:57::/64 from fd00:58::/64 via fd00:200::9 dev br0
route add fd00:59::/64 encap seg6 mode encap segs fd00:99::1 dev br0
route add default via fe80::99 dev br0 mtu 1350 hoplimit 33
";
