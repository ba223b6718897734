//! nf_tables rules as podnet writes them, against `nft -nn -a list`.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use podnet::analyze::notation::nft::{Contents, LinkName, chain_head, rule_line, set};
use podnet::collect::kernel::{Kernel, Namespace};
use podnet::model::issue::Section;
use podnet::model::netfilter::object::ObjectState;
use podnet::model::netfilter::rule::Rule;
use podnet::model::netfilter::set::{Element, Set};
use podnet::model::netfilter::table::{BackEnd, TableRef};
use podnet::model::snapshot::{SetSections, TableSections};
use podnet::model::text::{ByteText, Bytes};
use podnet::wire::nft_json;

use crate::testbed::Netns;

/// A namespace with rules in it.
struct Ruleset {
    netns: Netns,
    kernel: Namespace,
}

impl Ruleset {
    fn load(rules: &str) -> Self {
        let netns = Netns::new();
        let kernel = Kernel::new().unwrap().open(&netns.handle());
        let made = Self { netns, kernel };
        made.feed(rules);
        made
    }

    fn feed(&self, rules: &str) {
        use std::io::Write as _;
        let mut child = self.nft(&["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "nft refused the rules");
    }

    fn nft(&self, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.netns.name, "nft"]).args(args).env("TZ", "UTC");
        command
    }

    fn ask(&self, args: &[&str]) -> String {
        let output = self.nft(args).output().unwrap();
        assert!(output.status.success(), "nft {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// All tables of nf_tables, read from the kernel.
    fn tables(&self) -> Vec<TableSections> {
        let tables = self.kernel.tables();
        assert_eq!(tables.issues, []);
        let nf = tables.value.into_iter().filter(|table| table.id.back_end == BackEnd::NfTables);
        nf.map(|table| self.table(&table.id)).collect()
    }

    fn table(&self, table: &TableRef) -> TableSections {
        let sets = self.kernel.sets(table);
        let elements =
            |set: &Set| SetSections { set: set.id.name.clone(), elements: self.kernel.elements(&set.id).section() };
        TableSections {
            table: table.clone(),
            chains: self.kernel.rules_of(table).section(),
            elements: sets.value.iter().map(elements).collect(),
            sets: sets.section(),
            objects: self.kernel.objects(table).section(),
        }
    }
}

/// A table's contents, and that the only link is `lo`.
struct Lone<'a>(&'a TableSections);

impl Contents for Lone<'_> {
    fn set(&self, name: &ByteText) -> Option<Set> {
        self.0.set(name)
    }

    fn elements(&self, name: &ByteText) -> Section<Vec<Element>> {
        self.0.elements(name)
    }

    fn link_name(&self, index: u32) -> LinkName {
        if index == 1 { LinkName::Is("lo".into()) } else { LinkName::Gone }
    }
}

/// What a listing says of one chain or set, without the table around it.
fn inner(listing: &str) -> String {
    let lines: Vec<&str> = listing.lines().collect();
    lines[1..lines.len() - 1].join("\n") + "\n"
}

/// Compares each chain of a ruleset; gives what is not as nft has it, and what says that it is not.
fn chains(ruleset: &Ruleset) -> (Vec<(String, String)>, Vec<String>) {
    let (mut differing, mut inexact) = (Vec::new(), Vec::new());
    for table in ruleset.tables() {
        let (family, name) = (table.table.family, table.table.name.to_string());
        let contents = Lone(&table);
        for chain in &table.chains.value {
            let theirs =
                ruleset.ask(&["-nn", "-a", "list", "chain", family.name(), &name, &chain.chain.id.name.to_string()]);
            let mut lines = inner(&theirs);
            let head = chain_head(&chain.chain);
            assert!(head.exact);
            let Some(rest) = lines.strip_prefix(&head.text) else {
                panic!("{lines} does not begin with {}", head.text)
            };
            lines = rest.strip_suffix("\t}\n").unwrap().to_owned();
            let theirs: Vec<&str> = lines.split_inclusive('\n').collect();
            assert_eq!(theirs.len(), chain.rules.len(), "{lines}");
            for (rule, theirs) in chain.rules.iter().zip(theirs) {
                let ours = rule_line(rule, family, &contents);
                if !ours.exact {
                    inexact.push(ours.text);
                } else if ours.text != theirs {
                    differing.push((ours.text, theirs.to_owned()));
                }
            }
        }
    }
    (differing, inexact)
}

