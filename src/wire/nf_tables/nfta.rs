//! The numbers of nf_tables' attributes, by the names of `linux/netfilter/nf_tables.h` without `NFTA_`.
//!
//! Must not import anything from the crate.

pub const LIST_ELEM: u16 = 1;

pub const HOOK_HOOKNUM: u16 = 1;
pub const HOOK_PRIORITY: u16 = 2;
pub const HOOK_DEV: u16 = 3;
pub const HOOK_DEVS: u16 = 4;

pub const TABLE_NAME: u16 = 1;
pub const TABLE_FLAGS: u16 = 2;
pub const TABLE_USE: u16 = 3;
pub const TABLE_HANDLE: u16 = 4;
pub const TABLE_USERDATA: u16 = 6;
pub const TABLE_OWNER: u16 = 7;

pub const CHAIN_TABLE: u16 = 1;
pub const CHAIN_HANDLE: u16 = 2;
pub const CHAIN_NAME: u16 = 3;
pub const CHAIN_HOOK: u16 = 4;
pub const CHAIN_POLICY: u16 = 5;
pub const CHAIN_USE: u16 = 6;
pub const CHAIN_TYPE: u16 = 7;
pub const CHAIN_COUNTERS: u16 = 8;
pub const CHAIN_FLAGS: u16 = 10;
pub const CHAIN_USERDATA: u16 = 12;

pub const RULE_TABLE: u16 = 1;
pub const RULE_CHAIN: u16 = 2;
pub const RULE_HANDLE: u16 = 3;
pub const RULE_EXPRESSIONS: u16 = 4;
pub const RULE_USERDATA: u16 = 7;

pub const SET_DESC_SIZE: u16 = 1;
pub const SET_DESC_CONCAT: u16 = 2;

pub const SET_FIELD_LEN: u16 = 1;

pub const SET_TABLE: u16 = 1;
pub const SET_NAME: u16 = 2;
pub const SET_FLAGS: u16 = 3;
pub const SET_KEY_TYPE: u16 = 4;
pub const SET_KEY_LEN: u16 = 5;
pub const SET_DATA_TYPE: u16 = 6;
pub const SET_DATA_LEN: u16 = 7;
pub const SET_POLICY: u16 = 8;
pub const SET_DESC: u16 = 9;
pub const SET_TIMEOUT: u16 = 11;
pub const SET_GC_INTERVAL: u16 = 12;
pub const SET_USERDATA: u16 = 13;
pub const SET_OBJ_TYPE: u16 = 15;
pub const SET_HANDLE: u16 = 16;
pub const SET_EXPR: u16 = 17;
pub const SET_EXPRESSIONS: u16 = 18;

pub const SET_ELEM_KEY: u16 = 1;
pub const SET_ELEM_DATA: u16 = 2;
pub const SET_ELEM_FLAGS: u16 = 3;
pub const SET_ELEM_TIMEOUT: u16 = 4;
pub const SET_ELEM_EXPIRATION: u16 = 5;
pub const SET_ELEM_USERDATA: u16 = 6;
pub const SET_ELEM_EXPR: u16 = 7;
pub const SET_ELEM_OBJREF: u16 = 9;
pub const SET_ELEM_KEY_END: u16 = 10;
pub const SET_ELEM_EXPRESSIONS: u16 = 11;

pub const SET_ELEM_LIST_TABLE: u16 = 1;
pub const SET_ELEM_LIST_SET: u16 = 2;
pub const SET_ELEM_LIST_ELEMENTS: u16 = 3;
pub const SET_ELEM_LIST_SET_ID: u16 = 4;

pub const DATA_VALUE: u16 = 1;
pub const DATA_VERDICT: u16 = 2;

pub const VERDICT_CODE: u16 = 1;
pub const VERDICT_CHAIN: u16 = 2;
pub const VERDICT_CHAIN_ID: u16 = 3;

pub const EXPR_NAME: u16 = 1;
pub const EXPR_DATA: u16 = 2;

