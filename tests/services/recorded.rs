//! Every service of the recorded cluster, under every set of rules.

use podnet::analyze::services::types::{Mode, Services};
use podnet::analyze::services::{ServicesQuery, services};
use podnet::model::view::NodeView;
use serde_json::Value;

use crate::oracle::{expected, told};
use crate::world::Rules;

pub fn ask(rules: Rules, query: &ServicesQuery) -> Services {
    let node = rules.node();
    services(&[&node as &dyn NodeView], query).unwrap().data
}

#[test]
fn every_service_is_as_the_api_server_had_it() {
    for rules in Rules::RECORDED {
        let data = ask(rules, &ServicesQuery::default());
        let found: Vec<Value> = data.services.iter().map(told).collect();
        let wanted = expected(rules);
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(differences(found, wanted), Vec::<String>::new(), "{rules:?}: {}", wanted["name"]);
        }
        assert_eq!(found.len(), wanted.len(), "{rules:?}");
        assert_eq!(data.leftovers, [], "{rules:?}");
        let mode = if rules.is_nftables() { Mode::Nftables } else { Mode::Iptables };
        assert_eq!(data.proxies[0].mode, mode, "{rules:?}");
    }
}

/// The fields that differ, so that a failure says where it is.
fn differences(found: &Value, wanted: &Value) -> Vec<String> {
    let (found, wanted) = (found.as_object().unwrap(), wanted.as_object().unwrap());
    let names = found.keys().chain(wanted.keys().filter(|name| !found.contains_key(*name)));
    let differ = names.filter(|name| found.get(*name) != wanted.get(*name));
    differ.map(|name| format!("{name}: {:?}, not {:?}", found.get(name), wanted.get(name))).collect()
}
