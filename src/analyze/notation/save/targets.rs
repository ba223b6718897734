//! The arguments of targets.
//!
//! May import model only.

mod nat;
mod set;
mod track;

use std::fmt::Write as _;

use super::words::{address, quoted};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::XtTarget;
use crate::model::netfilter::xt::targets::{Connmark, Log, Nflog, Nfqueue, SetMark, Target};
use crate::model::text::{Bytes, hex};

/// `LOG_DEFAULT_LEVEL` of the program: warning.
const LOG_LEVEL: u8 = 4;
/// `XT_TCPMSS_CLAMP_PMTU`
const CLAMP: u16 = 0xffff;

/// Writes ` -j NAME ARGUMENTS`, as the target's own extension does; nothing where there is no target.
pub(super) fn write(out: &mut String, family: Family, target: &XtTarget) {
    let verdict = match &target.does {
        Target::Nothing => return,
        Target::Accept => "ACCEPT",
        Target::Drop => "DROP",
        Target::Return => "RETURN",
        Target::Queue => "QUEUE",
        Target::Notrack => "NOTRACK",
        Target::Jump(chain) => return push(out, format_args!(" -j {chain}")),
        Target::Goto(chain) => return push(out, format_args!(" -g {chain}")),
        Target::Unknown(data) => return unknown(out, target, data),
        _ => {
            push(out, format_args!(" -j {}", target.name));
            return arguments(out, family, &target.does);
        }
    };
    push(out, format_args!(" -j {verdict}"));
}