pub const IMMEDIATE_DREG: u16 = 1;
pub const IMMEDIATE_DATA: u16 = 2;

pub const BITWISE_SREG: u16 = 1;
pub const BITWISE_DREG: u16 = 2;
pub const BITWISE_LEN: u16 = 3;
pub const BITWISE_MASK: u16 = 4;
pub const BITWISE_XOR: u16 = 5;
pub const BITWISE_OP: u16 = 6;
pub const BITWISE_DATA: u16 = 7;
pub const BITWISE_SREG2: u16 = 8;

pub const BYTEORDER_SREG: u16 = 1;
pub const BYTEORDER_DREG: u16 = 2;
pub const BYTEORDER_OP: u16 = 3;
pub const BYTEORDER_LEN: u16 = 4;
pub const BYTEORDER_SIZE: u16 = 5;

pub const CMP_SREG: u16 = 1;
pub const CMP_OP: u16 = 2;
pub const CMP_DATA: u16 = 3;

pub const RANGE_SREG: u16 = 1;
pub const RANGE_OP: u16 = 2;
pub const RANGE_FROM_DATA: u16 = 3;
pub const RANGE_TO_DATA: u16 = 4;

pub const LOOKUP_SET: u16 = 1;
pub const LOOKUP_SREG: u16 = 2;
pub const LOOKUP_DREG: u16 = 3;
pub const LOOKUP_FLAGS: u16 = 5;

pub const DYNSET_SET_NAME: u16 = 1;
pub const DYNSET_OP: u16 = 3;
pub const DYNSET_SREG_KEY: u16 = 4;
pub const DYNSET_SREG_DATA: u16 = 5;
pub const DYNSET_TIMEOUT: u16 = 6;
pub const DYNSET_EXPR: u16 = 7;
pub const DYNSET_FLAGS: u16 = 9;
pub const DYNSET_EXPRESSIONS: u16 = 10;

pub const PAYLOAD_DREG: u16 = 1;
pub const PAYLOAD_BASE: u16 = 2;
pub const PAYLOAD_OFFSET: u16 = 3;
pub const PAYLOAD_LEN: u16 = 4;
pub const PAYLOAD_SREG: u16 = 5;
pub const PAYLOAD_CSUM_TYPE: u16 = 6;
pub const PAYLOAD_CSUM_OFFSET: u16 = 7;
pub const PAYLOAD_CSUM_FLAGS: u16 = 8;

pub const EXTHDR_DREG: u16 = 1;
pub const EXTHDR_TYPE: u16 = 2;
pub const EXTHDR_OFFSET: u16 = 3;
pub const EXTHDR_LEN: u16 = 4;
pub const EXTHDR_FLAGS: u16 = 5;
pub const EXTHDR_OP: u16 = 6;
pub const EXTHDR_SREG: u16 = 7;

pub const HASH_SREG: u16 = 1;
pub const HASH_DREG: u16 = 2;
pub const HASH_LEN: u16 = 3;
pub const HASH_MODULUS: u16 = 4;
pub const HASH_SEED: u16 = 5;
pub const HASH_OFFSET: u16 = 6;
pub const HASH_TYPE: u16 = 7;

pub const META_DREG: u16 = 1;
pub const META_KEY: u16 = 2;
pub const META_SREG: u16 = 3;

pub const RT_DREG: u16 = 1;
pub const RT_KEY: u16 = 2;

pub const SOCKET_KEY: u16 = 1;
pub const SOCKET_DREG: u16 = 2;
pub const SOCKET_LEVEL: u16 = 3;

pub const CT_DREG: u16 = 1;
pub const CT_KEY: u16 = 2;
pub const CT_DIRECTION: u16 = 3;
pub const CT_SREG: u16 = 4;

pub const LIMIT_RATE: u16 = 1;
pub const LIMIT_UNIT: u16 = 2;
pub const LIMIT_BURST: u16 = 3;
pub const LIMIT_TYPE: u16 = 4;
pub const LIMIT_FLAGS: u16 = 5;

