//! Promises of the ledger, each by hand.

use crate::subject::xmtp::client::tests::{add, message, topic};
use crate::subject::xmtp::gateway::ledger::{Handouts, LeaseLedger, MUTATES_IN_FLIGHT_MAX};
use crate::subject::xmtp::gateway::{LeaseEvent, LeaseId};
use crate::subject::xmtp::wire::{Add, Mutate, MutateId, Tag};

const ONE: LeaseId = LeaseId(1);
const TWO: LeaseId = LeaseId(2);

fn ledger() -> LeaseLedger {
    LeaseLedger::new(None)
}

fn wave(id: u64) -> Tag {
    Tag::Wave(MutateId(id))
}

/// What was handed out, in short.
fn told(handouts: Handouts) -> Vec<String> {
    let short = |(id, event): (LeaseId, LeaseEvent)| match event {
        LeaseEvent::Message(message) => format!("{} {}", id.0, message.id),
        LeaseEvent::Live(topic) => format!("{} {topic}", id.0),
        LeaseEvent::CaughtUp => format!("{} caught up", id.0),
    };
    handouts.into_iter().map(short).collect()
}

fn ask(ledger: &mut LeaseLedger) -> Mutate {
    ledger.take_mutate().expect("something to ask for")
}

/// A lease whose topic `a` is live, everything up to that id delivered.
fn live_at(id: u64) -> LeaseLedger {
    let mut ledger = ledger();
    ledger.lease(ONE, vec![add("a", 0)]);
    let mutate = ask(&mut ledger);
    ledger.deliver(Tag::Wave(mutate.id), (1..=id).map(|id| message("a", id)).collect());
    ledger.complete(mutate.id);
    ledger
}

#[test]
fn a_lease_is_a_wave_of_its_own_and_then_live() {
    let mut ledger = ledger();
    assert_eq!(told(ledger.lease(ONE, vec![add("a", 3), add("b", 0)])), [""; 0]);
    let mutate = ask(&mut ledger);
    assert_eq!((mutate.id, mutate.adds), (MutateId(1), vec![add("a", 3), add("b", 0)]));
    assert_eq!(told(ledger.deliver(wave(1), vec![message("b", 2), message("a", 4)])), ["1 #2", "1 #4"]);
    assert_eq!(told(ledger.complete(MutateId(1))), ["1 group:a", "1 group:b", "1 caught up"]);
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("a", 5)])), ["1 #5"]);
    assert_eq!(ledger.take_mutate(), None);
}

#[test]
fn a_sibling_above_the_floor_costs_the_wire_nothing() {
    let mut ledger = live_at(4);
    assert_eq!(told(ledger.lease(TWO, vec![add("a", 6)])), ["2 group:a", "2 caught up"]);
    assert_eq!(ledger.take_mutate(), None, "S5: it would be a no-op");
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("a", 6)])), ["1 #6"]);
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("a", 7)])), ["1 #7", "2 #7"]);
}

#[test]
fn a_lower_sibling_gets_what_is_older_and_the_others_get_nothing_twice() {
    let mut ledger = live_at(4);
    ledger.lease(TWO, vec![add("a", 1)]);
    assert_eq!(ask(&mut ledger).adds, [add("a", 1)]);
    // Before the node has read of it, a live message comes: the new lease must not jump there.
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("a", 5)])), ["1 #5"]);
    let replay = (2..=6).map(|id| message("a", id)).collect();
    assert_eq!(told(ledger.deliver(wave(2), replay)), ["2 #2", "2 #3", "2 #4", "2 #5", "1 #6", "2 #6"]);
    assert_eq!(told(ledger.complete(MutateId(2))), ["2 group:a", "2 caught up"], "only who asked is told");
}

