//! `lab status` as tables and as JSON.
//!
//! May import model only.

use std::io::{self, Write};

use serde::Serialize;

use super::style::{Style, escape};
use crate::model::ids::{NetnsId, Pid};
use crate::model::issue::Issue;
use crate::model::lab::LabPhase;
use crate::model::lab_status::{LabReport, LabStatus};
use crate::model::node::NodeInfo;

/// The schema's name.
pub const SCHEMA: &str = "podnet/lab-status/v1";

/// What stands for nothing.
const NOTHING: &str = "–";

/// The envelope of the JSON form.
#[derive(Serialize)]
struct Envelope<'a> {
    schema: &'static str,
    nodes: &'a [NodeInfo],
    data: &'a LabStatus,
    issues: &'a [Issue],
}

/// One JSON document.
pub fn json(status: &LabStatus, issues: &[Issue], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Envelope { schema: SCHEMA, nodes: &[], data: status, issues })?;
    writeln!(out)
}

/// Tables for people: a block a lab.
pub fn table(status: &LabStatus, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if status.labs.is_empty() {
        return writeln!(out, "no lab is up; `podnet lab up` makes one");
    }
    for (at, lab) in status.labs.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        self::lab(lab, style, out)?;
    }
    Ok(())
}

fn lab(lab: &LabReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let state = match (lab.phase, lab.broken.is_empty()) {
        (LabPhase::Up, true) => style.good("up"),
        (LabPhase::Up, false) => style.bad("broken"),
        (LabPhase::Building, _) => style.bad("half made"),
    };
    let on = |on| if on { "on" } else { "off" };
    writeln!(
        out,
        "lab {}  {state}  since {}  masquerade {}, hairpin {}, bridge-nf {}, services by {}",
        style.strong(&escape(&lab.name)),
        lab.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        on(lab.options.masquerade),
        on(lab.options.hairpin),
        lab.options.bridge_nf.map_or("not offered", on),
        lab.options.proxy,
    )?;
    let mut machines = vec![row(["MACHINE", "ADDRESS", "PODS", "NETNS", "INODE"])];
    for worker in &lab.workers {
        machines.push(vec![
            worker.name.clone(),
            both(&worker.address, worker.address_v6),
            both(&worker.pod_cidr, worker.pod_cidr_v6),
            last_part(&worker.netns_path),
            inode(worker.netns),
        ]);
    }
    for host in &lab.hosts {
        machines.push(vec![
            host.name.clone(),
            both(&host.address, host.address_v6),
            NOTHING.to_owned(),
            last_part(&host.netns_path),
            inode(host.netns),
        ]);
    }
    columns(&machines, style, out)?;
    writeln!(out)?;
    let mut titles = row(["WORKER", "NAMESPACE", "POD", "IP", "HOST LINK", "PAUSE", "APP"]);
    if style.wide {
        titles.extend(row(["NETNS", "INODE", "SANDBOX", "UID"]));
    }
    let mut pods = vec![titles];
    for worker in &lab.workers {
        for pod in &worker.pods {
            let mut cells = vec![
                worker.name.clone(),
                pod.namespace.clone(),
                pod.name.clone(),
                both(&pod.address, pod.address_v6),
                pod.host_link.clone(),
                number(pod.pause),
                number(pod.app),
            ];
            if style.wide {
                cells.extend([
                    last_part(&pod.netns_path),
                    inode(pod.netns),
                    pod.sandbox.short().to_owned(),
                    pod.uid.clone(),
                ]);
            }
            pods.push(cells);
        }
    }
    columns(&pods, style, out)?;
    for line in &lab.broken {
        writeln!(out, "{} {}", style.bad("broken:"), escape(line))?;
    }
    for line in &lab.notes {
        writeln!(out, "{} {}", style.odd("note:"), escape(line))?;
    }
    Ok(())
}

pub(super) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(ToOwned::to_owned).into()
}

/// `10.200.0.4, fd00:200::4`.
fn both(four: &impl ToString, six: Option<impl ToString>) -> String {
    let six = six.map_or_else(String::new, |six| format!(", {}", six.to_string()));
    four.to_string() + &six
}

fn inode(netns: Option<NetnsId>) -> String {
    netns.map_or_else(|| NOTHING.to_owned(), |netns| netns.ino.to_string())
}

fn number(pid: Option<Pid>) -> String {
    pid.map_or_else(|| NOTHING.to_owned(), |pid| pid.to_string())
}

fn last_part(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Left-aligned columns, two spaces apart; the first row is the titles.
pub(super) fn columns(rows: &[Vec<String>], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    for (at, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            if column > 0 {
                line.push_str("  ");
            }
            line.push_str(cell);
            if column + 1 < row.len() {
                let missing = width(column).unwrap_or(0).saturating_sub(cell.chars().count());
                line.extend(std::iter::repeat_n(' ', missing));
            }
        }
        if at == 0 {
            line = style.dim(&line);
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}
