use proptest::prelude::*;

use super::answer::{Refusal, done, refusal};
use super::attr::{AttrError, attrs};
use super::frame::{self, FrameError, Message, messages};
use super::request::Request;

const LINKS: &[u8] = include_bytes!("../../../fixtures/netlink/links.bin");

#[test]
fn a_request_is_read_back_as_it_was_built() {
    let request = Request::dump(26, &[2, 0, 0]).attr(5, &[1, 2, 3]).attr(6, &[]);
    let bytes = request.bytes(7, 9);
    let found: Vec<_> = messages(&bytes).collect();
    let payload = [2, 0, 0, 0, 7, 0, 5, 0, 1, 2, 3, 0, 4, 0, 6, 0];
    assert_eq!(found, [Ok(Message { kind: 26, flags: 0x301, sequence: 7, port: 9, payload: &payload })]);
    let inner: Vec<(u16, &[u8])> =
        attrs(&payload[4..]).map(|attr| attr.unwrap()).map(|attr| (attr.kind, attr.payload)).collect();
    assert_eq!(inner, [(5, &[1, 2, 3][..]), (6, &[][..])]);
}

#[test]
fn messages_end_at_the_first_broken_one() {
    let mut bytes = Request::get(18, &[0; 16]).bytes(1, 2);
    let whole = bytes.len();
    bytes.extend_from_slice(&[17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let found: Vec<_> = messages(&bytes).collect();
    assert!(found[0].is_ok());
    assert_eq!(found[1], Err(FrameError::Length { at: whole, length: 17, left: 16 }));
    assert_eq!(found.len(), 2);
    assert_eq!(messages(&[1, 2, 3]).collect::<Vec<_>>(), [Err(FrameError::Header { at: 0, left: 3 })]);
    // A length that does not even cover the header, and one that no machine has memory for.
    for length in [0u32, 15, u32::MAX] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        assert!(messages(&bytes).next().unwrap().is_err());
    }
}

#[test]
fn attributes_end_at_the_first_broken_one() {
    let bytes = [8, 0, 1, 0, 1, 2, 3, 4, 3, 0, 2, 0];
    let found: Vec<_> = attrs(&bytes).collect();
    assert_eq!(found[0].as_ref().unwrap().u32(), Ok(u32::from_ne_bytes([1, 2, 3, 4])));
    assert_eq!(found[1], Err(AttrError::Frame { at: 8, left: 4 }));
    assert_eq!(found.len(), 2);
}

#[test]
fn flag_bits_are_no_part_of_an_attributes_number() {
    let attr = attrs(&[4, 0, 18, 0xc0]).next().unwrap().unwrap();
    assert_eq!(attr.kind, 18);
}

#[test]
fn a_refusal_tells_the_kernels_own_words() {
    // Built by hand as NLMSG_ERROR lays it out: errno, the request's header (capped), then NLMSGERR_ATTR_MSG and _OFFS.
    let mut payload = (-22i32).to_ne_bytes().to_vec();
    payload.extend_from_slice(&[36, 0, 0, 0, 34, 0, 1, 3, 1, 0, 0, 0, 2, 0, 0, 0]);
    payload.extend_from_slice(&[12, 0, 1, 0]);
    payload.extend_from_slice(b"Bad one\0");
    payload.extend_from_slice(&[8, 0, 2, 0, 20, 0, 0, 0]);
    let flags = frame::FLAG_CAPPED | frame::FLAG_ACK_TLVS;
    let message = Message { kind: frame::ERROR, flags, sequence: 1, port: 2, payload: &payload };
    let told = refusal(&message).unwrap();
    assert_eq!(told, Refusal { errno: 22, message: Some("Bad one".to_owned()), offset: Some(20) });
    assert_eq!(told.to_string(), "Invalid argument (os error 22) (Bad one)");
    // Not capped: the whole request stands before the attributes.
    let mut payload = (-1i32).to_ne_bytes().to_vec();
    payload.extend_from_slice(&[20, 0, 0, 0, 34, 0, 1, 3, 1, 0, 0, 0, 2, 0, 0, 0, 99, 0, 0, 0]);
    payload.extend_from_slice(&[8, 0, 2, 0, 7, 0, 0, 0]);
    let message = Message { flags: frame::FLAG_ACK_TLVS, payload: &payload, ..message };
    assert_eq!(refusal(&message).unwrap(), Refusal { errno: 1, message: None, offset: Some(7) });
}

#[test]
fn a_dump_ends_well_or_with_a_number() {
    let ended = |payload: &[u8]| done(&Message { kind: frame::DONE, flags: 0, sequence: 1, port: 2, payload }).errno;
    assert_eq!(ended(&[]), 0);
    assert_eq!(ended(&0i32.to_ne_bytes()), 0);
    assert_eq!(ended(&(-16i32).to_ne_bytes()), 16);
    // What no kernel sends is no success by overflow.
    assert_eq!(ended(&i32::MIN.to_ne_bytes()), i32::MAX);
}

proptest! {
    #[test]
    fn any_bytes_are_messages_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut total = 0;
        for message in messages(&bytes).flatten() {
            total += frame::HEADER_LENGTH + message.payload.len();
            let _ = (refusal(&message), done(&message));
            for attr in attrs(message.payload).flatten() {
                let _ = (attr.u32(), attr.address(), attr.text());
            }
        }
        prop_assert!(total <= bytes.len());
    }

    #[test]
    fn a_cut_dump_gives_the_messages_before_the_cut(cut in 0..LINKS.len()) {
        let whole = messages(LINKS).map(Result::unwrap).collect::<Vec<_>>();
        let found = messages(&LINKS[..cut]).flatten().collect::<Vec<_>>();
        prop_assert_eq!(&found[..], &whole[..found.len()]);
    }
}
