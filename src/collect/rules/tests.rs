use std::fs;

use super::*;
use crate::model::issue::Level;
use crate::model::netfilter::table::BackEnd;
use crate::model::netfilter::view::NetfilterView as _;
use crate::model::sandbox::SandboxFilter;
use crate::model::view::NodeView as _;

const SAVE: &str = include_str!("../../../fixtures/rules/save/worker-0/iptables-nft-save-c.txt");
const SAVE6: &str = include_str!("../../../fixtures/rules/save/worker-0/ip6tables-nft-save-c.txt");
const JSON: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
    {"table": {"family": "ip", "name": "nat", "handle": 1}},
    {"chain": {"family": "ip", "table": "nat", "name": "KUBE-SERVICES", "handle": 5}},
    {"table": {"family": "inet", "name": "mine", "handle": 2}},
    {"chain": {"family": "inet", "table": "mine", "name": "c", "handle": 1, "type": "filter", "hook": "input", "prio": 5, "policy": "accept"}}]}"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

#[test]
fn several_files_are_one_node_of_which_only_the_rules_are_known() {
    let folder = Folder::new();
    let files = [
        folder.file("worker-7.nft.json", JSON.as_bytes()),
        folder.file("worker-7.iptables.txt", SAVE.as_bytes()),
        folder.file("worker-7.ip6tables.txt", SAVE6.as_bytes()),
        folder.file("worker-7.legacy.txt", b""),
    ];
    let node = open(&files).unwrap();
    assert_eq!(node.node().name, "worker-7.nft");
    let netns = node.node().host_netns;
    let tables = node.tables(netns);
    let names: Vec<String> =
        tables.value.iter().map(|table| format!("{} {}", table.id.family, table.id.name)).collect();
    assert_eq!(names, ["ip filter", "ip mangle", "ip nat", "ip6 filter", "ip6 mangle", "ip6 nat", "inet mine"]);
    assert!(tables.issues.iter().all(|issue| issue.level == Level::Note), "{:?}", tables.issues);
    // Both files tell of this table: the text tells more.
    let nat = TableRef::nf(Family::Ip, "nat");
    let services = node.chain(netns, &nat.chain("KUBE-SERVICES")).value.clone().unwrap();
    assert!(services.rules.len() > 5 && services.rules.iter().all(|rule| rule.xt().is_some()));
    let base = node.base_chains(netns);
    assert!(base.value.iter().any(|chain| chain.id.name == "c"));
    assert!(base.value.iter().any(|chain| chain.id.name == "PREROUTING" && chain.id.table == nat));
    assert_eq!(node.sandboxes(&SandboxFilter::All).issues.len(), 1);
    assert_eq!(node.routes(netns).issues.len(), 1);
    assert_eq!(node.ipsets(netns).issues.len(), 1);
    let lists = node.recent(netns, &"KUBE-SEP-J35HASIHPTI2XFHW".into());
    assert!(matches!(lists.issues[0].why, Why::NotRecorded { .. }), "{lists:?}");
    assert!(node.issues().iter().all(|issue| issue.hint.is_none()));
}

#[test]
fn what_cannot_be_read_is_told_at_each_table_of_the_file() {
    let folder = Folder::new();
    let path =
        folder.file("x.ip6tables", b"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s nowhere -j DROP\nCOMMIT\n");
    let node = open(std::slice::from_ref(&path)).unwrap();
    let netns = node.node().host_netns;
    let table = TableRef { back_end: BackEnd::Legacy, family: Family::Ip6, name: "nat".into() };
    for issues in [&node.tables(netns).issues, &node.chain(netns, &table.chain("PREROUTING")).issues] {
        let issue = issues.iter().find(|issue| issue.level == Level::Incomplete).unwrap();
        assert_eq!(issue.what, format!("reading {}", path.display()));
        assert!(issue.why.detail().starts_with("line 3, column 15: "), "{issue:?}");
    }
}

#[test]
fn a_table_of_two_files_counts_once_and_is_told() {
    let folder = Folder::new();
    let files = [folder.file("a", SAVE.as_bytes()), folder.file("b", SAVE.as_bytes())];
    let node = open(&files).unwrap();
    let tables = node.tables(node.node().host_netns);
    assert_eq!(tables.value.len(), 3);
    let twice = tables.issues.iter().filter(|issue| matches!(issue.why, Why::Disagreement { .. }));
    assert_eq!(twice.count(), 3);
}

#[test]
fn packed_files_are_read_and_named_without_their_endings() {
    use std::io::Write as _;
    let folder = Folder::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(SAVE.as_bytes()).unwrap();
    let path = folder.file("node-1.txt.gz", &packed.finish().unwrap());
    let node = open(&[path]).unwrap();
    assert_eq!(node.node().name, "node-1");
    assert_eq!(node.tables(node.node().host_netns).value.len(), 3);
}

#[test]
fn other_files_are_refused_with_what_they_are() {
    let folder = Folder::new();
    for (name, content, expected) in [
        ("words", b"hello\n".as_slice(), "neither text of iptables-save nor JSON of nft"),
        ("binary", b"\x00\x01\x02", "neither text of iptables-save nor JSON of nft"),
        ("nft-text", b"table ip nat {\n}\n", "neither text of iptables-save nor JSON of nft"),
        ("json", b"{\"a\": 1}", "no list \"nftables\" in it"),
        ("cut", b"{\"nftables\": [", "EOF while parsing"),
        ("snapshot", b"{\"format\": \"podnet-snapshot/1\"}", "a podnet snapshot"),
        ("no-utf8", b"{\"nftables\": \"\xff\"}", "JSON that is no UTF-8"),
        ("gzip", &[0x1f, 0x8b, 1, 2, 3], "reading "),
    ] {
        let path = folder.file(name, content);
        let told = open(&[path]).unwrap_err().to_string();
        assert!(told.contains(expected), "{name}: {told}");
    }
    for path in [folder.0.path().to_owned(), "/dev/null".into(), folder.0.path().join("none")] {
        assert!(open(std::slice::from_ref(&path)).is_err(), "{}", path.display());
    }
}
