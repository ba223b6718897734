//! What is said where the kernel's answer differs.
//!
//! May import model and the module it tests.

use super::look;
use super::world::World;
use crate::analyze::fib::witness::compare;
use crate::model::route::{RouteKind, RouteWitness};

#[test]
fn differences_are_told_in_words() {
    let world = World::new(&["default via 10.0.0.1 dev eth0"]).addresses(&["10.0.0.2/24 dev eth0"]);
    let (found, _) = look(world, "8.8.8.8");
    let mut route = Box::new(found.route.clone().unwrap());
    route.kind = RouteKind::Prohibit;
    route.source = Some("10.0.0.9".parse().unwrap());
    let witness = compare(&found, Some(RouteWitness::Found { resolved: Box::clone(&route), matched: Some(route) }));
    assert_eq!(
        witness.differences,
        [
            "the route's kind: podnet unicast, the kernel prohibit",
            "the source address: podnet 10.0.0.2, the kernel 10.0.0.9",
        ]
    );
}
