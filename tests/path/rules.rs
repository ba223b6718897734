//! Random rules of one host, over all back ends.

use crate::net::{Net, Random};
use crate::plan::End;

pub fn random_rules(_: &Net, _: &mut Random, _: usize, _: &[End]) -> String {
    String::new()
}
