//! The attributes of one object, by number, as the kernel's own `nla_parse` sorts them.
//!
//! Must not import anything from the crate but model and the message framing.

use super::nfta;
use crate::model::netfilter::expr::{Data, Register, RegisterRange, Verdict};
use crate::model::netfilter::table::Counters;
use crate::model::text::{ByteText, Bytes};
use crate::wire::netlink::attr::{Attr, AttrError, attrs};

/// No object read here has a number as high as this.
const SLOTS: usize = 20;

/// The attributes of one message or nest. A broken value is complained of and then as if it were absent.
pub struct Fields<'a, 'e> {
    slots: [Option<&'a [u8]>; SLOTS],
    strange: bool,
    /// Where complaints go.
    pub errors: &'e mut Vec<AttrError>,
}

impl<'a, 'e> Fields<'a, 'e> {
    /// Sorts the attributes; those above `last` are not known here.
    pub fn of(bytes: &'a [u8], last: u16, errors: &'e mut Vec<AttrError>) -> Self {
        let mut slots = [None; SLOTS];
        let mut strange = false;
        for attr in attrs(bytes) {
            match attr {
                Ok(attr) if attr.kind <= last => match slots.get_mut(usize::from(attr.kind)) {
                    Some(slot) => *slot = Some(attr.payload),
                    None => strange = true,
                },
                Ok(_) => strange = true,
                Err(error) => errors.push(error),
            }
        }
        Self { slots, strange, errors }
    }

    /// Whether there are attributes that are not known here.
    pub fn strange(&self) -> bool {
        self.strange
    }

    /// The payload as it came.
    pub fn raw(&self, kind: u16) -> Option<&'a [u8]> {
        self.slots.get(usize::from(kind)).copied().flatten()
    }

    fn read<T>(&mut self, kind: u16, read: impl FnOnce(&Attr<'a>) -> Result<T, AttrError>) -> Option<T> {
        let payload = self.raw(kind)?;
        match read(&Attr { kind, payload, raw: payload }) {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    /// One byte.
    pub fn u8(&mut self, kind: u16) -> Option<u8> {
        self.read(kind, Attr::u8)
    }

    /// Two bytes.
    pub fn u16(&mut self, kind: u16) -> Option<u16> {
        self.read(kind, Attr::be16)
    }

    /// Four bytes.
    pub fn u32(&mut self, kind: u16) -> Option<u32> {
        self.read(kind, Attr::be32)
    }

    /// Eight bytes.
    pub fn u64(&mut self, kind: u16) -> Option<u64> {
        self.read(kind, Attr::be64)
    }

    /// The bytes up to the first NUL.
    pub fn text(&self, kind: u16) -> Option<&'a [u8]> {
        self.raw(kind)?.split(|byte| *byte == 0).next()
    }

    /// The same, owned.
    pub fn name(&self, kind: u16) -> Option<ByteText> {
        self.text(kind).map(ByteText::from)
    }

    /// The same, without which the object means nothing.
    pub fn needed(&mut self, kind: u16, name: &'static str) -> Option<&'a [u8]> {
        let text = self.text(kind);
        if text.is_none() {
            self.errors.push(AttrError::Missing { name });
        }
        text
    }

    /// A register.
    pub fn register(&mut self, kind: u16) -> Option<Register> {
        self.u32(kind).map(Register)
    }

    /// Two registers.
    pub fn range(&mut self, min: u16, max: u16) -> RegisterRange {
        RegisterRange { min: self.register(min), max: self.register(max) }
    }

    /// The bytes of a nest that holds data which are no verdict.
    pub fn value(&mut self, kind: u16) -> Option<Bytes> {
        match self.data(kind)? {
            Data::Value(bytes) => Some(bytes),
            Data::Verdict(_) => {
                self.errors.push(AttrError::Value { kind, detail: "a verdict where bytes are due".into() });
                None
            }
        }
    }

    /// A nest that holds bytes or a verdict.
    pub fn data(&mut self, kind: u16) -> Option<Data> {
        let payload = self.raw(kind)?;
        let nest = Fields::of(payload, nfta::DATA_VERDICT, self.errors);
        if let Some(bytes) = nest.raw(nfta::DATA_VALUE) {
            return Some(Data::Value(bytes.into()));
        }
        let verdict = nest.raw(nfta::DATA_VERDICT).and_then(|inner| verdict(inner, nest.errors));
        if verdict.is_none() {
            nest.errors.push(AttrError::Value { kind, detail: "neither bytes nor a verdict".into() });
        }
        verdict.map(Data::Verdict)
    }

    /// A nest that holds counters.
    pub fn counters(&mut self, kind: u16) -> Option<Counters> {
        let payload = self.raw(kind)?;
        counters(&mut Fields::of(payload, nfta::COUNTER_PACKETS + 1, self.errors))
    }
}

/// Counters from their own attributes; `None` where one is missing.
pub fn counters(fields: &mut Fields<'_, '_>) -> Option<Counters> {
    Some(Counters { packets: fields.u64(nfta::COUNTER_PACKETS)?, bytes: fields.u64(nfta::COUNTER_BYTES)? })
}

/// `NF_QUEUE`
const QUEUE: u32 = 3;

fn verdict(bytes: &[u8], errors: &mut Vec<AttrError>) -> Option<Verdict> {
    let mut fields = Fields::of(bytes, nfta::VERDICT_CHAIN_ID, errors);
    let code = fields.u32(nfta::VERDICT_CODE)?;
    let chain = fields.name(nfta::VERDICT_CHAIN);
    let signed = code.cast_signed();
    Some(match (signed, chain) {
        (0, _) => Verdict::Drop,
        (1, _) => Verdict::Accept,
        (-1, _) => Verdict::Continue,
        (-2, _) => Verdict::Break,
        (-3, Some(chain)) => Verdict::Jump(chain),
        (-4, Some(chain)) => Verdict::Goto(chain),
        (-5, _) => Verdict::Return,
        // The queue's number stands above the code; the flag to let packets pass without a program is not known here.
        _ if signed >= 0 && code & 0xffff == QUEUE => Verdict::Queue(u16::try_from(code >> 16).unwrap_or(u16::MAX)),
        _ => Verdict::Other(signed),
    })
}
