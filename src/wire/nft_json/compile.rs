//! The statements of one rule, turned back into the expressions that nft gives the kernel.
//!
//! May import model only.

use serde_json::Value;

use super::sets::{Anonymous, Known};
use super::value::{Part, only};
use crate::model::netfilter::expr::{Compare, Expr, PayloadBase, Register};
use crate::model::netfilter::table::{Family, TableRef};
use crate::model::netfilter::words::key;
use crate::model::netfilter::words::packet::{Field, Header};
use crate::model::text::{ByteText, Bytes};

/// The register of some four bytes, as the kernel numbers it.
pub(super) fn register(word: usize) -> Register {
    let word = u32::try_from(word).unwrap_or(u32::MAX);
    Register(if word.is_multiple_of(4) { 1 + word / 4 } else { 8 + word })
}

/// A field that the last comparison asked for: nft joins the next one to it where it stands right behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub base: PayloadBase,
    /// The first byte behind it.
    pub end: u32,
    /// How long it is, bytes.
    pub length: u32,
}

/// One rule on its way back.
#[derive(Debug, Clone)]
pub(super) struct Rule<'a> {
    pub(super) table: &'a TableRef,
    pub(super) family: Family,
    pub(super) known: &'a Known,
    pub(super) out: Vec<Expr>,
    /// The sets it has no name for.
    pub(super) sets: Vec<Anonymous>,
    /// How many sets, maps and maps of objects without a name the table has so far.
    pub(super) names: (u32, u32, u32),
    network: Option<Header>,
    pub(super) transport: Option<Header>,
    /// Some protocol was asked for, known or not.
    has_transport: bool,
    link: bool,
    vlan: bool,
    /// The ICMP type that was asked for.
    message: Option<u8>,
    pub(super) last: Option<Last>,
}

impl<'a> Rule<'a> {
    pub(super) fn new(table: &'a TableRef, known: &'a Known, names: (u32, u32, u32)) -> Self {
        let family = table.family;
        let network = match family {
            Family::Ip => Some(Header::Ip),
            Family::Ip6 => Some(Header::Ip6),
            Family::Arp => Some(Header::Arp),
            _ => None,
        };
        Self {
            table,
            names,
            family,
            known,
            out: Vec::new(),
            sets: Vec::new(),
            network,
            transport: None,
            has_transport: false,
            link: family == Family::Bridge,
            vlan: false,
            message: None,
            last: None,
        }
    }

    /// One statement. What podnet cannot turn back stays as it stands in the file.
    pub(super) fn statement(&mut self, json: &Value) {
        let before = self.clone();
        if self.known_statement(json).is_some() {
            return;
        }
        *self = before;
        self.last = None;
        let (name, inner) = match json.as_object().and_then(|object| object.iter().next()) {
            Some((name, inner)) => (name.as_str(), inner),
            None => ("statement", json),
        };
        let name = match (name, inner.get("name").and_then(Value::as_str)) {
            ("xt", Some(name)) => name,
            _ => name,
        };
        self.out.push(Expr::Unknown { name: ByteText::from(name), data: Bytes(json.to_string().into_bytes()) });
    }

    fn known_statement(&mut self, json: &Value) -> Option<()> {
        let object = json.as_object().filter(|object| object.len() == 1)?;
        let (name, inner) = object.iter().next()?;
        if name == "match" {
            return self.comparison(inner);
        }
        let joined = self.last.take();
        let done = match name.as_str() {
            "vmap" => self.verdict_map(inner),
            _ => self.action(name, inner),
        };
        if done.is_none() {
            self.last = joined;
        }
        done
    }

    /// `cmp eq`
    pub(super) fn equals(&mut self, from: Register, value: Vec<u8>) {
        self.compare(from, Compare::Eq, value);
    }

    pub(super) fn compare(&mut self, from: Register, op: Compare, value: Vec<u8>) {
        self.out.push(Expr::Cmp { from, op, value: Bytes(value) });
    }

    fn ask_meta(&mut self, key: u32, value: Vec<u8>) {
        self.out.push(Expr::Meta { to: register(0), key });
        self.equals(register(0), value);
        self.last = None;
    }

