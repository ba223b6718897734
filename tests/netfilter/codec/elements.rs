//! One element by key, and the model's own look-up, against the kernel's.

use podnet::collect::kernel::Namespace;
use podnet::model::netfilter::expr::Expr;
use podnet::model::netfilter::set::{Element, Set};
use podnet::model::netfilter::table::{Counters, Family, TableRef};
use podnet::model::text::{ByteText, Bytes};

use super::{corpus, nft, open, with_rules};

/// A key of these parts, each padded to four bytes.
pub fn key(parts: &[&[u8]]) -> Bytes {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Bytes(bytes)
}

fn set(namespace: &Namespace, table: &TableRef, name: &str) -> (Set, Vec<Element>) {
    let sets = namespace.sets(table).value;
    let set = sets.into_iter().find(|set| set.id.name == name).unwrap();
    let elements = namespace.elements(&set.id).value;
    (set, elements)
}

/// Numbers that look drawn, the same in each run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn the_models_lookup_is_the_kernels() {
    let netns = corpus();
    let namespace = open(&netns);
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let t4 = TableRef::nf(Family::Ip, "t4");
    let t6 = TableRef::nf(Family::Ip6, "t6");
    let sets = [
        (&t4, "plain"),
        (&t4, "intervals"),
        (&t4, "pairs"),
        (&t4, "ranges"),
        (&t4, "portmap"),
        (&t4, "dnatmap"),
        (&t4, "vm"),
        (&t4, "marks"),
        (&t4, "objmap"),
        (&t6, "six"),
    ];
    for (table, name) in sets {
        let (set, elements) = set(&namespace, table, name);
        assert!(!elements.is_empty());
        let (mut hits, mut misses) = (0, 0);
        for _ in 0..300 {
            // Near a key that is there, or a part of it anything.
            let near = &elements[usize::try_from(draw.next()).unwrap() % elements.len()];
            let mut key = if near.key.is_empty() { Bytes(vec![10, 0, 0, 9]) } else { near.key.clone() };
            let length = key.0.len();
            for _ in 0..draw.next() % 3 {
                let at = usize::try_from(draw.next()).unwrap() % length;
                let by = [0, 1, 255, 2, draw.next().to_le_bytes()[0]][usize::try_from(draw.next() % 5).unwrap()];
                // What pads a short part is always zero.
                if key.0[at] != 0 || at % 4 != 3 {
                    key.0[at] = key.0[at].wrapping_add(by);
                }
            }
            let kernel = namespace.element(&set.id, &key);
            assert_eq!(kernel.issues, []);
            assert_eq!(set.find(&elements, &key), kernel.value.as_ref(), "{name} {key:?}");
            *(if kernel.value.is_some() { &mut hits } else { &mut misses }) += 1;
        }
        assert!(hits > 0, "{name}");
        assert!(misses > 0 || name == "vm", "{name}");
    }
}

#[test]
fn elements_keep_their_time_and_their_counters() {
    let netns = corpus();
    let namespace = open(&netns);
    let t4 = TableRef::nf(Family::Ip, "t4");
    let (timed, elements) = set(&namespace, &t4, "timed");
    assert_eq!((timed.timeout_ms, timed.gc_interval_ms, timed.size), (Some(3_600_000), Some(30_000), Some(1000)));
    let [element] = &elements[..] else { panic!("{elements:?}") };
    assert_eq!(element.timeout_ms, Some(1_800_000));
    let said: serde_json::Value =
        serde_json::from_str(&nft(&netns, &["-j", "list", "set", "ip", "t4", "timed"], "")).unwrap();
    let left = said["nftables"][1]["set"]["elem"][0]["elem"]["expires"].as_u64().unwrap();
    let ours = element.expires_ms.unwrap();
    assert!(ours >= left * 1000 && ours <= 1_800_000, "{ours} {left}");

    let (counted, elements) = set(&namespace, &t4, "counted");
    assert_eq!(counted.exprs, [Expr::Counter(Counters { packets: 0, bytes: 0 })]);
    let [element] = &elements[..] else { panic!("{elements:?}") };
    assert_eq!(element.exprs, [Expr::Counter(Counters { packets: 3, bytes: 300 })]);

    let (_, elements) = set(&namespace, &t4, "objmap");
    assert!(elements.iter().all(|element| element.object.is_some()), "{elements:?}");
    let (pairs, elements) = set(&namespace, &t4, "pairs");
    assert_eq!(pairs.comment.unwrap(), "pairs");
    assert_eq!(elements[0].comment.as_ref().unwrap(), &"web");
    let (ranges, _) = set(&namespace, &t4, "ranges");
    assert_eq!(ranges.fields, [4, 2]);
}

