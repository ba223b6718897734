//! The captured bytes under `fixtures/rules/nf_tables`, for the unit tests of the codec; anew with `PODNET_CAPTURE=1`.

use std::fs;
use std::path::Path;

use podnet::model::netfilter::table::{Family, TableRef};
use podnet::sys::netlink::{NETFILTER, NetlinkSocket};
use podnet::sys::netns::NsThread;
use podnet::wire::netlink::frame;
use podnet::wire::netlink::request::Request;
use podnet::wire::nf_tables::request;

use super::corpus;

#[test]
fn captured_bytes_are_messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules/nf_tables/captured");
    let t4 = TableRef::nf(Family::Ip, "t4");
    let takes: [(&str, Vec<Request>); 6] = [
        ("tables", vec![request::tables()]),
        ("chains", Family::ALL.map(request::chains).into()),
        ("rules", ["t4 ip", "t6 ip6", "ti inet", "ta arp", "tb bridge", "tn netdev"].map(rules_of).into()),
        ("sets", vec![request::sets(&t4)]),
        (
            "elements",
            ["plain", "intervals", "timed", "ranges", "counted", "vm", "objmap"]
                .map(|name| request::elements(&t4.set(name)))
                .into(),
        ),
        ("objects", vec![request::objects(&t4)]),
    ];
    if std::env::var_os("PODNET_CAPTURE").is_some() {
        let netns = corpus();
        let file = fs::File::open(netns.path()).unwrap();
        let mut socket = NsThread::spawn().unwrap().within(&file, || NetlinkSocket::open(NETFILTER)).unwrap();
        fs::create_dir_all(&folder).unwrap();
        for (name, requests) in &takes {
            fs::write(folder.join(format!("{name}.bin")), take(&mut socket, requests)).unwrap();
        }
    }
    for (name, _) in &takes {
        let bytes = fs::read(folder.join(format!("{name}.bin"))).unwrap();
        let messages: Result<Vec<_>, _> = frame::messages(&bytes).collect();
        assert!(!messages.unwrap().is_empty(), "{name}");
    }
}

fn rules_of(words: &str) -> Request {
    let (table, family) = words.split_once(' ').unwrap();
    request::rules_of(&TableRef::nf(Family::named(family).unwrap(), table))
}

/// All answers as they came, without what differs from run to run.
fn take(socket: &mut NetlinkSocket, requests: &[Request]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for request in requests {
        socket
            .dump(request, &mut |message| {
                let length = u32::try_from(message.payload.len() + frame::HEADER_LENGTH).unwrap();
                bytes.extend_from_slice(&length.to_ne_bytes());
                bytes.extend_from_slice(&message.kind.to_ne_bytes());
                bytes.extend_from_slice(&message.flags.to_ne_bytes());
                bytes.extend_from_slice(&[0; 8]);
                bytes.extend_from_slice(message.payload);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            })
            .unwrap();
    }
    bytes
}
