//! Who turns services into endpoints: found from the rules that are hooked in, not from what a process says.
//!
//! May import model and its siblings only.

use std::collections::BTreeSet;

use super::doubt;
use super::source::Source;
use super::types::{Mode, RuleSet};
use crate::analyze::answer::Gathered;
use crate::model::issue::{Issue, Why};
use crate::model::link::{Link, LinkKind};
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::table::{BackEnd, Family, TableRef};
use crate::model::sandbox::SandboxFilter;
use crate::model::view::NodeView;

/// The tables of one set of rules.
pub(super) struct RuleSource<'a> {
    /// nat, or kube-proxy's own table.
    nat: Source<'a>,
    /// filter; `None` in nftables mode, where one table has it all.
    filter: Option<Source<'a>>,
}

impl<'a> RuleSource<'a> {
    pub(super) fn nat(&self) -> &Source<'a> {
        &self.nat
    }

    pub(super) fn filter(&self) -> &Source<'a> {
        self.filter.as_ref().unwrap_or(&self.nat)
    }

    /// Reads the tables whole.
    pub(super) fn read_whole(&mut self) {
        self.nat.read_whole();
    }

    /// Whether what was not found may be there all the same.
    pub(super) fn is_unsure(&self) -> bool {
        self.nat.is_unsure() || self.filter.as_ref().is_some_and(Source::is_unsure)
    }

    /// Hands over what could not be read.
    pub(super) fn issues(&self, gathered: &mut Gathered) {
        self.nat.issues(gathered);
        if let Some(filter) = &self.filter {
            filter.issues(gathered);
        }
    }
}

/// kube-proxy's own table.
const OWN_TABLE: &str = "kube-proxy";

/// The sets of rules that are hooked in, from what the base chains of nat jump to.
pub(super) fn rule_sets<'a>(node: &'a dyn NodeView, gathered: &mut Gathered) -> Vec<(RuleSet, RuleSource<'a>)> {
    let host = node.node().host_netns;
    let view = node.netfilter();
    let tables = view.tables(host);
    let tables = gathered.take(&tables);
    for table in tables.iter().filter(|table| table.dormant) {
        let detail = "it is dormant: none of its rules is in force";
        let what = format!("table {} {}", table.id.family, table.id.name);
        gathered.issue(Issue::note(what, Why::Unsupported { detail: detail.to_owned() }));
    }
    let there: BTreeSet<&TableRef> = tables.iter().filter(|table| !table.dormant).map(|table| &table.id).collect();
    let mut sets = Vec::new();
    for family in [Family::Ip, Family::Ip6] {
        for back_end in [BackEnd::NfTables, BackEnd::Legacy] {
            let table = |name: &str| TableRef { back_end, family, name: name.into() };
            if there.contains(&table("nat")) {
                let nat = Source::new(view, host, table("nat"));
                if leads(&nat, [("PREROUTING", Hook::Prerouting), ("OUTPUT", Hook::Output)], "KUBE-SERVICES")
                    || leads_by_another(node, &nat, "KUBE-SERVICES")
                {
                    let filter = Source::new(view, host, table("filter"));
                    let source = RuleSource { nat, filter: Some(filter) };
                    sets.push((RuleSet { mode: Mode::Iptables, back_end, family }, source));
                } else {
                    nat.issues(gathered);
                }
            }
            if back_end == BackEnd::NfTables && there.contains(&table(OWN_TABLE)) {
                let own = Source::new(view, host, table(OWN_TABLE));
                if leads(&own, [("nat-prerouting", Hook::Prerouting), ("nat-output", Hook::Output)], "services")
                    || leads_by_another(node, &own, "services")
                {
                    let source = RuleSource { nat: own, filter: None };
                    sets.push((RuleSet { mode: Mode::Nftables, back_end, family }, source));
                } else {
                    own.issues(gathered);
                }
            }
        }
    }
    sets.sort_by_key(|(set, _)| set.clone());
    sets
}

/// Whether packets from outside or of the node itself are led there; both base chains say what they do otherwise.
fn leads(source: &Source<'_>, from: [(&str, Hook); 2], to: &str) -> bool {
    let [outside, own] = from.map(|base| doubt::leads(source, base, to));
    if outside != own {
        let (base, whose) = if own { (from[0].0, "others'") } else { (from[1].0, "this node's own") };
        let detail = format!("{base} does not lead to {to}: {whose} packets get to no service by it");
        let what = format!("table {} {}", source.table.family, source.table.name);
        source.issue(Issue::incomplete(what, Why::Unsupported { detail }));
    }
    outside || own
}

