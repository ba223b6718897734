//! Names and ids as Kubernetes, containerd and the bridge plugin would give them, but the same each time.
//!
//! Must not import anything from the crate.

use std::fmt::Write as _;

use sha2::{Digest, Sha256, Sha512};

/// The letters that Kubernetes puts into generated names (no vowels, no look-alikes).
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// 32 bytes that depend on nothing but `parts`.
pub fn seed(parts: &[&str]) -> [u8; 32] {
    Sha256::digest(parts.join("\0")).into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A uuid with the version and variant bits of a random one.
pub fn uuid(parts: &[&str]) -> String {
    let mut bytes = seed(parts);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes[..16]);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

/// The five letters at the end of a pod's name.
pub fn suffix(parts: &[&str]) -> String {
    seed(parts)[..5].iter().map(|byte| char::from(SAFE[usize::from(*byte) % SAFE.len()])).collect()
}

/// The chain of one container, as the CNI plugins name it: `CNI-` and 24 hex digits.
pub fn cni_chain(network: &str, container: &str) -> String {
    let digest = hex(&Sha512::digest(format!("{network}{container}")));
    format!("CNI-{}", &digest[..24])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_named_as_the_real_plugin_named_it() {
        // bridge plugin 1.1.1 on the recorded cluster's worker-0.
        let container = "f5d1ac9c30581dabe598f3233bdb0fc2374b21ddb8777904a3370a49059dbfdb";
        assert_eq!(cni_chain("bridge", container), "CNI-22ce3717d4e9910d49afcda5");
    }

    #[test]
    fn ids_have_their_usual_shapes_and_stay_the_same() {
        let uuid = uuid(&["lab", "default/nginx"]);
        assert_eq!(uuid.len(), 36);
        assert_eq!((&uuid[14..15], &uuid[8..9]), ("4", "-"));
        assert_eq!(hex(&seed(&["a", "b"])).len(), 64);
        assert_eq!(suffix(&["a"]), suffix(&["a"]));
        assert_ne!(seed(&["a", "bc"]), seed(&["ab", "c"]));
    }
}
