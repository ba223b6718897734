//! `conntrack --watch` under load: events made at a rate and as fast as they go, by flows that come and go.
//!
//! The half on the worker starts podnet on one core, makes the events on the others, and compares what podnet says
//! it told and lost with what was made.

use std::io::{BufRead as _, BufReader, Read as _, Write as _, stdout};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use netlink_sys::{Socket, SocketAddr};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use podnet::sys::netlink::NETFILTER;
use podnet::wire::netlink::attr::attribute as attr;
use podnet::wire::netlink::frame::FLAG_REQUEST;
use podnet::wire::netlink::request::Request;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::support::Worker;
use crate::{say, setting};

const NEW: u16 = 0x100;
const DELETE: u16 = 0x102;
/// `NLM_F_CREATE | NLM_F_EXCL`
const CREATE: u16 = 0x600;
const NESTED: u16 = 0x8000;
/// `IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY`
const STATUS: u32 = 0x0e;
/// How many flows come, and how many go, in one write.
const STEP: u32 = 10;
/// The rate that has to be kept up with, events a second.
const RATE: u32 = 20_000;

/// A load: events a second (0: as many as go), and for how long.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Load {
    rate: u32,
    seconds: u32,
    services: u32,
    json: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    made: u64,
    took_ms: u64,
    told: u64,
    resynced: u64,
    lost: u64,
    cpu_ms: u64,
    peak_kib: i64,
}

/// Asks for all loads; `false` where podnet lost events below the rate, or did not say so above it.
pub fn ask(worker: &Worker, binary: &str, services: usize) -> bool {
    say("");
    say("--watch on one core        made a second      told      lost   of a core   peak MiB");
    let seconds = u32::try_from(setting("SECONDS", 5)).expect("a number of seconds");
    let services = u32::try_from(services).expect("a number of services");
    let loads =
        [(RATE, true), (RATE, false), (0, true), (0, false)].map(|(rate, json)| Load { rate, seconds, services, json });
    loads.iter().map(|load| one(worker, binary, *load)).fold(true, |all, one| all & one)
}

fn one(worker: &Worker, binary: &str, load: Load) -> bool {
    let this = std::env::current_exe().expect("this program");
    let load_text = serde_json::to_string(&load).expect("a load");
    let mut command = worker.command(&[this.to_str().expect("a path in UTF-8"), "--watch", binary, &load_text]);
    let output = command.stderr(Stdio::inherit()).output().expect("the half on the worker");
    let name = format!(
        "{}, {}",
        if load.rate == 0 { "as many as go".to_owned() } else { format!("{} a second", load.rate) },
        if load.json { "json" } else { "table" }
    );
    let Ok(kept) = serde_json::from_slice::<Kept>(&output.stdout) else {
        say(&format!("{name:<27} failed"));
        return false;
    };
    let Kept { made, took_ms, told, resynced, lost, cpu_ms, peak_kib } = kept;
    // What a comparison tells was lost as an event.
    let heard = told - resynced;
    let good = if load.rate == 0 { heard + lost == made } else { heard == made && lost == 0 };
    say(&format!(
        "{name:<27} {:>12} {heard:>9} {lost:>9} {:>9} % {:>10}{}",
        made * 1000 / took_ms.max(1),
        cpu_ms * 100 / took_ms.max(1),
        (peak_kib + 1023) / 1024,
        if good { "" } else { "   MISSED" },
    ));
    good
}

/// The half on the worker.
pub fn inside(binary: &str, load: &str) -> ExitCode {
    let load: Load = serde_json::from_str(load).expect("a load");
    let mut arguments = vec!["-c", "0", binary, "conntrack", "--watch", "--refresh", "60m"];
    if load.json {
        arguments.extend(["-o", "json"]);
    }
    let mut child = Command::new("taskset")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("taskset");
    // A reader of its own, which looks at nothing but the last line.
    let out = OwnedFd::from(child.stdout.take().expect("its stdout"));
    let mut errors = BufReader::new(child.stderr.take().expect("its stderr"));
    let reading = thread::spawn(move || last_line(out));
    quiet(&child);
    let (made, took) = make(load);
    quiet(&child);
    let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
    kill(pid, Signal::SIGINT).expect("it runs");
    let last = reading.join().expect("no panic");
    let mut words = String::new();
    errors.read_to_string(&mut words).expect("its words");
    let status = child.wait().expect("its end");
    assert!(matches!(status.code(), Some(0 | 3)), "{status}: {words}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the children's usage");
    let cpu = usage.user_time() + usage.system_time();
    let totals = if load.json { of_json(&last) } else { of_words(&words) };
    let kept = Kept {
        made,
        took_ms: took.as_millis().try_into().expect("a short time"),
        told: totals[0],
        resynced: totals[1],
        lost: totals[2],
        // Of that, the dump that it begins with is not the load's: it is told as it is.
        cpu_ms: u64::try_from(cpu.tv_sec() * 1000 + cpu.tv_usec() / 1000).expect("a time"),
        peak_kib: usage.max_rss(),
    };
    writeln!(stdout(), "{}", serde_json::to_string(&kept).expect("what came of it")).expect("stdout");
    ExitCode::SUCCESS
}

