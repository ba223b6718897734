//! A rule of nat as a sentence.
//!
//! May import model and analysis only.

use std::net::SocketAddr;

use crate::analyze::netfilter::condition::{Addresses, WhichPort};
use crate::analyze::netfilter::deed::TranslationKind;
use crate::analyze::netfilter::{Ask, Clause, Condition, Translation};
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::table::BackEnd;
use crate::model::netfilter::xt::matches::{Conntrack, Range};

/// How many sources that are left out are told one by one.
const FEW: usize = 4;

/// What a sentence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// What the pod sends by way of the node.
    RoutedOn,
    /// What a pod on the node's own network sends.
    Sent,
    /// What is sent on to the pod.
    Arriving,
    /// What the node sends on.
    SentOn,
    /// What reaches the node.
    Reaching,
    /// What the node sends itself.
    SentItself,
}

impl Subject {
    fn words(self) -> &'static str {
        match self {
            Self::RoutedOn => "what this node routes on",
            Self::Sent => "what it sends from the node's address",
            Self::Arriving => "what this node sends on to the pod",
            Self::SentOn => "what this node sends on to there",
            Self::Reaching => "what reaches this node",
            Self::SentItself => "what this node itself sends",
        }
    }
}

/// The sentence, without a full stop.
pub fn says(subject: Subject, when: &[Clause], translation: Option<&Translation>, unknown: Option<&str>) -> String {
    let does = match (translation, unknown) {
        (Some(translation), _) => does(translation),
        (None, Some(why)) => format!("meets what is unknown: {why}"),
        (None, None) => "is changed".to_owned(),
    };
    sentence(subject, when, &does)
}

/// The sentence with any end.
pub fn sentence(subject: Subject, when: &[Clause], does: &str) -> String {
    let mut text = subject.words().to_owned();
    let (to, rest) = towards(when);
    text.push_str(&to);
    let mut asides = Vec::new();
    let mut not_from = Vec::new();
    for clause in rest {
        match clause {
            Clause::Is(Condition { not: true, ask: Ask::Source { addresses } }) => not_from.push(addresses.words()),
            Clause::Is(condition) => asides.push(format!("and {}", phrase(condition))),
            Clause::Unless(all) => asides.push(format!("unless it {}", all_of(all))),
        }
    }
    match not_from.as_slice() {
        [] => {}
        few if few.len() <= FEW => asides.push(format!("and comes from outside {}", few.join(" and "))),
        many => asides.push(format!("and comes from none of {} sources that rules before it name", many.len())),
    }
    for aside in &asides {
        text = format!("{text}, {aside}");
    }
    let comma = if asides.is_empty() { "" } else { "," };
    format!("{text}{comma} {does}")
}

/// Where it goes, as part of the sentence: ` to outside A and B`; and the clauses that are left.
fn towards(when: &[Clause]) -> (String, Vec<&Clause>) {
    let mut inside = Vec::new();
    let mut outside = Vec::new();
    let mut rest = Vec::new();
    for clause in when {
        match clause {
            Clause::Is(Condition { not: false, ask: Ask::Destination { addresses } }) => inside.push(addresses.words()),
            Clause::Is(Condition { not: true, ask: Ask::Destination { addresses } }) if !addresses.are_multicast() => {
                outside.push(addresses.words());
            }
            Clause::Is(Condition { not: false, ask: Ask::DestinationKind { kinds } }) => {
                inside.push(format!("{} address", kind_words(*kinds)));
            }
            clause => rest.push(clause),
        }
    }
    let mut text = String::new();
    if !inside.is_empty() {
        text = format!(" to {}", inside.join(" and to "));
    }
    if !outside.is_empty() {
        let and = if inside.is_empty() { "" } else { "," };
        text = format!("{text}{and} to outside {}", outside.join(" and "));
    }
    (text, rest)
}

/// What a translation does, as the sentence's end.
pub fn does(translation: &Translation) -> String {
    let Translation { kind, to, unknown } = translation;
    let addresses =
        to.addresses.map(|(min, max)| if min == max { min.to_string() } else { format!("one of {min} to {max}") });
    let ports =
        to.ports.map(|(min, max)| if min == max { format!("port {min}") } else { format!("a port of {min} to {max}") });
    let unknown = unknown.as_ref().map(|words| format!("an address that {words} tells"));
    match kind {
        TranslationKind::Masquerade => {
            let ports = ports.map_or_else(String::new, |ports| format!(", and {ports}"));
            format!("takes the address of the interface it leaves by{ports}")
        }
        TranslationKind::Snat => {
            let ports = ports.map_or_else(String::new, |ports| format!(", and {ports}"));
            format!("takes {}{ports}", addresses.or(unknown).unwrap_or_else(|| "another source port".to_owned()))
        }
        TranslationKind::Dnat => match (to.addresses, to.ports) {
            (Some((min, max)), Some((first, last))) if min == max && first == last => {
                format!("goes to {}", SocketAddr::new(min, first))
            }
            _ => {
                let ports = ports.map_or_else(String::new, |ports| format!(", {ports}"));
                format!("goes to {}{ports}", addresses.or(unknown).unwrap_or_else(|| "another port".to_owned()))
            }
        },
        TranslationKind::Redirect => {
            let ports = ports.map_or_else(String::new, |ports| format!(", {ports}"));
            format!("goes to this node itself{ports}")
        }
        TranslationKind::Netmap => {
            format!("takes the same place among {}", addresses.unwrap_or_else(|| "other addresses".to_owned()))
        }
    }
}

