//! Names of tables, chains, sets and links, and the words of comments.
//!
//! Must not import anything from the crate but its sibling model types. What programs call alike on
//! every node stays; what bears a service's name is masked by its parts, so that it can still be read.

use std::net::SocketAddr;

use super::super::{generic, name};
use super::RuleMasks;
use crate::model::kube_proxy::{self, ChainName, ChainRole, Protocol, ServicePortName};
use crate::model::text::{ByteText, hex};

/// Tables that every node may have.
const TABLES: [&str; 12] = [
    "filter",
    "nat",
    "mangle",
    "raw",
    "security",
    "broute",
    "kube-proxy",
    "kindnet-network-policies",
    "firewalld",
    "cni_plugins_masquerade",
    "cni_hostport",
    "hairpin",
];

/// What the names of chains and sets that programs make on every node begin with, in whole words.
const STEMS: [&str; 9] = ["KUBE", "CNI", "DOCKER", "FLANNEL", "KIND", "NETAVARK", "cali", "LIBVIRT", "PODNET"];

/// Chains and sets of kube-proxy's nftables mode, and of other programs' tables, that bear no name.
const COMMON: [&str; 46] = [
    "PREROUTING",
    "INPUT",
    "FORWARD",
    "OUTPUT",
    "POSTROUTING",
    "prerouting",
    "input",
    "forward",
    "output",
    "postrouting",
    "ingress",
    "egress",
    "filter-prerouting",
    "filter-prerouting-pre-dnat",
    "filter-forward",
    "filter-input",
    "filter-input-pre-dnat",
    "filter-output",
    "filter-output-pre-dnat",
    "filter-output-post-dnat",
    "nat-prerouting",
    "nat-output",
    "nat-postrouting",
    "nat",
    "services",
    "service-endpoints-check",
    "endpoints-check",
    "nodeport-endpoints-check",
    "firewall-check",
    "firewall-ips",
    "cluster-ips",
    "cluster-ips-check",
    "nodeports",
    "nodeport-ips",
    "service-ips",
    "service-nodeports",
    "no-endpoint-services",
    "no-endpoint-nodeports",
    "masquerading",
    "mark-for-masquerade",
    "reject-chain",
    "masq_checks",
    "hairpin",
    "hostports",
    "hostip_hostports",
    "hostports_all",
];

/// What kube-proxy, kubelet and CNI plugins write in comments besides names.
const COMMENT_WORDS: [&str; 62] = [
    "kubernetes",
    "kube-proxy",
    "service",
    "services",
    "portals",
    "nodeports",
    "nodeports;",
    "NOTE:",
    "this",
    "must",
    "be",
    "the",
    "last",
    "rule",
    "in",
    "chain",
    "cluster",
    "IP",
    "external",
    "external-traffic",
    "load",
    "loadbalancer",
    "balancer",
    "externally-visible",
    "service-portals",
    "has",
    "no",
    "local",
    "endpoints",
    "for",
    "to",
    "from",
    "pod",
    "pods",
    "traffic",
    "policy",
    "trampoline",
    "route",
    "LOCAL",
    "forwarding",
    "rules",
    "conntrack",
    "masquerade",
    "postrouting",
    "requiring",
    "SNAT",
    "destinations",
    "drop",
    "firewall",
    "block",
    "incoming",
    "localnet",
    "connections",
    "marked",
    "packets",
    "rejected",
    "by",
    "->",
    "-",
    "name:",
    "id:",
    "and",
];

impl RuleMasks<'_, '_> {
    /// Changes a name as a text; one that is no UTF-8 is masked whole.
    fn named(&mut self, bytes: &mut ByteText, masked: impl FnOnce(&mut Self, &str) -> String) {
        *bytes = match bytes.as_str() {
            Some("") => return,
            Some(text) => masked(self, text).into(),
            None => self.masks.name(&hex(bytes.as_bytes())).into(),
        };
    }

    pub(super) fn table_name(&mut self, table: &mut ByteText) {
        self.named(table, |this, text| if TABLES.contains(&text) { text.to_owned() } else { this.masks.name(text) });
    }

    /// The name of a chain, or of a list of `recent`, which kube-proxy calls as the endpoint's chain.
    pub(super) fn chain_name(&mut self, chain: &mut ByteText) {
        self.named(chain, Self::chain_text);
    }

    fn chain_text(&mut self, text: &str) -> String {
        if let Some(known) = self.chains.get(text) {
            return known.clone();
        }
        if is_common(text) {
            return text.to_owned();
        }
        let Some(parsed) = ChainName::parse(text) else { return self.structured(text) };
        match (&parsed.service, parsed.endpoint) {
            (Some((service, protocol)), None) => {
                let service = self.service(service);
                kube_proxy::nftables_chain(parsed.role, &service, *protocol)
            }
            (Some((service, protocol)), Some(endpoint)) if parsed.role == ChainRole::Endpoint => {
                let service = self.service(service);
                let endpoint = (self.masks.address(endpoint.ip()), endpoint.port()).into();
                Some(kube_proxy::nftables_endpoint_chain(&service, *protocol, endpoint))
            }
            _ => None,
        }
        .unwrap_or_else(|| {
            let stem = text.find(&parsed.hash).unwrap_or(0);
            format!("{}{}", &text[..stem], self.masks.code(&parsed.hash))
        })
    }

