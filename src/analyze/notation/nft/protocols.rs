//! Which headers a rule has asked for so far, and which of its questions a later one implies.
//!
//! nft leaves out `meta l4proto tcp` before `tcp dport 80`, and so on: this mirrors when it does. May
//! import model only.

use crate::model::netfilter::expr::PayloadBase;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::words::key;
use crate::model::netfilter::words::packet::{Field, Header};

/// What is known of the header at one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// That it is none podnet knows.
    Other,
    /// Which it is.
    Is(Header),
}

/// The layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// The link's header.
    Link,
    /// The network header.
    Network,
    /// The transport header.
    Transport,
    /// Behind it; here: which ICMP message it is.
    Inner,
}

/// The layer that a base begins.
pub(super) fn layer(base: PayloadBase) -> Option<Layer> {
    match base {
        PayloadBase::Link => Some(Layer::Link),
        PayloadBase::Network => Some(Layer::Network),
        PayloadBase::Transport => Some(Layer::Transport),
        PayloadBase::Inner | PayloadBase::Tunnel => None,
    }
}

/// What was asked, in a question that a later one may imply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A key of `meta`.
    Meta(u32),
    /// A field.
    Field(Header),
}

/// A question that a later one may imply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    /// Which piece of the rule it is.
    pub piece: usize,
    /// What it asks.
    pub asked: Asked,
    /// What it wants.
    pub wants: u32,
}

/// The state at one place of a rule.
#[derive(Debug, Clone)]
pub(super) struct Protocols {
    family: Family,
    link: Known,
    network: Known,
    transport: Known,
    vlan: bool,
    /// The ICMP type that was asked for.
    message: Option<u8>,
    /// The same, as nft remembers it beside the question: an echo reply counts as a request.
    implied: u8,
    open: [Option<Question>; 4],
}

impl Protocols {
    /// Before the first expression.
    pub(super) fn new(family: Family) -> Self {
        let mut link = Known::Nothing;
        let mut network = Known::Nothing;
        match family {
            Family::Ip => network = Known::Is(Header::Ip),
            Family::Ip6 => network = Known::Is(Header::Ip6),
            Family::Arp => network = Known::Is(Header::Arp),
            Family::Bridge => link = Known::Is(Header::Ether),
            Family::Inet | Family::Netdev => {}
        }
        Self {
            family,
            link,
            network,
            transport: Known::Nothing,
            vlan: false,
            message: None,
            implied: 0,
            open: [None; 4],
        }
    }

    /// The network header, where it is known.
    pub(super) fn network(&self) -> Known {
        self.network
    }

    fn at(&self, layer: Layer) -> Known {
        match layer {
            Layer::Link => self.link,
            Layer::Network => self.network,
            Layer::Transport | Layer::Inner => self.transport,
        }
    }

    /// The header at an offset, and how far into it the offset is, bits.
    pub(super) fn header(&self, base: PayloadBase, offset: u32) -> Option<(Header, u32)> {
        match self.at(layer(base)?) {
            Known::Is(Header::Ether) if self.vlan && offset >= Header::Vlan.start() => {
                Some((Header::Vlan, offset - Header::Vlan.start()))
            }
            Known::Is(header) => Some((header, offset)),
            _ => None,
        }
    }

    /// Whether a field is in the ICMP message that was asked for.
    pub(super) fn has(&self, field: &Field) -> bool {
        match (field.only, self.message) {
            (Some(only), Some(message)) if message != 0 => only == message,
            _ => true,
        }
    }

    /// Nothing that stands before a statement with effects is implied by what stands behind it.
    pub(super) fn forget_questions(&mut self) {
        self.open = [None; 4];
        self.implied = 0;
    }

    fn question(&self, layer: Layer) -> Option<Question> {
        let own = self.open.get(layer as usize).copied().flatten();
        if layer == Layer::Transport { own.or(self.open[Layer::Inner as usize]) } else { own }
    }

    fn take(&mut self, layer: Layer) -> Option<Question> {
        let own = self.open.get_mut(layer as usize).and_then(Option::take);
        if layer == Layer::Transport { own.or_else(|| self.open[Layer::Inner as usize].take()) } else { own }
    }

    /// A `meta` key was compared for equality: gives the piece that it implies.
    pub(super) fn meta(&mut self, number: u32, wants: u32, piece: usize) -> Option<usize> {
        let (below, above) = match number {
            key::META_IIFTYPE => (None, Layer::Link),
            key::META_NFPROTO | key::META_PROTOCOL => (Some(Layer::Link), Layer::Network),
            key::META_L4PROTO => (Some(Layer::Network), Layer::Transport),
            _ => return None,
        };
        self.learn(number, wants);
        let implied = match below {
            Some(below) if self.question(below).is_some() && self.meta_implies(number, wants) => self.take(below),
            _ => None,
        };
        self.open[above as usize] = Some(Question { piece, asked: Asked::Meta(number), wants });
        implied.map(|question| question.piece)
    }

