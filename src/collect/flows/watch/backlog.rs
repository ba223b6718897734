//! Events that wait until a dump has ended.
//!
//! Must not import anything from the crate.

/// How many bytes may wait here; what comes after waits in the kernel.
const ROOM: usize = 32 * 1024 * 1024;

/// Datagrams in the order in which they came, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Backlog {
    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < ROOM
    }

    /// Adds one.
    pub(super) fn push(&mut self, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.ends.push(self.bytes.len());
    }

    /// All of them, the first that came first.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end))
    }
}
