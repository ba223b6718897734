//! Names that real clusters wrote: the walkthrough's (1.10), and recordings of 1.30 and 1.36.

use super::*;

fn port(text: &str) -> ServicePortName {
    ServicePortName::parse(text).unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn names_are_read_and_written() {
    for (text, written) in [("default/web:http", "default/web:http"), ("a/b", "a/b"), ("a/b:", "a/b")] {
        assert_eq!(port(text).to_string(), written);
    }
    for text in ["", "web", "/web", "a/", "a/b c", "A/b", "a/b:x y", "a/b has no endpoints"] {
        assert_eq!(ServicePortName::parse(text), None, "{text:?}");
    }
}

#[test]
fn chains_of_1_10_are_the_walkthroughs() {
    use Protocol::{Tcp, Udp};
    let found = [
        iptables_chain(ChainRole::Cluster, &port("default/nginx:"), Tcp, HashForm::Colon),
        iptables_endpoint_chain(&port("default/nginx:"), Tcp, at("10.200.1.18:80"), HashForm::Colon),
        iptables_chain(ChainRole::Cluster, &port("kube-system/kube-dns:dns-tcp"), Tcp, HashForm::Colon),
        iptables_endpoint_chain(&port("kube-system/kube-dns:dns-tcp"), Tcp, at("10.200.0.27:53"), HashForm::Colon),
        iptables_chain(ChainRole::Cluster, &port("kube-system/kube-dns:dns"), Udp, HashForm::Colon),
        iptables_endpoint_chain(&port("kube-system/kube-dns:dns"), Udp, at("10.200.0.27:53"), HashForm::Colon),
    ];
    let expected = [
        "KUBE-SVC-4N57TFCL4MD7ZTDA",
        "KUBE-SEP-UGTFMET44DQG7H7H",
        "KUBE-SVC-ERIFXISQEP7F7OF4",
        "KUBE-SEP-32LPCMGYG6ODGN3H",
        "KUBE-SVC-TCOU7JCQXEZGVUNU",
        "KUBE-SEP-LRUTK6XRXU43VLIG",
    ];
    assert_eq!(found, expected);
}

#[test]
fn todays_chains_are_the_recorded_ones() {
    use Protocol::{Sctp, Tcp, Udp};
    let plain = HashForm::Plain;
    let found = [
        iptables_chain(ChainRole::Cluster, &port("default/nginx"), Tcp, plain),
        iptables_chain(ChainRole::Cluster, &port("default/web:http"), Tcp, plain),
        iptables_endpoint_chain(&port("default/web:http"), Tcp, at("10.200.0.33:80"), plain),
        iptables_chain(ChainRole::Local, &port("default/int-local:http"), Tcp, plain),
        iptables_chain(ChainRole::External, &port("default/dual:http"), Tcp, plain),
        iptables_endpoint_chain(&port("default/dual:http"), Tcp, at("[fd00:240::20]:8088"), plain),
        iptables_chain(ChainRole::Firewall, &port("default/lb-ranges:http"), Tcp, plain),
        iptables_chain(ChainRole::Cluster, &port("default/multi:sctp"), Sctp, plain),
        iptables_chain(ChainRole::Cluster, &port("default/multi:udp"), Udp, plain),
    ];
    let expected = [
        "KUBE-SVC-2CMXP7HKUVJN7L6M",
        "KUBE-SVC-CDGGSHYLG3RE2FKL",
        "KUBE-SEP-LLI7U4YSKAEI2E6M",
        "KUBE-SVL-PQ5WDBDYWZUJFVJK",
        "KUBE-EXT-FWEJ5PXIIDWNU55J",
        "KUBE-SEP-QPG32EQHEEX76GRW",
        "KUBE-FW-QQNROL5V7PXTXB4C",
        "KUBE-SVC-XSCYGXOK3J2WHH3I",
        "KUBE-SVC-FTARUTE3IRXNCTOX",
    ];
    assert_eq!(found, expected);
}

#[test]
fn chains_and_sets_of_nftables_mode_are_the_recorded_ones() {
    use Protocol::{Tcp, Udp};
    let affine = port("default/web-affinity:http");
    let found = [
        nftables_chain(ChainRole::Cluster, &port("default/nginx:http"), Tcp).unwrap(),
        nftables_chain(ChainRole::Local, &port("default/int-local:http"), Tcp).unwrap(),
        nftables_chain(ChainRole::External, &port("default/lb-local:http"), Tcp).unwrap(),
        nftables_chain(ChainRole::Firewall, &port("default/lb-ranges:http"), Tcp).unwrap(),
        nftables_chain(ChainRole::Cluster, &port("kube-system/kube-dns:dns"), Udp).unwrap(),
        nftables_endpoint_chain(&affine, Tcp, at("10.200.0.33:80")),
        nftables_affinity_set(&affine, Tcp, at("10.200.1.25:80")),
        // From kube-proxy 1.30's own unit tests.
        nftables_endpoint_chain(&port("ns1/svc1:p80"), Tcp, at("10.180.0.1:80")),
    ];
    let expected = [
        "service-2ETI3MDI-default/nginx/tcp/http",
        "local-SCAK4ZF7-default/int-local/tcp/http",
        "external-KFCEHOL4-default/lb-local/tcp/http",
        "firewall-BIELDWFM-default/lb-ranges/tcp/http",
        "service-FY5PMXPG-kube-system/kube-dns/udp/dns",
        "endpoint-NPLKXUW3-default/web-affinity/tcp/http__10.200.0.33/80",
        "affinity-77BH5JO2-default/web-affinity/tcp/http__10.200.1.25/80",
        "endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80",
    ];
    assert_eq!(found, expected);
    assert_eq!(nftables_chain(ChainRole::ExternalLocal, &affine, Tcp), None);
}

#[test]
fn a_chains_name_tells_its_role_its_service_and_its_endpoint() {
    let six = nftables_endpoint_chain(&port("a/b"), Protocol::Tcp, at("[fd00:240::20]:8088"));
    let read = ChainName::parse(&six).unwrap();
    assert_eq!(read.role, ChainRole::Endpoint);
    assert_eq!(read.service, Some((port("a/b"), Protocol::Tcp)));
    assert_eq!(read.endpoint, Some(at("[fd00:240::20]:8088")));
    let read = ChainName::parse("KUBE-SVC-4N57TFCL4MD7ZTDA").unwrap();
    assert_eq!((read.role, read.hash.as_str(), read.service.as_ref()), (ChainRole::Cluster, "4N57TFCL4MD7ZTDA", None));
    assert!(read.is_of(&port("default/nginx"), Protocol::Tcp, None));
    assert!(!read.is_of(&port("default/nginx"), Protocol::Udp, None));
    let read = ChainName::parse("KUBE-SEP-LLI7U4YSKAEI2E6M").unwrap();
    assert!(read.is_of(&port("default/web:http"), Protocol::Tcp, Some(at("10.200.0.33:80"))));
    assert!(!read.is_of(&port("default/web:http"), Protocol::Tcp, Some(at("10.200.0.34:80"))));
}

#[test]
fn a_name_whose_hash_belongs_to_another_service_is_not_believed() {
    let read = ChainName::parse("service-2ETI3MDI-default/web/tcp/http").unwrap();
    assert_eq!(read.service, None);
}

#[test]
fn what_kube_proxy_does_not_name_so_is_no_chain_of_a_service() {
    for name in
        ["KUBE-SERVICES", "KUBE-SVC-short", "KUBE-SVC-aaaaaaaaaaaaaaaa", "services", "service-X-a", "", "local-"]
    {
        assert_eq!(ChainName::parse(name), None, "{name:?}");
    }
}

#[test]
fn a_name_that_is_too_long_is_cut_as_kube_proxy_cuts_it() {
    let long = ServicePortName { namespace: "n".repeat(63), name: "s".repeat(63), port: Some("p".repeat(63)) };
    let base = nftables_endpoint_base(&long, Protocol::Tcp, at("[fd00:1111:2222:3333:4444:5555:6666:7777]:65535"));
    assert_eq!(base.len(), 240);
    assert!(base.ends_with("..."));
}