pub const COUNTER_BYTES: u16 = 1;
pub const COUNTER_PACKETS: u16 = 2;

pub const LOG_GROUP: u16 = 1;
pub const LOG_PREFIX: u16 = 2;
pub const LOG_SNAPLEN: u16 = 3;
pub const LOG_QTHRESHOLD: u16 = 4;
pub const LOG_LEVEL: u16 = 5;
pub const LOG_FLAGS: u16 = 6;

pub const QUEUE_NUM: u16 = 1;
pub const QUEUE_TOTAL: u16 = 2;
pub const QUEUE_FLAGS: u16 = 3;
pub const QUEUE_SREG_QNUM: u16 = 4;

pub const QUOTA_BYTES: u16 = 1;
pub const QUOTA_FLAGS: u16 = 2;
pub const QUOTA_CONSUMED: u16 = 4;

pub const REJECT_TYPE: u16 = 1;
pub const REJECT_ICMP_CODE: u16 = 2;

pub const NAT_TYPE: u16 = 1;
pub const NAT_FAMILY: u16 = 2;
pub const NAT_REG_ADDR_MIN: u16 = 3;
pub const NAT_REG_ADDR_MAX: u16 = 4;
pub const NAT_REG_PROTO_MIN: u16 = 5;
pub const NAT_REG_PROTO_MAX: u16 = 6;
pub const NAT_FLAGS: u16 = 7;

pub const TPROXY_FAMILY: u16 = 1;
pub const TPROXY_REG_ADDR: u16 = 2;
pub const TPROXY_REG_PORT: u16 = 3;

pub const MASQ_FLAGS: u16 = 1;
pub const MASQ_REG_PROTO_MIN: u16 = 2;
pub const MASQ_REG_PROTO_MAX: u16 = 3;

pub const REDIR_REG_PROTO_MIN: u16 = 1;
pub const REDIR_REG_PROTO_MAX: u16 = 2;
pub const REDIR_FLAGS: u16 = 3;

pub const OBJREF_IMM_TYPE: u16 = 1;
pub const OBJREF_IMM_NAME: u16 = 2;
pub const OBJREF_SET_SREG: u16 = 3;
pub const OBJREF_SET_NAME: u16 = 4;
pub const OBJREF_SET_ID: u16 = 5;

pub const GEN_ID: u16 = 1;
pub const GEN_PROC_NAME: u16 = 3;

pub const FIB_DREG: u16 = 1;
pub const FIB_RESULT: u16 = 2;
pub const FIB_FLAGS: u16 = 3;

pub const OBJ_TABLE: u16 = 1;
pub const OBJ_NAME: u16 = 2;
pub const OBJ_TYPE: u16 = 3;
pub const OBJ_DATA: u16 = 4;
pub const OBJ_USE: u16 = 5;
pub const OBJ_HANDLE: u16 = 6;
pub const OBJ_USERDATA: u16 = 8;

pub const DEVICE_NAME: u16 = 1;
pub const DEVICE_PREFIX: u16 = 2;

pub const NG_DREG: u16 = 1;
pub const NG_MODULUS: u16 = 2;
pub const NG_TYPE: u16 = 3;
pub const NG_OFFSET: u16 = 4;

pub const TARGET_NAME: u16 = 1;
pub const TARGET_REV: u16 = 2;
pub const TARGET_INFO: u16 = 3;

pub const MATCH_NAME: u16 = 1;
pub const MATCH_REV: u16 = 2;
pub const MATCH_INFO: u16 = 3;

pub const TRACE_TABLE: u16 = 1;
pub const TRACE_CHAIN: u16 = 2;
pub const TRACE_RULE_HANDLE: u16 = 3;
pub const TRACE_TYPE: u16 = 4;
pub const TRACE_VERDICT: u16 = 5;
pub const TRACE_ID: u16 = 6;
pub const TRACE_NETWORK_HEADER: u16 = 8;
pub const TRACE_TRANSPORT_HEADER: u16 = 9;
pub const TRACE_POLICY: u16 = 16;