    /// A name of several words: a known beginning stays, what looks like an id keeps its shape.
    fn structured(&mut self, text: &str) -> String {
        for stem in STEMS {
            if let Some(rest) = text.strip_prefix(stem).filter(|rest| rest.starts_with(['-', '_'])) {
                let (joint, rest) = rest.split_at(1);
                return format!("{stem}{joint}{}", self.structured_rest(rest));
            }
        }
        self.masks.name(text)
    }

    fn structured_rest(&mut self, rest: &str) -> String {
        // CNI-DN-… is the port map plugin's.
        let (kind, id) = match rest.split_once('-') {
            Some((kind, id)) if kind == "DN" || kind == "SN" => (format!("{kind}-"), id),
            _ => (String::new(), rest),
        };
        if id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()) {
            return format!("{kind}{}", self.masks.id(id));
        }
        format!("{kind}{}", self.masks.name(id))
    }

    pub(super) fn set_name(&mut self, set: &mut ByteText) {
        self.named(set, |this, text| {
            let anonymous = text.strip_prefix("__set").or_else(|| text.strip_prefix("__map"));
            if is_common(text) || anonymous.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
                return text.to_owned();
            }
            // affinity-HASH-…: spelled as the endpoint's chain.
            match text.strip_prefix("affinity-") {
                Some(base) => {
                    let chain = this.chain_text(&format!("endpoint-{base}"));
                    match chain.strip_prefix("endpoint-") {
                        Some(base) => format!("affinity-{base}"),
                        None => this.masks.name(text),
                    }
                }
                None => this.structured(text),
            }
        });
    }

    pub(super) fn other_name(&mut self, text: &mut ByteText) {
        self.named(text, |this, text| if is_common(text) { text.to_owned() } else { name(text, this.masks) });
    }

    /// A link, or with `+` or `*` at the end all that begin so.
    pub(super) fn link_name(&mut self, link: &mut ByteText) {
        self.named(link, |this, text| match text.strip_suffix(['+', '*']) {
            Some("") => text.to_owned(),
            Some(stem) => format!("{}{}", name(stem, this.masks), &text[stem.len()..]),
            None => name(text, this.masks),
        });
    }

    /// The masked name of a service port.
    pub(super) fn service(&mut self, service: &ServicePortName) -> ServicePortName {
        let ServicePortName { namespace, name: own, port } = service;
        ServicePortName {
            namespace: name(namespace, self.masks),
            name: name(own, self.masks),
            port: port.as_ref().map(|port| name(port, self.masks)),
        }
    }

    /// A comment or a log's prefix, word by word: what programs write everywhere stays.
    pub(super) fn words(&mut self, text: &mut ByteText) {
        self.named(text, |this, text| {
            let words: Vec<String> = text.split(' ').map(|word| this.word(word)).collect();
            words.join(" ")
        });
    }

    fn word(&mut self, word: &str) -> String {
        if word.is_empty() || COMMENT_WORDS.contains(&word) {
            return word.to_owned();
        }
        if let Some(inner) = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
            return format!("\"{}\"", generic(inner, self.masks));
        }
        if let Some(service) = ServicePortName::parse(word) {
            let masked = self.service(&service).to_string();
            // 1.10 keeps the colon of a port without a name.
            return if word.ends_with(':') { masked + ":" } else { masked };
        }
        if Protocol::named(word).is_some() {
            return word.to_owned();
        }
        match word.parse::<SocketAddr>() {
            Ok(end) => SocketAddr::new(self.masks.address(end.ip()), end.port()).to_string(),
            Err(_) => generic(word, self.masks),
        }
    }
}

fn is_common(text: &str) -> bool {
    if COMMON.contains(&text) || TABLES.contains(&text) {
        return true;
    }
    // KUBE-MARK-MASQ and its kin: capital letters alone, no hash.
    let plain = |word: &str| word.len() <= 14 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    STEMS.iter().any(|stem| text.strip_prefix(stem).is_some_and(|rest| rest.starts_with('-')))
        && KUBE_WORDS.iter().any(|known| text.split_once('-').is_some_and(|(_, rest)| rest == *known))
        && text.split('-').all(plain)
}

/// What follows `KUBE-`, `CNI-`, `DOCKER-` and `FLANNEL-` in chains that every node may have.
const KUBE_WORDS: [&str; 31] = [
    "SERVICES",
    "EXTERNAL-SERVICES",
    "NODEPORTS",
    "NODE-PORT",
    "POSTROUTING",
    "MARK-MASQ",
    "MARK-DROP",
    "FORWARD",
    "FIREWALL",
    "PROXY-FIREWALL",
    "PROXY-CANARY",
    "KUBELET-CANARY",
    "LOAD-BALANCER",
    "SOURCE-RANGES-FIREWALL",
    "NODE-PORTS",
    "HOSTPORTS",
    "ADMIN",
    "HOSTPORT-DNAT",
    "HOSTPORT-SETMARK",
    "HOSTPORT-MASQ",
    "USER",
    "POSTRTG",
    "FWD",
    "ISOLATION",
    "ISOLATION-STAGE",
    "BRIDGE",
    "CT",
    "INGRESS",
    "INTERNAL",
    "MASQ-AGENT",
    "IPVS-FILTER",
];