/// Compares each named set of a ruleset.
fn sets(ruleset: &Ruleset) -> (Vec<(String, String)>, Vec<String>) {
    let (mut differing, mut inexact) = (Vec::new(), Vec::new());
    for table in ruleset.tables() {
        let (family, name) = (table.table.family, table.table.name.to_string());
        let contents = Lone(&table);
        for found in table.sets.value.iter().filter(|set| !set.is(Set::ANONYMOUS)) {
            let word = if found.is(Set::MAP) || found.is(Set::OBJECT) { "map" } else { "set" };
            let elements = contents.elements(&found.id.name);
            assert_eq!(elements.issues, []);
            let ours = set(found, &elements.value, &contents);
            let theirs =
                inner(&ruleset.ask(&["-nn", "-a", "list", word, family.name(), &name, &found.id.name.to_string()]));
            if !ours.exact {
                inexact.push(ours.text);
            } else if !is_same_but_for_time(&ours.text, &theirs) {
                differing.push((ours.text, theirs));
            }
        }
    }
    (differing, inexact)
}

/// How many seconds may lie between two looks on a busy machine.
const LATER: u64 = 120;

/// Whether a set that was looked at later is told in the same words, but for the seconds that its elements have left.
fn is_same_but_for_time(ours: &str, theirs: &str) -> bool {
    const LEFT: &str = "expires ";
    let split = |text: &str| {
        let mut parts = text.split(LEFT);
        let mut words = vec![parts.next().unwrap_or_default().to_owned()];
        let mut seconds = Vec::new();
        for part in parts {
            let (number, rest) = part.split_once('s').unwrap();
            seconds.push(number.parse::<u64>().unwrap());
            words.push(rest.to_owned());
        }
        (words, seconds)
    };
    let ((ours, before), (theirs, after)) = (split(ours), split(theirs));
    let later = |(before, after): (&u64, &u64)| (*after..=*after + LATER).contains(before);
    ours == theirs && before.len() == after.len() && before.iter().zip(&after).all(later)
}

fn told(differing: &[(String, String)]) -> String {
    differing.iter().fold(String::new(), |mut text, (ours, theirs)| {
        let _ = writeln!(text, "ours   {ours}theirs {theirs}");
        text
    })
}

/// Every rule and set is written as nft writes it, and podnet says so.
fn same(rules: &str) {
    let ruleset = Ruleset::load(rules);
    for (differing, inexact) in [chains(&ruleset), sets(&ruleset)] {
        assert!(differing.is_empty(), "{}", told(&differing));
        assert_eq!(inexact, Vec::<String>::new());
    }
}

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/rules/nft/", $name, ".nft"))
    };
}

#[test]
fn kube_proxy_1_36_is_written_as_nft_does() {
    same(fixture!("kube-proxy-1.36"));
}

#[test]
fn kube_proxy_1_30_is_written_as_nft_does() {
    same(fixture!("kube-proxy-1.30"));
}

#[test]
fn cni_plugins_are_written_as_nft_does() {
    same(fixture!("cni"));
}

#[test]
fn container_engines_and_firewalld_are_written_as_nft_does() {
    same(fixture!("containers"));
}

#[test]
fn the_vocabulary_of_ip_is_written_as_nft_does() {
    same(fixture!("ip"));
}

#[test]
fn the_vocabulary_of_inet_is_written_as_nft_does() {
    same(fixture!("inet"));
}

#[test]
fn the_vocabulary_of_inet_nat_is_written_as_nft_does() {
    same(fixture!("inet-nat"));
    same(fixture!("inet-masquerade"));
}

#[test]
fn the_vocabulary_of_a_bridge_is_written_as_nft_does() {
    same(fixture!("bridge"));
}

#[test]
fn sets_and_maps_are_written_as_nft_does() {
    same(fixture!("sets"));
}

/// Rules in a chain of an inet table: what is not as nft has it, and what says so itself.
fn odd(rules: &str) -> (Vec<(String, String)>, Vec<String>) {
    let ruleset =
        Ruleset::load(&format!("table inet t {{\nchain c {{\ntype nat hook prerouting priority -100\n{rules}\n}}\n}}"));
    chains(&ruleset)
}

#[test]
fn nft_forgets_what_stands_before_a_port_of_no_known_protocol_and_podnet_does_not() {
    let (differing, inexact) = odd("meta l4proto 91 th dport 53");
    assert_eq!(
        told(&differing),
        "ours   \t\tmeta l4proto 91 th dport 53 # handle 2\ntheirs \t\tth dport 53 # handle 2\n\n"
    );
    assert_eq!(inexact, Vec::<String>::new());
}

#[test]
fn nft_takes_two_bounds_for_one_range_and_podnet_does_not() {
    let (differing, inexact) = odd("tcp sport >= 80 tcp dport <= 90");
    assert_eq!(
        told(&differing),
        "ours   \t\ttcp sport >= 80 tcp dport <= 90 # handle 2\ntheirs \t\ttcp dport 80-90 # handle 2\n\n"
    );
    assert_eq!(inexact, Vec::<String>::new());
}

