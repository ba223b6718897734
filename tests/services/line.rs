//! A client, a node and an endpoint in a row: what is sent to a service on the node really goes there.

use crate::restored::feed;
use crate::testbed::Netns;

/// A client with two addresses (192.0.2.1 and 2), a node that routes, and an endpoint (10.200.0.34).
pub struct Line {
    pub client: Netns,
    pub node: Netns,
    pub endpoint: Netns,
}

impl Line {
    /// Without any rules.
    pub fn new() -> Self {
        let line = Self { client: Netns::new(), node: Netns::new(), endpoint: Netns::new() };
        let Self { client, node, endpoint } = &line;
        node.ip(&format!(
            "link add c type veth peer name eth0 netns {}\nlink add e type veth peer name eth0 netns {}\n\
             addr add 192.0.2.254/24 dev c\naddr add 10.200.0.1/24 dev e\nlink set lo up\nlink set c up\nlink set e up",
            client.name, endpoint.name
        ));
        client.ip("addr add 192.0.2.1/24 dev eth0\naddr add 192.0.2.2/24 dev eth0\nlink set eth0 up\n\
             route add default via 192.0.2.254");
        endpoint.ip("addr add 10.200.0.34/24 dev eth0\nlink set eth0 up\nroute add default via 10.200.0.1");
        feed(node, &["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], "");
        line
    }
}
