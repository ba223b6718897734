//! What is decoded of nf_tables equals `nft --debug=netlink`, expression by expression; the generation is checked.

mod captured;
mod changes;
mod debug;
mod elements;
mod listed;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use podnet::collect::kernel::{Kernel, Namespace};
use podnet::model::netfilter::chain::Hook;
use podnet::model::netfilter::expr::Expr;
use podnet::model::netfilter::rule::Body;
use podnet::model::netfilter::set::Element;
use podnet::model::netfilter::table::{Family, TableRef};

use crate::testbed::Netns;

const CORPUS: &str = include_str!("../../fixtures/rules/nf_tables/corpus.nft");
const LACKING: &str = include_str!("../../fixtures/rules/nf_tables/lacking.nft");
const KUBE_PROXY: &str = include_str!("../../fixtures/rules/nf_tables/kube-proxy.nft");

/// Runs `nft` within and gives what it wrote, or what it complained of.
fn try_nft(netns: &Netns, args: &[&str], input: &str) -> Result<String, String> {
    let net = format!("--net={}", netns.path().display());
    let mut child = Command::new("nsenter")
        .args([&net, "nft"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn nft(netns: &Netns, args: &[&str], input: &str) -> String {
    try_nft(netns, args, input).unwrap_or_else(|complaint| panic!("nft {args:?}: {complaint}"))
}

fn open(netns: &Netns) -> Namespace {
    Kernel::new().unwrap().open(&netns.handle())
}

/// A namespace with these rules in force.
fn with_rules(rules: &str) -> Netns {
    let netns = Netns::new();
    netns.ip("link add v1 type veth peer name v2");
    nft(&netns, &["-f", "-"], rules);
    netns
}

/// The corpus, and of what this kernel may lack as much as it takes.
fn corpus() -> Netns {
    let netns = with_rules(CORPUS);
    for line in LACKING.lines() {
        if let Err(complaint) = try_nft(&netns, &["-f", "-"], line) {
            let refused = ["No such file or directory", "Operation not supported"];
            assert!(refused.iter().any(|why| complaint.contains(why)), "{line}: {complaint}");
        }
    }
    netns
}

/// What stands under one heading of `nft --debug=netlink list ruleset`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    /// By family, table, chain and handle.
    rules: BTreeMap<[String; 4], Vec<String>>,
    /// By family, table and set; sorted.
    sets: BTreeMap<[String; 3], Vec<String>>,
}

/// The part of the program's output that tells messages; the ruleset in nft's own words follows it.
fn told_by_nft(output: &str) -> Told {
    let mut told = Told::default();
    let mut rule: Option<[String; 4]> = None;
    let mut set: Option<[String; 3]> = None;
    for line in output.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if line.starts_with("table ") && line.ends_with('{') {
            break;
        } else if let Some(text) = line.strip_prefix("  ") {
            let text = text.trim_start();
            told.rules.get_mut(rule.as_ref().unwrap()).unwrap().push(simplified(text));
        } else if let Some(text) = line.strip_prefix('\t') {
            told.sets.get_mut(set.as_ref().unwrap()).unwrap().push(text.to_owned());
        } else if let [family, table, name] = words[..]
            && let Some(name) = name.strip_prefix('@')
        {
            let key = [family, table, name].map(str::to_owned);
            told.sets.insert(key.clone(), Vec::new());
            set = Some(key);
        } else if let [family, table, chain, handle, ..] = words[..] {
            let key = [family, table, chain, handle].map(str::to_owned);
            told.rules.insert(key.clone(), Vec::new());
            rule = Some(key);
        } else {
            assert_eq!(line, "");
        }
    }
    for elements in told.sets.values_mut() {
        elements.sort();
    }
    told
}

/// Expressions that podnet does not decode, by the words that libnftnl begins their lines with: the rest is left out.
const NOT_DECODED: [&str; 6] = ["dup", "connlimit", "synproxy", "osf", "xfrm", "fwd"];

fn simplified(line: &str) -> String {
    for name in NOT_DECODED {
        if line.starts_with(&format!("[ {name} ")) {
            return format!("[ {name} ]");
        }
    }
    line.trim_end().to_owned()
}

/// The same of what podnet reads, and all expressions; tables of iptables-nft have tests of their own.
fn told_by_podnet(namespace: &Namespace) -> (Told, Vec<Expr>) {
    let mut told = Told::default();
    let mut all = Vec::new();
    let tables = namespace.tables();
    assert_eq!(tables.issues, []);
    for table in tables.value {
        let [family, name] = [table.id.family.name(), &table.id.name.to_string()].map(str::to_owned);
        let rules_of = namespace.rules_of(&table.id);
        assert_eq!(rules_of.issues, []);
        for found in &rules_of.value {
            let alone = namespace.chain(&found.chain.id);
            assert_eq!(alone.issues, []);
            assert_eq!(alone.value.as_ref(), Some(found));
            for (at, rule) in found.rules.iter().enumerate() {
                assert_eq!(usize::try_from(rule.number).unwrap(), at + 1);
                let handle = rule.handle.unwrap().to_string();
                let key = [family.clone(), name.clone(), found.chain.id.name.to_string(), handle];
                told.rules.insert(key, debug::rule(rule));
                if let Body::Nft(exprs) = &rule.body {
                    all.extend(exprs.iter().cloned());
                }
            }
        }
        let chains: Vec<_> = rules_of.value.into_iter().map(|rules| rules.chain).collect();
        assert_eq!(namespace.chains(&table.id).value, chains);
        assert!(chains.is_sorted());
        let sets = namespace.sets(&table.id);
        assert_eq!(sets.issues, []);
        assert!(sets.value.is_sorted_by(|one, other| one.id < other.id));
        assert_eq!(namespace.set(&table.id.set("no-such-set")).value, None);
        for set in sets.value {
            let alone = namespace.set(&set.id);
            assert_eq!((alone.value.as_ref(), &alone.issues[..]), (Some(&set), &[][..]));
            let elements = namespace.elements(&set.id);
            assert_eq!(elements.issues, []);
            assert!(elements.value.is_sorted_by_key(|element| (element.key.clone(), element.key_end.clone())));
            let mut lines: Vec<String> = elements.value.iter().map(debug::element).collect();
            lines.sort();
            told.sets.insert([family.clone(), name.clone(), set.id.name.to_string()], lines);
            all.extend(elements.value.into_iter().flat_map(|element: Element| element.exprs));
        }
    }
    assert_eq!(namespace.base_chains_beside(), namespace.base_chains());
    (told, all)
}

fn same(ours: &Told, theirs: &Told) {
    for (key, lines) in &theirs.rules {
        assert_eq!(ours.rules.get(key), Some(lines), "{key:?}");
    }
    for (key, lines) in &theirs.sets {
        assert_eq!(ours.sets.get(key), Some(lines), "{key:?}");
    }
    assert_eq!(ours, theirs);
}

/// The name by which nf_tables knows an expression that is not decoded.
fn unknown(exprs: &[Expr]) -> Vec<String> {
    let mut names: Vec<String> = exprs
        .iter()
        .filter_map(|expr| match expr {
            Expr::Unknown { name, .. } => Some(name.to_string()),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn every_rule_and_element_of_the_corpus_is_what_nft_says_of_it() {
    let netns = corpus();
    let (ours, exprs) = told_by_podnet(&open(&netns));
    let theirs = told_by_nft(&nft(&netns, &["--debug=netlink", "list", "ruleset"], ""));
    assert!(theirs.rules.len() > 200 && theirs.sets.len() > 20, "{} {}", theirs.rules.len(), theirs.sets.len());
    same(&ours, &theirs);
    let mut not_decoded = NOT_DECODED;
    not_decoded.sort_unstable();
    assert_eq!(unknown(&exprs), not_decoded);
}

#[test]
fn kube_proxys_nftables_ruleset_is_wholly_understood() {
    let netns = with_rules(KUBE_PROXY);
    let namespace = open(&netns);
    let (mut ours, exprs) = told_by_podnet(&namespace);
    let mut theirs = told_by_nft(&nft(&netns, &["--debug=netlink", "list", "ruleset"], ""));
    for told in [&mut ours, &mut theirs] {
        told.rules.retain(|[_, table, ..], _| table == "kube-proxy");
    }
    assert!(theirs.rules.len() > 50);
    same(&ours, &theirs);
    assert_eq!(unknown(&exprs), Vec::<String>::new());

    let map = TableRef::nf(Family::Ip, "kube-proxy").set("service-ips");
    let dns = elements::key(&[&[10, 32, 0, 10], &[17], &[0, 53]]);
    let found = namespace.element(&map, &dns);
    assert_eq!(found.issues, []);
    let line = debug::element(&found.value.unwrap());
    assert_eq!(
        line,
        "element 0a00200a 00000011 00003500  : goto -> service-FY5PMXPG-kube-system/kube-dns/udp/dns 0 [end]"
    );
    let nobody = namespace.element(&map, &elements::key(&[&[10, 32, 0, 11], &[17], &[0, 53]]));
    assert_eq!((nobody.value, nobody.issues), (None, vec![]));
}

#[test]
fn what_is_not_there_is_no_fault() {
    let netns = Netns::new();
    let namespace = open(&netns);
    let table = TableRef::nf(Family::Ip, "nobody");
    assert_eq!((namespace.tables().value, namespace.tables().issues), (vec![], vec![]));
    assert_eq!((namespace.chains(&table).value, namespace.chains(&table).issues), (vec![], vec![]));
    let chain = namespace.chain(&table.chain("none"));
    assert_eq!((chain.value, chain.issues), (None, vec![]));
    let rules = namespace.rules_of(&table);
    assert_eq!((rules.value, rules.issues), (vec![], vec![]));
    let sets = namespace.sets(&table);
    assert_eq!((sets.value, sets.issues), (vec![], vec![]));
    let elements = namespace.elements(&table.set("none"));
    assert_eq!((elements.value, elements.issues), (vec![], vec![]));
    let element = namespace.element(&table.set("none"), &elements::key(&[&[10, 0, 0, 1]]));
    assert_eq!((element.value, element.issues), (None, vec![]));
    let objects = namespace.objects(&table);
    assert_eq!((objects.value, objects.issues), (vec![], vec![]));
    // A kernel without nfnetlink_hook cannot tell; one with it has nothing there to tell.
    let hooks = namespace.hooks(Family::Ip, Hook::Forward);
    assert_eq!(hooks.issues, []);
    assert!(hooks.value.is_none_or(|entries| entries.iter().all(|entry| entry.chain.is_none())));
}
