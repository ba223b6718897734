use super::*;
use crate::model::flow::tuple::ZoneDirection;

const ASSURED: u32 = Status::ASSURED;

fn flow(id: u32) -> Flow {
    let tuple = |src: &str, dst: &str| Tuple {
        src: src.parse().unwrap(),
        dst: dst.parse().unwrap(),
        protocol: 6,
        key: Key::Ports { src: 1000, dst: 80 },
    };
    Flow {
        original: tuple("10.0.0.1", "10.0.0.2"),
        reply: tuple("10.0.0.2", "10.0.0.1"),
        zone: Zone::default(),
        status: Status(Status::CONFIRMED),
        timeout_s: Some(5),
        mark: Some(7),
        id,
        uses: None,
        state: Some(ProtocolState::Tcp { state: TcpState::SynSent, window_scale: None, flags: None }),
        counters: None,
        timestamps: None,
        more: None,
    }
}

fn assured(id: u32) -> Flow {
    Flow { status: Status(Status::CONFIRMED | ASSURED), ..flow(id) }
}

/// What was told: what happened, to which flow, whether by a comparison.
#[derive(Default)]
struct Told(Vec<(Happened, u32, bool)>);

impl Told {
    fn each(&mut self) -> impl FnMut(FlowEvent) {
        |event| self.0.push((event.happened, event.flow.id, event.resynced))
    }

    fn taken(&mut self) -> Vec<(Happened, u32, bool)> {
        std::mem::take(&mut self.0)
    }
}

use Happened::{Destroyed, New, Updated};

#[test]
fn events_are_told_as_they_come() {
    let (mut known, mut told) = (Known::new(10), Told::default());
    known.first(&flow(1));
    known.event(New, flow(2), true, &mut told.each());
    known.event(Updated, assured(2), true, &mut told.each());
    known.event(Destroyed, flow(1), true, &mut told.each());
    // Not known, and told all the same: it began and ended while the first dump went on.
    known.event(Destroyed, flow(3), true, &mut told.each());
    assert_eq!(told.taken(), [(New, 2, false), (Updated, 2, false), (Destroyed, 1, false), (Destroyed, 3, false)]);
    assert_eq!(known.len(), 1);
}

#[test]
fn a_comparison_tells_what_no_event_told() {
    let (mut known, mut told) = (Known::new(10), Told::default());
    for id in [1, 2, 3] {
        known.first(&flow(id));
    }
    known.begin();
    known.dumped(&flow(1));
    known.dumped(&assured(3));
    known.dumped(&flow(4));
    let compared = known.end(true, &mut told.each());
    assert_eq!(told.taken(), [(Destroyed, 2, true), (Updated, 3, true), (New, 4, true)]);
    assert_eq!(compared, Compared { began: 1, changed: 1, ended: 1, left_out: 0 });
    // And the next one nothing.
    known.begin();
    for one in [flow(1), assured(3), flow(4)] {
        known.dumped(&one);
    }
    assert_eq!(known.end(true, &mut told.each()), Compared::default());
    assert_eq!(told.taken(), []);
}

#[test]
fn what_an_event_tells_a_comparison_does_not_tell_again() {
    let (mut known, mut told) = (Known::new(10), Told::default());
    known.first(&flow(1));
    known.first(&flow(2));
    known.begin();
    // The dump is ahead of the queue: it has seen all of this already.
    known.dumped(&assured(1));
    known.dumped(&flow(3));
    known.dumped(&flow(5));
    known.event(Updated, assured(1), true, &mut told.each());
    known.event(Destroyed, flow(2), true, &mut told.each());
    known.event(New, flow(3), true, &mut told.each());
    // The dump was past its place.
    known.event(New, flow(4), true, &mut told.each());
    // It must have begun unseen.
    known.event(Updated, assured(5), true, &mut told.each());
    let expected = [
        (Updated, 1, false),
        (Destroyed, 2, false),
        (New, 3, false),
        (New, 4, false),
        (New, 5, true),
        (Updated, 5, false),
    ];
    assert_eq!(told.taken(), expected);
    assert_eq!(known.end(true, &mut told.each()), Compared::default());
    assert_eq!(told.taken(), []);
    assert_eq!(known.len(), 4);
}

#[test]
fn a_dump_that_is_not_whole_ends_nothing() {
    let (mut known, mut told) = (Known::new(10), Told::default());
    known.first(&flow(1));
    known.begin();
    assert_eq!(known.end(false, &mut told.each()), Compared::default());
    known.begin();
    known.dumped(&flow(1));
    assert_eq!(known.end(true, &mut told.each()), Compared::default());
    known.begin();
    assert_eq!(known.end(true, &mut told.each()).ended, 1);
}

#[test]
fn of_a_flow_that_ended_unseen_all_that_names_it_is_known() {
    let mut known = Known::new(10);
    let mut six = flow(9);
    six.original.src = "2001:db8::1".parse().unwrap();
    six.zone = Zone { id: 3, direction: ZoneDirection::Reply };
    known.first(&six);
    known.first(&flow(1));
    known.begin();
    let mut told = Vec::new();
    known.end(true, &mut |event| told.push(event));
    let expected = |whole: Flow| FlowEvent {
        happened: Destroyed,
        resynced: true,
        before: Some(Stood::of(&whole)),
        flow: Flow { timeout_s: None, mark: None, ..whole },
    };
    assert_eq!(told, [expected(flow(1)), expected(six)]);
}

#[test]
fn flows_that_the_filters_do_not_accept_any_more_are_forgotten() {
    let (mut known, mut told) = (Known::new(10), Told::default());
    known.event(New, flow(1), true, &mut told.each());
    known.event(Updated, flow(1), false, &mut told.each());
    known.event(Destroyed, flow(1), false, &mut told.each());
    // It was accepted until the end.
    known.event(New, flow(2), true, &mut told.each());
    known.event(Destroyed, flow(2), false, &mut told.each());
    assert_eq!(told.taken(), [(New, 1, false), (New, 2, false), (Destroyed, 2, false)]);
    assert_eq!(known.len(), 0);
}

#[test]
fn memory_is_bounded_and_what_is_left_out_is_counted() {
    let (mut known, mut told) = (Known::new(2), Told::default());
    for id in 1..=5 {
        known.first(&flow(id));
    }
    assert_eq!(known.len(), 2);
    known.begin();
    for id in 1..=5 {
        known.dumped(&flow(id));
    }
    // Those that are left out do not come and go with each comparison.
    assert_eq!(known.end(true, &mut told.each()), Compared { left_out: 3, ..Compared::default() });
    assert_eq!(told.taken(), []);
    known.event(New, flow(6), true, &mut told.each());
    known.event(Destroyed, flow(6), true, &mut told.each());
    assert_eq!(told.taken(), [(New, 6, false), (Destroyed, 6, false)]);
    assert!(size_of::<(Identity, Last)>() <= 56, "{}", size_of::<(Identity, Last)>());
}

#[test]
fn more_than_is_kept_whole_is_told_by_what_is_known() {
    let mut known = Known::new(KEPT_WHOLE * 2);
    known.begin();
    let count = u32::try_from(KEPT_WHOLE).unwrap() + 1;
    for id in 0..count {
        known.dumped(&flow(id));
    }
    let mut whole = 0;
    let mut told = 0;
    known.end(true, &mut |event| {
        told += 1;
        whole += u32::from(event.flow.mark.is_some());
    });
    assert_eq!((told, whole), (count, count - 1));
}