fn last_line(out: OwnedFd) -> String {
    let mut reader = BufReader::with_capacity(1 << 20, std::fs::File::from(out));
    let (mut line, mut last) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).expect("its stdout") == 0 {
            return String::from_utf8(last).expect("UTF-8");
        }
        std::mem::swap(&mut line, &mut last);
    }
}

/// Told, resynced and lost, as the last line of the stream has them.
fn of_json(last: &str) -> [u64; 3] {
    let last: Value = serde_json::from_str(last).expect("a last line");
    let number = |name: &str| last["totals"][name].as_u64().expect("a number");
    [number("new") + number("updated") + number("destroyed"), number("resynced"), number("lost")]
}

/// The same of its last words.
fn of_words(words: &str) -> [u64; 3] {
    let last = words.lines().rfind(|line| line.contains(" destroyed")).expect("last words");
    let before = |word: &str| -> u64 {
        let at = last.find(word).unwrap_or(0);
        let number = last[..at].rsplit(|one: char| !one.is_ascii_digit()).find(|text| !text.is_empty());
        number.map_or(0, |text| text.parse().expect("a number"))
    };
    let told = before(" new") + before(" updated") + before(" destroyed");
    [told, before(" of them resynced"), before(" event lost").max(before(" events lost"))]
}

/// Waits until the child takes no more processor time.
fn quiet(child: &Child) {
    let path = format!("/proc/{}/stat", child.id());
    let ticks = || -> u64 {
        let stat = std::fs::read_to_string(&path).expect("it runs");
        let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    let (mut seen, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_millis(1500) {
        assert!(Instant::now() < deadline, "it goes on");
        let now = ticks();
        if now > seen + 1 {
            (seen, since) = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Lets flows come and go; gives how many events that made, and how long it took.
fn make(load: Load) -> (u64, Duration) {
    let mut socket = Socket::new(NETFILTER).expect("a socket");
    socket.bind_auto().expect("a port");
    socket.connect(&SocketAddr::new(0, 0)).expect("the kernel");
    // Refusals of the kernel are what is read of it, once at the end.
    let steps: Vec<[Vec<u8>; 2]> = (0..1000).map(|step| step_of(step, load.services)).collect();
    let begun = Instant::now();
    let time = Duration::from_secs(load.seconds.into());
    let (mut made, mut last) = (0u64, None::<&[u8]>);
    for step in steps.iter().cycle() {
        if begun.elapsed() >= time {
            break;
        }
        assert_eq!(socket.send(&step[0], 0).expect("it is taken"), step[0].len());
        made += u64::from(STEP);
        if let Some(last) = last.replace(&step[1]) {
            socket.send(last, 0).expect("it is taken");
            made += u64::from(STEP);
        }
        if load.rate > 0 {
            let due = Duration::from_micros(made * 1_000_000 / u64::from(load.rate));
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }
    if let Some(last) = last {
        socket.send(last, 0).expect("it is taken");
        made += u64::from(STEP);
    }
    let took = begun.elapsed();
    socket.set_non_blocking(true).expect("a socket");
    let mut answer = [0u8; 512];
    let read = socket.recv(&mut &mut answer[..], 0);
    assert!(read.is_err(), "the kernel refused a change on fd {}", socket.as_raw_fd());
    (made, took)
}

/// Messages that put some flows in, from pods to services, and those that take them out.
fn step_of(step: u32, services: u32) -> [Vec<u8>; 2] {
    let (mut come, mut go) = (Vec::new(), Vec::new());
    for number in step * STEP..(step + 1) * STEP {
        let service = number * 7 % services;
        let part = |number: u32| u8::try_from(number).expect("below 256");
        let client = ([10, 200, part(100 + number % 100), part(2 + number / 100 % 250)], 60_000);
        let [_, _, high, low] = (service + 1).to_be_bytes();
        let asked = ([10, 32, high, low], 80);
        let [_, _, high, low] = (service * 3 + number % 3).to_be_bytes();
        let served = ([10, 200, high, low], 8080);
        let state = nest(4, &[nest(1, &[attr(1, &[3])])]);
        let tuples = [tuple(1, client, asked), tuple(2, served, client)].concat();
        let body = [vec![2, 0, 0, 0], tuples, be32(7, 600), be32(3, STATUS), state].concat();
        come.extend(Request::with_flags(NEW, FLAG_REQUEST | CREATE, &body).bytes(1, 0));
        let body = [vec![2, 0, 0, 0], tuple(1, client, asked)].concat();
        go.extend(Request::with_flags(DELETE, FLAG_REQUEST, &body).bytes(1, 0));
    }
    [come, go]
}

fn nest(kind: u16, inner: &[Vec<u8>]) -> Vec<u8> {
    attr(kind | NESTED, &inner.concat())
}

fn be32(kind: u16, value: u32) -> Vec<u8> {
    attr(kind, &value.to_be_bytes())
}

/// `CTA_TUPLE_*` of TCP.
fn tuple(kind: u16, src: ([u8; 4], u16), dst: ([u8; 4], u16)) -> Vec<u8> {
    let addresses = nest(1, &[attr(1, &src.0), attr(2, &dst.0)]);
    let ports = nest(2, &[attr(1, &[6]), attr(2, &src.1.to_be_bytes()), attr(3, &dst.1.to_be_bytes())]);
    nest(kind, &[addresses, ports])
}
