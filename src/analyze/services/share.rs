//! How likely an endpoint is drawn: exact fractions.
//!
//! Must not import anything from the crate.

use schemars::JsonSchema;
use serde::Serialize;

/// A probability between 0 and 1.
///
/// kube-proxy writes 1/k as a decimal number, and the kernel keeps it as n/2^31: `fraction` is what was
/// meant, `decimal` what the kernel does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Share {
    /// What was meant, in lowest terms; `None` where it is too long for 64 bits.
    pub fraction: Option<Fraction>,
    /// What the kernel does.
    pub decimal: f64,
}

/// A fraction in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Fraction {
    /// The part.
    pub numerator: u64,
    /// Of how many; never 0.
    pub denominator: u64,
}

/// 2^31: the kernel's one.
const KERNEL_ONE: u64 = 1 << 31;
/// The same.
const KERNEL_ONE_F: f64 = 2_147_483_648.0;

impl Fraction {
    fn lowest(numerator: u128, denominator: u128) -> Option<Self> {
        let divisor = gcd(numerator, denominator).max(1);
        Some(Self {
            numerator: u64::try_from(numerator / divisor).ok()?,
            denominator: u64::try_from(denominator / divisor).ok().filter(|bottom| *bottom != 0)?,
        })
    }

    /// What `n` of 2^31 was meant to be: 1/k where kube-proxy would have written that as it stands there
    /// (five digits up to 1.16, ten since), else `n`/2^31 itself.
    fn meant(n: u32) -> Option<Self> {
        let n = u64::from(n);
        if n == 0 || n >= KERNEL_ONE {
            return Self::lowest(u128::from(n.min(KERNEL_ONE)), u128::from(KERNEL_ONE));
        }
        let k = (KERNEL_ONE + n / 2) / n;
        let written = |digits: u64| {
            let decimal = (digits + k / 2) / k;
            (u128::from(decimal) * u128::from(KERNEL_ONE) + u128::from(digits / 2)) / u128::from(digits)
        };
        if [10_000_000_000, 100_000].into_iter().any(|digits| written(digits) == u128::from(n)) {
            return Some(Self { numerator: 1, denominator: k });
        }
        Self::lowest(u128::from(n), u128::from(KERNEL_ONE))
    }
}

fn gcd(mut one: u128, mut other: u128) -> u128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

impl Share {
    /// Certain.
    pub const ONE: Self = Self { fraction: Some(Fraction { numerator: 1, denominator: 1 }), decimal: 1.0 };
    /// Never.
    pub const ZERO: Self = Self { fraction: Some(Fraction { numerator: 0, denominator: 1 }), decimal: 0.0 };

    /// What `-m statistic --mode random` holds for.
    pub fn chance(n: u32) -> Self {
        Self { fraction: Fraction::meant(n), decimal: f64::from(n) / KERNEL_ONE_F }
    }

    /// So many of so many.
    pub fn of(part: u32, whole: u32) -> Self {
        let fraction = Fraction::lowest(u128::from(part), u128::from(whole));
        Self { fraction, decimal: f64::from(part) / f64::from(whole.max(1)) }
    }

    /// Both one and the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let fraction = self.fraction.zip(other.fraction).and_then(|(one, other)| {
            let (top, bottom) = (u128::from(one.numerator), u128::from(one.denominator));
            Fraction::lowest(top * u128::from(other.numerator), bottom * u128::from(other.denominator))
        });
        Self { fraction, decimal: self.decimal * other.decimal }
    }

    /// Not this.
    #[must_use]
    pub fn complement(self) -> Self {
        let fraction = self.fraction.map(|its| Fraction {
            numerator: its.denominator.saturating_sub(its.numerator),
            denominator: its.denominator,
        });
        Self { fraction, decimal: 1.0 - self.decimal }
    }

    /// One or the other, which exclude each other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let fraction = self.fraction.zip(other.fraction).and_then(|(one, other)| {
            let (top, bottom) = (u128::from(one.numerator), u128::from(one.denominator));
            let (other_top, other_bottom) = (u128::from(other.numerator), u128::from(other.denominator));
            let sum = (top * other_bottom).checked_add(other_top * bottom)?;
            Fraction::lowest(sum, bottom * other_bottom)
        });
        Self { fraction, decimal: self.decimal + other.decimal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `iptables` makes of the decimal number that kube-proxy writes for 1/k.
    fn kernel(k: u32, digits: i32) -> u32 {
        let scale = 10f64.powi(digits);
        let decimal = (scale / f64::from(k)).round() / scale;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and 2^31
        let n = (decimal * KERNEL_ONE_F).round() as u32;
        n
    }

    /// The shares of a service of that many endpoints.
    fn shares(endpoints: u32, digits: i32) -> Vec<Share> {
        let mut left = Share::ONE;
        let mut shares = Vec::new();
        for k in (2..=endpoints).rev() {
            let chance = Share::chance(kernel(k, digits));
            shares.push(left.and(chance));
            left = left.and(chance.complement());
        }
        shares.push(left);
        shares
    }

    #[test]
    fn each_of_n_endpoints_gets_one_nth() {
        for (endpoints, digits) in [(1, 10), (2, 10), (3, 10), (7, 10), (100, 10), (1000, 10), (3, 5), (100, 5)] {
            let expected = Some(Fraction { numerator: 1, denominator: u64::from(endpoints) });
            for (at, share) in shares(endpoints, digits).into_iter().enumerate() {
                assert_eq!(share.fraction, expected, "endpoint {at} of {endpoints}");
                assert!((share.decimal - 1.0 / f64::from(endpoints)).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn the_recorded_third_is_a_third() {
        let share = Share::chance(715_827_883);
        assert_eq!(share.fraction, Some(Fraction { numerator: 1, denominator: 3 }));
        assert!((share.decimal - 0.333_333_333_49).abs() < 1e-11, "{}", share.decimal);
    }

    #[test]
    fn what_is_no_nth_stays_what_the_kernel_has() {
        let share = Share::chance(1_503_238_554); // 0.7
        assert_eq!(share.fraction, Some(Fraction { numerator: 751_619_277, denominator: 1_073_741_824 }));
        assert_eq!(Share::chance(0), Share::ZERO);
        assert_eq!(Share::chance(u32::MAX).fraction, Share::ONE.fraction);
    }

    #[test]
    fn what_is_too_long_is_told_as_a_decimal_alone() {
        let long = Share::chance(1_503_238_553);
        let share = long.and(long).and(long);
        assert_eq!(share.fraction, None);
        assert!((share.decimal - 0.343).abs() < 1e-6);
    }

    #[test]
    fn shares_of_a_map_add_up() {
        let sum = Share::of(1, 3).or(Share::of(1, 3)).or(Share::of(1, 3));
        assert_eq!(sum.fraction, Share::ONE.fraction);
    }
}
