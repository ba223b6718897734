//! Lists of the `recent` match, from `/proc/thread-self/net/xt_recent`.
//!
//! May import model, wire and sys. Judges nothing. The namespace thread opens the files: `/proc/net` is
//! the main thread's namespace.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::collect::kernel::Namespace;
use crate::model::issue::{Issue, Read, Why};
use crate::model::netfilter::recent::RecentList;
use crate::model::text::ByteText;
use crate::wire::proc::jiffies::Clock;
use crate::wire::proc::recent;

const FOLDER: &str = "/proc/thread-self/net/xt_recent";
/// A list of 65,535 addresses with 65,535 stamps each would be larger; kube-proxy's hold 100 with a stamp or few.
const LIMIT: u64 = 64 << 20;
/// The clock stands at the beginning of files that grow with the number of processors.
const CLOCK_LIMIT: u64 = 256 << 10;
/// How many bad lines are told one by one.
const COMPLAINTS: usize = 8;

impl Namespace {
    /// One list; `None` where no rule made one of this name.
    pub fn recent(&self, list: &ByteText) -> Read<Option<RecentList>> {
        let what = format!("reading the recent list {list} of {}", self.id());
        let Some(path) = path(list) else {
            let detail = "no name of a list".to_owned();
            return Read::failed(Issue::incomplete(what, Why::Malformed { detail }));
        };
        let text = match self.thread().within(self.file(), move || text(&path, LIMIT)) {
            Ok(Some(text)) => text,
            Ok(None) => return Read::ok(None),
            Err(error) => return Read::failed(Issue::incomplete(what, Why::from_io(&error))),
        };
        // After the list, so that no stamp is of the future.
        let (entries, errors) = recent::parse(&text, clock());
        let issue = |detail| Issue::incomplete(what.clone(), Why::Malformed { detail });
        let mut issues: Vec<Issue> = errors.iter().take(COMPLAINTS).map(|error| issue(error.to_string())).collect();
        if errors.len() > COMPLAINTS {
            issues.push(issue(format!("and {} more", errors.len() - COMPLAINTS)));
        }
        Read { value: Some(RecentList { entries }), issues }
    }
}

/// The file of a list; `None` for a name that leads elsewhere.
fn path(list: &ByteText) -> Option<PathBuf> {
    let name = list.as_str()?;
    // XT_RECENT_NAME_LEN
    let sound = !name.is_empty() && name.len() < 200 && !name.contains(['/', '\0']) && name != "." && name != "..";
    sound.then(|| Path::new(FOLDER).join(name))
}

/// The kernel's clock now; `None` where none of its files tells it.
fn clock() -> Option<Clock> {
    let read = |path: &str| text(Path::new(path), CLOCK_LIMIT).ok().flatten();
    read("/proc/timer_list")
        .and_then(|timers| Clock::of_timer_list(&timers))
        .or_else(|| Clock::of_schedstat(&read("/proc/schedstat")?, &read("/proc/uptime")?))
}

/// The beginning of a file; `None` where there is none.
pub(super) fn text(path: &Path, limit: u64) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_folder() {
        for bad in ["", ".", "..", "a/b", "../ip_vs", "a\0b", &"x".repeat(200)] {
            assert_eq!(path(&bad.into()), None, "{bad:?}");
        }
        assert_eq!(path(&"KUBE-SEP-X".into()), Some("/proc/thread-self/net/xt_recent/KUBE-SEP-X".into()));
    }
}
