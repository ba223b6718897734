//! Masks that are the same for the same thing: names, ids, addresses, link-layer addresses.
//!
//! Must not import anything from the crate but its sibling model types. The randomness is given.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::model::ids::MacAddr;

/// Ranges that stay what they are, so that an address keeps its meaning (private, loopback,
/// link-local, multicast, …) and none gets such a meaning. What follows the range is masked.
const RANGES: [&str; 14] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
    "::/8",
    "64:ff9b::/96",
    "fc00::/7",
    "fe80::/64",
    "ff00::/12",
];

/// Ranges whose addresses name nobody and stay whole.
const KEPT: [&str; 5] = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/120", "fe80::/120"];

/// What has been masked so far.
pub struct Masks<'a> {
    random: &'a mut dyn FnMut() -> u64,
    names: BTreeMap<String, String>,
    used: BTreeSet<String>,
    /// Hex digits without separators to other digits.
    ids: BTreeMap<String, String>,
    /// Whether the bit after a prefix is turned over: prefixes that are equal stay equal.
    turned: BTreeMap<(bool, u8, u128), bool>,
    macs: BTreeMap<Vec<u8>, Vec<u8>>,
    ranges: Vec<IpNet>,
    kept: Vec<IpNet>,
}

impl<'a> Masks<'a> {
    /// No masks yet; `random` gives numbers that nobody can foresee.
    pub fn new(random: &'a mut dyn FnMut() -> u64) -> Self {
        let nets = |texts: &[&str]| texts.iter().filter_map(|text| text.parse().ok()).collect();
        Self {
            random,
            names: BTreeMap::new(),
            used: BTreeSet::new(),
            ids: BTreeMap::new(),
            turned: BTreeMap::new(),
            macs: BTreeMap::new(),
            ranges: nets(&RANGES),
            kept: nets(&KEPT),
        }
    }

    /// Ten characters that stand for `name`: short enough for a link's name.
    pub fn name(&mut self, name: &str) -> String {
        if let Some(mask) = self.names.get(name) {
            return mask.clone();
        }
        loop {
            let mask = format!("x-{:08x}", (self.random)() >> 32);
            if self.used.insert(mask.clone()) {
                self.names.insert(name.to_owned(), mask.clone());
                return mask;
            }
        }
    }

    /// The mask of a name that was masked before.
    pub fn known(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    /// Other hex digits, in the same shape; the beginning of a known id becomes the beginning of its mask.
    pub fn id(&mut self, id: &str) -> String {
        let digits: String =
            id.chars().filter(char::is_ascii_hexdigit).map(|digit| digit.to_ascii_lowercase()).collect();
        let longer = self.ids.range(digits.clone()..).next().filter(|(known, _)| known.starts_with(&digits));
        let mask = if let Some((_, mask)) = longer {
            mask.clone()
        } else {
            let mut mask = String::new();
            while mask.len() < digits.len() {
                let _ = write!(mask, "{:016x}", (self.random)());
            }
            mask.truncate(digits.len());
            self.ids.insert(digits, mask.clone());
            mask
        };
        let mut mask = mask.chars();
        id.chars().map(|old| if old.is_ascii_hexdigit() { mask.next().unwrap_or('0') } else { old }).collect()
    }

    /// Other letters of base32, as many: for a hash of what is masked elsewhere.
    pub fn code(&mut self, code: &str) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        if let Some(mask) = self.names.get(code) {
            return mask.clone();
        }
        let mask: String = code
            .chars()
            .map(|_| {
                let place = usize::try_from((self.random)() >> 59).unwrap_or_default();
                ALPHABET.get(place).map_or('A', |letter| char::from(*letter))
            })
            .collect();
        self.names.insert(code.to_owned(), mask.clone());
        mask
    }

    /// Another address: two that share a prefix share one as long afterwards.
    pub fn address(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => {
                let masked = self.bits(address, u128::from(u32::from(v4)) << 96, 32);
                IpAddr::V4(Ipv4Addr::from(u32::try_from(masked >> 96).unwrap_or_default()))
            }
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => match self.address(v4.into()) {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
                    other @ IpAddr::V6(_) => other,
                },
                None => IpAddr::V6(Ipv6Addr::from(self.bits(address, u128::from(v6), 128))),
            },
        }
    }

    /// The same for a prefix; host bits that are all zero stay so.
    pub fn net(&mut self, net: IpNet) -> IpNet {
        let masked = IpNet::new_assert(self.address(net.addr()), net.prefix_len());
        if net.addr() == net.network() { masked.trunc() } else { masked }
    }

    /// `bits` has the address at its top end.
    fn bits(&mut self, address: IpAddr, bits: u128, length: u8) -> u128 {
        if self.kept.iter().any(|range| range.contains(&address)) {
            return bits;
        }
        let is_v6 = address.is_ipv6();
        let shared = |range: &IpNet, prefix: u8| -> bool {
            let top = match range.network() {
                IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
                IpAddr::V6(v6) => u128::from(v6),
            };
            range.network().is_ipv6() == is_v6 && prefix < range.prefix_len() && (top ^ bits) & high(prefix) == 0
        };
        let mut masked = bits;
        for prefix in 0..length {
            // Within the beginning of a range nothing is turned: since each step is a bijection,
            // nothing else can come to lie in it.
            if self.ranges.iter().any(|range| shared(range, prefix)) {
                continue;
            }
            let random = &mut self.random;
            let turned =
                *self.turned.entry((is_v6, prefix, bits & high(prefix))).or_insert_with(|| random() >> 63 == 1);
            if turned {
                masked ^= 1 << (127 - u32::from(prefix));
            }
        }
        masked
    }

    /// Another link-layer address of the same length: group and local bits stay, and so do the
    /// broadcast address, zeros, and the maker's half of multicast addresses.
    pub fn mac(&mut self, mac: &MacAddr) -> MacAddr {
        let bytes = &mac.0;
        if bytes.iter().all(|byte| *byte == 0) || bytes.iter().all(|byte| *byte == 0xff) {
            return mac.clone();
        }
        if let Some(mask) = self.macs.get(bytes) {
            return MacAddr(mask.clone());
        }
        let is_group = bytes.len() == 6 && bytes.first().is_some_and(|first| first & 1 == 1);
        let mask: Vec<u8> = bytes
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                let [random, ..] = (self.random)().to_be_bytes();
                match at {
                    0..3 if is_group => *byte,
                    0 if bytes.len() == 6 => (random & !3) | (byte & 3),
                    _ => random,
                }
            })
            .collect();
        self.macs.insert(bytes.clone(), mask.clone());
        MacAddr(mask)
    }
}