    /// Asks for what a header implies, unless that was asked already.
    pub(super) fn depend(&mut self, header: Header) -> Option<()> {
        match header.base() {
            PayloadBase::Link => {
                if !self.link {
                    self.ask_meta(key::META_IIFTYPE, vec![1, 0]);
                    self.link = true;
                }
                if header == Header::Vlan && !self.vlan {
                    self.ask_ether_type(Header::Vlan)?;
                }
            }
            PayloadBase::Network => self.depend_network(header)?,
            _ => {
                match (header, self.family) {
                    (Header::Icmp | Header::Igmp, Family::Inet) => self.depend_network(Header::Ip)?,
                    (Header::Icmpv6, Family::Inet) => self.depend_network(Header::Ip6)?,
                    (Header::Icmp | Header::Igmp, Family::Bridge) if self.network.is_none() => {
                        self.ask_ether_type(Header::Ip)?;
                    }
                    (Header::Icmpv6, Family::Bridge) if self.network.is_none() => self.ask_ether_type(Header::Ip6)?,
                    _ => {}
                }
                if header != Header::Ports && !self.has_transport {
                    self.ask_meta(key::META_L4PROTO, vec![u8::try_from(header.number()).ok()?]);
                    self.transport = Some(header);
                    self.has_transport = true;
                }
            }
        }
        Some(())
    }

    fn ask_ether_type(&mut self, header: Header) -> Option<()> {
        // Behind a VLAN tag stands a type of its own.
        let offset = if self.vlan { 16 } else { 12 };
        self.out.push(Expr::Payload { to: register(0), base: PayloadBase::Link, offset, length: 2 });
        self.equals(register(0), u16::try_from(header.number()).ok()?.to_be_bytes().to_vec());
        self.last = None;
        match header {
            Header::Vlan => self.vlan = true,
            _ => self.network = Some(header),
        }
        Some(())
    }

    /// Asks for the ICMP message that alone has a field.
    pub(super) fn depend_message(&mut self, field: &Field) {
        match field.only {
            // A request or an answer: nft's own question about both is in the file.
            None | Some(8 | 128) => {}
            Some(only) if self.message == Some(only) => {}
            Some(only) => {
                self.out.push(Expr::Payload { to: register(0), base: PayloadBase::Transport, offset: 0, length: 1 });
                self.equals(register(0), vec![only]);
                self.message = Some(only);
                self.last = None;
            }
        }
    }

    /// Asks for a network header.
    pub(super) fn depend_network(&mut self, header: Header) -> Option<()> {
        if self.network.is_some() {
            return Some(());
        }
        match (self.family, header) {
            (Family::Inet, Header::Ip) => self.ask_meta(key::META_NFPROTO, vec![2]),
            (Family::Inet, Header::Ip6) => self.ask_meta(key::META_NFPROTO, vec![10]),
            (Family::Bridge, Header::Arp) => return self.ask_ether_type(header),
            (Family::Bridge, _) if self.vlan => return self.ask_ether_type(header),
            (Family::Bridge | Family::Netdev, _) => {
                let number = u16::try_from(header.number()).ok()?;
                self.ask_meta(key::META_PROTOCOL, number.to_be_bytes().to_vec());
            }
            _ => return None,
        }
        self.network = Some(header);
        Some(())
    }

    /// Learns from a question that was asked outright.
    pub(super) fn learn(&mut self, left: &Value, number: u32) {
        let field = only(left, "payload")
            .and_then(|payload| Some((payload.get("protocol")?.as_str()?, payload.get("field")?.as_str()?)));
        let meta = only(left, "meta").and_then(|meta| meta.get("key")?.as_str());
        match (meta, field) {
            (Some("l4proto"), _) | (_, Some(("ip", "protocol") | ("ip6", "nexthdr"))) => {
                self.transport = Header::of_protocol(number);
                self.has_transport = true;
            }
            (Some("nfproto"), _) if self.family == Family::Inet => {
                self.network = match number {
                    2 => Some(Header::Ip),
                    10 => Some(Header::Ip6),
                    _ => None,
                };
            }
            (Some("protocol"), _) if matches!(self.family, Family::Bridge | Family::Netdev) => {
                self.network = Header::of_ether_type(number);
            }
            (_, Some(("icmp" | "icmpv6", "type"))) => self.message = u8::try_from(number).ok(),
            (_, Some(("ether" | "vlan", "type"))) => {
                self.vlan |= Header::of_ether_type(number) == Some(Header::Vlan);
                self.network = Header::of_ether_type(number).filter(|header| *header != Header::Vlan);
            }
            _ => {}
        }
    }

    /// Turns a register around, where its value is kept in host order: ranges are of network order.
    pub(super) fn order(&mut self, at: Register, part: Part) -> Option<()> {
        if !part.host || part.kind.is_text() || part.bytes() < 2 {
            return Some(());
        }
        let length = u32::try_from(part.bytes()).ok()?;
        self.out.push(Expr::Byteorder { from: at, to: at, to_network: true, length, size: length });
        Some(())
    }
}
