//! Judges convergence: after the storm, everybody has everything within the bound.
//!
//! Refuses to know why something is late. A message stored after the bound is nobody's debt: the workload
//! ends before the calm begins, so there should be none.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Readable, Verdict};
use crate::history::{Event, History, Terms};
use crate::spec::{C3, Requirement, T8};
use crate::wire::{Add, Cursor, MessageId, Topic};

/// The judge of convergence.
pub(crate) struct Convergence;

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn promises(&self) -> &'static str {
        "Soon after all faults have healed, every follower has every stored message of its topics."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[T8, C3]
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let bound = terms.calm.saturating_add(terms.within);
        if terms.end < bound {
            let (end, bound) = (Readable(terms.end), Readable(bound));
            return Verdict::unknown(format!("the trial ends at {end}, before the bound at {bound}"));
        }
        let ledger = Ledger::read(history, bound);
        if ledger.stored.is_empty() {
            return Verdict::unknown("the node stored no message");
        }
        let sum = ledger.sum(terms);
        match &sum.first {
            Some(debt) => Verdict::Fail(sum.evidence(debt, terms, bound)),
            None if sum.owed == 0 => Verdict::unknown("none of the stored messages is owed to a follower"),
            None => Verdict::Pass {
                seen: format!(
                    "messages owed: {}, followers: {}, all committed by {}",
                    sum.owed,
                    terms.subscribers.len(),
                    Readable(bound)
                ),
            },
        }
    }
}

/// When a message was committed first, and in which record.
type Commit = (Duration, usize);

struct Ledger<'h> {
    bound: Duration,
    /// The record in which each message was stored.
    stored: BTreeMap<&'h Topic, BTreeMap<MessageId, usize>>,
    committed: BTreeMap<(&'h str, &'h Topic), BTreeMap<MessageId, Commit>>,
}

/// A message that a follower did not have when the bound ran out.
struct Debt<'h> {
    host: &'h str,
    topic: &'h Topic,
    id: MessageId,
    stored: usize,
    late: Option<Commit>,
}

#[derive(Default)]
struct Sum<'h> {
    owed: u64,
    late: u64,
    missing: u64,
    first: Option<Debt<'h>>,
}

impl<'h> Ledger<'h> {
    fn read(history: &'h History, bound: Duration) -> Self {
        let mut ledger = Ledger { bound, stored: BTreeMap::new(), committed: BTreeMap::new() };
        for (index, record) in history.records().iter().enumerate() {
            match &record.event {
                Event::Stored { topic, id, .. } if record.at <= bound => {
                    ledger.stored.entry(topic).or_default().insert(*id, index);
                }
                Event::Committed { messages, .. } => {
                    for (topic, id, _) in messages {
                        let commits = ledger.committed.entry((&*record.host, topic)).or_default();
                        commits.entry(*id).or_insert((record.at, index));
                    }
                }
                _ => {}
            }
        }
        ledger
    }

    fn sum(&self, terms: &'h Terms) -> Sum<'h> {
        let mut sum = Sum::default();
        for (host, adds) in &terms.subscribers {
            for (topic, cursor) in lowest_cursors(adds) {
                self.add_up(host, topic, cursor, &mut sum);
            }
        }
        sum
    }

    fn add_up(&self, host: &'h str, topic: &'h Topic, cursor: Cursor, sum: &mut Sum<'h>) {
        let Some(stored) = self.stored.get(topic) else { return };
        let commits = self.committed.get(&(host, topic));
        for (id, index) in stored.iter().filter(|(id, _)| cursor.is_before(**id)) {
            sum.owed += 1;
            let commit = commits.and_then(|commits| commits.get(id)).copied();
            match commit {
                Some((at, _)) if at <= self.bound => continue,
                Some(_) => sum.late += 1,
                None => sum.missing += 1,
            }
            sum.first.get_or_insert(Debt { host, topic, id: *id, stored: *index, late: commit });
        }
    }
}

impl Sum<'_> {
    fn evidence(&self, debt: &Debt, terms: &Terms, bound: Duration) -> Evidence {
        let Debt { host, topic, id, stored, late } = debt;
        let fate = match late {
            Some((at, _)) => format!("late by {}", Readable(at.saturating_sub(bound))),
            None => format!("not by the end at {}", Readable(terms.end)),
        };
        let what = format!(
            "{host} had not committed {id} of {topic} {} after the calm began at {} ({fate}); {} of {} owed \
                messages are missing and {} came late",
            Readable(terms.within),
            Readable(terms.calm),
            self.missing,
            self.owed,
            self.late
        );
        let evidence = Evidence {
            at: bound,
            requirement: T8.number.to_owned(),
            host: (*host).to_owned(),
            topic: None,
            id: None,
            what,
            records: vec![*stored],
        };
        evidence.about(topic, Some(*id)).with(late.map(|(_, index)| index))
    }
}

