//! Rules, sets and objects of nf_tables, read through nfnetlink; the generation is checked.
//!
//! May import model, wire and sys. Judges nothing.

use std::panic::resume_unwind;
use std::thread;

use crate::collect::kernel::Namespace;
use crate::collect::kernel::dump::repeated;
use crate::model::issue::Read;
use crate::model::netfilter::chain::{Chain, ChainRef, Hook, Rules};
use crate::model::netfilter::hook::HookEntry;
use crate::model::netfilter::object::Object;
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::set::{Set, SetRef};
use crate::model::netfilter::table::{Family, Table, TableRef};
use crate::model::text::ByteText;
use crate::sys::netlink::{Disturbance, NetlinkError, NetlinkSocket};
use crate::wire::netlink::attr::AttrError;
use crate::wire::netlink::request::Request;
use crate::wire::nf_tables::{self as nf, request};

/// How many chains are worth a thread.
const MANY: usize = 16;

type Outcome = Result<(), NetlinkError>;

impl Namespace {
    /// The tables of nf_tables.
    pub(super) fn nf_tables(&self) -> Read<Vec<Table>> {
        self.nf_read("tables", tables)
    }

    /// Their base chains.
    pub(super) fn nf_base_chains(&self) -> Read<Vec<Chain>> {
        self.nf_read("base chains", base_chains)
    }

    /// The same on a socket of its own.
    pub(super) fn nf_base_chains_beside(&self) -> Read<Vec<Chain>> {
        self.nf_read_by("base chains", self.own_socket(), base_chains)
    }

    /// The chains of a table.
    pub(super) fn nf_chains(&self, table: &TableRef) -> Read<Vec<Chain>> {
        self.nf_read("chains", |socket, found, complaints| chains(socket, table, found, complaints))
    }

    /// One chain.
    pub(super) fn nf_chain(&self, chain: &ChainRef) -> Read<Option<Rules>> {
        self.nf_read("a chain", |socket, found, complaints| whole_chain(socket, chain, found, complaints))
    }

    /// The same on a socket of the caller's own, as long as it takes.
    pub(super) fn nf_chain_beside(&self, chain: &ChainRef) -> Read<Option<Rules>> {
        self.nf_read_by("a chain", self.own_socket(), |socket, found, complaints| {
            whole_chain(socket, chain, found, complaints)
        })
    }

    /// Makes exchanges on a socket that nobody else has, the same one each time.
    fn own_socket(&self) -> impl FnMut(&mut dyn FnMut(&mut NetlinkSocket) -> Outcome) -> Outcome {
        let mut own = None;
        move |exchange| {
            let mut socket = match own.take() {
                Some(socket) => socket,
                None => self.own_netfilter()?,
            };
            let outcome = exchange(&mut socket);
            // After anything else, what is left in its queue is not worth sorting out.
            if matches!(outcome, Ok(()) | Err(NetlinkError::Disturbed(_))) {
                own = Some(socket);
            }
            outcome
        }
    }

    /// The rules of some chains: of many, half are read by a second socket, for the kernel makes the answers in
    /// the time of who asks. The generation binds both together.
    pub(super) fn nf_rules_in(&self, table: &TableRef, chains: &[ByteText]) -> Read<Vec<Vec<Rule>>> {
        self.nf_read("the rules of chains", |socket, found: &mut Vec<Vec<Rule>>, complaints| {
            let (own, others) = chains.split_at(chains.len().div_ceil(2));
            thread::scope(|scope| {
                let helping = || {
                    let mut read = (Vec::new(), Vec::new());
                    let outcome =
                        self.beside_netfilter(|socket| rules_in(socket, table, others, &mut read.0, &mut read.1));
                    (read, outcome)
                };
                let many = others.len() >= MANY;
                let helper = many.then(|| thread::Builder::new().spawn_scoped(scope, helping).ok()).flatten();
                rules_in(socket, table, own, found, complaints)?;
                let Some(helper) = helper else { return rules_in(socket, table, others, found, complaints) };
                let ((mut rest, mut errors), outcome) = helper.join().unwrap_or_else(|panic| resume_unwind(panic));
                found.append(&mut rest);
                complaints.append(&mut errors);
                outcome
            })
        })
    }

