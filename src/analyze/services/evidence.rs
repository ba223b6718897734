//! Evidence: the rule or element that a statement rests on, in its own tool's words.
//!
//! May import model and its siblings only.

use std::sync::Arc;

use super::source::Source;
use super::step::counters;
use super::types::Evidence;
use crate::analyze::notation::nft::{self, Contents};
use crate::analyze::notation::save;
use crate::model::issue::Section;
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::expr::Data;
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::set::{Element, Set, SetRef};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::words::kind::Kind;
use crate::model::text::{ByteText, Bytes};

/// Whether it is told what statements rest on, which a table of all services does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    Told,
    Left,
}

/// A rule as evidence.
pub(super) fn of_rule(chain: &Arc<ChainRef>, rule: &Rule, source: &Source<'_>) -> Evidence {
    Evidence::Rule {
        chain: Arc::clone(chain),
        number: rule.number,
        handle: rule.handle,
        counters: counters(rule),
        text: text(chain, rule, source),
    }
}

/// An element as evidence.
pub(super) fn of_element(set: &Arc<SetRef>, key: String, value: Option<String>) -> Evidence {
    Evidence::Element { set: Arc::clone(set), key, value }
}

/// The rule as `iptables-save` (without its counters) or `nft` writes it.
fn text(chain: &ChainRef, rule: &Rule, source: &Source<'_>) -> String {
    let family = chain.table.family;
    match &rule.body {
        Body::Xt(xt) => format!("-A {} {}", chain.name, save::rule(xt, family)).trim_end().to_owned(),
        Body::Nft(_) => nft::rule(rule, family, &Known(source)).text,
    }
}

/// The sets of kube-proxy's table, whose types are known from what they are for: the kernel gives them only
/// with those of all other sets, of which there are as many as services.
struct Known<'s, 'a>(&'s Source<'a>);

impl Contents for Known<'_, '_> {
    fn set(&self, name: &ByteText) -> Option<Set> {
        let six = self.0.table.family == Family::Ip6;
        let address = if six { Kind::Ipv6 } else { Kind::Ipv4 };
        let service = [address, Kind::Protocol, Kind::Service];
        let text = name.as_str()?;
        if text.starts_with("__") {
            return Some(self.anonymous(name, address));
        }
        let (key, verdicts): (&[Kind], bool) = match text {
            "service-ips" | "no-endpoint-services" | "firewall-ips" => (&service, true),
            "service-nodeports" | "no-endpoint-nodeports" => (&service[1..], true),
            "hairpin-connections" => (&[address, address, Kind::Protocol, Kind::Service], false),
            "cluster-ips" | "nodeport-ips" => (&[address], false),
            _ if text.starts_with("affinity-") => (&[address], false),
            _ => return None,
        };
        let mut set = self.plain(name, key);
        if verdicts {
            set.flags |= Set::MAP;
            set.data_type = Some(Set::VERDICT);
        }
        Some(set)
    }

    fn elements(&self, name: &ByteText) -> Section<Vec<Element>> {
        self.0.elements(&self.0.set(name)).section()
    }
}

impl Known<'_, '_> {
    /// A set without a name is of addresses, or a map from a number that was drawn.
    fn anonymous(&self, name: &ByteText, address: Kind) -> Set {
        let elements = self.0.elements(&self.0.set(name));
        let mut set = match elements.first().and_then(|element| element.data.as_ref()) {
            None => self.plain(name, &[address]),
            Some(data) => {
                let mut map = self.plain(name, &[Kind::Integer]);
                map.key_length = 4;
                map.flags |= Set::MAP;
                (map.data_type, map.data_length) = match data {
                    Data::Verdict(_) => (Some(Set::VERDICT), None),
                    Data::Value(Bytes(bytes)) => {
                        let parts = Kind::concatenated(&[address, Kind::Service]);
                        (Some(parts), u32::try_from(bytes.len()).ok())
                    }
                };
                map
            }
        };
        set.flags |= Set::ANONYMOUS | Set::CONSTANT;
        if elements.iter().any(|element| element.interval_end || element.key_end.is_some()) {
            set.flags |= Set::INTERVAL;
        }
        set
    }

    fn plain(&self, name: &ByteText, key: &[Kind]) -> Set {
        let is_one = key.len() == 1;
        Set {
            id: self.0.table.set(name.clone()),
            handle: None,
            flags: if is_one { 0 } else { Set::CONCAT },
            key_type: Kind::concatenated(key),
            key_length: key
                .iter()
                .map(|kind| if is_one { kind.bytes() } else { kind.bytes().next_multiple_of(4) })
                .sum(),
            fields: if is_one { Vec::new() } else { key.iter().map(|kind| kind.bytes()).collect() },
            data_type: None,
            data_length: None,
            object_kind: None,
            timeout_ms: None,
            gc_interval_ms: None,
            size: None,
            policy: None,
            exprs: Vec::new(),
            comment: None,
            user_data: Bytes::default(),
        }
    }
}
