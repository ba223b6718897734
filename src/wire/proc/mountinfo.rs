//! `/proc/PID/mountinfo`.
//!
//! May import model only.

use super::TextError;
use crate::model::text::ByteText;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Major and minor number of the device, `st_dev` of the files in it.
    pub device: (u32, u32),
    /// What of the file system is mounted: a path in it, `net:[4026532989]` for a namespace.
    pub root: ByteText,
    /// Where, as the mount namespace of that process sees it.
    pub mount_point: ByteText,
    /// `nsfs`, `cgroup`, `cgroup2`, `ext4`, …
    pub fs_type: ByteText,
    /// The options of the file system; of `cgroup` the controllers are among them.
    pub super_options: ByteText,
}

impl Mount {
    /// The namespace's kind and inode of an nsfs mount: `("net", 4026532989)`.
    pub fn namespace(&self) -> Option<(&str, u64)> {
        if self.fs_type != *"nsfs" {
            return None;
        }
        let (kind, rest) = self.root.as_str()?.split_once(":[")?;
        Some((kind, rest.strip_suffix(']')?.parse().ok()?))
    }

    /// Whether the options of the file system name this one.
    pub fn has_option(&self, name: &str) -> bool {
        self.super_options.as_bytes().split(|&byte| byte == b',').any(|option| option == name.as_bytes())
    }
}

/// The mounts of the given file system types in the file's order, and the lines that could not be read.
///
/// Others are left out unread: a node with hundreds of pods has thousands of overlay mounts.
pub fn parse(bytes: &[u8], fs_types: &[&str]) -> (Vec<Mount>, Vec<TextError>) {
    let mut mounts = Vec::new();
    let mut errors = Vec::new();
    for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match mount(at.saturating_add(1), line, fs_types) {
            Ok(found) => mounts.extend(found),
            Err(error) => errors.push(error),
        }
    }
    (mounts, errors)
}

fn mount(line_number: usize, line: &[u8], fs_types: &[&str]) -> Result<Option<Mount>, TextError> {
    let wrong = |item, expected| TextError { line: line_number, item, expected };
    let mut fields = line.split(|&byte| byte == b' ');
    let device = fields.nth(2).ok_or(wrong("device", "a third field"))?;
    let root = fields.next().ok_or(wrong("root", "a fourth field"))?;
    let mount_point = fields.next().ok_or(wrong("mount point", "a fifth field"))?;
    // Options, then any number of optional fields, end with a lone hyphen.
    fields.find(|field| *field == b"-").ok_or(wrong("separator", "a hyphen"))?;
    let fs_type = fields.next().ok_or(wrong("file system type", "a field after the hyphen"))?;
    if !fs_types.iter().any(|wanted| wanted.as_bytes() == fs_type) {
        return Ok(None);
    }
    let super_options = fields.nth(1).unwrap_or_default();
    let device = std::str::from_utf8(device)
        .ok()
        .and_then(|device| device.split_once(':'))
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or(wrong("device", "MAJOR:MINOR"))?;
    Ok(Some(Mount {
        device,
        root: unescape(root),
        mount_point: unescape(mount_point),
        fs_type: unescape(fs_type),
        super_options: unescape(super_options),
    }))
}

/// The kernel writes space, tab, line break and backslash as `\` and three octal digits (`mangle` in `fs/proc_namespace.c`).
fn unescape(field: &[u8]) -> ByteText {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = (byte == b'\\').then(|| tail.get(..3)).flatten().and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        if let Some(value) = octal {
            plain.push(value);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            plain.push(byte);
            rest = tail;
        }
    }
    ByteText::new(plain)
}
