//! The id types: a number that names one kind of thing is a type of its own.
//!
//! Must not import anything from the crate.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The identity of a namespace at one moment: device and inode of its nsfs file.
///
/// The number in `net:[N]` is `ino`. An inode number is used again soon after a namespace ends;
/// where time passes between two looks, compare the namespace cookie as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct NetnsId {
    /// `st_dev` of the nsfs mount.
    pub dev: u64,
    /// `st_ino`, the number shown in `net:[N]`.
    pub ino: u64,
}

impl fmt::Display for NetnsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:[{}]", self.ino)
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// The index of a link within one network namespace; equal numbers in two namespaces are normal.
    IfIndex(u32)
}
number_id! {
    /// The small number one namespace uses for another (`RTM_GETNSID`); relative, never an identity.
    Nsid(i32)
}
number_id! {
    /// A process id as the reader's pid namespace numbers it.
    Pid(u32)
}
number_id! {
    /// A routing table's number; 254 is `main`, 255 `local`, 253 `default`.
    TableId(u32)
}

impl TableId {
    /// `RT_TABLE_DEFAULT`.
    pub const DEFAULT: Self = Self(253);
    /// `RT_TABLE_MAIN`.
    pub const MAIN: Self = Self(254);
    /// `RT_TABLE_LOCAL`.
    pub const LOCAL: Self = Self(255);
}

/// A packet mark to compare with: a packet matches when `packet & mask == value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// The bits that must be set.
    pub value: u32,
    /// The bits that are looked at.
    pub mask: u32,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mask == u32::MAX {
            write!(f, "{:#x}", self.value)
        } else {
            write!(f, "{:#x}/{:#x}", self.value, self.mask)
        }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The first twelve characters, as `crictl` and `ctr` users write an id.
            pub fn short(&self) -> &str {
                self.0.char_indices().nth(12).map_or(self.0.as_str(), |(at, _)| &self.0[..at])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id! {
    /// The runtime's id of a sandbox, 64 hex digits with containerd and CRI-O.
    SandboxId
}
text_id! {
    /// The runtime's id of a container.
    ContainerId
}

/// A link-layer address; six bytes on Ethernet, other lengths on other link types.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub Vec<u8>);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for MacAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        text.split(':')
            .map(|byte| u8::from_str_radix(byte, 16).map_err(|_| format!("{text:?} is not a link-layer address")))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Serialize for MacAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for MacAddr {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MacAddr".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}
