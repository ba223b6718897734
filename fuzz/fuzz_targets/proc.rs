//! Text of `/proc`: every parser takes any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::wire::proc::{cgroup, ip_vs, jiffies::Clock, mountinfo, recent, stat, status};

fuzz_target!(|bytes: &[u8]| {
    let _ = stat::parse(bytes);
    let _ = status::parse(bytes);
    let _ = mountinfo::parse(bytes, &["nsfs", "cgroup", "cgroup2"]);
    let _ = cgroup::pod_of(&cgroup::parse(bytes));
    if let Ok(path) = std::str::from_utf8(bytes) {
        let clock = Clock::of_timer_list(path).or_else(|| Clock::of_schedstat(path, "300.0"));
        let _ = recent::parse(path, clock);
        let _ = ip_vs::services(path);
        let pod = cgroup::pod_cgroup(path);
        // A path that names a pod has the pod's own path as a beginning.
        if let Some(own) = cgroup::pod_path(path) {
            assert!(path.starts_with(own) && pod.is_some());
        }
    }
});
