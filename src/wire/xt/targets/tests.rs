use super::*;
use crate::model::text::unhex;

const OLDER: &str = include_str!("../../../../fixtures/rules/xt/targets-older.tsv");

fn recorded() -> impl Iterator<Item = (Family, &'static str, u8, Vec<u8>)> {
    OLDER.lines().map(|line| {
        let [family, _, found] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let [name, revision, data] = found.split('/').collect::<Vec<_>>().try_into().unwrap();
        (Family::named(family).unwrap(), name, revision.parse().unwrap(), unhex(data).unwrap())
    })
}

#[test]
fn data_of_another_size_stay_as_they_came() {
    for (family, name, revision, data) in recorded() {
        assert!(!matches!(decode(family, name.as_bytes(), revision, &data), Target::Unknown(_)), "{name} {revision}");
        let longer = [&data[..], &[0; 8]].concat();
        assert_eq!(decode(family, name.as_bytes(), revision, &longer), Target::Unknown(Bytes(longer)));
        for length in 0..data.len().saturating_sub(8) {
            let cut = &data[..length];
            assert_eq!(decode(family, name.as_bytes(), revision, cut), Target::Unknown(Bytes::from(cut)));
        }
    }
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    for (family, name, revision, data) in recorded() {
        for bit in 0..data.len() * 8 {
            let mut flipped = data.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            for revision in [revision, 0, 1, 2, 3, 4] {
                for family in [family, Family::Ip, Family::Ip6, Family::Bridge] {
                    let _ = decode(family, name.as_bytes(), revision, &flipped);
                }
            }
        }
    }
}

#[test]
fn bits_that_no_kernel_of_today_has_are_not_passed_over() {
    let unknown = |name: &str, revision, data: &[u8]| {
        assert_eq!(decode(Family::Ip, name.as_bytes(), revision, data), Target::Unknown(Bytes::from(data)));
    };
    let mut log = [0; 32];
    log[1] = 0x40;
    unknown("LOG", 0, &log);
    let mut nflog = [0; 80];
    nflog[8] = 2;
    unknown("NFLOG", 0, &nflog);
    unknown("NFQUEUE", 3, &[0, 0, 1, 0, 4, 0, 0, 0]);
    let mut dnat = [0; 48];
    dnat[0] = 0x80;
    unknown("DNAT", 2, &dnat);
    unknown("CHECKSUM", 0, &[2, 0, 0, 0, 0, 0, 0, 0]);
    unknown("TTL", 0, &[3, 0, 0, 0, 0, 0, 0, 0]);
    unknown("HL", 0, &[0, 1, 0, 0, 0, 0, 0, 0]);
    unknown("DSCP", 0, &[5, 0, 0, 0, 0, 0, 0, 0]);
    unknown("MARK", 1, &[0; 8]);
}