#[test]
fn a_topic_that_left_a_wave_for_a_newer_one_is_live_while_the_older_goes_on() {
    let mut ledger = ledger();
    ledger.lease(ONE, vec![add("a", 0), add("b", 0)]);
    ask(&mut ledger);
    assert_eq!(told(ledger.deliver(wave(1), vec![message("a", 1)])), ["1 #1"]);
    ledger.lease(TWO, vec![add("a", 0)]);
    ask(&mut ledger);
    assert_eq!(told(ledger.deliver(wave(2), vec![message("a", 1), message("a", 2)])), ["2 #1", "1 #2", "2 #2"]);
    assert_eq!(told(ledger.complete(MutateId(2))), ["1 group:a", "2 group:a", "2 caught up"]);
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("a", 3)])), ["1 #3", "2 #3"]);
    assert_eq!(told(ledger.complete(MutateId(1))), ["1 group:b", "1 caught up"]);
}

#[test]
fn a_topic_leaves_the_wire_with_its_last_lease() {
    let mut ledger = live_at(1);
    ledger.lease(TWO, vec![add("a", 1)]);
    ledger.leave(ONE);
    assert_eq!(ledger.take_mutate(), None);
    ledger.leave(TWO);
    assert!(ledger.is_idle());
    let mutate = ask(&mut ledger);
    assert_eq!((mutate.removes, mutate.adds), (vec![topic("a")], vec![]));
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("a", 2)])), [""; 0], "what was on its way is nobody's");
}

#[test]
fn a_topic_that_comes_back_at_once_is_reset_and_hears_nothing_of_the_old_registration() {
    let mut ledger = live_at(3);
    ledger.leave(ONE);
    ledger.lease(TWO, vec![add("a", 1)]);
    let mutate = ask(&mut ledger);
    assert_eq!((mutate.removes, mutate.adds), (vec![topic("a")], vec![add("a", 1)]));
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("a", 4)])), [""; 0]);
    assert_eq!(told(ledger.deliver(Tag::Wave(mutate.id), vec![message("a", 2)])), ["2 #2"]);
}

#[test]
fn a_flap_asks_for_everything_from_the_lowest_floor_and_is_not_told() {
    let mut ledger = live_at(3);
    ledger.lease(TWO, vec![add("a", 5), add("b", 0)]);
    ledger.disconnect();
    let mutate = ask(&mut ledger);
    assert_eq!(mutate.adds, [add("a", 3), add("b", 0)]);
    let replay = vec![message("a", 3), message("a", 4), message("a", 6)];
    assert_eq!(told(ledger.deliver(Tag::Wave(mutate.id), replay)), ["1 #4", "1 #6", "2 #6"]);
    assert_eq!(told(ledger.complete(mutate.id)), ["2 group:b", "2 caught up"], "the first was told before the flap");
}

