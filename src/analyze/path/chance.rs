//! Forks of a way: where chance, or something that nobody can tell, decides how it goes on.
//!
//! A way is walked once for each course of its forks: [`Chance`] holds the course, the walk asks it at
//! each fork, and afterwards [`Chance::next`] is the course that has not been walked. So the walk itself
//! is one straight line. Must not import anything from the crate.

use schemars::JsonSchema;
use serde::Serialize;

/// How many courses are walked before the rest counts as unknown.
const MOST_COURSES: usize = 512;
/// The same where one endpoint is looked for among many.
const MOST_WITH_ENDPOINT: usize = 4096;

/// One fork and which way was taken.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Choice {
    /// What decides: `statistic`, `numgen random mod 3`, a rate.
    pub what: String,
    /// Which way was taken, in words.
    pub taken: String,
    /// How likely it is; `None` where that cannot be told.
    pub probability: Option<f64>,
}

#[derive(Debug, Clone)]
struct Fork {
    taken: usize,
    ways: usize,
}

/// The course of one walk.
#[derive(Debug)]
pub struct Chance {
    course: Vec<Fork>,
    at: usize,
    walked: usize,
    most: usize,
    /// The forks that this walk met.
    pub choices: Vec<Choice>,
}

impl Default for Chance {
    fn default() -> Self {
        Self { course: Vec::new(), at: 0, walked: 0, most: MOST_COURSES, choices: Vec::new() }
    }
}

impl Chance {
    /// With room for the courses among which those to one endpoint are looked for.
    pub fn for_endpoint() -> Self {
        Self { most: MOST_WITH_ENDPOINT, ..Self::default() }
    }

    /// Which of several ways is taken here. Each has its words and how likely it is.
    pub fn fork(&mut self, what: &str, ways: &[(String, Option<f64>)]) -> usize {
        if ways.len() < 2 {
            return 0;
        }
        if self.at == self.course.len() {
            self.course.push(Fork { taken: 0, ways: ways.len() });
        }
        let taken = self.course.get(self.at).map_or(0, |fork| fork.taken).min(ways.len() - 1);
        self.at += 1;
        if let Some((words, probability)) = ways.get(taken) {
            self.choices.push(Choice { what: what.to_owned(), taken: words.clone(), probability: *probability });
        }
        taken
    }

    /// Whether something holds that holds with a probability (`None`: nobody can tell).
    pub fn holds(&mut self, what: &str, probability: Option<f64>) -> bool {
        let other = probability.map(|probability| 1.0 - probability);
        self.fork(what, &[("yes".to_owned(), probability), ("no".to_owned(), other)]) == 0
    }

    /// Makes ready for the course that comes next; false where there is none, or where there were too many.
    pub fn next(&mut self) -> bool {
        self.walked += 1;
        self.course.truncate(self.at);
        self.at = 0;
        self.choices.clear();
        while let Some(fork) = self.course.last_mut() {
            fork.taken += 1;
            if fork.taken < fork.ways {
                return self.walked < self.most;
            }
            self.course.pop();
        }
        false
    }

    /// Whether courses are left that were not walked.
    pub fn is_unfinished(&self) -> bool {
        !self.course.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_course_is_walked_once() {
        let mut chance = Chance::default();
        let mut seen = Vec::new();
        loop {
            let first = chance.fork("a", &[("x".into(), None), ("y".into(), None), ("z".into(), None)]);
            // The second fork is met on one way only.
            let second = (first == 1).then(|| chance.holds("b", Some(0.25)));
            let probability: Vec<_> = chance.choices.iter().map(|choice| choice.probability).collect();
            seen.push((first, second, probability));
            if !chance.next() {
                break;
            }
        }
        assert_eq!(
            seen,
            [
                (0, None, vec![None]),
                (1, Some(true), vec![None, Some(0.25)]),
                (1, Some(false), vec![None, Some(0.75)]),
                (2, None, vec![None]),
            ]
        );
        assert!(!chance.is_unfinished());
    }

    #[test]
    fn the_number_of_courses_is_bounded() {
        let mut chance = Chance::default();
        let mut walked = 0;
        loop {
            walked += 1;
            for _ in 0..20 {
                chance.holds("c", None);
            }
            if !chance.next() {
                break;
            }
        }
        assert_eq!(walked, MOST_COURSES);
        assert!(chance.is_unfinished());
    }
}
