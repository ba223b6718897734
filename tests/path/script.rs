//! A network as text: what is done in which host, in order, and which packets are then sent. What the
//! generator makes, what a mismatch is shrunk to, and what is kept as a fixture are all of this one form.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::net::Net;
use crate::wire::Shot;

/// What every host is set to before it has a link: nothing that nobody asked for is sent. `@` is what is there and
/// what will be (`all`, `default`).
const BASE: &str = "\
ipv4/ping_group_range=0 2147483647
ipv4/icmp_ratelimit=0
ipv6/icmp/ratelimit=0
ipv4/tcp_synack_retries=0
ipv4/conf/@/rp_filter=0
ipv4/conf/@/send_redirects=0
ipv4/conf/@/accept_redirects=0
ipv6/conf/@/accept_redirects=0
ipv6/conf/@/accept_dad=0
ipv6/conf/default/dad_transmits=0
ipv6/conf/default/router_solicitations=0
ipv4/conf/default/igmpv2_unsolicited_report_interval=100000000
ipv4/conf/default/igmpv3_unsolicited_report_interval=100000000
ipv6/conf/default/mldv1_unsolicited_report_interval=100000000
ipv6/conf/default/mldv2_unsolicited_report_interval=100000000
";
/// What each link is set to: who does not answer is given up soon, and who did is not asked again.
const LINK: [(&str, &str); 3] = [("retrans_time_ms", "8"), ("mcast_solicit", "2"), ("delay_first_probe_time", "3600")];

/// How long links may take to come up on a machine that has much else to do.
const LONGEST_UNREST: Duration = Duration::from_secs(60);

/// Lines for one program of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub host: usize,
    /// `ip`, `sysctl`, or a program with its arguments that reads the lines.
    pub program: String,
    pub lines: Vec<String>,
}

/// A whole network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    pub hosts: usize,
    pub steps: Vec<Step>,
}

/// The number of the line that a program complains of.
fn refused(told: &str) -> Option<usize> {
    let behind = |mark: &str| {
        let rest = told.split_once(mark)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    behind("/dev/stdin:").or_else(|| behind("at line: ")).or_else(|| behind("line "))
}

impl Script {
    pub fn add(&mut self, host: usize, program: &str, text: &str) {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if !lines.is_empty() {
            self.steps.push(Step { host, program: program.to_owned(), lines });
        }
    }

    /// Makes it real. What the kernel refuses of it is left out.
    pub fn build(&self) -> Net {
        let net = Net::new(self.hosts);
        let base = ["all", "default"].map(|links| BASE.replace('@', links)).concat();
        for host in 0..self.hosts {
            net.sysctls(host, &base);
            net.ip(host, "link set lo up\n");
        }
        for Step { host, program, lines } in &self.steps {
            let mut text = lines.join("\n") + "\n";
            for (other, name) in net.hosts.iter().enumerate() {
                text = text.replace(&format!("@h{other}"), name);
            }
            match program.as_str() {
                "ip" => net.ip(*host, &text),
                "sysctl" => net.sysctls(*host, &text),
                other => {
                    let words: Vec<&str> = other.split(' ').collect();
                    // A line that is refused goes, and the rest stays.
                    for _ in 0..8 {
                        let Err(told) = net.feed(*host, &words, &text) else { break };
                        let Some(line) = refused(&told) else { break };
                        let lines: Vec<&str> = text.lines().collect();
                        let is_rule = lines.get(line - 1).is_some_and(|line| {
                            line.starts_with("-A") || line.starts_with("    ") || line.starts_with("add")
                        });
                        if !is_rule {
                            break;
                        }
                        text = lines
                            .iter()
                            .enumerate()
                            .filter(|(at, _)| at + 1 != line)
                            .fold(String::new(), |text, (_, line)| text + line + "\n");
                    }
                }
            }
        }
        for host in 0..self.hosts {
            net.within(host, || {
                for family in ["ipv4", "ipv6"] {
                    for link in std::fs::read_dir(format!("/proc/sys/net/{family}/neigh")).unwrap() {
                        for (setting, value) in LINK {
                            let _ = std::fs::write(link.as_ref().unwrap().path().join(setting), value);
                        }
                    }
                }
            });
        }
        let deadline = Instant::now() + LONGEST_UNREST;
        while !(0..self.hosts).all(|host| net.is_at_rest(host)) {
            assert!(Instant::now() < deadline, "links that do not come up:\n{}", self.text(&[]));
        }
        net
    }

    pub fn text(&self, shots: &[Shot]) -> String {
        let mut text = format!("hosts {}\n", self.hosts);
        for Step { host, program, lines } in &self.steps {
            writeln!(text, "@h{host} {program}\n{}", lines.join("\n")).unwrap();
        }
        writeln!(text, "@shots").unwrap();
        for shot in shots {
            writeln!(text, "{shot}").unwrap();
        }
        text
    }

    /// The other way around; lines that begin with `#` are for people.
    pub fn parse(text: &str) -> (Self, Vec<Shot>) {
        let mut script = Self::default();
        let mut shots = Vec::new();
        let mut in_shots = false;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(count) = line.strip_prefix("hosts ") {
                script.hosts = count.parse().unwrap();
            } else if line == "@shots" {
                in_shots = true;
            } else if let Some((host, program)) = line.strip_prefix("@h").and_then(|rest| rest.split_once(' ')) {
                let host = host.parse().unwrap();
                script.steps.push(Step { host, program: program.to_owned(), lines: Vec::new() });
            } else if in_shots {
                shots.push(line.parse().unwrap());
            } else {
                script.steps.last_mut().unwrap().lines.push(line.to_owned());
            }
        }
        (script, shots)
    }
}
