//! The rest of a long dump: one thread reads the socket, another is busy with what was read.
//!
//! May import wire's message framing and nothing else of the crate.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use netlink_sys::Socket;

use super::{Dump, NetlinkError, Walked, receive};
use crate::wire::netlink::frame::{self, Message};

/// How many datagrams may wait to be taken: bounded, for a dump may be longer than memory.
const WAITING: usize = 8;

/// One reading, and the buffer that it filled.
type Received = (Result<Option<usize>, NetlinkError>, Vec<u8>);

/// Reads a dump to its end, or until `each` breaks. What is read goes into buffers as long as `buffer`, which grows when a datagram is
/// longer, as theirs do.
pub(super) fn read(
    socket: &Socket,
    timeout: Duration,
    buffer: &mut Vec<u8>,
    dump: &mut Dump,
    each: &mut dyn FnMut(&Message<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, NetlinkError> {
    let (filled, waiting) = sync_channel(WAITING);
    let (emptied, empty) = channel();
    let reader = Reader { socket, timeout, length: buffer.len(), sequence: dump.sequence, port: dump.port };
    let outcome = thread::scope(|scope| -> io::Result<_> {
        thread::Builder::new().name("netlink".to_owned()).spawn_scoped(scope, move || reader.run(&filled, &empty))?;
        for (received, bytes) in waiting {
            if bytes.len() > buffer.len() {
                buffer.resize(bytes.len(), 0);
            }
            // The reader knows the end when it sees it, as this side does, and is not to be told.
            if let Some(ended) = ended(dump.take(received, &bytes, each)) {
                return Ok(ended);
            }
            // Nobody takes it after the end.
            let _ = emptied.send(bytes);
        }
        Ok(Ok(ControlFlow::Continue(())))
    });
    match outcome {
        Ok(outcome) => outcome,
        // The machine gives no thread.
        Err(_) => loop {
            let received = receive(socket, timeout, buffer);
            if let Some(ended) = ended(dump.take(received, buffer, each)) {
                return ended;
            }
        },
    }
}

/// What a reading comes to; `None` while the dump goes on.
fn ended(walked: Result<Walked, NetlinkError>) -> Option<Result<ControlFlow<()>, NetlinkError>> {
    match walked {
        Ok(Walked::On) => None,
        Ok(Walked::End) => Some(Ok(ControlFlow::Continue(()))),
        Ok(Walked::Broken) => Some(Ok(ControlFlow::Break(()))),
        Err(error) => Some(Err(error)),
    }
}

/// The half that reads.
struct Reader<'s> {
    socket: &'s Socket,
    timeout: Duration,
    /// How long buffers are.
    length: usize,
    sequence: u32,
    port: u32,
}

impl Reader<'_> {
    /// Reads until the dump ends, the socket fails or nobody waits for more.
    fn run(mut self, filled: &SyncSender<Received>, empty: &Receiver<Vec<u8>>) {
        loop {
            let mut buffer = empty.try_recv().unwrap_or_default();
            if buffer.len() < self.length {
                buffer.resize(self.length, 0);
            }
            let received = receive(self.socket, self.timeout, &mut buffer);
            self.length = self.length.max(buffer.len());
            let ended = match &received {
                Ok(Some(length)) => self.ends(buffer.get(..*length).unwrap_or_default()),
                Ok(None) | Err(NetlinkError::Disturbed(_)) => false,
                Err(_) => true,
            };
            if filled.send((received, buffer)).is_err() || ended {
                return;
            }
        }
    }

    /// Whether a datagram is the dump's last, or none that can be read.
    fn ends(&self, datagram: &[u8]) -> bool {
        frame::messages(datagram).any(|message| match message {
            Ok(message) => {
                let is_last = matches!(message.kind, frame::DONE | frame::ERROR);
                is_last && message.sequence == self.sequence && message.port == self.port
            }
            Err(_) => true,
        })
    }
}
