//! Answers on worker-0 as it was recorded.

use podnet::analyze::answer::Answer;
use podnet::analyze::identity::PodQuery;
use podnet::analyze::pods::{PodsQuestion, pods};
use podnet::analyze::veth::veth;
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;
use podnet::render;
use podnet::render::style::Style;

use crate::support::recorded::{folder, worker_0};

const WIDE: Style = Style { color: false, wide: true };

#[test]
fn the_snapshot_in_the_fixtures_is_what_the_recordings_say() {
    let path = folder().join("worker-0.json");
    let built = serde_json::to_string_pretty(&worker_0()).unwrap() + "\n";
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    if stored != built {
        std::fs::write(&path, built).unwrap();
        panic!("{} was not current and has been written anew: look at the difference", path.display());
    }
    assert_eq!(serde_json::from_str::<Snapshot>(&stored).unwrap(), worker_0());
}

fn text<T>(
    answer: &Answer<T>,
    write: fn(&Answer<T>, Style, &mut dyn std::io::Write) -> std::io::Result<()>,
    style: Style,
) -> String {
    let mut out = Vec::new();
    write(answer, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn pods_of_the_recorded_node() {
    let node = worker_0();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = pods(&nodes, &PodsQuestion::default());
    println!("{}", text(&answer, render::pods::write, Style::PLAIN));
    let answer = pods(&nodes, &PodsQuestion { pids: true, ..PodsQuestion::default() });
    println!("{}", text(&answer, render::pods::write, WIDE));
    println!("{:?}", answer.issues);
    let answer = veth(&nodes, &PodQuery::new("nginx")).unwrap();
    println!("{}", text(&answer, render::veth::write, Style::PLAIN));
    println!("{}", text(&answer, render::veth::write, WIDE));
    println!("{:?}", answer.issues);
    let answer = veth(&nodes, &PodQuery::new("hostnet")).unwrap();
    println!("{}", text(&answer, render::veth::write, Style::PLAIN));
    println!("{:?}", answer.issues);
}
