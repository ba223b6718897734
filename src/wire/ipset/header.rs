//! A set's header, its options in the words and the order of `ipset save`.
//!
//! May import model only.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{address, body, data, flag, number16, number32, top};
use crate::model::netfilter::ipset::IpSet;
use crate::model::text::ByteText;
use crate::wire::netlink::attr::{Attr, AttrError};

/// What a header's data say.
#[derive(Default)]
struct Options {
    addresses: (Option<IpAddr>, Option<IpAddr>),
    ports: (Option<u16>, Option<u16>),
    size: Option<u32>,
    hashsize: Option<u32>,
    maxelem: Option<u32>,
    markmask: Option<u32>,
    netmask: Option<u8>,
    bitmask: Option<IpAddr>,
    timeout: Option<u32>,
    flags: u32,
    bucketsize: Option<u8>,
    initval: Option<u32>,
    elements: Option<u32>,
    references: Option<u32>,
}

/// Reads a message that has a header; `None` without a name and a type.
pub(super) fn header(payload: &[u8], errors: &mut Vec<AttrError>) -> Option<IpSet> {
    let (mut name, mut type_name, mut revision, mut family, mut index) = (None, None, 0, 0, None);
    let mut options = Options::default();
    for attr in body(payload, errors).flatten() {
        let read = match attr.kind {
            top::SETNAME => {
                name = Some(ByteText::from(attr.text()));
                Ok(())
            }
            top::TYPENAME => {
                type_name = Some(ByteText::from(attr.text()));
                Ok(())
            }
            top::REVISION => attr.u8().map(|value| revision = value),
            top::FAMILY => attr.u8().map(|value| family = value),
            top::INDEX => number16(&attr).map(|value| index = Some(value)),
            top::DATA => {
                for attr in attr.nested() {
                    if let Err(error) = attr.and_then(|attr| option(&attr, &mut options)) {
                        errors.push(error);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = read {
            errors.push(error);
        }
    }
    let Some(name) = name else {
        errors.push(AttrError::Missing { name: "IPSET_ATTR_SETNAME" });
        return None;
    };
    let Some(type_name) = type_name else {
        errors.push(AttrError::Missing { name: "IPSET_ATTR_TYPENAME" });
        return None;
    };
    let text = words(&options, &type_name, family);
    let Options { elements, references, .. } = options;
    Some(IpSet { name, index, type_name, revision, family, options: text, elements, references })
}

fn option(attr: &Attr<'_>, options: &mut Options) -> Result<(), AttrError> {
    match attr.kind {
        data::IP => options.addresses.0 = Some(address(attr)?),
        data::IP_TO => options.addresses.1 = Some(address(attr)?),
        data::PORT => options.ports.0 = Some(number16(attr)?),
        data::PORT_TO => options.ports.1 = Some(number16(attr)?),
        data::SIZE => options.size = Some(number32(attr)?),
        data::HASHSIZE => options.hashsize = Some(number32(attr)?),
        data::MAXELEM => options.maxelem = Some(number32(attr)?),
        data::MARKMASK => options.markmask = Some(number32(attr)?),
        data::NETMASK => options.netmask = Some(attr.u8()?),
        data::BITMASK => options.bitmask = Some(address(attr)?),
        data::TIMEOUT => options.timeout = Some(number32(attr)?),
        data::FLAGS => options.flags = number32(attr)?,
        data::BUCKETSIZE => options.bucketsize = Some(attr.u8()?),
        data::INITVAL => options.initval = Some(number32(attr)?),
        data::ELEMENTS => options.elements = Some(number32(attr)?),
        data::REFERENCES => options.references = Some(number32(attr)?),
        _ => {}
    }
    Ok(())
}

fn words(options: &Options, type_name: &ByteText, family: u8) -> String {
    let mut words = Vec::new();
    let mut number = |word: &str, value: Option<u32>| words.extend(value.map(|value| format!("{word} {value}")));
    number("size", options.size);
    if type_name.as_bytes().starts_with(b"hash:") && type_name != "hash:mac" {
        let name = match family {
            2 => "inet".to_owned(),
            10 => "inet6".to_owned(),
            other => other.to_string(),
        };
        words.push(format!("family {name}"));
    }
    if let (Some(first), Some(last)) = options.addresses {
        words.push(format!("range {first}-{last}"));
    }
    if let (Some(first), Some(last)) = options.ports {
        words.push(format!("range {first}-{last}"));
    }
    let mut number = |word: &str, value: Option<u32>| words.extend(value.map(|value| format!("{word} {value}")));
    number("hashsize", options.hashsize);
    number("maxelem", options.maxelem);
    words.extend(options.markmask.map(|mask| format!("markmask 0x{mask:08x}")));
    words.extend(options.netmask.map(|bits| format!("netmask {bits}")));
    words.extend(options.bitmask.map(|mask| format!("bitmask {mask}")));
    words.extend(options.timeout.map(|seconds| format!("timeout {seconds}")));
    for (bit, word) in [
        (flag::WITH_COUNTERS, "counters"),
        (flag::WITH_COMMENT, "comment"),
        (flag::WITH_FORCEADD, "forceadd"),
        (flag::WITH_SKBINFO, "skbinfo"),
    ] {
        if options.flags & bit != 0 {
            words.push(word.to_owned());
        }
    }
    words.extend(options.bucketsize.map(|size| format!("bucketsize {size}")));
    let mut text = words.join(" ");
    if let Some(value) = options.initval {
        let _ = write!(text, " initval 0x{value:08x}");
    }
    text
}
