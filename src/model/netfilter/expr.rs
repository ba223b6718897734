//! Expressions of nf_tables, each as the kernel keeps it: registers, operators, raw values.
//!
//! Numbers that the kernel gives names to (keys, operators, types) stay numbers here, so that one
//! that is newer than this podnet is not lost; their names are where a rule is written out. Values
//! are in the byte order of the packet field they are compared with, as the kernel has them. Must
//! not import anything from the crate but its sibling model types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table::Counters;
use crate::model::text::{ByteText, Bytes};

/// A register: 0 the verdict, 1 to 4 sixteen bytes each, 8 to 23 four bytes each (the same space).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Register(pub u32);

impl Register {
    /// `NFT_REG_VERDICT`
    pub const VERDICT: Self = Self(0);

    /// Where it begins in the 64 bytes of data registers; `None` for the verdict and numbers the kernel has not.
    pub fn offset(self) -> Option<usize> {
        match self.0 {
            at @ 1..=4 => usize::try_from((at - 1) * 16).ok(),
            at @ 8..=23 => usize::try_from((at - 8) * 4).ok(),
            _ => None,
        }
    }
}

/// A verdict. Source: `NFTA_VERDICT_*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Ends this base chain: the packet goes on to the next one.
    Accept,
    /// Ends the packet.
    Drop,
    /// To a program, by queue number.
    Queue(u16),
    /// To the next rule.
    Continue,
    /// Ends this rule as if it had not matched.
    Break,
    /// Back to the calling chain.
    Return,
    /// To a chain, and back.
    Jump(ByteText),
    /// To a chain, and not back.
    Goto(ByteText),
    /// A code this podnet does not know.
    Other(i32),
}

/// What a register is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// Bytes. `NFTA_DATA_VALUE`
    Value(Bytes),
    /// A verdict. `NFTA_DATA_VERDICT`
    Verdict(Verdict),
}

/// A comparison. Source: `NFT_CMP_*`; `NFT_RANGE_*` has the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Equal.
    Eq,
    /// Not equal.
    Neq,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
}

/// Where in a packet. Source: `NFT_PAYLOAD_*_HEADER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayloadBase {
    /// The link's header.
    Link,
    /// The network header.
    Network,
    /// The transport header.
    Transport,
    /// What follows the transport header.
    Inner,
    /// The inner packet of a tunnel.
    Tunnel,
}

/// What a bitwise expression does. Source: `NFTA_BITWISE_OP`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BitwiseOp {
    /// `(value & mask) ^ xor`
    MaskXor {
        /// `NFTA_BITWISE_MASK`
        mask: Bytes,
        /// `NFTA_BITWISE_XOR`
        xor: Bytes,
    },
    /// `value << n`
    ShiftLeft(u32),
    /// `value >> n`
    ShiftRight(u32),
    /// With a second register (6.15): 3 and, 4 or, 5 xor.
    Registers {
        /// `NFTA_BITWISE_OP`
        op: u32,
        /// `NFTA_BITWISE_SREG2`
        other: Register,
    },
}

/// `limit`. Source: `NFTA_LIMIT_*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// How many in a unit.
    pub rate: u64,
    /// The unit, seconds.
    pub unit: u64,
    /// How many more at once.
    pub burst: u32,
    /// `NFTA_LIMIT_TYPE`: bytes, not packets.
    pub bytes: bool,
    /// `NFT_LIMIT_F_INV`: matches over the limit.
    pub over: bool,
}

/// `quota`. Source: `NFTA_QUOTA_*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Quota {
    /// How many bytes.
    pub bytes: u64,
    /// How many are used.
    pub used: u64,
    /// `NFTA_QUOTA_FLAGS`: 1 matches over the quota, 2 used up.
    pub flags: u32,
}

/// `NFTA_CT_DIRECTION`: which tuple of a flow is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// As the first packet had it.
    Original,
    /// As the answers have it.
    Reply,
}

