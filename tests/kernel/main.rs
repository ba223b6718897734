//! The live reading of namespaces, against what `ip` and `bridge` say of them.

use podnet::collect::handle::NetnsHandle;
use podnet::collect::kernel::Kernel;

#[test]
fn smoke() {
    let kernel = Kernel::new().unwrap();
    let netns = kernel.open(&NetnsHandle::open("/proc/self/ns/net".as_ref()).unwrap());
    println!("{}", serde_json::to_string(&netns.links()).unwrap());
    println!("{}", serde_json::to_string(&netns.addresses()).unwrap());
    println!("{}", serde_json::to_string(&netns.neighbours()).unwrap());
    println!("{}", serde_json::to_string(&netns.fdb()).unwrap());
    println!("{}", serde_json::to_string(&netns.rules()).unwrap());
    println!("{}", serde_json::to_string(&netns.routes()).unwrap());
    println!("{}", serde_json::to_string(&netns.nexthops()).unwrap());
    println!("{:?}", netns.cookie());
    println!("{}", serde_json::to_string(&netns.sysctl("ipv4.ip_forward")).unwrap());
    for dst in ["127.0.0.1", "8.8.8.8", "::1"] {
        let query = podnet::model::route::RouteQuery::to(dst.parse().unwrap());
        println!("{}", serde_json::to_string(&netns.route_witness(&query)).unwrap());
    }
}
