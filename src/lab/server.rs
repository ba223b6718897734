//! What a pod's application answers: who it is and whom it sees, over TCP, UDP, HTTP and DNS.
//!
//! Must not import anything from the crate.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};
use serde::{Deserialize, Serialize};

/// The port that answers TCP and UDP on every pod, the echo service's.
const ECHO_PORT: u16 = 7;

/// The port that answers HTTP on every pod.
const HTTP_PORT: u16 = 80;

/// The port of the kube-dns pods.
const DNS_PORT: u16 = 53;

/// The address that every name has: the `kubernetes` service's.
const DNS_ANSWER: Ipv4Addr = Ipv4Addr::new(10, 32, 0, 1);

/// The most connections served at once; more are closed.
const MOST_CONNECTIONS: usize = 64;

/// The longest request head and datagram.
const REQUEST_BYTES: usize = 8 * 1024;

/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(600);

/// What an application answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answers {
    /// Who it says it is, `default/nginx-…`.
    pub name: String,
    /// The machine it says it is on.
    pub node: String,
    /// Whether it answers names, too.
    pub dns: bool,
    /// Whether it answers over IPv6, too.
    pub dual_stack: bool,
}

/// The opened sockets of one application.
pub struct Server {
    answers: Arc<Answers>,
    tcp: Vec<(TcpListener, Protocol)>,
    udp: Vec<(UdpSocket, Protocol)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Echo,
    Http,
    Dns,
}

impl Server {
    /// Opens its sockets, in the namespace of the calling thread.
    pub fn open(answers: Answers) -> io::Result<Self> {
        let mut everywhere = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        if answers.dual_stack {
            everywhere.push(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        }
        let mut ports = vec![(ECHO_PORT, Protocol::Echo), (HTTP_PORT, Protocol::Http)];
        if answers.dns {
            ports.push((DNS_PORT, Protocol::Dns));
        }
        let mut server = Self { answers: Arc::new(answers), tcp: Vec::new(), udp: Vec::new() };
        for (port, protocol) in ports {
            for any in everywhere.iter().map(|ip| SocketAddr::new(*ip, port)) {
                server.tcp.push((TcpListener::from(open(any, SockType::Stream)?), protocol));
                if protocol != Protocol::Http {
                    server.udp.push((UdpSocket::from(open(any, SockType::Datagram)?), protocol));
                }
            }
        }
        Ok(server)
    }

    /// Answers, from threads of its own.
    pub fn run(self) {
        let connections = Arc::new(AtomicUsize::new(0));
        for (listener, protocol) in self.tcp {
            let (answers, connections) = (Arc::clone(&self.answers), Arc::clone(&connections));
            let _ = thread::Builder::new().spawn(move || accept(&listener, protocol, &answers, &connections));
        }
        for (socket, protocol) in self.udp {
            let answers = Arc::clone(&self.answers);
            let _ = thread::Builder::new().spawn(move || datagrams(&socket, protocol, &answers));
        }
    }
}

/// A bound socket, a listening one of TCP; one of IPv6 leaves IPv4 to another.
fn open(address: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let opened = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if address.is_ipv6() {
        setsockopt(&opened, sockopt::Ipv6V6Only, &true)?;
    }
    if kind == SockType::Stream {
        setsockopt(&opened, sockopt::ReuseAddr, &true)?;
    }
    bind(opened.as_raw_fd(), &SockaddrStorage::from(address))?;
    if kind == SockType::Stream {
        listen(&opened, Backlog::new(128)?)?;
    }
    Ok(opened)
}

impl Answers {
    /// The text that every protocol but DNS answers with.
    fn text(&self, client: SocketAddr, local: Option<SocketAddr>) -> String {
        let local = local.map_or_else(String::new, |local| format!("address: {local}\n"));
        format!("name: {}\nnode: {}\n{local}client: {client}\n", self.name, self.node)
    }
}

fn accept(listener: &TcpListener, protocol: Protocol, answers: &Arc<Answers>, connections: &Arc<AtomicUsize>) {
    loop {
        let Ok((stream, client)) = listener.accept() else {
            // Out of descriptors, as a rule: give others time to close theirs.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        if connections.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
            connections.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (answers, counter) = (Arc::clone(answers), Arc::clone(connections));
        let started = thread::Builder::new().spawn(move || {
            let _ = match protocol {
                Protocol::Echo => echo(stream, client, &answers),
                Protocol::Http => http(stream, client, &answers),
                Protocol::Dns => dns_stream(stream),
            };
            counter.fetch_sub(1, Ordering::Relaxed);
        });
        if started.is_err() {
            connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Tells at once, then sends back what comes until the client is done.
fn echo(mut stream: TcpStream, client: SocketAddr, answers: &Answers) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let local = stream.local_addr().ok();
    stream.write_all(answers.text(client, local).as_bytes())?;
    let mut bytes = [0; REQUEST_BYTES];
    loop {
        match stream.read(&mut bytes)? {
            0 => return Ok(()),
            length => stream.write_all(bytes.get(..length).unwrap_or_default())?,
        }
    }
}

fn http(mut stream: TcpStream, client: SocketAddr, answers: &Answers) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let length = stream.read(&mut bytes)?;
        head.extend_from_slice(bytes.get(..length).unwrap_or_default());
        if length == 0 || head.len() > REQUEST_BYTES {
            return Ok(());
        }
    }
    let local = stream.local_addr().ok();
    let body = answers.text(client, local);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn datagrams(socket: &UdpSocket, protocol: Protocol, answers: &Answers) {
    let mut bytes = [0; REQUEST_BYTES];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut bytes) else { continue };
        let asked = bytes.get(..length).unwrap_or_default();
        let answer = match protocol {
            Protocol::Dns => dns(asked),
            // The socket is bound to every address: the one that was asked is not known here.
            _ => Some(answers.text(client, None).into_bytes()),
        };
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, client);
        }
    }
}