fn all_of(all: &[Clause]) -> String {
    let one = |clause: &Clause| match clause {
        Clause::Is(condition) => phrase(condition),
        Clause::Unless(all) => format!("not at once {}", all_of(all)),
    };
    all.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// A condition as what "it" does.
fn phrase(condition: &Condition) -> String {
    let Condition { not, ask } = condition;
    let either = |yes: String, no: String| if *not { no } else { yes };
    let is = |words: String| either(format!("is {words}"), format!("is not {words}"));
    match ask {
        Ask::Always => is("there".to_owned()),
        Ask::Source { addresses } => {
            let words = addresses.words();
            either(format!("comes from {words}"), format!("comes from outside {words}"))
        }
        Ask::Destination { addresses } => match (addresses.are_multicast(), addresses) {
            (true, _) => is("multicast".to_owned()),
            (false, addresses) => goes(addresses, *not),
        },
        Ask::Protocol { number } => is(protocol(*number)),
        Ask::Ports { which, ranges } => {
            let ports = ports(ranges);
            match which {
                WhichPort::Source => either(format!("comes from {ports}"), format!("does not come from {ports}")),
                WhichPort::Destination => either(format!("goes to {ports}"), format!("does not go to {ports}")),
                WhichPort::Either => either(format!("comes from or goes to {ports}"), format!("has neither {ports}")),
            }
        }
        Ask::InLink { name } => either(format!("came in by {name}"), format!("did not come in by {name}")),
        Ask::OutLink { name } => either(format!("leaves by {name}"), format!("does not leave by {name}")),
        Ask::Mark { value, mask } => {
            let mark = if *mask == u32::MAX { format!("{value:#x}") } else { format!("{value:#x}/{mask:#x}") };
            either(format!("bears the mark {mark}"), format!("does not bear the mark {mark}"))
        }
        Ask::State { bits } => {
            let names = Conntrack::STATES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name);
            is(format!("of a flow in state {}", names.collect::<Vec<_>>().join(" or ")))
        }
        Ask::Translated => {
            either("had its destination translated".to_owned(), "did not have its destination translated".to_owned())
        }
        Ask::SourceKind { kinds } => {
            let kinds = format!("{} address", kind_words(*kinds));
            either(format!("comes from {kinds}"), format!("does not come from {kinds}"))
        }
        Ask::DestinationKind { kinds } => {
            let kinds = format!("{} address", kind_words(*kinds));
            either(format!("goes to {kinds}"), format!("does not go to {kinds}"))
        }
        Ask::Other { text } => either(format!("fits \"{text}\""), format!("does not fit \"{text}\"")),
        Ask::Undecoded { why } => format!("passes what is unknown ({why})"),
    }
}

fn goes(addresses: &Addresses, not: bool) -> String {
    let words = addresses.words();
    if not { format!("goes outside {words}") } else { format!("goes to {words}") }
}

/// `a local`, `a broadcast or multicast`: bits of `1 << RTN_*`.
fn kind_words(kinds: u16) -> String {
    const LOCAL: u16 = 1 << 2;
    const NAMES: [&str; 12] = [
        "an unknown",
        "a unicast",
        "a local",
        "a broadcast",
        "an anycast",
        "a multicast",
        "a blackholed",
        "an unreachable",
        "a prohibited",
        "a thrown",
        "a translated",
        "an otherwise resolved",
    ];
    if kinds == LOCAL {
        return "the node's own".to_owned();
    }
    let names: Vec<&str> = (0..).zip(NAMES).filter(|(bit, _)| kinds & (1 << bit) != 0).map(|(_, name)| name).collect();
    names.join(" or ")
}

/// `port 80`, `ports 80, 90 to 99`.
fn ports(ranges: &[Range]) -> String {
    let one = |range: &Range| {
        if range.min == range.max { range.min.to_string() } else { format!("{} to {}", range.min, range.max) }
    };
    let words = ranges.iter().map(one).collect::<Vec<_>>().join(", ");
    let is_one = matches!(ranges, [range] if range.min == range.max);
    format!("{} {words}", if is_one { "port" } else { "ports" })
}

/// A protocol's name, where it is a usual one.
pub fn protocol(number: u8) -> String {
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        132 => "sctp".to_owned(),
        136 => "udplite".to_owned(),
        other => format!("protocol {other}"),
    }
}

/// `POSTROUTING of ip nat`, with the back end where it is legacy.
pub fn chain(chain: &ChainRef) -> String {
    let back_end = match chain.table.back_end {
        BackEnd::Legacy => "legacy ",
        BackEnd::NfTables => "",
    };
    format!("{} of {back_end}{} {}", chain.name, chain.table.family, chain.table.name)
}