    /// All chains of a table.
    pub(super) fn nf_rules_of(&self, table: &TableRef) -> Read<Vec<Rules>> {
        self.nf_read("the rules of a table", |socket, found: &mut Vec<Rules>, complaints| {
            let mut of_table = Vec::new();
            chains(socket, table, &mut of_table, complaints)?;
            for chain in of_table {
                let rules = rules(socket, &chain.id, complaints)?;
                found.push(Rules { chain, rules });
            }
            Ok(())
        })
    }

    /// The sets of a table.
    pub fn sets(&self, table: &TableRef) -> Read<Vec<Set>> {
        self.nf_read("sets", |socket, found: &mut Vec<Set>, complaints| {
            dump(socket, &request::sets(table), nf::NEWSET, &mut |message| {
                found.extend(nf::set::set(message, complaints).filter(|set| set.id.table == *table));
            })?;
            found.sort_by(|one, other| one.id.cmp(&other.id));
            Ok(())
        })
    }

    /// One set.
    pub fn set(&self, set: &SetRef) -> Read<Option<Set>> {
        self.nf_read("a set", |socket, found: &mut Option<Set>, complaints| {
            let reply = socket.ask(&request::set(set))?;
            let told = reply.and_then(|reply| nf::set::set(&reply.payload, complaints));
            *found = told.filter(|told| told.id == *set);
            Ok(())
        })
    }

    /// The named objects of a table.
    pub fn objects(&self, table: &TableRef) -> Read<Vec<Object>> {
        self.nf_read("objects", |socket, found: &mut Vec<Object>, complaints| {
            dump(socket, &request::objects(table), nf::NEWOBJ, &mut |message| {
                found.extend(nf::object::object(message, complaints).filter(|object| object.table == *table));
            })?;
            found.sort();
            Ok(())
        })
    }

    /// What runs at a hook, in order; `None` where the kernel cannot tell.
    pub fn hooks(&self, family: Family, hook: Hook) -> Read<Option<Vec<HookEntry>>> {
        let Some(question) = nf::hook::request(family, hook) else { return Read::ok(None) };
        repeated(&format!("what runs at {family} {hook} of {}", self.id()), |value, complaints| {
            let mut entries = Vec::new();
            let outcome = self.with_netfilter(|socket| {
                dump(socket, &question, nf::hook::HOOK, &mut |message| {
                    entries.extend(nf::hook::entry(message, complaints));
                })
            });
            match outcome {
                // nfnetlink refuses so what it has no subsystem for, and the family's hooks where none is compiled in.
                Err(NetlinkError::Refused(refusal)) if matches!(refusal.errno, libc::EINVAL | libc::EOPNOTSUPP) => {
                    Ok(())
                }
                Err(NetlinkError::Io { source, .. }) if source.raw_os_error() == Some(libc::EPROTONOSUPPORT) => Ok(()),
                outcome => {
                    if matches!(outcome, Ok(()) | Err(NetlinkError::Disturbed(_))) {
                        *value = Some(entries);
                    }
                    outcome
                }
            }
        })
    }

    /// Reads until the generation is the same before and after. What is not there gives nothing, as does a
    /// kernel without nf_tables.
    pub(super) fn nf_read<T: Default>(
        &self,
        what: &str,
        read: impl Fn(&mut NetlinkSocket, &mut T, &mut Vec<AttrError>) -> Outcome,
    ) -> Read<T> {
        self.nf_read_by(what, |exchange| self.with_netfilter(exchange), read)
    }

    /// The same with a socket that `with` hands to the exchange.
    fn nf_read_by<T: Default>(
        &self,
        what: &str,
        mut with: impl FnMut(&mut dyn FnMut(&mut NetlinkSocket) -> Outcome) -> Outcome,
        read: impl Fn(&mut NetlinkSocket, &mut T, &mut Vec<AttrError>) -> Outcome,
    ) -> Read<T> {
        repeated(&format!("{what} of {}", self.id()), |value: &mut T, complaints| {
            let outcome = with(&mut |socket| {
                let before = generation(socket)?;
                if before.is_none() {
                    return Ok(());
                }
                match read(socket, value, complaints) {
                    Err(NetlinkError::Refused(refusal)) if refusal.errno == libc::ENOENT => *value = T::default(),
                    outcome => outcome?,
                }
                if generation(socket)? == before {
                    return Ok(());
                }
                Err(NetlinkError::Disturbed(Disturbance::Changed))
            });
            match outcome {
                // A kernel without nfnetlink.
                Err(NetlinkError::Io { source, .. }) if source.raw_os_error() == Some(libc::EPROTONOSUPPORT) => Ok(()),
                outcome => outcome,
            }
        })
    }
}