/// Whether base chains of other names lead there.
fn leads_by_another(node: &dyn NodeView, source: &Source<'_>, to: &str) -> bool {
    let host = node.node().host_netns;
    // Most tables have nothing that could be led to, and are not looked through.
    if source.chain(&to.into()).is_none() {
        return false;
    }
    let bases = node.netfilter().base_chains(host);
    let here = bases.value.iter().filter(|chain| chain.id.table == source.table);
    let by: Vec<String> = here
        .filter_map(|chain| {
            let hook = chain.base.as_ref()?.hook;
            let name = chain.id.name.as_str().filter(|_| matches!(hook, Hook::Prerouting | Hook::Output))?;
            doubt::leads(source, (name, hook), to).then(|| name.to_owned())
        })
        .collect();
    if by.is_empty() {
        return false;
    }
    let detail = format!(
        "{} lead to {to}, which is not as kube-proxy writes it: which packets get there, and what rules of others do \
         to them before, is unknown",
        by.join(" and ")
    );
    let what = format!("table {} {}", source.table.family, source.table.name);
    source.issue(Issue::incomplete(what, Why::Unsupported { detail }));
    true
}

/// Says that which of several sets of rules translates a packet is not known.
pub(super) fn mixed<'s>(sets: impl Iterator<Item = &'s RuleSet>, gathered: &mut Gathered) {
    let mut families = BTreeSet::new();
    if sets.filter(|set| !families.insert(set.family)).count() > 0 {
        let detail = "several sets of kube-proxy's rules are hooked in: the first one that translates a packet decides, \
                      and which of them that is is unknown";
        gathered.issue(Issue::incomplete("services", Why::Disagreement { detail: detail.to_owned() }));
    }
}

/// The mode that sets of rules make.
pub(super) fn of_rules<'s>(sets: impl Iterator<Item = &'s RuleSet>) -> Mode {
    let kinds: BTreeSet<(Mode, BackEnd)> = sets.map(|set| (set.mode, set.back_end)).collect();
    let mut kinds = kinds.into_iter();
    match (kinds.next(), kinds.next()) {
        (None, _) => Mode::None,
        (Some((mode, _)), None) => mode,
        (Some(_), Some(_)) => Mode::Mixed,
    }
}

/// What else may turn services into endpoints: IPVS and BPF programs. Notes what follows from it, and gives the mode.
pub(super) fn beside_rules(node: &dyn NodeView, by_rules: Mode, gathered: &mut Gathered) -> Mode {
    let host = node.node().host_netns;
    let links = node.links(host);
    let links: &Vec<Link> = gathered.take(&links);
    let ipvs = node.netfilter().ipvs_services(host);
    let virtual_services = gathered.take(&ipvs).unwrap_or(0);
    let has_ipvs_link = links.iter().any(|link| link.name == *"kube-ipvs0");
    let mut mode = by_rules;
    if has_ipvs_link || (virtual_services > 0 && by_rules == Mode::None) {
        let found = if has_ipvs_link { "the link kube-ipvs0 is there" } else { "IPVS has virtual services" };
        let detail = format!("{found}: podnet does not read IPVS, so which endpoints a service has here is unknown");
        gathered.issue(Issue::incomplete(
            "services",
            Why::Unsupported { detail: format!("{detail} ({virtual_services} virtual services)") },
        ));
        mode = Mode::Ipvs;
    } else if virtual_services > 0 {
        let detail =
            format!("IPVS has {virtual_services} virtual services that are not kube-proxy's; they are not told here");
        gathered.issue(Issue::note("services", Why::Unsupported { detail }));
    }
    let programs = bpf_programs(node, links, gathered);
    if !programs.is_empty() {
        let detail = format!(
            "{}: Cilium's programs may turn services into endpoints before any rule is asked, and podnet does not read them",
            programs.join(", ")
        );
        gathered.issue(Issue::incomplete("services", Why::Unsupported { detail }));
        if mode == Mode::None {
            mode = Mode::Bpf;
        }
    }
    mode
}

/// Cilium's programs, where they would have to be to change where packets to services go.
fn bpf_programs(node: &dyn NodeView, links: &[Link], gathered: &mut Gathered) -> Vec<String> {
    let host = node.node().host_netns;
    let mut found = Vec::new();
    // A pod's own link says nothing more than the node's links do, and there are many.
    let is_pods = |link: &&Link| matches!(link.kind, LinkKind::Veth) && !link.name.as_bytes().starts_with(b"cilium");
    for link in links.iter().filter(|link| !is_pods(link)) {
        let programs = node.link_bpf(host, link.ifindex);
        for program in gathered.take(&programs) {
            if let Some(name) = program.name.as_ref().filter(|name| name.starts_with("cil_")) {
                found.push(format!("{name} at {} {}", link.name, program.hook));
            }
        }
    }
    // The socket load balancing of Cilium sits above every pod: one is enough to see it.
    let sandboxes = node.sandboxes(&SandboxFilter::All);
    if let Some(sandbox) = sandboxes.value.iter().find(|sandbox| sandbox.pid.is_some()) {
        let programs = node.cgroup_bpf(sandbox);
        let named = programs.value.iter().filter_map(|program| Some((program.name.as_ref()?, &program.hook)));
        found
            .extend(named.filter(|(name, _)| name.starts_with("cil_")).map(|(name, hook)| format!("{name} at {hook}")));
    }
    found.sort();
    found.dedup();
    found
}
