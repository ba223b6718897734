//! What stands under the lab's names but is not the lab's is told, and outlives it.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use podnet::sys::netns::{create_bound, identity, remove_bound};

use crate::harness::{Lab, stderr, stdout, succeeded};

/// A namespace that is not the lab's, in another place.
struct Other(PathBuf);

impl Other {
    fn new(lab: &Lab) -> Self {
        let path = PathBuf::from(format!("/run/netns/other-{}", lab.name));
        create_bound(&path).expect("made");
        Self(path)
    }

    fn is_bound_at(&self, path: &str) -> bool {
        let of = |path: &Path| File::open(path).and_then(|file| identity(&file)).ok();
        of(&self.0).is_some() && of(&self.0) == of(Path::new(path))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        remove_bound(&self.0).expect("removed");
    }
}

/// `lab status` tells of it, `lab down` fails with these words and can be repeated after `repair`.
#[track_caller]
fn assert_left(lab: &Lab, words: &str, intact: impl Fn() -> bool, repair: impl FnOnce()) {
    let down = lab.run("down", &[]);
    let kept = intact();
    repair();
    let again = lab.run("down", &[]);
    assert_eq!(down.status.code(), Some(2));
    assert!(stderr(&down).contains(words), "{}", stderr(&down));
    assert!(kept, "it was removed");
    succeeded(again);
    assert!(!lab.folder().exists());
}

const NOT_OURS: &str = "it is not the lab's any more and was left alone";

#[test]
fn a_link_to_another_namespace_is_not_followed() {
    let lab = Lab::up(&["--workers", "1"]);
    let other = Other::new(&lab);
    let path = lab.state().gateway.netns;
    remove_bound(Path::new(&path)).expect("removed");
    symlink(&other.0, &path).expect("links");
    let broken = lab.run("status", &[]);
    assert_left(&lab, NOT_OURS, || other.is_bound_at(&path), || fs::remove_file(&path).expect("removes"));
    assert!(stdout(&broken).contains(&format!("broken: what is at {path} is not the lab's any more")));
    // Even the bare removal takes only the link away.
    symlink(&other.0, &path).expect("links");
    remove_bound(Path::new(&path)).expect("removed");
    assert!(fs::symlink_metadata(&path).is_err());
    assert!(other.is_bound_at(&other.0.to_string_lossy()));
}

#[test]
fn a_namespace_that_took_the_place_of_the_labs_own_stays() {
    let lab = Lab::up(&["--workers", "1"]);
    let path = lab.state().workers[0].pods[0].netns.clone();
    remove_bound(Path::new(&path)).expect("removed");
    let theirs = create_bound(Path::new(&path)).expect("made");
    let broken = lab.run("status", &[]);
    let same = || File::open(&path).is_ok_and(|file| identity(&file).ok() == identity(&theirs).ok());
    assert_left(&lab, NOT_OURS, same, || remove_bound(Path::new(&path)).expect("removed"));
    assert_eq!(broken.status.code(), Some(1));
    assert!(stdout(&broken).contains(&format!("broken: what is at {path} is not the lab's any more")));
}

#[test]
fn a_namespace_of_a_step_that_never_began_stays() {
    let lab = Lab::unmade();
    lab.run("up", &["--stop-after-step", "0"]);
    let path = lab.state().gateway.netns;
    create_bound(Path::new(&path)).expect("made");
    assert_left(&lab, NOT_OURS, || Path::new(&path).exists(), || remove_bound(Path::new(&path)).expect("removed"));
}

#[test]
fn what_is_mounted_in_the_labs_folder_stays() {
    let lab = Lab::up(&["--workers", "1"]);
    let other = tempfile::tempdir().expect("a folder");
    fs::write(other.path().join("kept"), b"").expect("writes");
    let at = lab.folder().join("worker-0/var/lib/cni/networks");
    mount(Some(other.path()), &at, None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("mounts");
    let kept = || other.path().join("kept").exists() && lab.folder().join("worker-0/etc/cni").exists();
    assert_left(&lab, "something is mounted in it", kept, || umount2(&at, MntFlags::MNT_DETACH).expect("unmounts"));
}

#[test]
fn a_folder_that_is_a_link_is_no_lab() {
    let lab = Lab::up(&["--workers", "1"]);
    let moved = lab.folder().with_extension("moved");
    fs::rename(lab.folder(), &moved).expect("moves");
    symlink(&moved, lab.folder()).expect("links");
    let down = lab.run("down", &[]);
    fs::remove_file(lab.folder()).expect("removes");
    fs::rename(&moved, lab.folder()).expect("moves back");
    assert_eq!(down.status.code(), Some(2), "{}", stderr(&down));
    succeeded(lab.run("status", &[]));
}

#[test]
fn a_mount_of_no_cgroups_is_not_touched() {
    let lab = Lab::up(&["--workers", "1"]);
    let mut state = lab.state();
    let Some(cgroup) = &mut state.cgroup else { return };
    let (other, good) = (tempfile::tempdir().expect("a folder"), fs::read(lab.state_path()).expect("the state"));
    let inner = other.path().join(&cgroup.subtree);
    fs::create_dir(&inner).expect("makes");
    cgroup.mount = other.path().to_string_lossy().into_owned();
    state.steps.retain(|step| step.kind != podnet::model::lab::LabStepKind::Cgroups);
    fs::write(lab.state_path(), serde_json::to_vec(&state).expect("writes")).expect("writes");
    let repair = || fs::write(lab.state_path(), good).expect("writes");
    assert_left(&lab, "it is no cgroup file system", || inner.exists(), repair);
}

#[test]
fn a_fifo_in_place_of_the_state_or_a_namespace_holds_nobody_up() {
    let lab = Lab::up(&["--workers", "1"]);
    let path = lab.state().gateway.netns;
    remove_bound(Path::new(&path)).expect("removed");
    let fifo = |path: &Path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).expect("a FIFO");
    fifo(Path::new(&path));
    let status = lab.run("status", &[]);
    assert_left(&lab, NOT_OURS, || Path::new(&path).exists(), || fs::remove_file(&path).expect("removes"));
    assert_eq!(status.status.code(), Some(1));
    fs::create_dir_all(lab.folder()).expect("makes");
    fs::set_permissions(lab.folder(), fs::Permissions::from_mode(0o700)).expect("sets");
    fifo(&lab.state_path());
    let read = podnet::collect::runtime::lab::load(&lab.name);
    fs::remove_dir_all(lab.folder()).expect("removes");
    assert!(read.is_err());
}