#[test]
fn the_order_of_some_elements_is_the_kernels_own_and_podnet_says_so() {
    let (differing, inexact) =
        odd("ip saddr . tcp dport { 10.0.0.0/8 . 80-90, 1.2.3.4 . 443 }\ntcp flags { syn, syn|ack }");
    assert_eq!(differing, []);
    assert_eq!(
        inexact,
        [
            "\t\tip saddr . tcp dport { 1.2.3.4 . 443, 10.0.0.0/8 . 80-90 } # handle 3\n",
            "\t\ttcp flags { 0x2, 0x2 | 0x10 } # handle 5\n"
        ]
    );
}

#[test]
fn what_hangs_on_the_readers_time_zone_stays_in_brackets() {
    let (differing, inexact) = odd("iifname \"eth0\" meta hour \"17:00\" tcp dport 80 counter");
    assert_eq!(differing, []);
    assert_eq!(
        inexact,
        [
            "\t\tiifname \"eth0\" [ meta load key 32 => reg 1 ] [ cmp eq reg 1 0x10ef0000 ] tcp dport 80 counter packets 0 bytes 0 # handle 2\n"
        ]
    );
}

#[test]
fn an_unknown_link_is_no_number() {
    let ruleset = Ruleset::load("table inet t {\nchain c {\niif lo tcp dport 80\n}\n}");
    let table = ruleset.tables().remove(0);
    let rule: &Rule = &table.chains.value[0].rules[0];
    let text = rule_line(rule, table.table.family, &table);
    assert!(!text.exact);
    assert_eq!(text.text, "\t\t[ meta load key 4 => reg 1 ] [ cmp eq reg 1 0x01000000 ] tcp dport 80 # handle 2\n");
}

/// A table without what the file does not tell: how often chains are used, their flags and comments,
/// whether a set is dynamic, user data, handles of anonymous sets, what is left of a timeout.
fn as_told(mut table: TableSections) -> TableSections {
    let mut chains = table.chains.value.clone();
    for rules in &mut chains {
        rules.chain.uses = None;
        rules.chain.flags = 0;
        rules.chain.comment = None;
        rules.chain.user_data = Bytes::default();
    }
    let mut sets = table.sets.value.clone();
    for set in &mut sets {
        set.flags &= !Set::DYNAMIC;
        set.user_data = Bytes::default();
        if set.is(Set::ANONYMOUS) {
            set.handle = None;
        }
    }
    for held in &mut table.elements {
        let mut elements = held.elements.value.clone();
        for element in &mut elements {
            element.expires_ms = None;
            element.user_data = Bytes::default();
        }
        held.elements = podnet::model::issue::Read { value: elements, issues: held.elements.issues.clone() }.section();
    }
    let mut objects = table.objects.value.clone();
    for object in &mut objects {
        object.uses = None;
        // What podnet does not decode is in each form as it came.
        if let ObjectState::Other(inner) = &mut object.state {
            *inner = Bytes::default();
        }
    }
    table.objects = podnet::model::issue::Read { value: objects, issues: table.objects.issues.clone() }.section();
    table.chains = podnet::model::issue::Read { value: chains, issues: table.chains.issues.clone() }.section();
    table.sets = podnet::model::issue::Read { value: sets, issues: table.sets.issues.clone() }.section();
    table
}

/// Both as JSON, where they differ.
fn pair<T: PartialEq + serde::Serialize>(what: String, ours: &T, theirs: &T) -> Option<(String, String)> {
    let json = |value: &T| serde_json::to_string(value).unwrap();
    (ours != theirs).then(|| (what, format!("\nfile   {}\nkernel {}\n", json(ours), json(theirs))))
}

