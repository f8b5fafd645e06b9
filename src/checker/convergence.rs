//! Judges convergence: after the storm, everybody has everything within the bound.
//!
//! Refuses to know why something is late. A message stored after the bound is nobody's debt: the workload
//! ends before the calm begins, so there should be none. Nor is what went with a node's disk, or took the id of such
//! a message; what went with a follower's disk is owed again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::channel::{Channel, Cursor, MessageId, Position};
use crate::checker::by_id::ById;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::grammar::Readable;
use crate::history::{Event, History, Record, Terms};

/// The judge of convergence, and what of a subject a breach is against.
pub struct Convergence {
    /// Everything that it judges.
    pub cites: &'static [Requirement],
    /// Everybody gets everything in the end.
    pub owed: Requirement,
}

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn promises(&self) -> &'static str {
        "Soon after all faults have healed, every follower has every stored message of its topics."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let bound = terms.calm.saturating_add(terms.within);
        if terms.end < bound {
            let (end, bound) = (Readable(terms.end), Readable(bound));
            return Verdict::unknown(format!("the trial ends at {end}, before the bound at {bound}"));
        }
        let ledger = DebtLedger::read(history, bound);
        if ledger.stored.is_empty() {
            return Verdict::unknown("the node stored no message");
        }
        let sum = ledger.sum(terms);
        match &sum.first {
            Some(debt) => Verdict::Fail(sum.evidence(self, debt, terms, bound)),
            None if sum.owed == 0 => Verdict::unknown("none of the stored messages is owed to a follower"),
            None if sum.creditless.is_some() => Verdict::unknown(format!(
                "none of the stored messages is owed to {}, so nothing was judged of it",
                sum.creditless.unwrap_or_default()
            )),
            None => Verdict::Pass {
                seen: format!(
                    "messages owed: {}, followers: {}, all committed by {}",
                    sum.owed,
                    terms.followers.len(),
                    Readable(bound)
                ),
            },
        }
    }
}

/// When a message was committed first, and in which record.
type Commit = (Duration, usize);

/// When a message was stored, in which record, and by whom.
struct OwedMessage<'h> {
    at: Duration,
    index: usize,
    node: &'h str,
}

struct DebtLedger<'h> {
    bound: Duration,
    stored: BTreeMap<&'h Channel, ById<OwedMessage<'h>>>,
    committed: BTreeMap<&'h str, BTreeMap<&'h Channel, ById<Commit>>>,
    /// Hosts whose disks were replaced: such a node gives ids a second time.
    replaced: BTreeSet<&'h str>,
}

/// A message that a follower did not have when the bound ran out.
struct Debt<'h> {
    host: &'h str,
    topic: &'h Channel,
    id: MessageId,
    stored: usize,
    late: Option<Commit>,
}

#[derive(Default)]
struct Sum<'h> {
    owed: u64,
    late: u64,
    missing: u64,
    /// The first follower to whom nothing is owed.
    creditless: Option<&'h str>,
    first: Option<Debt<'h>>,
}

impl<'h> DebtLedger<'h> {
    fn read(history: &'h History, bound: Duration) -> Self {
        let mut ledger =
            DebtLedger { bound, stored: BTreeMap::new(), committed: BTreeMap::new(), replaced: BTreeSet::new() };
        for (index, record) in history.records().iter().enumerate() {
            ledger.take(index, record);
        }
        ledger.owe_unsaid();
        ledger
    }

