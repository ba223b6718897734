//! What asks for a rule's head: addresses, interfaces, fragments, and the TTL on the way.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Comparison, Lifting, native};
use crate::model::netfilter::expr::Compare;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::matches::{Match, TtlTest};
use crate::model::netfilter::xt::{MaskedAddress, Test};
use crate::model::text::ByteText;

/// The name no link can have, by which iptables-nft says `! -i +`: never.
const NO_LINK: &[u8] = b"INVAL/D";
/// Where the flags and the offset of fragments are, and the offset's bits.
const FRAGMENT: (u32, [u8; 2]) = (6, [0x1f, 0xff]);

/// Fills a part of the head; `None` where it was filled before.
pub(super) fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    match place.replace(value) {
        None => Some(()),
        Some(_) => None,
    }
}

impl Lifting {
    /// A comparison of bytes of the network header.
    pub(super) fn network(&mut self, offset: u32, length: usize, asked: Comparison<'_>) -> Option<()> {
        let fits = asked.value.len() == length && asked.mask.is_none_or(|mask| mask.len() == length);
        if !fits {
            return None;
        }
        match (self.family, offset) {
            (Family::Ip, 12) | (Family::Ip6, 8) => {
                self.ask_head()?;
                let test = self.address(asked)?;
                set(&mut self.header.source, test)
            }
            (Family::Ip, 16) | (Family::Ip6, 24) => {
                self.ask_head()?;
                let test = self.address(asked)?;
                set(&mut self.header.destination, test)
            }
            (Family::Ip, 9) => self.protocol(asked),
            (Family::Ip, at) if at == FRAGMENT.0 => {
                self.ask_head()?;
                if asked.mask != Some(&FRAGMENT.1) || asked.value != [0, 0] {
                    return None;
                }
                // `-f`: the offset is not 0.
                set(&mut self.header.fragment, Test { not: !asked.not()?, value: () })
            }
            (Family::Ip, 8) => self.ttl("ttl", asked),
            (Family::Ip6, 7) => self.ttl("hl", asked),
            _ => None,
        }
    }

    /// An address: whole, its first bytes alone where they are the prefix, or under a mask.
    fn address(&self, asked: Comparison<'_>) -> Option<Test<MaskedAddress>> {
        let mask = match asked.mask {
            Some(mask) => mask,
            None => [0xff; 16].get(..asked.value.len())?,
        };
        let read = |bytes: &[u8]| {
            if self.family == Family::Ip6 {
                let mut octets = [0; 16];
                octets.get_mut(..bytes.len())?.copy_from_slice(bytes);
                Some(IpAddr::from(Ipv6Addr::from(octets)))
            } else {
                let mut octets = [0; 4];
                octets.get_mut(..bytes.len())?.copy_from_slice(bytes);
                Some(IpAddr::from(Ipv4Addr::from(octets)))
            }
        };
        Some(Test { not: asked.not()?, value: MaskedAddress { address: read(asked.value)?, mask: read(mask)? } })
    }

    fn ttl(&mut self, name: &'static str, asked: Comparison<'_>) -> Option<()> {
        let value = asked.byte()?;
        let (op, value) = match asked.op {
            Compare::Eq => (0, value),
            Compare::Neq => (1, value),
            Compare::Lt => (2, value),
            Compare::Lte => (2, value.checked_add(1)?),
            Compare::Gt => (3, value),
            Compare::Gte => (3, value.checked_sub(1)?),
        };
        self.matches.push(native(name, Match::Ttl(TtlTest { op, value })));
        Some(())
    }
}

/// A link's name: whole where its NUL is compared too, else a beginning.
pub(super) fn interface(asked: Comparison<'_>) -> Option<Test<ByteText>> {
    let not = asked.not()?;
    let name = asked.value.split(|byte| *byte == 0).next()?;
    let rest = asked.value.get(name.len()..)?;
    if name.is_empty() || rest.iter().any(|byte| *byte != 0) {
        return None;
    }
    if !rest.is_empty() {
        return Some(match (not, name) {
            (false, NO_LINK) => Test { not: true, value: "+".into() },
            _ => Test { not, value: name.into() },
        });
    }
    let mut prefix = name.to_vec();
    prefix.push(b'+');
    Some(Test { not, value: ByteText::new(prefix) })
}
