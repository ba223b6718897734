//! The kernel's clock, which its stamps are of, from the files of `/proc` that tell it.
//!
//! May import model only.

/// How far the clock is, and how fast it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Jiffies now.
    pub now: u64,
    /// How many make a second. `CONFIG_HZ`
    pub hz: u64,
}

/// What kernels are built with.
const RATES: [u64; 4] = [100, 250, 300, 1000];
/// Where the clock begins: five minutes before 32 bits overflow, so that what cannot bear that fails soon.
/// `INITIAL_JIFFIES`
const OVERFLOW: i128 = 1 << 32;
const START_MS: i128 = 300_000;

impl Clock {
    /// From `/proc/timer_list`: `now at … nsecs`, and the `jiffies:` of the first processor.
    pub fn of_timer_list(text: &str) -> Option<Self> {
        let now_ns = text.lines().find_map(|line| line.strip_prefix("now at ")?.strip_suffix(" nsecs"))?;
        let jiffies = text.lines().find_map(|line| line.strip_prefix("jiffies: "))?;
        Self::told(jiffies, now_ns.trim().parse::<i128>().ok()? / 1_000_000)
    }

    /// From `/proc/schedstat` (`timestamp`) and `/proc/uptime`, read at the same time. After a suspend, which
    /// the uptime counts and jiffies do not, they do not tell.
    pub fn of_schedstat(schedstat: &str, uptime: &str) -> Option<Self> {
        let now = schedstat.lines().take(10).find_map(|line| line.strip_prefix("timestamp "))?;
        let (seconds, hundredths) = uptime.split_ascii_whitespace().next()?.split_once('.')?;
        let (seconds, hundredths) = (seconds.parse::<u32>().ok()?, hundredths.parse::<u8>().ok()?);
        Self::told(now, i128::from(seconds) * 1000 + i128::from(hundredths) * 10)
    }

    /// The one rate at which the clock can have come so far; `None` where none fits, or where several do: around
    /// the fifth minute all of them.
    fn told(jiffies: &str, up_ms: i128) -> Option<Self> {
        let now: u64 = jiffies.trim().parse().ok()?;
        let fits = |hz: &u64| {
            let came_ms = (i128::from(now) - OVERFLOW) * 1000 / i128::from(*hz) + START_MS;
            (came_ms - up_ms).abs() <= 1000 + up_ms / 10_000
        };
        let mut fitting = RATES.into_iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(hz), None) => Some(Self { now, hz }),
            _ => None,
        }
    }

    /// Milliseconds since a stamp.
    pub fn age_ms(self, stamp: u64) -> u64 {
        let age = u128::from(self.now.saturating_sub(stamp)) * 1000 / u128::from(self.hz.max(1));
        u64::try_from(age).unwrap_or(u64::MAX)
    }
}
