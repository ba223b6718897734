//! Many packets over the same nodes: only how each ends, without the story.
//!
//! May import model and analyze's siblings only. "Which pods can reach what" is asked this way: what was looked up
//! for one packet serves all that follow.

use std::cell::RefCell;

use super::types::{Course, PlaceRef};
use super::world::{Place, World};
use super::{Question, all_courses};
use crate::model::issue::Issue;
use crate::model::view::NodeView;

/// Nodes that are asked again and again, taken as they were at the first look.
pub struct Simulator<'n> {
    world: World<'n>,
    places: RefCell<Vec<(Place, PlaceRef)>>,
}

impl<'n> Simulator<'n> {
    /// Over loaded nodes (snapshots): tables and sets are put in order whole, at the first packet that asks them.
    pub fn new(nodes: &'n [&'n dyn NodeView]) -> Self {
        Self { world: World::loaded(nodes), places: RefCell::default() }
    }

    /// How a packet ends, over all courses that chance leads it: their steps are empty.
    pub fn ask(&self, question: &Question) -> Vec<Course> {
        let mut places = self.places.borrow_mut();
        let (courses, _) = all_courses(&self.world, question, &mut places, false);
        courses.into_iter().map(|walked| walked.course).collect()
    }

    /// The namespaces that packets came to, which [`super::Arrival::place`] counts.
    pub fn places(&self) -> Vec<PlaceRef> {
        self.places.borrow().iter().map(|(_, named)| named.clone()).collect()
    }

    /// What was read badly.
    pub fn issues(self) -> Vec<Issue> {
        self.world.issues()
    }
}
