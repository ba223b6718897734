//! Targets that change marks. All ways to write it are one in the kernel: zero some bits, XOR others.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::args::{Args, Parsed, Unclear};
use super::super::values::{address, mark as value_and_mask, number};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::targets::{Connmark, SetMark, Target, Tproxy};

pub(super) fn mark(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let option = args.option().ok_or(Unclear)?;
    change(option, args)?.map(Target::Mark).ok_or(Unclear)
}

/// `None` for an option that is not one of these.
fn change(option: &str, args: &mut Args<'_, '_>) -> Parsed<Option<SetMark>> {
    Ok(Some(match option {
        "--set-xmark" => {
            let mark = args.plain(value_and_mask)?;
            SetMark { value: mark.value, clear: mark.mask }
        }
        "--set-mark" => {
            let mark = args.plain(value_and_mask)?;
            SetMark { value: mark.value, clear: mark.mask | mark.value }
        }
        "--and-mark" => {
            let bits: u32 = args.plain(number)?;
            SetMark { value: 0, clear: !bits }
        }
        "--or-mark" => {
            let bits = args.plain(number)?;
            SetMark { value: bits, clear: bits }
        }
        "--xor-mark" => SetMark { value: args.plain(number)?, clear: 0 },
        _ => return Ok(None),
    }))
}

pub(super) fn connmark(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let mut found =
        Connmark { op: 0, flow_mark: 0, flow_mask: u32::MAX, packet_mask: u32::MAX, shift_right: false, shift: 0 };
    let mut op = None;
    while let Some(option) = args.option() {
        match option {
            "--save-mark" => op = args.yes().map(|_| Some(1))?,
            "--restore-mark" => op = args.yes().map(|_| Some(2))?,
            "--nfmask" => found.packet_mask = args.plain(number)?,
            "--ctmask" => found.flow_mask = args.plain(number)?,
            "--mask" => {
                found.flow_mask = args.plain(number)?;
                found.packet_mask = found.flow_mask;
            }
            "--left-shift-mark" => found.shift = args.plain(number)?,
            "--right-shift-mark" => {
                found.shift = args.plain(number)?;
                found.shift_right = true;
            }
            other => {
                let set = change(other, args)?.ok_or(Unclear)?;
                (found.flow_mark, found.flow_mask) = (set.value, set.clear);
                op = Some(0);
            }
        }
    }
    found.op = op.ok_or(Unclear)?;
    Ok(Target::Connmark(found))
}

pub(super) fn tproxy(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let any: IpAddr =
        if args.family == Family::Ip6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let mut found = Tproxy { address: any, port: 0, mark: SetMark { value: 0, clear: 0 } };
    let family = args.family;
    while let Some(option) = args.option() {
        match option {
            "--on-port" => found.port = args.plain(number)?,
            "--on-ip" => found.address = args.plain(|text| address(text, family))?,
            "--tproxy-mark" => {
                let mark = args.plain(value_and_mask)?;
                found.mark = SetMark { value: mark.value, clear: mark.mask };
            }
            _ => return Err(Unclear),
        }
    }
    Ok(Target::Tproxy(found))
}