/// Where the file's meaning and the kernel's differ; `untold`: what issues there are.
fn unlike(ruleset: &Ruleset, untold: &[&str]) -> Vec<(String, String)> {
    let told = nft_json::ruleset(&ruleset.ask(&["-j", "-a", "list", "ruleset"]));
    let issues: Vec<&str> = told.issues.iter().map(|issue| issue.why.detail()).collect();
    assert_eq!(issues, untold);
    let ours: Vec<TableSections> = told.value.contents.into_iter().map(as_told).collect();
    let theirs: Vec<TableSections> = ruleset.tables().into_iter().map(as_told).collect();
    let names = |tables: &[TableSections]| tables.iter().map(|table| table.table.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    let mut found = Vec::new();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.objects, theirs.objects);
        assert_eq!(ours.chains.value.len(), theirs.chains.value.len());
        for (ours, theirs) in ours.chains.value.iter().zip(&theirs.chains.value) {
            let name = &ours.chain.id.name;
            found.extend(pair(format!("chain {name}"), &ours.chain, &theirs.chain));
            assert_eq!(ours.rules.len(), theirs.rules.len());
            for (ours, theirs) in ours.rules.iter().zip(&theirs.rules) {
                found.extend(pair(format!("{name} {}", ours.number), ours, theirs));
            }
        }
        for theirs in &theirs.sets.value {
            match ours.sets.value.iter().find(|set| set.id == theirs.id) {
                Some(ours) => found.extend(pair(format!("set {}", ours.id.name), ours, theirs)),
                None => found.push((format!("no set {}", theirs.id.name), String::new())),
            }
        }
        assert!(ours.sets.value.iter().all(|set| theirs.sets.value.iter().any(|known| known.id == set.id)));
        for ours in &ours.elements {
            let theirs = theirs.elements.iter().find(|held| held.set == ours.set).unwrap();
            found.extend(pair(format!("elements of {}", ours.set), ours, theirs));
        }
    }
    found
}

/// All but what is named means the same.
fn means_the_same_but(rules: &str, untold: &[&str], unlike_ones: &[&str]) {
    let found = unlike(&Ruleset::load(rules), untold);
    let (named, unnamed): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(what, _)| unlike_ones.contains(&what.as_str()));
    let texts: Vec<String> = unnamed.into_iter().map(|(what, text)| format!("{what}{text}")).collect();
    assert!(texts.is_empty(), "{}", texts.concat());
    assert_eq!(named.into_iter().map(|(what, _)| what).collect::<Vec<_>>(), unlike_ones);
}

fn means_the_same(rules: &str) {
    means_the_same_but(rules, &[], &[]);
}

#[test]
fn the_json_of_kube_proxy_1_36_means_what_the_kernel_has() {
    means_the_same(fixture!("kube-proxy-1.36"));
}

#[test]
fn the_json_of_kube_proxy_1_30_means_what_the_kernel_has() {
    means_the_same(fixture!("kube-proxy-1.30"));
}

#[test]
fn the_json_of_cni_plugins_means_what_the_kernel_has() {
    means_the_same(fixture!("cni"));
}

#[test]
fn the_json_of_container_engines_and_firewalld_means_what_the_kernel_has() {
    means_the_same(fixture!("containers"));
}

// What nft leaves out of a listing, it cannot tell: that TCP was asked for as `ip protocol` …
#[test]
fn the_json_of_ip_means_what_the_kernel_has() {
    means_the_same_but(fixture!("ip"), &[], &["c1 5"]);
}

// … that two intervals were one behind the other before they were joined …
#[test]
fn the_json_of_inet_nat_means_what_the_kernel_has() {
    means_the_same_but(fixture!("inet-nat"), &[], &["set __set2"]);
    means_the_same(fixture!("inet-masquerade"));
}

#[test]
fn the_json_of_inet_means_what_the_kernel_has() {
    means_the_same(fixture!("inet"));
}

// … that IPv4 was asked for as `ether type` …
#[test]
fn the_json_of_a_bridge_means_what_the_kernel_has() {
    means_the_same_but(fixture!("bridge"), &[], &["c1 3"]);
}

// … and neither the link of an ingress chain, nor how long the numbers are of which a set is the `typeof`.
#[test]
fn the_json_of_sets_means_what_the_kernel_has() {
    let untold = [
        "item 12 of \"nftables\": the set \"b1\" cannot be read back",
        "item 24 of \"nftables\": the set \"b7\" cannot be read back",
    ];
    means_the_same_but(fixture!("sets"), &untold, &["chain c3", "no set b1", "no set b7"]);
}

#[test]
fn xtables_matches_in_json_are_unknown_by_their_names() {
    use podnet::model::netfilter::expr::Expr;
    use podnet::model::netfilter::rule::Body;

    let ruleset = Ruleset::load("");
    ruleset.netns.exec(
        "iptables-nft",
        &["-A", "FORWARD", "-m", "comment", "--comment", "hello", "-j", "MARK", "--set-mark", "1"],
    );
    let told = nft_json::parse(&ruleset.ask(&["-j", "list", "ruleset"]));
    assert_eq!(told.issues, []);
    let chain = told.value[0].chains.value.iter().find(|rules| rules.chain.id.name == "FORWARD").unwrap();
    let Body::Nft(exprs) = &chain.rules[0].body else { panic!("not nft") };
    let names: Vec<String> = exprs
        .iter()
        .map(|expr| match expr {
            Expr::Unknown { name, .. } => name.to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["comment", "Counter(Counters { packets: 0, bytes: 0 })", "MARK"]);
}
