//! tc filters (`RTM_NEWTFILTER`): only the BPF programs that they run.
//!
//! Must not import anything from the crate but model and sibling wire files.

use crate::model::bpf::BpfAttachment;
use crate::model::text::ByteText;
use crate::wire::netlink::attr::{Attr, AttrError, attrs};
use crate::wire::netlink::request::Request;

use super::{GETTFILTER, Known, fill, fixed, good, put, walk};

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_CHAIN: u16 = 11;

/// Where a bpf filter or action keeps what: attribute numbers.
struct Numbers {
    ops: u16,
    name: u16,
    id: u16,
}

const TCA_BPF: Numbers = Numbers { ops: 5, name: 7, id: 11 };
const TCA_ACT_BPF: Numbers = Numbers { ops: 4, name: 6, id: 9 };

const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;

/// Which way a link's filters look at packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What the link receives (qdisc clsact or ingress).
    Ingress,
    /// What it sends (clsact).
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS or TC_H_MIN_EGRESS)`.
    fn parent(self) -> u32 {
        match self {
            Self::Ingress => 0xffff_fff2,
            Self::Egress => 0xffff_fff3,
        }
    }

    fn hook(self) -> &'static str {
        match self {
            Self::Ingress => "tc_ingress",
            Self::Egress => "tc_egress",
        }
    }
}

/// Asks for all filters of a link in one direction.
pub fn query(ifindex: u32, direction: Direction) -> Request {
    let mut fixed = vec![0; 4];
    fixed.extend_from_slice(&ifindex.to_ne_bytes());
    fixed.extend_from_slice(&0u32.to_ne_bytes());
    fixed.extend_from_slice(&direction.parent().to_ne_bytes());
    fixed.extend_from_slice(&0u32.to_ne_bytes());
    Request::dump(GETTFILTER, &fixed)
}

/// The programs that one filter runs: itself, and in its actions. Other filters give none.
pub fn programs(message: &[u8], direction: Direction, errors: &mut Vec<AttrError>) -> Vec<BpfAttachment> {
    let Some((fixed_part, rest)) = fixed::<20>(message, errors) else { return Vec::new() };
    let &[_, _, _, _, _, _, _, _, h0, h1, h2, h3, _, _, _, _, i0, i1, i2, i3] = fixed_part;
    let handle = u32::from_ne_bytes([h0, h1, h2, h3]);
    let preference = u32::from_ne_bytes([i0, i1, i2, i3]) >> 16;
    let (mut kind, mut options, mut chain) = (&[][..], None, 0);
    walk(attrs(rest), errors, |attr, errors| {
        match attr.kind {
            TCA_KIND => kind = attr.text(),
            TCA_OPTIONS => options = Some(attr),
            TCA_CHAIN => put(&mut chain, attr.u32(), errors),
            _ => {}
        }
        Known::Yes
    });
    // Each preference is also dumped once as such, without options.
    let Some(options) = options else { return Vec::new() };
    let detail = format!("pref {preference} handle {handle:#x} chain {chain}");
    let program = |nest: &Attr<'_>, numbers: &Numbers, detail: String, errors: &mut Vec<AttrError>| {
        program(nest, numbers, errors).map(|(id, name)| BpfAttachment {
            hook: direction.hook().to_owned(),
            id,
            name,
            detail: Some(detail),
        })
    };
    let mut found = Vec::new();
    if kind == b"bpf" {
        found.extend(program(&options, &TCA_BPF, detail.clone(), errors));
    }
    for action in actions(kind, &options, errors) {
        found.extend(program(&action, &TCA_ACT_BPF, format!("{detail} action bpf"), errors));
    }
    found
}

/// The options of a filter's bpf actions. Where a kind of filter keeps its actions differs.
fn actions<'a>(kind: &[u8], options: &Attr<'a>, errors: &mut Vec<AttrError>) -> Vec<Attr<'a>> {
    let number = match kind {
        b"bpf" => 1,
        b"matchall" => 2,
        b"flower" | b"basic" => 3,
        b"fw" => 4,
        b"u32" => 7,
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    for list in options.nested() {
        let Some(list) = good(list, errors) else { break };
        if list.kind != number {
            continue;
        }
        for action in list.nested() {
            let Some(action) = good(action, errors) else { break };
            let (mut is_bpf, mut inner) = (false, None);
            for part in action.nested() {
                match good(part, errors) {
                    Some(part) if part.kind == TCA_ACT_KIND => is_bpf = part.text() == b"bpf",
                    Some(part) if part.kind == TCA_ACT_OPTIONS => inner = Some(part),
                    _ => {}
                }
            }
            found.extend(inner.filter(|_| is_bpf));
        }
    }
    found
}

/// Id and name; classic BPF has neither. `None` when the nest tells of no program at all.
fn program(nest: &Attr<'_>, numbers: &Numbers, errors: &mut Vec<AttrError>) -> Option<(Option<u32>, Option<String>)> {
    let (mut id, mut name, mut classic) = (None, None, false);
    for attr in nest.nested() {
        let Some(attr) = good(attr, errors) else { break };
        match attr.kind {
            number if number == numbers.id => fill(&mut id, attr.u32(), errors),
            number if number == numbers.name => name = Some(ByteText::new(attr.text()).to_string()),
            number if number == numbers.ops => classic = true,
            _ => {}
        }
    }
    (id.is_some() || name.is_some() || classic).then_some((id, name))
}
