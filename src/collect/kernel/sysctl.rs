//! Sysctls below `net.`, from the namespace they belong to.
//!
//! May import model, wire and sys. `/proc/sys/net` is the opener's namespace, whoever's `/proc` it is
//! reached by: so the namespace thread opens the files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use crate::model::issue::{Issue, Read, Why};

use super::Namespace;

const FOLDER: &str = "/proc/sys/net";
/// No sysctl read here is longer than a line.
const LIMIT: u64 = 64 * 1024;

impl Namespace {
    /// A sysctl by its name below `net.`, dotted or in slash form; `None` when this kernel has no such file.
    pub fn sysctl(&self, name: &str) -> Read<Option<String>> {
        self.sysctls(&[name.to_owned()]).pop().unwrap_or_default()
    }

    /// Several sysctls in one visit to the namespace, in the order in which they are asked for.
    pub fn sysctls(&self, names: &[String]) -> Vec<Read<Option<String>>> {
        let paths: Vec<Option<PathBuf>> = names.iter().map(|name| path(name)).collect();
        let visit = move || Ok(paths.into_iter().map(|path| path.map(|path| value(&path))).collect::<Vec<_>>());
        match self.thread.within(&*self.netns.file, visit) {
            Ok(values) => names.iter().zip(values).map(|(name, value)| self.told(name, value)).collect(),
            Err(error) => names.iter().map(|name| self.failed(name, Why::from_io(&error))).collect(),
        }
    }

    fn told(&self, name: &str, value: Option<io::Result<Option<String>>>) -> Read<Option<String>> {
        match value {
            Some(Ok(value)) => Read::ok(value),
            Some(Err(error)) => self.failed(name, Why::from_io(&error)),
            None => self.failed(name, Why::Malformed { detail: "no name of a sysctl".to_owned() }),
        }
    }

    fn failed(&self, name: &str, why: Why) -> Read<Option<String>> {
        Read::failed(Issue::incomplete(format!("reading sysctl net.{name} of {}", self.id()), why))
    }
}

/// The file of a sysctl; `None` for a name that leads elsewhere.
fn path(name: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = if name.contains('/') { name.split('/').collect() } else { name.split('.').collect() };
    let sound = |part: &&str| !part.is_empty() && **part != *"." && **part != *".." && !part.contains('\0');
    parts.iter().all(sound).then(|| PathBuf::from(FOLDER).join(parts.join("/")))
}

fn value(path: &PathBuf) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_folder() {
        let file = |name: &str| path(name).map(|path| path.to_string_lossy().into_owned());
        assert_eq!(file("ipv4.ip_forward").as_deref(), Some("/proc/sys/net/ipv4/ip_forward"));
        assert_eq!(file("ipv4/conf/eth0.5/rp_filter").as_deref(), Some("/proc/sys/net/ipv4/conf/eth0.5/rp_filter"));
        for bad in
            ["", "/etc/passwd", "../kernel/hostname", "ipv4/../../kernel", "ipv4..x", "ipv4/", "ipv4.a\0b", "./a"]
        {
            assert_eq!(file(bad), None, "{bad:?}");
        }
    }
}