/// The topics of one follower in order, each from the lowest cursor that it asked for.
fn lowest_cursors(adds: &[Add]) -> BTreeMap<&Topic, Cursor> {
    let mut cursors = BTreeMap::new();
    for add in adds {
        let cursor = cursors.entry(&add.topic).or_insert(add.cursor);
        *cursor = add.cursor.min(*cursor);
    }
    cursors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, Script, add, alpha, beta};
    use crate::wire::Kind;

    fn three_stored() -> Script {
        Script::new().at(1.0).stored(alpha(), 1).stored(beta(), 2).stored(alpha(), 3)
    }

    fn with_end(end: u64) -> Script {
        let history = Script::new().history();
        let terms = terms(&history).expect("a script has terms").clone();
        Script::on(Terms { end: Duration::from_secs(end), ..terms })
    }

    #[test]
    fn everything_by_the_bound_is_acquitted() {
        let script = three_stored().at(660.0).committed(1, &[(alpha(), 1), (alpha(), 3), (beta(), 2)]);
        assert!(script.acquitted_by(&Convergence).starts_with("messages owed: 3, followers: 1"));
    }

    #[test]
    fn the_lowest_missing_message_of_the_first_topic_is_the_evidence() {
        let evidence = three_stored().at(9.0).committed(1, &[(alpha(), 1)]).condemned_by(&Convergence);
        assert_eq!((evidence.topic.as_deref(), evidence.id), (Some("group:alpha"), Some(MessageId(3))));
        assert_eq!((evidence.host.as_str(), evidence.at), (CLIENT, Duration::from_secs(660)));
        assert!(evidence.what.contains("2 of 3 owed messages are missing"), "{}", evidence.what);
    }

    #[test]
    fn a_message_after_the_bound_is_late() {
        let script = three_stored().at(662.5).committed(1, &[(alpha(), 1), (alpha(), 3), (beta(), 2)]);
        let evidence = script.condemned_by(&Convergence);
        assert!(evidence.what.contains("late by 2.5s"), "{}", evidence.what);
        assert!(evidence.what.contains("0 of 3 owed messages are missing and 3 came late"), "{}", evidence.what);
        assert_eq!((evidence.at, evidence.records.len()), (Duration::from_secs(660), 2));
    }

    #[test]
    fn a_client_that_was_killed_is_still_owed() {
        let script = three_stored().at(2.0).event(CLIENT, Event::ProcessKilled);
        assert_eq!(script.condemned_by(&Convergence).id, Some(MessageId(1)));
    }

    #[test]
    fn a_message_below_the_cursor_or_stored_after_the_bound_is_not_owed() {
        let history = Script::new().history();
        let mut terms = terms(&history).expect("a script has terms").clone();
        terms.subscribers = vec![(CLIENT.to_owned(), vec![add(alpha(), 1)])];
        let script = Script::on(terms).at(1.0).stored(alpha(), 1).stored(alpha(), 2).committed(1, &[(alpha(), 2)]);
        script.at(661.0).stored(alpha(), 3).acquitted_by(&Convergence);
    }

    #[test]
    fn too_little_to_see_is_unknown() {
        assert!(Script::new().puzzles(&Convergence).contains("no message"));
        assert!(with_end(659).stored(alpha(), 1).puzzles(&Convergence).contains("before the bound at 11m"));
        let other = Topic::new(Kind::Welcome, b"other");
        assert!(Script::new().stored(other, 1).puzzles(&Convergence).contains("owed to a follower"));
        assert_eq!(Convergence.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }
}
