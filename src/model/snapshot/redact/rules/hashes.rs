//! Chains whose names are hashes of names and addresses: hashed anew from the masked ones, so that
//! what agreed before agrees still.
//!
//! Must not import anything from the crate but its sibling model types.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::RuleMasks;
use crate::model::kube_proxy::{self, ChainName, ChainRole, HashForm, Protocol, ServicePortName};
use crate::model::netfilter::chain::Rules;
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::xt::targets::Target;
use crate::model::snapshot::NetfilterSections;

/// What a hash was made from.
type Origin = (ServicePortName, Protocol, HashForm);

impl RuleMasks<'_, '_> {
    /// Learns what the names of kube-proxy's chains will be.
    pub(super) fn learn_hashes(&mut self, netfilter: &NetfilterSections) {
        let chains: Vec<&Rules> = netfilter.contents.iter().flat_map(|table| &table.chains.value).collect();
        let services: BTreeSet<ServicePortName> =
            chains.iter().flat_map(|chain| &chain.rules).filter_map(commented).collect();
        let mut origins: BTreeMap<String, Origin> = BTreeMap::new();
        for service in &services {
            for protocol in Protocol::ALL {
                for form in HashForm::ALL {
                    let hash = kube_proxy::service_hash(service, protocol, form);
                    origins.entry(hash).or_insert_with(|| (service.clone(), protocol, form));
                }
            }
        }
        for chain in chains {
            let Some(old) = chain.chain.id.name.as_str() else { continue };
            let Some(parsed) = ChainName::parse(old).filter(|parsed| parsed.hash.len() == 16) else { continue };
            let new = if parsed.role == ChainRole::Endpoint {
                self.endpoint_chain(chain, &parsed)
            } else {
                origins.get(&parsed.hash).map(|(service, protocol, form)| {
                    let service = self.service(service);
                    kube_proxy::iptables_chain(parsed.role, &service, *protocol, *form)
                })
            };
            if let Some(new) = new {
                self.chains.insert(old.to_owned(), new);
            }
        }
    }

    /// An endpoint's chain has both in its rules: the service in a comment, the endpoint in a DNAT.
    fn endpoint_chain(&mut self, chain: &Rules, parsed: &ChainName) -> Option<String> {
        let service = chain.rules.iter().find_map(commented)?;
        let endpoint = chain.rules.iter().find_map(dnat)?;
        for protocol in Protocol::ALL {
            for form in HashForm::ALL {
                if kube_proxy::endpoint_hash(&service, protocol, endpoint, form) == parsed.hash {
                    let service = self.service(&service);
                    let endpoint = (self.masks.address(endpoint.ip()), endpoint.port()).into();
                    return Some(kube_proxy::iptables_endpoint_chain(&service, protocol, endpoint, form));
                }
            }
        }
        None
    }
}

/// The service port that a rule's comment begins with.
fn commented(rule: &Rule) -> Option<ServicePortName> {
    rule.comment()?.as_str()?.split(' ').find_map(ServicePortName::parse)
}

fn dnat(rule: &Rule) -> Option<SocketAddr> {
    match &rule.xt()?.target.does {
        Target::Dnat(range) => Some(SocketAddr::new(range.addresses?.0, range.ports?.0)),
        _ => None,
    }
}