    fn learn(&mut self, number: u32, wants: u32) {
        let known = |header: Option<Header>| header.map_or(Known::Other, Known::Is);
        match number {
            key::META_IIFTYPE if self.link == Known::Nothing && wants == 1 => self.link = Known::Is(Header::Ether),
            key::META_NFPROTO if self.family == Family::Inet => {
                self.network = known(match wants {
                    2 => Some(Header::Ip),
                    10 => Some(Header::Ip6),
                    _ => None,
                });
            }
            key::META_PROTOCOL if matches!(self.family, Family::Bridge | Family::Netdev) => {
                self.network = known(Header::of_ether_type(wants));
            }
            key::META_L4PROTO => self.transport = known(Header::of_protocol(wants)),
            _ => {}
        }
    }

    /// Whether a `meta` question implies the one about the network header.
    fn meta_implies(&self, number: u32, wants: u32) -> bool {
        let Some(before) = self.question(Layer::Network) else { return true };
        let of_ether = |wants: u32| match wants {
            0x0800 => 2,
            0x86dd => 10,
            _ => 0,
        };
        let family = match before.asked {
            Asked::Meta(key::META_NFPROTO) => before.wants,
            Asked::Meta(key::META_PROTOCOL) | Asked::Field(Header::Ether | Header::Vlan) => of_ether(before.wants),
            _ => return true,
        };
        match self.family {
            Family::Ip => return family == 2,
            Family::Ip6 => return family == 10,
            Family::Arp => return true,
            Family::Inet | Family::Netdev | Family::Bridge => {}
        }
        match (number, wants) {
            (key::META_L4PROTO, 1) => family != 10,
            (key::META_L4PROTO, 58) => family != 2,
            (key::META_L4PROTO, _) => false,
            _ => true,
        }
    }

    /// A field was asked for: gives the piece that this implies.
    pub(super) fn field(&mut self, header: Header, field: &Field) -> Option<usize> {
        let layer = layer(header.base())?;
        let before = self.question(layer)?;
        self.field_implies(before, header, field).then(|| self.take(layer))?.map(|question| question.piece)
    }

    fn field_implies(&self, before: Question, header: Header, field: &Field) -> bool {
        let base = header.base();
        if let (Family::Bridge | Family::Netdev | Family::Inet, Asked::Field(asked)) = (self.family, before.asked) {
            // `ip protocol tcp` also says that it is IPv4.
            if matches!(asked, Header::Ip | Header::Ip6) && base == PayloadBase::Transport {
                return false;
            }
            if asked.base() == base {
                if header.is_key(field) {
                    return false;
                }
                if base == PayloadBase::Link {
                    return asked == Header::Ether && before.wants == Header::Vlan.number();
                }
            }
        }
        if base != PayloadBase::Transport {
            return true;
        }
        if header == Header::Ports {
            return false;
        }
        match before.asked {
            Asked::Field(asked @ (Header::Icmp | Header::Icmpv6)) => {
                asked == header && field.only.is_some_and(|only| only == self.implied)
            }
            _ => true,
        }
    }

    /// An option or extension header was asked for: gives the piece that this implies.
    pub(super) fn option(&mut self, layer: Layer) -> Option<usize> {
        self.take(layer).map(|question| question.piece)
    }

    /// A field was compared for equality with a number.
    pub(super) fn field_is(&mut self, header: Header, field: &Field, wants: u32, piece: usize) {
        if !header.is_key(field) {
            return;
        }
        let mut above = match header.base() {
            PayloadBase::Link => Layer::Network,
            PayloadBase::Network => Layer::Transport,
            _ => Layer::Inner,
        };
        match header {
            Header::Ether | Header::Vlan => match Header::of_ether_type(wants) {
                Some(Header::Vlan) => {
                    self.vlan = true;
                    above = Layer::Link;
                }
                Some(next) => self.network = Known::Is(next),
                None => {}
            },
            Header::Ip | Header::Ip6 => {
                if let Some(next) = Header::of_protocol(wants) {
                    self.transport = Known::Is(next);
                }
            }
            _ => {
                let message = u8::try_from(wants).unwrap_or(0);
                self.message = Some(message);
                self.implied = if (header, message) == (Header::Icmp, 0) { 8 } else { message };
                let echo = match header {
                    Header::Icmp => self.implied == 8,
                    _ => matches!(message, 128 | 129),
                };
                if echo {
                    return;
                }
            }
        }
        self.open[above as usize] = Some(Question { piece, asked: Asked::Field(header), wants });
    }

    /// The ICMP type was looked up in a set that has this one.
    pub(super) fn message_in(&mut self, message: u8) {
        self.message = self.message.or(Some(message));
    }

    /// A reject of this kind was met: gives the piece that it implies.
    pub(super) fn reject(&mut self, kind: u32) -> Option<usize> {
        let layer = match self.family {
            Family::Ip | Family::Ip6 if kind == 1 => Layer::Transport,
            Family::Inet | Family::Bridge | Family::Netdev if kind == 0 => Layer::Network,
            _ => return None,
        };
        self.take(layer).map(|question| question.piece)
    }
}
