//! Makes a network in which podnet and the kernel differ as small as it can be made: what can go without the
//! difference going too, goes.

use crate::script::{Script, Step};
use crate::wire::Shot;

/// How many smaller networks are tried.
const MOST_TRIES: usize = 100;

struct Shrinker<'s> {
    differs: &'s dyn Fn(&Script, &[Shot]) -> bool,
    left: usize,
}

impl Shrinker<'_> {
    fn still(&mut self, script: &Script, shots: &[Shot]) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0 && (self.differs)(script, shots)
    }
}

/// The smallest script and row of packets found whose last packet still differs.
pub fn shrink(script: &Script, shots: &[Shot], differs: &dyn Fn(&Script, &[Shot]) -> bool) -> (Script, Vec<Shot>) {
    let mut shrinker = Shrinker { differs, left: MOST_TRIES };
    let mut script = script.clone();
    // The last packet alone, or all that came before.
    let last = &shots[shots.len() - 1..];
    let mut shots = if shrinker.still(&script, last) { last.to_vec() } else { shots.to_vec() };
    if shots.len() > 1 {
        let mut at = 0;
        while at + 1 < shots.len() && shrinker.left > MOST_TRIES * 3 / 4 {
            let mut fewer = shots.clone();
            fewer.remove(at);
            if shrinker.still(&script, &fewer) {
                shots = fewer;
            } else {
                at += 1;
            }
        }
    }
    // Whole steps first, then runs of lines, shorter and shorter.
    let mut at = 0;
    while at < script.steps.len() {
        let mut fewer = script.clone();
        fewer.steps.remove(at);
        if shrinker.still(&fewer, &shots) {
            script = fewer;
        } else {
            at += 1;
        }
    }
    let lines = |script: &Script| script.steps.iter().map(|step| step.lines.len()).sum::<usize>();
    let mut run = 16;
    while run > 0 && shrinker.left > 0 {
        let mut at = 0;
        while at < lines(&script) && shrinker.left > 0 {
            let fewer = without(&script, at, run);
            if shrinker.still(&fewer, &shots) {
                script = fewer;
            } else {
                at += run;
            }
        }
        run /= 2;
    }
    script.steps.retain(|step| !step.lines.is_empty());
    (script, shots)
}

/// Without some of the lines, counted over all steps.
fn without(script: &Script, from: usize, count: usize) -> Script {
    let mut number = 0;
    let mut keep = |_: &String| {
        number += 1;
        !(from < number && number <= from + count)
    };
    let steps = script
        .steps
        .iter()
        .map(|step| Step { lines: step.lines.iter().filter(|line| keep(line)).cloned().collect(), ..step.clone() });
    Script { hosts: script.hosts, steps: steps.collect() }
}