#[test]
fn a_set_too_large_for_one_mutate_is_split_and_each_part_has_its_own_wave() {
    let mut ledger = ledger();
    let adds: Vec<Add> = (0..2_001).map(|number| add(&format!("{number:04}"), 0)).collect();
    ledger.lease(ONE, adds.clone());
    let mutates: Vec<Mutate> = std::iter::from_fn(|| ledger.take_mutate()).collect();
    assert_eq!(mutates.iter().map(|mutate| mutate.adds.len()).collect::<Vec<_>>(), [1_000, 1_000, 1]);
    assert_eq!(mutates.iter().map(|mutate| mutate.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(told(ledger.complete(MutateId(1))).len(), 1_000);
    ledger.leave(ONE);
    let removes: Vec<usize> = std::iter::from_fn(|| ledger.take_mutate()).map(|mutate| mutate.removes.len()).collect();
    assert_eq!(removes, [1_000, 1_000, 1]);
}

#[test]
fn a_topic_that_comes_back_is_never_added_before_its_remove_is_sent() {
    let mut ledger = ledger();
    // The first fits, the second has no room beside it, the third has room and must wait for its remove all the same.
    let names = ["a".repeat(15 << 20), "b".repeat(3 << 20), "c".to_owned()];
    let all = || names.iter().map(|name| add(name, 0)).collect();
    ledger.lease(ONE, all());
    while ledger.take_mutate().is_some() {}
    ledger.leave(ONE);
    ledger.lease(TWO, vec![add("c", 0)]);
    let first = ask(&mut ledger);
    assert_eq!((first.removes.len(), first.adds.len()), (1, 0));
    let second = ask(&mut ledger);
    assert_eq!((second.removes.len(), second.adds), (2, vec![add("c", 0)]));
}

#[test]
fn what_was_in_flight_on_a_connection_that_is_gone_holds_nothing_up() {
    let mut ledger = live_at(1);
    for _ in 0..=MUTATES_IN_FLIGHT_MAX {
        ledger.disconnect();
        assert_eq!(ask(&mut ledger).adds, [add("a", 1)]);
    }
}

#[test]
fn what_is_asked_while_many_mutates_are_in_flight_goes_together_into_the_next() {
    let mut ledger = ledger();
    for number in 0..100 {
        ledger.lease(LeaseId(number), vec![add(&format!("{number:02}"), 0)]);
        ledger.take_mutate();
    }
    assert_eq!(ledger.take_mutate(), None);
    ledger.complete(MutateId(1));
    assert_eq!(ask(&mut ledger).adds.len(), 100 - MUTATES_IN_FLIGHT_MAX);
}

#[test]
fn a_lease_without_topics_is_caught_up_at_once() {
    assert_eq!(told(ledger().lease(ONE, Vec::new())), ["1 caught up"]);
}

#[test]
fn duplicate_adds_of_a_lease_coalesce_to_the_lowest_cursor() {
    let mut ledger = ledger();
    ledger.lease(ONE, vec![add("a", 5), add("a", 3), add("a", 4)]);
    assert_eq!(ask(&mut ledger).adds, [add("a", 3)]);
}

#[test]
fn a_lease_that_lagged_goes_on_from_what_it_has_and_costs_its_siblings_nothing() {
    let mut ledger = live_at(1);
    ledger.lease(TWO, vec![add("a", 1)]);
    ledger.lag(TWO);
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("a", 2), message("a", 3)])), ["1 #2", "1 #3"]);
    ledger.disconnect();
    assert_eq!(ask(&mut ledger).adds, [add("a", 3)], "who lags is not waited for");
    assert_eq!(told(ledger.keep_up(TWO)), [""; 0]);
    let mutate = ask(&mut ledger);
    assert_eq!(mutate.adds, [add("a", 1)]);
    let replay = (2..=4).map(|id| message("a", id)).collect();
    assert_eq!(told(ledger.deliver(Tag::Wave(mutate.id), replay)), ["2 #2", "2 #3", "1 #4", "2 #4"]);
    assert_eq!(told(ledger.complete(mutate.id)), [""; 0], "it was told before it lagged");
}

#[test]
fn a_rejection_is_blamed_on_who_asked_last() {
    let mut ledger = live_at(1);
    ledger.lease(TWO, vec![add("b", 0)]);
    ask(&mut ledger);
    assert_eq!(ledger.reject(), [TWO]);
    ledger.disconnect();
    assert_eq!(ask(&mut ledger).adds, [add("a", 1)]);
    assert_eq!(ledger.reject(), [ONE], "nobody else is left to blame");
    assert!(ledger.is_idle());
}

#[test]
fn what_a_wrong_node_says_of_waves_that_nobody_asked_for_is_nobodys() {
    let mut ledger = live_at(1);
    assert_eq!(told(ledger.deliver(wave(9), vec![message("a", 2)])), [""; 0]);
    assert_eq!(told(ledger.deliver(wave(1), vec![message("a", 2)])), [""; 0], "that wave has ended");
    assert_eq!(told(ledger.complete(MutateId(9))), [""; 0]);
    assert_eq!(told(ledger.complete(MutateId(1))), [""; 0]);
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("c", 2)])), [""; 0]);
}

