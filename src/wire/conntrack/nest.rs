//! Walking over attributes: what is broken is complained of, what is unknown is kept.
//!
//! May import model only.

use crate::model::flow::UnknownAttribute;
use crate::model::text::Bytes;
use crate::wire::netlink::attr::{Attr, AttrError, attrs};

/// Length of `struct nfgenmsg`.
const FIXED: usize = 4;

/// Where complaints and unknown attributes of one message go.
pub(super) struct Notes<'e> {
    errors: &'e mut Vec<AttrError>,
    pub unknown: Vec<UnknownAttribute>,
}

impl<'e> Notes<'e> {
    pub fn new(errors: &'e mut Vec<AttrError>) -> Self {
        Self { errors, unknown: Vec::new() }
    }

    /// The value of a read, or a complaint.
    pub fn take<T>(&mut self, read: Result<T, AttrError>) -> Option<T> {
        read.map_err(|error| self.errors.push(error)).ok()
    }

    /// The value, or a complaint that it is missing.
    pub fn need<T>(&mut self, value: Option<T>, name: &'static str) -> Option<T> {
        if value.is_none() {
            self.errors.push(AttrError::Missing { name });
        }
        value
    }

    /// Keeps an attribute that nobody knows.
    pub fn keep(&mut self, nest: &[u16], attr: &Attr<'_>) {
        let path = nest.iter().copied().chain([attr.kind]).collect();
        self.unknown.push(UnknownAttribute { path, bytes: Bytes::from(attr.payload) });
    }

    /// Hands each attribute of a message on, behind the fixed part.
    pub fn message<'a>(&mut self, payload: &'a [u8], each: impl FnMut(&mut Self, &Attr<'a>)) {
        match payload.get(FIXED..) {
            Some(body) => self.walk(body, each),
            None => self.errors.push(AttrError::Fixed { length: payload.len(), wanted: FIXED }),
        }
    }

    /// Hands each attribute of a nest on.
    pub fn nest<'a>(&mut self, attr: &Attr<'a>, each: impl FnMut(&mut Self, &Attr<'a>)) {
        self.walk(attr.payload, each);
    }

    fn walk<'a>(&mut self, bytes: &'a [u8], mut each: impl FnMut(&mut Self, &Attr<'a>)) {
        for attr in attrs(bytes) {
            match attr {
                Ok(attr) => each(self, &attr),
                Err(error) => self.errors.push(error),
            }
        }
    }
}
