//! What a person reads.

use podnet::analyze::services::{ServicesQuery, services};
use podnet::model::view::NodeView;
use podnet::render;
use podnet::render::style::Style;

use crate::world::Rules;

pub fn table(rules: Rules, text: Option<&str>, wide: bool) -> String {
    let node = rules.node();
    let query = ServicesQuery { text: text.map(str::to_owned), ..ServicesQuery::default() };
    let answer = services(&[&node as &dyn NodeView], &query).unwrap();
    let mut out = Vec::new();
    let write = if text.is_some() { render::services::write } else { render::services::list };
    write(&answer, Style { color: false, wide }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn show() {
    for rules in [Rules::Iptables, Rules::Nftables, Rules::Nftables130, Rules::Walkthrough] {
        println!("=== {rules:?}\n{}", table(rules, None, false));
    }
    for (rules, text) in [
        (Rules::Iptables, "web"),
        (Rules::Iptables, "dual"),
        (Rules::Iptables, "lb-local"),
        (Rules::Iptables, "lb-ranges"),
        (Rules::Iptables, "np-local-far"),
        (Rules::Nftables, "web-affinity"),
        (Rules::Iptables, "default/empty-np"),
        (Rules::Iptables, "pod:web-0"),
        (Rules::Nftables, "10.32.0.205:80"),
        (Rules::Nftables, "31090"),
        (Rules::Walkthrough, "nginx"),
    ] {
        println!("=== {rules:?} {text}\n{}", table(rules, Some(text), false));
    }
    println!("{}", table(Rules::Iptables, Some("lb-ranges"), true));
    println!("{}", table(Rules::Nftables, Some("lb-ranges"), true));
    println!("{}", table(Rules::Nftables130, Some("web-affinity"), true));
}
