//! Packets that are too long for a vxlan tunnel or its outer packets' way, against the kernel.

use crate::errors::{Case, run_on};
use crate::tunnel::{NODES, ROUTED, bridged, differences, flannel};

/// A packet of UDP of so many bytes from a host to the other's pod.
fn long(from: usize, number: usize, six: bool, length: usize) -> String {
    let (source, to, header) = if six { ("::", "fd00:2::4", 56) } else { ("0.0.0.0", "10.2.0.4", 36) };
    format!("{from} 17 {source} {} {to} 80 0 0 0 {}", 20000 + number, length - header)
}

/// From whom, whether of IPv6, how long, and the verdict.
type Row = (usize, bool, usize, &'static str);

#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn packets_that_are_too_long_for_a_tunnel() {
    // A vxlan that knows the link below takes no more than that one leaves.
    let wide = |text: String| text.replace("dev ul dstport", "dstport");
    let narrow = "@h3 ip\nlink set r2 mtu 1400\n@h2 ip\nlink set ul mtu 1400\n";
    let no_df = "@h0 sysctl\nipv4/ip_no_pmtu_disc=1\n@h4 sysctl\nipv4/ip_no_pmtu_disc=1\n";
    let cases: Vec<(&str, String, Vec<Row>)> = vec![
        (
            "as the kernel sets it",
            flannel(false, "", ""),
            vec![
                (0, false, 1450, "answered"),
                (0, false, 1451, "rejected"),
                (0, true, 1450, "answered"),
                (0, true, 1451, "rejected"),
            ],
        ),
        (
            "as the kernel sets it, over IPv6",
            flannel(true, "", ""),
            vec![
                (0, false, 1430, "answered"),
                (0, false, 1431, "rejected"),
                (0, true, 1430, "answered"),
                (0, true, 1431, "rejected"),
            ],
        ),
        (
            "outer packets that may be split",
            wide(flannel(false, "", "")),
            vec![
                (0, false, 1450, "answered"),
                (0, false, 1451, "answered"),
                (0, true, 1451, "answered"),
                (0, true, 1452, "rejected"),
            ],
        ),
        (
            "outer packets that may not be split",
            wide(flannel(false, "df set", "")),
            vec![
                (0, false, 1450, "answered"),
                (0, false, 1451, "dropped"),
                (0, true, 1450, "answered"),
                (0, true, 1451, "dropped"),
            ],
        ),
        (
            "outer packets that may be split as the inner ones",
            wide(flannel(false, "df inherit", "")),
            vec![(0, false, 1450, "answered"), (0, false, 1451, "dropped"), (0, true, 1451, "dropped")],
        ),
        (
            "outer packets that may be split as the inner ones, which may",
            wide(flannel(false, "df inherit", "df inherit")) + no_df,
            vec![(0, false, 1450, "answered"), (0, false, 1451, "answered"), (0, true, 1451, "dropped")],
        ),
        (
            "outer packets of IPv6",
            wide(flannel(true, "", "")),
            vec![
                (0, false, 1430, "answered"),
                (0, false, 1431, "dropped"),
                (0, true, 1430, "answered"),
                (0, true, 1431, "dropped"),
            ],
        ),
        (
            "a router's short link",
            flannel(false, "", "") + narrow,
            vec![
                (0, false, 1350, "answered"),
                (0, false, 1351, "answered"),
                (0, true, 1350, "answered"),
                (0, true, 1351, "answered"),
            ],
        ),
        (
            "a router's short link, and outer packets that may not be split",
            flannel(false, "df set", "df set") + narrow,
            vec![
                (0, false, 1350, "answered"),
                (0, false, 1351, "dropped"),
                (0, false, 1352, "dropped"),
                (0, true, 1351, "dropped"),
                (0, true, 1352, "rejected"),
            ],
        ),
        (
            "a router's short link of IPv6",
            flannel(true, "", "") + narrow,
            vec![(0, false, 1330, "answered"), (0, false, 1331, "dropped"), (0, false, 1332, "dropped")],
        ),
        (
            "what the node itself sends",
            wide(flannel(true, "", "")),
            vec![(1, false, 1430, "answered"), (1, false, 1431, "dropped")],
        ),
    ];
    let all: String = cases
        .into_iter()
        .map(|(name, text, rows)| {
            let lines: Vec<String> = rows.iter().enumerate().map(|(at, row)| long(row.0, at, row.1, row.2)).collect();
            let shots: Vec<(&str, &str)> = lines.iter().zip(&rows).map(|(line, row)| (line.as_str(), row.3)).collect();
            differences(name, &(NODES.to_owned() + ROUTED + &text), &shots)
        })
        .collect();
    assert!(all.is_empty(), "{all}");
}

/// The vxlan is a port, and the one that the packet is too long for tells its sender itself.
#[test]
fn packets_that_are_too_long_for_a_tunnel_of_a_bridge() {
    let shots = &[
        ("udp 10.5.0.14 80 1450", "answered", "?"),
        ("udp 10.5.0.14 80 1451", "rejected", "EMSGSIZE"),
        ("udp fd00:5::14 80 1450", "answered", "?"),
        ("udp fd00:5::14 80 1451", "rejected", "EMSGSIZE"),
    ];
    let wide = NODES.to_owned() + &bridged(["", ""]).replace("dev ul dstport", "dstport");
    run_on(&wide, &[Case { name: "the way there", more: "", shots }]);
    run_on(
        &wide,
        &[
            Case {
                name: "an echo",
                more: "@h1 ip\nlink set vx0 type vxlan df set\n",
                shots: &[("echo 10.5.0.14 0 1451", "rejected", "*"), ("echo fd00:5::14 0 1451", "rejected", "-")],
            },
            Case {
                name: "one who may be split",
                more: "@h0 sysctl\nipv4/ip_no_pmtu_disc=1\n@h4 sysctl\nipv4/ip_no_pmtu_disc=1\n",
                shots: &[("udp 10.5.0.14 80 1451", "answered", "?")],
            },
        ],
    );
}