/// The ruleset's generation; `None` where the kernel has no nf_tables.
pub(super) fn generation(socket: &mut NetlinkSocket) -> Result<Option<u32>, NetlinkError> {
    match socket.ask(&request::generation()) {
        // nfnetlink refuses so what it has no subsystem for.
        Err(NetlinkError::Refused(refusal)) if matches!(refusal.errno, libc::EINVAL | libc::EOPNOTSUPP) => Ok(None),
        reply => Ok(reply?.and_then(|reply| nf::generation::generation(&reply.payload, &mut Vec::new()))),
    }
}

pub(super) fn dump(socket: &mut NetlinkSocket, request: &Request, wanted: u16, each: &mut dyn FnMut(&[u8])) -> Outcome {
    socket.dump(request, &mut |message| {
        if message.kind == wanted {
            each(message.payload);
        }
    })
}

fn tables(socket: &mut NetlinkSocket, found: &mut Vec<Table>, complaints: &mut Vec<AttrError>) -> Outcome {
    dump(socket, &request::tables(), nf::NEWTABLE, &mut |message| found.extend(nf::table::table(message, complaints)))?;
    found.sort();
    Ok(())
}

/// The base chains of all tables: the kernel tells of all chains, and the others are not decoded.
fn base_chains(socket: &mut NetlinkSocket, found: &mut Vec<Chain>, complaints: &mut Vec<AttrError>) -> Outcome {
    let mut tables_of_all = Vec::new();
    tables(socket, &mut tables_of_all, complaints)?;
    let mut families: Vec<Family> = tables_of_all.iter().map(|table| table.id.family).collect();
    families.dedup();
    for family in families {
        dump(socket, &request::chains(family), nf::NEWCHAIN, &mut |message| {
            if nf::chain::is_base(message) {
                found.extend(nf::chain::chain(message, complaints));
            }
        })?;
    }
    found.sort();
    Ok(())
}

fn chains(
    socket: &mut NetlinkSocket,
    table: &TableRef,
    found: &mut Vec<Chain>,
    complaints: &mut Vec<AttrError>,
) -> Outcome {
    dump(socket, &request::chains(table.family), nf::NEWCHAIN, &mut |message| {
        if nf::chain::is_of(message, table) {
            found.extend(nf::chain::chain(message, complaints));
        }
    })?;
    found.sort();
    Ok(())
}

/// One chain with its rules.
fn whole_chain(
    socket: &mut NetlinkSocket,
    chain: &ChainRef,
    found: &mut Option<Rules>,
    complaints: &mut Vec<AttrError>,
) -> Outcome {
    let Some(reply) = socket.ask(&request::chain(chain))? else { return Ok(()) };
    let Some(told) = nf::chain::chain(&reply.payload, complaints) else { return Ok(()) };
    let rules = rules(socket, chain, complaints)?;
    *found = Some(Rules { chain: told, rules });
    Ok(())
}

/// The rules of some chains.
fn rules_in(
    socket: &mut NetlinkSocket,
    table: &TableRef,
    chains: &[ByteText],
    found: &mut Vec<Vec<Rule>>,
    complaints: &mut Vec<AttrError>,
) -> Outcome {
    for name in chains {
        found.push(rules(socket, &table.chain(name.clone()), complaints)?);
    }
    Ok(())
}

/// The rules of a chain, numbered.
fn rules(
    socket: &mut NetlinkSocket,
    chain: &ChainRef,
    complaints: &mut Vec<AttrError>,
) -> Result<Vec<Rule>, NetlinkError> {
    let mut rules = Vec::new();
    dump(socket, &request::rules(chain), nf::NEWRULE, &mut |message| {
        let Some(placed) = nf::rule::rule(message, complaints) else { return };
        if placed.chain == chain.name.as_bytes() && placed.table == chain.table.name.as_bytes() {
            let number = u32::try_from(rules.len() + 1).unwrap_or(u32::MAX);
            rules.push(Rule { number, ..placed.rule });
        }
    })?;
    // Most chains have a rule or two, and there are tens of thousands.
    rules.shrink_to_fit();
    Ok(rules)
}