fn dns_stream(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut asked = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut asked)?;
        let Some(answer) = dns(&asked) else { return Ok(()) };
        stream.write_all(&u16::try_from(answer.len()).unwrap_or(0).to_be_bytes())?;
        stream.write_all(&answer)?;
    }
}

/// Answers one question for an address (any name has the same); other types have no answer.
fn dns(asked: &[u8]) -> Option<Vec<u8>> {
    let header = asked.get(..12)?;
    if header.get(2)? & 0x80 != 0 || header.get(4..6)? != [0, 1] {
        return None;
    }
    // The name: labels up to the empty one; no compression in a question.
    let mut at = 12;
    loop {
        let length = usize::from(*asked.get(at)?);
        at += 1 + length;
        match length {
            0 => break,
            1..=63 => {}
            _ => return None,
        }
    }
    let question = asked.get(12..at + 4)?;
    let is_address = question.get(question.len() - 4..)? == [0, 1, 0, 1];
    let mut answer = header.get(..2)?.to_vec();
    answer.extend([0x80 | (header.get(2)? & 0x01), 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(question);
    if is_address {
        // A pointer to the name in the question, type A, class IN, 30 seconds, 4 bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
        answer.extend(DNS_ANSWER.octets());
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_for_an_address_is_answered_and_any_prefix_of_it_does_no_harm() {
        let asked = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0akubernetes\x00\x00\x01\x00\x01";
        let answer = dns(asked).expect("answers");
        assert_eq!(&answer[..8], b"\x12\x34\x81\x80\x00\x01\x00\x01");
        assert_eq!(&answer[answer.len() - 4..], [10, 32, 0, 1]);
        for length in 0..asked.len() {
            assert_eq!(dns(&asked[..length]), None);
        }
    }

    #[test]
    fn a_question_for_another_type_has_no_answer_but_no_error() {
        let asked = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x1c\x00\x01";
        assert_eq!(&dns(asked).expect("answers")[..8], b"\x12\x34\x81\x80\x00\x01\x00\x00");
    }
}