/// Maps from a number that is drawn, as kube-proxy writes them and as nobody would.
fn drawn() -> String {
    let many: Vec<String> = (0..65).map(|number| format!("{number} : accept")).collect();
    let maps = [
        "meta l4proto tcp dnat ip to numgen random mod 3 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80, 2 : 10.0.0.3 . 80 }",
        "numgen random mod 2 vmap { 0 : goto other, 1 : goto other }",
        "numgen random mod 2 offset 100 vmap { 100 : goto other, 101 : goto other }",
        "numgen random mod 3 vmap { 0 : accept, 2 : drop }",
        "numgen random mod 3 vmap { 0 : accept, 1 : drop, * : return }",
        "numgen random mod 2 vmap { * : return }",
        "numgen random mod 9 vmap { 0-3 : accept, 4-8 : drop }",
        "ct mark { 0, 1, 2 } drop",
        "ip daddr { 0.0.0.0, 1.0.0.0, 2.0.0.0 } drop",
        "ip daddr . tcp dport vmap { 10.0.0.1 . 80 : accept }",
        &format!("numgen random mod 65 vmap {{ {} }}", many.join(", ")),
    ];
    let open = "map open { type mark : verdict; size 2; flags timeout; elements = { 0 : accept, 1 : drop } }";
    format!("table ip drawn {{ \n{open}\nchain other {{ }}\nchain draws {{\n{}\n}}\n}}", maps.join("\n"))
}

#[test]
fn sets_that_are_read_together_are_the_same_as_one_by_one() {
    let netns = corpus();
    nft(&netns, &["-f", "-"], &drawn());
    let namespace = open(&netns);
    let mut lengths = Vec::new();
    for table in namespace.tables().value {
        let mut names: Vec<ByteText> = namespace.sets(&table.id).value.into_iter().map(|set| set.id.name).collect();
        names.extend(["none".into(), names.first().cloned().unwrap_or_default()]);
        let together = namespace.elements_in(&table.id, &names);
        assert_eq!(together.issues, []);
        assert_eq!(together.value.len(), names.len());
        for (name, elements) in names.iter().zip(&together.value) {
            let mut alone = namespace.elements(&table.id.set(name.clone()));
            assert_eq!(alone.issues, []);
            // Time passes between two looks.
            let mut elements = elements.clone();
            elements.iter_mut().chain(&mut alone.value).for_each(|element| element.expires_ms = None);
            assert_eq!(elements, alone.value, "{name} of {:?}", table.id);
            if table.id.name == *"drawn" && name != "none" {
                lengths.push(elements.len());
            }
        }
    }
    lengths.sort_unstable();
    // The first one is there twice; of two intervals side by side there are three elements.
    assert_eq!(lengths, [1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 65]);
}

#[test]
fn sets_that_are_read_together_are_of_one_generation() {
    let netns = with_rules("add table ip t; add chain ip t c");
    let namespace = open(&netns);
    let table = TableRef::nf(Family::Ip, "t");
    // The same name stands for maps of other sizes, one after the other.
    for size in [3, 2, 5, 1, 4] {
        let choices: Vec<String> = (0..size).map(|number| format!("{number} : accept")).collect();
        let rule =
            format!("flush chain ip t c; add rule ip t c numgen random mod {size} vmap {{ {} }}", choices.join(", "));
        nft(&netns, &["-f", "-"], &rule);
        let names: Vec<ByteText> = namespace.sets(&table).value.into_iter().map(|set| set.id.name).collect();
        let together = namespace.elements_in(&table, &names);
        assert_eq!(together.issues, []);
        assert_eq!(together.value.iter().map(Vec::len).collect::<Vec<_>>(), [size]);
    }
}
