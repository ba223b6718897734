//! `/proc/net/ip_vs`.
//!
//! May import model only.

/// How many virtual services it lists: each has a line of its own, those of its servers are indented.
pub fn services(text: &str) -> u32 {
    let is_service = |line: &&str| {
        !line.is_empty()
            && !line.starts_with([' ', '\t'])
            && !line.starts_with("IP Virtual Server ")
            && !line.starts_with("Prot ")
    };
    u32::try_from(text.lines().filter(is_service).count()).unwrap_or(u32::MAX)
}