fn arguments(out: &mut String, family: Family, does: &Target) {
    match does {
        Target::Dnat(range) => nat::range(out, "--to-destination", range),
        Target::Snat(range) => nat::range(out, "--to-source", range),
        Target::Masquerade(range) | Target::Redirect(range) => nat::ports(out, range),
        Target::Netmap(range) => nat::network(out, range),
        Target::Mark(SetMark { value, clear }) => push(out, format_args!(" --set-xmark {value:#x}/{clear:#x}")),
        Target::Connmark(connmark) => write_connmark(out, connmark),
        Target::Reject(with) => push(out, format_args!(" --reject-with {}", reject(family, *with))),
        Target::Log(log) => write_log(out, log),
        Target::Nflog(nflog) => write_nflog(out, nflog),
        Target::Tcpmss(CLAMP) => out.push_str(" --clamp-mss-to-pmtu"),
        Target::Tcpmss(mss) => push(out, format_args!(" --set-mss {mss}")),
        Target::Ct(ct) => track::ct(out, ct),
        Target::Tproxy(tproxy) => {
            let (ip, SetMark { value, clear }) = (address(tproxy.address), tproxy.mark);
            push(out, format_args!(" --on-port {} --on-ip {ip} --tproxy-mark {value:#x}/{clear:#x}", tproxy.port));
        }
        Target::Set(change) => set::change(out, change),
        Target::Classify(class) => push(out, format_args!(" --set-class {:04x}:{:04x}", class >> 16, class & 0xffff)),
        Target::Checksum(_) => out.push_str(" --checksum-fill"),
        Target::Nfqueue(queue) => write_nfqueue(out, *queue),
        Target::Tee(tee) => {
            push(out, format_args!(" --gateway {}", address(tee.gateway)));
            if !tee.out_interface.as_bytes().is_empty() {
                push(out, format_args!(" --oif {}", tee.out_interface));
            }
        }
        Target::Ttl(change) => {
            let word = if family == Family::Ip6 { "hl" } else { "ttl" };
            let op = ["set", "inc", "dec"].get(usize::from(change.op)).copied().unwrap_or("op");
            push(out, format_args!(" --{word}-{op} {}", change.value));
        }
        // Verdicts and jumps, which have no arguments, and targets without any.
        _ => {}
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// What podnet does not decode is ` [-j NAME rev N 0xDATA]`, which no program takes for a rule.
fn unknown(out: &mut String, target: &XtTarget, data: &Bytes) {
    push(out, format_args!(" [-j {} rev {}", target.name, target.revision));
    if !data.is_empty() {
        push(out, format_args!(" 0x{}", hex(&data.0)));
    }
    out.push(']');
}

fn write_connmark(out: &mut String, connmark: &Connmark) {
    let Connmark { flow_mark, flow_mask, packet_mask, .. } = connmark;
    match connmark.op {
        0 => push(out, format_args!(" --set-xmark {flow_mark:#x}/{flow_mask:#x}")),
        op => {
            let word = if op == 1 { "save" } else { "restore" };
            push(out, format_args!(" --{word}-mark --nfmask {packet_mask:#x} --ctmask {flow_mask:#x}"));
        }
    }
    if connmark.shift != 0 {
        let way = if connmark.shift_right { "right" } else { "left" };
        push(out, format_args!(" --{way}-shift-mark {}", connmark.shift));
    }
}

fn reject(family: Family, with: u32) -> String {
    let name = match (family, with) {
        (Family::Ip6, 0) => "icmp6-no-route",
        (Family::Ip6, 1) => "icmp6-adm-prohibited",
        (Family::Ip6, 3) => "icmp6-addr-unreachable",
        (Family::Ip6, 4) => "icmp6-port-unreachable",
        (Family::Ip6, 7) => "icmp6-policy-fail",
        (Family::Ip6, 8) => "icmp6-reject-route",
        (Family::Ip, 0) => "icmp-net-unreachable",
        (Family::Ip, 1) => "icmp-host-unreachable",
        (Family::Ip, 2) => "icmp-proto-unreachable",
        (Family::Ip, 3) => "icmp-port-unreachable",
        (Family::Ip, 5) => "icmp-net-prohibited",
        (Family::Ip, 6) => "icmp-host-prohibited",
        (Family::Ip6, 6) | (Family::Ip, 7) => "tcp-reset",
        (Family::Ip, 8) => "icmp-admin-prohibited",
        _ => return with.to_string(),
    };
    name.to_owned()
}

fn write_log(out: &mut String, log: &Log) {
    if !log.prefix.as_bytes().is_empty() {
        out.push_str(" --log-prefix");
        quoted(out, &log.prefix);
    }
    if log.level != LOG_LEVEL {
        push(out, format_args!(" --log-level {}", log.level));
    }
    let words = [
        (1, " --log-tcp-sequence"),
        (2, " --log-tcp-options"),
        (4, " --log-ip-options"),
        (8, " --log-uid"),
        (32, " --log-macdecode"),
    ];
    words.iter().filter(|(flag, _)| log.flags & flag != 0).for_each(|(_, word)| out.push_str(word));
}

fn write_nflog(out: &mut String, nflog: &Nflog) {
    if !nflog.prefix.as_bytes().is_empty() {
        out.push_str(" --nflog-prefix");
        quoted(out, &nflog.prefix);
    }
    if nflog.group != 0 {
        push(out, format_args!(" --nflog-group {}", nflog.group));
    }
    if nflog.sized {
        push(out, format_args!(" --nflog-size {}", nflog.length));
    } else if nflog.length != 0 {
        push(out, format_args!(" --nflog-range {}", nflog.length));
    }
    if nflog.threshold != 0 {
        push(out, format_args!(" --nflog-threshold {}", nflog.threshold));
    }
}

fn write_nfqueue(out: &mut String, queue: Nfqueue) {
    if queue.total > 1 {
        let last = queue.number.wrapping_add(queue.total - 1);
        push(out, format_args!(" --queue-balance {}:{last}", queue.number));
    } else {
        push(out, format_args!(" --queue-num {}", queue.number));
    }
    if queue.bypass {
        out.push_str(" --queue-bypass");
    }
    if queue.cpu_fanout {
        out.push_str(" --queue-cpu-fanout");
    }
}
