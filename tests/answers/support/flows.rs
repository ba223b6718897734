//! Flows from what `conntrack -L -o extended,id` writes. Must not use podnet's own decoders.

use std::collections::BTreeMap;

use podnet::model::flow::Flow;
use podnet::model::flow::protocol::{ProtocolState, TcpState};
use podnet::model::flow::status::Status;
use podnet::model::flow::tuple::{Key, Tuple, Zone};

/// All lines.
pub fn listed(text: &str) -> Vec<Flow> {
    text.lines().map(one).collect()
}

/// One line.
pub fn one(line: &str) -> Flow {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (protocol, left): (u8, u32) = (words[3].parse().unwrap(), words[4].parse().unwrap());
    // Both tuples name their fields alike: the second one begins where `src` stands again.
    let (mut tuples, mut rest) = ([BTreeMap::new(), BTreeMap::new()], BTreeMap::new());
    let mut at = None;
    for (key, value) in words.iter().filter_map(|word| word.split_once('=')) {
        if key == "src" {
            at = Some(at.map_or(0, |at| at + 1));
        }
        match (key, at) {
            ("src" | "dst" | "sport" | "dport" | "type" | "code" | "id", Some(at)) if !rest.contains_key("use") => {
                tuples[at].insert(key, value);
            }
            _ => {
                rest.insert(key, value);
            }
        }
    }
    let mut status = Status::CONFIRMED;
    if !words.contains(&"[UNREPLIED]") {
        status |= Status::SEEN_REPLY;
    }
    if words.contains(&"[ASSURED]") {
        status |= Status::ASSURED;
    }
    let [original, reply] = tuples.map(|fields| tuple(protocol, &fields));
    let state = match words[5] {
        "TIME_WAIT" => Some(TcpState::TimeWait),
        "ESTABLISHED" => Some(TcpState::Established),
        "SYN_SENT" => Some(TcpState::SynSent),
        "CLOSE" => Some(TcpState::Close),
        _ => None,
    };
    Flow {
        original,
        reply,
        zone: Zone::default(),
        status: Status(status),
        timeout_s: Some(left),
        mark: rest.get("mark").map(|mark| mark.parse().unwrap()),
        id: rest.get("id").map_or(0, |id| id.parse().unwrap()),
        uses: rest.get("use").map(|uses| uses.parse().unwrap()),
        state: state.map(|state| ProtocolState::Tcp { state, window_scale: None, flags: None }),
        counters: None,
        timestamps: None,
        more: None,
    }
}

fn tuple(protocol: u8, fields: &BTreeMap<&str, &str>) -> Tuple {
    let number = |name: &str| fields[name].parse::<u16>().unwrap();
    let key = if fields.contains_key("sport") {
        Key::Ports { src: number("sport"), dst: number("dport") }
    } else if fields.contains_key("type") {
        let small = |name: &str| fields[name].parse::<u8>().unwrap();
        Key::Icmp { kind: small("type"), code: small("code"), id: number("id") }
    } else {
        Key::None
    };
    Tuple { src: fields["src"].parse().unwrap(), dst: fields["dst"].parse().unwrap(), protocol, key }
}