/// The highest `count` bits.
fn high(count: u8) -> u128 {
    if count == 0 { 0 } else { u128::MAX << (128 - u32::from(count)) }
}

/// Numbers for tests: the same ones each time.
#[cfg(test)]
pub(super) fn numbers() -> impl FnMut() -> u64 {
    // splitmix64
    let mut state = 42_u64;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared_prefix(one: IpAddr, other: IpAddr) -> u32 {
        match (one, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => (u32::from(one) ^ u32::from(other)).leading_zeros(),
            (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one) ^ u128::from(other)).leading_zeros(),
            _ => 0,
        }
    }

    #[test]
    fn addresses_keep_their_common_prefixes_and_their_meaning() {
        let mut random = numbers();
        let mut masks = Masks::new(&mut random);
        let addresses: Vec<IpAddr> = [
            "10.200.0.1",
            "10.200.0.32",
            "10.200.1.5",
            "10.240.0.20",
            "192.168.1.1",
            "198.51.100.7",
            "198.51.100.8",
            "8.8.8.8",
            "2001:db8::1",
            "2001:db8::2:1",
            "fe80::5000:81ff:fe09:fd42",
            "fd00:1::1",
            "ff02::1:ff09:fd42",
        ]
        .map(|text| text.parse().unwrap())
        .to_vec();
        let masked: Vec<IpAddr> = addresses.iter().map(|address| masks.address(*address)).collect();
        for (one, other) in addresses.iter().zip(&masked) {
            assert_ne!(one, other);
            assert_eq!(masks.address(*one), *other);
            let meaning = |address: &IpAddr| match address {
                IpAddr::V4(v4) => (v4.is_private(), v4.is_link_local(), v4.is_multicast()),
                IpAddr::V6(v6) => (v6.is_unique_local(), v6.is_unicast_link_local(), v6.is_multicast()),
            };
            assert_eq!(meaning(one), meaning(other), "{one} {other}");
            for (second, second_masked) in addresses.iter().zip(&masked) {
                assert_eq!(shared_prefix(*one, *second), shared_prefix(*other, *second_masked), "{one} {second}");
            }
        }
    }

    #[test]
    fn addresses_that_name_nobody_stay() {
        let mut random = numbers();
        let mut masks = Masks::new(&mut random);
        for text in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", "::", "::1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(masks.address(address), address);
        }
        assert_eq!(masks.net("0.0.0.0/0".parse().unwrap()).to_string(), "0.0.0.0/0");
    }

    #[test]
    fn a_network_stays_the_network_of_its_hosts() {
        let mut random = numbers();
        let mut masks = Masks::new(&mut random);
        let net = masks.net("10.200.0.0/24".parse().unwrap());
        let host = masks.net("10.200.0.32/24".parse().unwrap());
        assert_eq!(net, host.trunc());
        assert_eq!(net, net.trunc());
        assert!(net.contains(&masks.address("10.200.0.77".parse().unwrap())));
        assert!(!net.contains(&masks.address("10.200.1.77".parse().unwrap())));
    }

    #[test]
    fn ids_keep_their_shape_and_their_beginnings_match() {
        let mut random = numbers();
        let mut masks = Masks::new(&mut random);
        let whole = masks.id("7b15dcb5f793a1b2c3d4e5f60718293a");
        assert_eq!(whole.len(), 32);
        assert_eq!(masks.id("7b15dcb5f793"), whole[..12]);
        let dashed = masks.id("2e1c5739-f412-447c-93cc-47e6c9660c34");
        assert_eq!(masks.id("2e1c5739_f412_447c_93cc_47e6c9660c34"), dashed.replace('-', "_"));
        assert_eq!(masks.name("nginx"), masks.name("nginx"));
        assert_ne!(masks.name("nginx"), masks.name("nginx2"));
    }

    #[test]
    fn link_layer_addresses_keep_their_kind() {
        let mut random = numbers();
        let mut masks = Masks::new(&mut random);
        let mut mask = |text: &str| masks.mac(&text.parse().unwrap()).to_string();
        assert_eq!(mask("00:00:00:00:00:00"), "00:00:00:00:00:00");
        assert_eq!(mask("ff:ff:ff:ff:ff:ff"), "ff:ff:ff:ff:ff:ff");
        assert!(mask("33:33:ff:09:fd:42").starts_with("33:33:ff:"));
        let one = mask("52:54:00:12:34:56");
        assert_eq!(u8::from_str_radix(&one[..2], 16).unwrap() & 3, 2);
        assert_eq!(one, mask("52:54:00:12:34:56"));
        assert_ne!(one, "52:54:00:12:34:56");
    }
}