#[test]
fn a_lease_changes_its_topics_in_place_and_is_told_when_it_is_caught_up_again() {
    let mut ledger = live_at(4);
    assert_eq!(told(ledger.mutate(ONE, vec![add("b", 0)], &[topic("a"), topic("never")])), [""; 0]);
    let mutate = ask(&mut ledger);
    assert_eq!((mutate.removes, mutate.adds), (vec![topic("a")], vec![add("b", 0)]));
    assert_eq!(told(ledger.deliver(Tag::Live, vec![message("a", 5)])), [""; 0]);
    assert_eq!(told(ledger.complete(mutate.id)), ["1 group:b", "1 caught up"]);
}

#[test]
fn a_topic_that_a_lease_adds_again_begins_anew_from_where_its_holder_says() {
    let mut ledger = live_at(4);
    ledger.lease(TWO, vec![add("a", 4)]);
    assert_eq!(told(ledger.mutate(ONE, vec![add("a", 2)], &[])), [""; 0]);
    let mutate = ask(&mut ledger);
    assert_eq!((mutate.removes, mutate.adds), (vec![], vec![add("a", 2)]));
    let replay = (3..=5).map(|id| message("a", id)).collect();
    assert_eq!(told(ledger.deliver(Tag::Wave(mutate.id), replay)), ["1 #3", "1 #4", "1 #5", "2 #5"]);
    assert_eq!(told(ledger.complete(mutate.id)), ["1 group:a", "1 caught up"]);
    assert_eq!(told(ledger.mutate(ONE, vec![add("a", 9)], &[])), ["1 group:a", "1 caught up"]);
    assert_eq!(
        told(ledger.deliver(Tag::Live, (8..=10).map(|id| message("a", id)).collect())),
        ["2 #8", "2 #9", "1 #10", "2 #10"]
    );
}

#[test]
fn a_lease_that_gives_up_what_it_waits_for_is_caught_up() {
    let mut ledger = ledger();
    ledger.lease(ONE, vec![add("a", 0), add("b", 0)]);
    let mutate = ask(&mut ledger);
    assert_eq!(told(ledger.mutate(ONE, Vec::new(), &[topic("a")])), [""; 0]);
    assert_eq!(told(ledger.mutate(ONE, Vec::new(), &[topic("b")])), ["1 caught up"]);
    assert_eq!(ask(&mut ledger).removes, [topic("a"), topic("b")]);
    assert_eq!(told(ledger.complete(mutate.id)), [""; 0]);
}

#[test]
fn a_lease_that_lags_changes_and_hears_of_it_when_it_keeps_up() {
    let mut ledger = live_at(4);
    ledger.lag(ONE);
    assert_eq!(told(ledger.mutate(ONE, vec![add("a", 4)], &[])), [""; 0]);
    ask(&mut ledger);
    assert_eq!(ledger.take_mutate(), None, "only the remove");
    assert_eq!(told(ledger.keep_up(ONE)), [""; 0]);
    let mutate = ask(&mut ledger);
    assert_eq!(mutate.adds, [add("a", 4)]);
    assert_eq!(told(ledger.complete(mutate.id)), ["1 group:a", "1 caught up"]);
}

#[test]
fn of_those_who_were_served_only_who_is_asked_for_is_to_blame() {
    let mut ledger = live_at(1);
    ledger.lease(TWO, vec![add("b", 0)]);
    let mutate = ask(&mut ledger);
    ledger.complete(mutate.id);
    ledger.disconnect();
    ledger.narrow(1);
    assert_eq!(ask(&mut ledger).adds, [add("a", 1)]);
    assert_eq!(ledger.take_mutate(), None, "S8: the next waits for its acknowledgment");
    assert_eq!(ledger.reject(), [ONE]);
    assert!(!ledger.is_idle());
}