/// Registers that hold the range an address or a port is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct RegisterRange {
    /// The first; `None` where nothing is asked for.
    pub min: Option<Register>,
    /// The last.
    pub max: Option<Register>,
}

/// `nat`, `masq` and `redir`. Source: `NFTA_NAT_*`, `NFTA_MASQ_*`, `NFTA_REDIR_*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Nat {
    /// What is done.
    pub kind: NatKind,
    /// Whose addresses: 2 IPv4, 10 IPv6 (`NFTA_NAT_FAMILY`); `None` for masq and redir.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<u32>,
    /// `NFTA_NAT_REG_ADDR_*`
    #[serde(default)]
    pub address: RegisterRange,
    /// `NFTA_NAT_REG_PROTO_*`
    #[serde(default)]
    pub port: RegisterRange,
    /// `NF_NAT_RANGE_*`: 4 random, 8 persistent, 16 fully random, 64 the address is a prefix.
    #[serde(default)]
    pub flags: u32,
}

/// Which translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NatKind {
    /// The source.
    Snat,
    /// The destination.
    Dnat,
    /// The source, to the address of the link the packet leaves by.
    Masquerade,
    /// The destination, to this node.
    Redirect,
}

/// One expression. Source: `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// Gives a register a value, or ends the rule with a verdict.
    Immediate {
        /// `NFTA_IMMEDIATE_DREG`
        to: Register,
        /// `NFTA_IMMEDIATE_DATA`
        data: Data,
    },
    /// Goes on only if a register compares so.
    Cmp {
        /// `NFTA_CMP_SREG`
        from: Register,
        /// `NFTA_CMP_OP`
        op: Compare,
        /// `NFTA_CMP_DATA`
        value: Bytes,
    },
    /// Goes on only if a register is in (or not in) a range, ends included.
    Range {
        /// `NFTA_RANGE_SREG`
        from: Register,
        /// `NFTA_RANGE_OP`: not in it.
        not: bool,
        /// `NFTA_RANGE_FROM_DATA`
        min: Bytes,
        /// `NFTA_RANGE_TO_DATA`
        max: Bytes,
    },
    /// Changes bits.
    Bitwise {
        /// `NFTA_BITWISE_SREG`
        from: Register,
        /// `NFTA_BITWISE_DREG`
        to: Register,
        /// `NFTA_BITWISE_LEN`, bytes.
        length: u32,
        /// What.
        op: BitwiseOp,
    },
    /// Turns the byte order around.
    Byteorder {
        /// `NFTA_BYTEORDER_SREG`
        from: Register,
        /// `NFTA_BYTEORDER_DREG`
        to: Register,
        /// `NFTA_BYTEORDER_OP`: to network order (`hton`), else from it.
        to_network: bool,
        /// `NFTA_BYTEORDER_LEN`, bytes in all.
        length: u32,
        /// `NFTA_BYTEORDER_SIZE`, bytes of one number.
        size: u32,
    },
    /// Reads packet bytes.
    Payload {
        /// `NFTA_PAYLOAD_DREG`
        to: Register,
        /// `NFTA_PAYLOAD_BASE`
        base: PayloadBase,
        /// `NFTA_PAYLOAD_OFFSET`, bytes.
        offset: u32,
        /// `NFTA_PAYLOAD_LEN`, bytes.
        length: u32,
    },
    /// Writes packet bytes.
    PayloadSet {
        /// `NFTA_PAYLOAD_SREG`
        from: Register,
        /// `NFTA_PAYLOAD_BASE`
        base: PayloadBase,
        /// `NFTA_PAYLOAD_OFFSET`, bytes.
        offset: u32,
        /// `NFTA_PAYLOAD_LEN`, bytes.
        length: u32,
        /// `NFTA_PAYLOAD_CSUM_TYPE`
        checksum: u32,
        /// `NFTA_PAYLOAD_CSUM_OFFSET`
        checksum_offset: u32,
        /// `NFTA_PAYLOAD_CSUM_FLAGS`
        checksum_flags: u32,
    },
    /// Reads what the kernel knows of the packet.
    Meta {
        /// `NFTA_META_DREG`
        to: Register,
        /// `NFTA_META_KEY`, `NFT_META_*`
        key: u32,
    },
    /// Sets it.
    MetaSet {
        /// `NFTA_META_SREG`
        from: Register,
        /// `NFTA_META_KEY`, `NFT_META_*`
        key: u32,
    },
    /// Reads what the kernel knows of the flow.
    Ct {
        /// `NFTA_CT_DREG`
        to: Register,
        /// `NFTA_CT_KEY`, `NFT_CT_*`
        key: u32,
        /// `NFTA_CT_DIRECTION`
        direction: Option<Direction>,
    },
    /// Sets it.
    CtSet {
        /// `NFTA_CT_SREG`
        from: Register,
        /// `NFTA_CT_KEY`, `NFT_CT_*`
        key: u32,
        /// `NFTA_CT_DIRECTION`
        direction: Option<Direction>,
    },
    /// Asks the routes.
    Fib {
        /// `NFTA_FIB_DREG`
        to: Register,
        /// `NFTA_FIB_RESULT`: 1 oif, 2 oif name, 3 address type.
        result: u32,
        /// `NFTA_FIB_FLAGS`: 1 source, 2 destination, 4 mark, 8 iif, 16 oif, 32 present.
        flags: u32,
    },
    /// Reads what the packet's route says.
    Rt {
        /// `NFTA_RT_DREG`
        to: Register,
        /// `NFTA_RT_KEY`
        key: u32,
    },
    /// Looks a key up in a set or map.
    Lookup {
        /// `NFTA_LOOKUP_SET`
        set: ByteText,
        /// `NFTA_LOOKUP_SREG`
        from: Register,
        /// `NFTA_LOOKUP_DREG`; the verdict register for a verdict map, `None` for a set.
        to: Option<Register>,
        /// `NFT_LOOKUP_F_INV`: goes on only if it is not there.
        not: bool,
    },
    /// Adds to, renews in or removes from a set.
    Dynset {
        /// `NFTA_DYNSET_SET_NAME`
        set: ByteText,
        /// `NFTA_DYNSET_OP`: 0 add, 1 update, 2 delete.
        op: u32,
        /// `NFTA_DYNSET_SREG_KEY`
        key: Register,
        /// `NFTA_DYNSET_SREG_DATA`
        data: Option<Register>,
        /// `NFTA_DYNSET_TIMEOUT`, milliseconds.
        timeout_ms: Option<u64>,
        /// `NFT_DYNSET_F_INV`
        not: bool,
        /// The element's own expressions.
        exprs: Vec<Expr>,
    },
    /// Makes a number.
    Numgen {
        /// `NFTA_NG_DREG`
        to: Register,
        /// `NFTA_NG_MODULUS`
        modulus: u32,
        /// `NFTA_NG_TYPE`: random, else one after the other.
        random: bool,
        /// `NFTA_NG_OFFSET`
        offset: u32,
    },
    /// Makes a number from a field or, symmetrically, from the flow.
    Hash {
        /// `NFTA_HASH_SREG`; `None` for the symmetric hash.
        from: Option<Register>,
        /// `NFTA_HASH_DREG`
        to: Register,
        /// `NFTA_HASH_LEN`, bytes.
        length: u32,
        /// `NFTA_HASH_MODULUS`
        modulus: u32,
        /// `NFTA_HASH_SEED`; `None` where the kernel drew one.
        seed: Option<u32>,
        /// `NFTA_HASH_OFFSET`
        offset: u32,
    },
    /// Counts.
    Counter(Counters),
    /// Goes on only within (or over) a rate.
    Limit(Limit),
    /// Goes on only within (or over) a number of bytes.
    Quota(Quota),
    /// Translates an address.
    Nat(Nat),
    /// Ends the packet with an answer.
    Reject {
        /// `NFTA_REJECT_TYPE`: 0 an ICMP error of the packet's family, 1 a TCP reset, 2 an ICMP error common to both families.
        kind: u32,
        /// `NFTA_REJECT_ICMP_CODE`
        code: u8,
    },
    /// Logs.
    Log {
        /// `NFTA_LOG_GROUP`; `None`: to the kernel's log.
        group: Option<u16>,
        /// `NFTA_LOG_PREFIX`
        prefix: Option<ByteText>,
        /// `NFTA_LOG_SNAPLEN`
        length: Option<u32>,
        /// `NFTA_LOG_QTHRESHOLD`
        threshold: Option<u16>,
        /// `NFTA_LOG_LEVEL`
        level: Option<u32>,
        /// `NFTA_LOG_FLAGS`
        flags: Option<u32>,
    },
    /// Keeps conntrack away.
    Notrack,
    /// Hands the packet to a program.
    Queue {
        /// `NFTA_QUEUE_NUM`
        number: Option<u16>,
        /// `NFTA_QUEUE_TOTAL`
        total: Option<u16>,
        /// `NFTA_QUEUE_FLAGS`: 1 bypass, 2 by CPU.
        flags: u16,
        /// `NFTA_QUEUE_SREG_QNUM`
        from: Option<Register>,
    },
    /// Uses a named object.
    Objref {
        /// `NFTA_OBJREF_IMM_TYPE` and `NFTA_OBJREF_IMM_NAME`
        object: Option<ObjectRef>,
        /// `NFTA_OBJREF_SET_NAME` and `NFTA_OBJREF_SET_SREG`
        map: Option<ObjectMap>,
    },
    /// Hands the packet to a socket of this node.
    Tproxy {
        /// `NFTA_TPROXY_FAMILY`: 2, 10, or 0 for both.
        family: u32,
        /// `NFTA_TPROXY_REG_ADDR`
        address: Option<Register>,
        /// `NFTA_TPROXY_REG_PORT`
        port: Option<Register>,
    },
    /// Asks the packet's socket.
    Socket {
        /// `NFTA_SOCKET_DREG`
        to: Register,
        /// `NFTA_SOCKET_KEY`
        key: u32,
        /// `NFTA_SOCKET_LEVEL`
        level: Option<u32>,
    },
    /// Reads (or with `from` writes) an option or extension header.
    Exthdr {
        /// `NFTA_EXTHDR_DREG`
        to: Option<Register>,
        /// `NFTA_EXTHDR_SREG`
        from: Option<Register>,
        /// `NFTA_EXTHDR_TYPE`
        kind: u8,
        /// `NFTA_EXTHDR_OFFSET`
        offset: u32,
        /// `NFTA_EXTHDR_LEN`
        length: u32,
        /// `NFTA_EXTHDR_FLAGS`: 1 whether it is there.
        flags: u32,
        /// `NFTA_EXTHDR_OP`: 0 IPv6, 1 TCP option, 2 IPv4 option, 3 SCTP chunk, 4 DCCP option.
        op: u32,
    },
    /// An xtables match inside a row of expressions. Source: `NFTA_MATCH_*`.
    XtMatch(super::xt::XtMatch),
    /// An xtables target inside a row of expressions. Source: `NFTA_TARGET_*`.
    XtTarget(super::xt::XtTarget),
    /// An expression this podnet does not decode: its name and attributes as they came.
    Unknown {
        /// `NFTA_EXPR_NAME`
        name: ByteText,
        /// `NFTA_EXPR_DATA`
        data: Bytes,
    },
}

/// A named object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRef {
    /// `NFT_OBJECT_*`
    pub kind: u32,
    /// Its name.
    pub name: ByteText,
}

/// A map that gives an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ObjectMap {
    /// The map.
    pub set: ByteText,
    /// The key.
    pub from: Register,
}