    /// What one follower has committed was stored, whether or not its node lived to say so, and everybody is owed it. Where
    /// a disk was replaced, it may be gone again.
    fn owe_unsaid(&mut self) {
        if !self.replaced.is_empty() {
            return;
        }
        for (host, channels) in &self.committed {
            for (topic, commits) in channels {
                let stored = self.stored.entry(topic).or_default();
                for (id, (at, index)) in commits.all().iter().filter(|(_, (at, _))| *at <= self.bound) {
                    stored.insert_first(*id, OwedMessage { at: *at, index: *index, node: host });
                }
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) {
        let host: &'h str = &record.host;
        match &record.event {
            Event::Stored { channel: topic, id, .. } if record.at <= self.bound => {
                if self.replaced.contains(host) {
                    self.give_again(topic, *id);
                }
                let stored = OwedMessage { at: record.at, index, node: host };
                self.stored.entry(topic).or_default().insert(*id, stored);
            }
            Event::Delivered { messages, .. } => {
                let channels = self.committed.entry(host).or_default();
                for (topic, id, _) in messages {
                    let commits = channels.entry(topic).or_default();
                    commits.insert_first(*id, (record.at, index));
                }
            }
            Event::InboxOpened { cursors } => {
                for Position { channel: topic, cursor } in cursors {
                    self.believe_inbox(index, record, topic, *cursor);
                }
            }
            Event::DiskReplaced { as_of } => self.replace_disk(host, *as_of),
            _ => {}
        }
    }

    /// An id is given a second time: whoever has committed it has the first message, and is owed this one.
    fn give_again(&mut self, topic: &'h Channel, id: MessageId) {
        for commits in self.committed.values_mut().filter_map(|channels| channels.get_mut(topic)) {
            commits.remove(id);
        }
    }

    /// What an inbox holds beyond what was said was committed before a death that kept it from being said.
    fn believe_inbox(&mut self, index: usize, record: &'h Record, topic: &'h Channel, cursor: Cursor) {
        let Some(stored) = self.stored.get(topic) else { return };
        let commits = self.committed.entry(&record.host).or_default().entry(topic).or_default();
        let unsaid = stored.after(commits.last().unwrap_or_default());
        for (id, _) in unsaid.iter().take_while(|(id, _)| !cursor.is_before(*id)) {
            commits.insert(*id, (record.at, index));
        }
    }

    fn replace_disk(&mut self, host: &'h str, as_of: Duration) {
        self.replaced.insert(host);
        for messages in self.stored.values_mut() {
            messages.retain(|(_, stored)| stored.node != host || stored.at < as_of);
        }
        for commits in self.committed.get_mut(host).into_iter().flat_map(BTreeMap::values_mut) {
            commits.retain(|(_, (at, _))| *at < as_of);
        }
    }

    fn sum(&self, terms: &'h Terms) -> Sum<'h> {
        let mut sum = Sum::default();
        for (host, adds) in &terms.followers {
            let before = sum.owed;
            for (topic, cursor) in lowest_cursors(adds) {
                self.add_up(host, topic, cursor, &mut sum);
            }
            // Who follows nothing but what is denied is owed nothing, and that is right.
            let denied = !terms.denied.is_empty() && adds.iter().all(|add| terms.denied.contains(&add.channel));
            if sum.owed == before && !denied {
                sum.creditless.get_or_insert(host);
            }
        }
        sum
    }

    fn add_up(&self, host: &'h str, topic: &'h Channel, cursor: Cursor, sum: &mut Sum<'h>) {
        let Some(stored) = self.stored.get(topic) else { return };
        let commits = self.committed.get(host).and_then(|channels| channels.get(topic));
        for (id, message) in stored.after(MessageId(cursor.0)) {
            sum.owed += 1;
            let commit = commits.and_then(|commits| commits.get(*id)).copied();
            match commit {
                Some((at, _)) if at <= self.bound => continue,
                Some(_) => sum.late += 1,
                None => sum.missing += 1,
            }
            sum.first.get_or_insert(Debt { host, topic, id: *id, stored: message.index, late: commit });
        }
    }
}

impl Sum<'_> {
    fn evidence(&self, laws: &Convergence, debt: &Debt, terms: &Terms, bound: Duration) -> Evidence {
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
        let evidence = Evidence::at(bound, host, laws.owed, what).about(topic, Some(*id));
        evidence.with([*stored]).with(late.map(|(_, index)| index))
    }
}

/// The topics of one follower in order, each from the lowest cursor that it asked for.
fn lowest_cursors(adds: &[Position]) -> BTreeMap<&Channel, Cursor> {
    let mut cursors = BTreeMap::new();
    for add in adds {
        let cursor = cursors.entry(&add.channel).or_insert(add.cursor);
        *cursor = add.cursor.min(*cursor);
    }
    cursors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, Script, add, alpha, beta};
    use crate::subject::xmtp::checker::CONVERGENCE;

    fn three_stored() -> Script {
        Script::new().at(1.0).stored(alpha(), 1).stored(beta(), 2).stored(alpha(), 3)
    }

    fn with_end(end: u64) -> Script {
        let history = Script::new().history();
        let terms = terms(&history).expect("a script has terms").clone();
        Script::on(Terms { end: Duration::from_secs(end), ..terms })
    }

    #[test]
    fn what_one_follower_has_is_owed_to_everybody_unless_a_disk_was_replaced() {
        let history = Script::new().history();
        let terms = terms(&history).expect("a script has terms").clone();
        let (first, adds) = terms.followers.first().cloned().expect("a script has a follower");
        let followers = vec![(first, adds.clone()), ("client-2".into(), adds)];
        let got = |id| Event::Delivered { attempt: 1, messages: vec![(alpha(), MessageId(id), id)] };
        let both = || {
            let script = Script::on(Terms { followers: followers.clone(), ..terms.clone() }).at(1.0);
            script.stored(alpha(), 1).committed(1, &[(alpha(), 1)]).event("client-2", got(1))
        };
        both().acquitted_by(&CONVERGENCE);
        let evidence = both().event("client-2", got(2)).condemned_by(&CONVERGENCE);
        assert!(evidence.what.starts_with("client-1 had not committed #2"), "{}", evidence.what);
        let replaced = Event::DiskReplaced { as_of: Duration::from_secs(90) };
        both().event("client-2", got(2)).event(NODE, replaced).acquitted_by(&CONVERGENCE);
    }

    #[test]
    fn everything_by_the_bound_is_acquitted() {
        let script = three_stored().at(660.0).committed(1, &[(alpha(), 1), (alpha(), 3), (beta(), 2)]);
        assert!(script.acquitted_by(&CONVERGENCE).starts_with("messages owed: 3, followers: 1"));
    }

    #[test]
    fn the_lowest_missing_message_of_the_first_topic_is_the_evidence() {
        let evidence = three_stored().at(9.0).committed(1, &[(alpha(), 1)]).condemned_by(&CONVERGENCE);
        assert_eq!((evidence.topic.as_deref(), evidence.id), (Some("group:alpha"), Some(MessageId(3))));
        assert_eq!((evidence.host.as_str(), evidence.at), (CLIENT, Duration::from_secs(660)));
        assert!(evidence.what.contains("2 of 3 owed messages are missing"), "{}", evidence.what);
    }

    #[test]
    fn a_message_after_the_bound_is_late() {
        let script = three_stored().at(662.5).committed(1, &[(alpha(), 1), (alpha(), 3), (beta(), 2)]);
        let evidence = script.condemned_by(&CONVERGENCE);
        assert!(evidence.what.contains("late by 2.5s"), "{}", evidence.what);
        assert!(evidence.what.contains("0 of 3 owed messages are missing and 3 came late"), "{}", evidence.what);
        assert_eq!((evidence.at, evidence.records.len()), (Duration::from_secs(660), 2));
    }

    #[test]
    fn a_client_that_was_killed_is_still_owed() {
        let script = three_stored().at(2.0).event(CLIENT, Event::ProcessKilled);
        assert_eq!(script.condemned_by(&CONVERGENCE).id, Some(MessageId(1)));
    }

    #[test]
    fn a_message_below_the_cursor_or_stored_after_the_bound_is_not_owed() {
        let history = Script::new().history();
        let mut terms = terms(&history).expect("a script has terms").clone();
        terms.followers = vec![(CLIENT.into(), vec![add(alpha(), 1)])];
        let script = Script::on(terms).at(1.0).stored(alpha(), 1).stored(alpha(), 2).committed(1, &[(alpha(), 2)]);
        script.at(661.0).stored(alpha(), 3).acquitted_by(&CONVERGENCE);
    }

    #[test]
    fn too_little_to_see_is_unknown() {
        assert!(Script::new().puzzles(&CONVERGENCE).contains("no message"));
        assert!(with_end(659).stored(alpha(), 1).puzzles(&CONVERGENCE).contains("before the bound at 11m"));
        let other = Channel::new("welcome", "other");
        assert!(Script::new().stored(other, 1).puzzles(&CONVERGENCE).contains("owed to a follower"));
        assert_eq!(CONVERGENCE.judge(&History::default()), Verdict::unknown(NO_TERMS));
        let history = Script::new().history();
        let mut terms = terms(&history).expect("a script has terms").clone();
        terms.followers.push(("client-2".into(), Vec::new()));
        let script = Script::on(terms).stored(alpha(), 1).committed(1, &[(alpha(), 1)]);
        assert!(script.puzzles(&CONVERGENCE).contains("owed to client-2"));
    }

    fn replaced(as_of: u64) -> Event {
        Event::DiskReplaced { as_of: Duration::from_secs(as_of) }
    }

    #[test]
    fn what_went_with_a_followers_disk_is_owed_again() {
        let all = [(alpha(), 1), (alpha(), 3), (beta(), 2)];
        let script = || three_stored().at(2.0).committed(1, &all).at(9.0);
        script().event(CLIENT, replaced(3)).acquitted_by(&CONVERGENCE);
        assert_eq!(script().event(CLIENT, replaced(0)).condemned_by(&CONVERGENCE).id, Some(MessageId(1)));
        script().event(CLIENT, replaced(0)).committed(1, &all).acquitted_by(&CONVERGENCE);
    }

    #[test]
    fn what_went_with_a_nodes_disk_is_not_owed_and_what_took_its_ids_is() {
        let script = || three_stored().at(2.0).committed(1, &[(alpha(), 1), (alpha(), 3)]).at(9.0);
        let gone = || script().event(NODE, replaced(0));
        gone().stored(alpha(), 4).committed(2, &[(alpha(), 4)]).acquitted_by(&CONVERGENCE);
        assert_eq!(gone().stored(alpha(), 1).condemned_by(&CONVERGENCE).id, Some(MessageId(1)));
        assert_eq!(gone().stored(beta(), 1).condemned_by(&CONVERGENCE).id, Some(MessageId(1)));
        assert_eq!(gone().stored(alpha(), 4).condemned_by(&CONVERGENCE).id, Some(MessageId(4)));
    }

    #[test]
    fn what_an_inbox_holds_was_committed() {
        let opened = |alpha_, beta_| Event::InboxOpened { cursors: vec![add(alpha(), alpha_), add(beta(), beta_)] };
        let script = || three_stored().at(2.0).committed(1, &[(alpha(), 1)]);
        script().event(CLIENT, opened(3, 2)).acquitted_by(&CONVERGENCE);
        assert_eq!(script().event(CLIENT, opened(3, 0)).condemned_by(&CONVERGENCE).id, Some(MessageId(2)));
    }
}
