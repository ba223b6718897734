//! Where a flow's protocol stands.
//!
//! May import model only.

use super::nest::Notes;
use super::top::PROTOINFO;
use crate::model::flow::BothWays;
use crate::model::flow::protocol::{DccpState, ProtocolState, SctpState, TcpFlags, TcpState};
use crate::wire::netlink::attr::{Attr, AttrError};

/// `CTA_PROTOINFO_*`
mod info {
    pub const TCP: u16 = 1;
    pub const DCCP: u16 = 2;
    pub const SCTP: u16 = 3;
}

/// `CTA_PROTOINFO_TCP_*`
mod tcp {
    pub const STATE: u16 = 1;
    pub const WSCALE_ORIGINAL: u16 = 2;
    pub const WSCALE_REPLY: u16 = 3;
    pub const FLAGS_ORIGINAL: u16 = 4;
    pub const FLAGS_REPLY: u16 = 5;
}

/// `CTA_PROTOINFO_DCCP_*`
mod dccp {
    pub const STATE: u16 = 1;
    pub const ROLE: u16 = 2;
    pub const HANDSHAKE_SEQ: u16 = 3;
    pub const PAD: u16 = 4;
}

/// `CTA_PROTOINFO_SCTP_*`
mod sctp {
    pub const STATE: u16 = 1;
    pub const VTAG_ORIGINAL: u16 = 2;
    pub const VTAG_REPLY: u16 = 3;
}

/// Reads `CTA_PROTOINFO`; `None` where it holds nothing that is known.
pub(super) fn state(attr: &Attr<'_>, notes: &mut Notes<'_>) -> Option<ProtocolState> {
    let mut state = None;
    notes.nest(attr, |notes, inner| match inner.kind {
        info::TCP => state = tcp_state(inner, notes),
        info::DCCP => state = dccp_state(inner, notes),
        info::SCTP => state = sctp_state(inner, notes),
        _ => notes.keep(&[PROTOINFO], inner),
    });
    state
}

fn both<T>(original: Option<T>, reply: Option<T>) -> Option<BothWays<T>> {
    Some(BothWays { original: original?, reply: reply? })
}

fn tcp_state(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<ProtocolState> {
    let (mut state, mut scale, mut flags) = (None, (None, None), (None, None));
    notes.nest(nest, |notes, attr| match attr.kind {
        tcp::STATE => state = notes.take(attr.u8()),
        tcp::WSCALE_ORIGINAL => scale.0 = notes.take(attr.u8()),
        tcp::WSCALE_REPLY => scale.1 = notes.take(attr.u8()),
        tcp::FLAGS_ORIGINAL => flags.0 = notes.take(tcp_flags(attr)),
        tcp::FLAGS_REPLY => flags.1 = notes.take(tcp_flags(attr)),
        _ => notes.keep(&[PROTOINFO, info::TCP], attr),
    });
    let state = match notes.need(state, "CTA_PROTOINFO_TCP_STATE")? {
        0 => TcpState::None,
        1 => TcpState::SynSent,
        2 => TcpState::SynRecv,
        3 => TcpState::Established,
        4 => TcpState::FinWait,
        5 => TcpState::CloseWait,
        6 => TcpState::LastAck,
        7 => TcpState::TimeWait,
        8 => TcpState::Close,
        9 => TcpState::SynSent2,
        other => TcpState::Other(other),
    };
    Some(ProtocolState::Tcp { state, window_scale: both(scale.0, scale.1), flags: both(flags.0, flags.1) })
}

fn tcp_flags(attr: &Attr<'_>) -> Result<TcpFlags, AttrError> {
    match *attr.payload {
        [flags, mask] => Ok(TcpFlags { flags, mask }),
        _ => Err(AttrError::Length { kind: attr.kind, length: attr.payload.len(), wanted: "2" }),
    }
}

fn sctp_state(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<ProtocolState> {
    let (mut state, mut tag) = (None, (None, None));
    notes.nest(nest, |notes, attr| match attr.kind {
        sctp::STATE => state = notes.take(attr.u8()),
        sctp::VTAG_ORIGINAL => tag.0 = notes.take(attr.be32()),
        sctp::VTAG_REPLY => tag.1 = notes.take(attr.be32()),
        _ => notes.keep(&[PROTOINFO, info::SCTP], attr),
    });
    let state = match notes.need(state, "CTA_PROTOINFO_SCTP_STATE")? {
        0 => SctpState::None,
        1 => SctpState::Closed,
        2 => SctpState::CookieWait,
        3 => SctpState::CookieEchoed,
        4 => SctpState::Established,
        5 => SctpState::ShutdownSent,
        6 => SctpState::ShutdownReceived,
        7 => SctpState::ShutdownAckSent,
        8 => SctpState::HeartbeatSent,
        9 => SctpState::HeartbeatAcked,
        other => SctpState::Other(other),
    };
    Some(ProtocolState::Sctp { state, verification_tag: both(tag.0, tag.1) })
}

fn dccp_state(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<ProtocolState> {
    let (mut state, mut role, mut handshake_sequence) = (None, None, None);
    notes.nest(nest, |notes, attr| match attr.kind {
        dccp::STATE => state = notes.take(attr.u8()),
        dccp::ROLE => role = notes.take(attr.u8()),
        dccp::HANDSHAKE_SEQ => handshake_sequence = notes.take(attr.be64()),
        dccp::PAD => {}
        _ => notes.keep(&[PROTOINFO, info::DCCP], attr),
    });
    let state = match notes.need(state, "CTA_PROTOINFO_DCCP_STATE")? {
        0 => DccpState::None,
        1 => DccpState::Request,
        2 => DccpState::Respond,
        3 => DccpState::PartOpen,
        4 => DccpState::Open,
        5 => DccpState::CloseReq,
        6 => DccpState::Closing,
        7 => DccpState::TimeWait,
        8 => DccpState::Ignore,
        9 => DccpState::Invalid,
        other => DccpState::Other(other),
    };
    Some(ProtocolState::Dccp { state, role, handshake_sequence })
}
