//! Judges processing: what a follower commits, its application has processed just before, the same messages in the same order.
//!
//! Refuses to know whether they are the right ones: `delivery` judges what is committed. Who keeps no inbox says when it
//! processes by committing, and nothing is judged of it here.
//!
//! ```text
//!   nothing in hand --Processed--> in hand --Delivered, the same--> nothing in hand
//!          ^                          |
//!          +-- died, or store failed -+
//! ```
//! What was in hand then comes again, or is found in the inbox; nothing else that was never told is.

use std::collections::BTreeMap;

use crate::channel::{Channel, Cursor, MessageId, Position};
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::grammar::count;
use crate::history::{Event, History, Record, key_of_batch};

/// The judge of processing, and what of a subject a breach is against.
pub struct Processing {
    /// Everything that it judges.
    pub cites: &'static [Requirement],
    /// What is stored as processed was processed.
    pub processed: Requirement,
}

impl Checker for Processing {
    fn name(&self) -> &'static str {
        "processing"
    }

    fn promises(&self) -> &'static str {
        "What a follower commits, its application has processed just before: the same messages, in the same order, and \
            nothing between the two; its inbox never holds what was not processed."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        if terms(history).is_none() {
            return Verdict::unknown(NO_TERMS);
        }
        let mut book = ProcessingBook { law: self.processed, hosts: BTreeMap::new(), committed: 0 };
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        book.close()
    }
}

/// What an application has processed and its inbox has not stored yet.
#[derive(Clone, Copy)]
struct InHand {
    index: usize,
    messages: u64,
    key: u64,
}

/// A host that keeps an inbox.
#[derive(Default)]
struct InboxOwner<'h> {
    hand: Option<InHand>,
    /// It died, or its store failed, with something in hand: that may be stored, or not.
    left_in_hand: bool,
    /// How far it has ever told that it committed; its disk may be replaced by any of before.
    told: BTreeMap<&'h Channel, Cursor>,
}

impl<'h> InboxOwner<'h> {
    fn tell(&mut self, channel: &'h Channel, cursor: Cursor) {
        let told = self.told.entry(channel).or_default();
        *told = cursor.max(*told);
    }

    fn leave(&mut self) {
        self.left_in_hand |= self.hand.take().is_some();
    }
}

/// What a host did, and what it had in hand then.
struct Lapse {
    what: String,
    before: Option<InHand>,
}

struct ProcessingBook<'h> {
    law: Requirement,
    hosts: BTreeMap<&'h str, InboxOwner<'h>>,
    committed: u64,
}

impl<'h> ProcessingBook<'h> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let judged = match &record.event {
            Event::InboxOpened { cursors } => self.open(&record.host, cursors),
            Event::ProcessBegan { .. } | Event::StoreFailed { .. } => {
                self.hosts.entry(&record.host).and_modify(InboxOwner::leave);
                Ok(())
            }
            Event::Processed { messages, key } => {
                self.process(&record.host, InHand { index, messages: *messages, key: *key })
            }
            Event::Delivered { messages, .. } => self.commit(&record.host, messages),
            _ => Ok(()),
        };
        judged.map_err(|Lapse { what, before }| {
            let evidence = Evidence::new(index, record, self.law, format!("{} {what}", record.host));
            Box::new(evidence.with(before.map(|hand| hand.index)))
        })
    }

    fn open(&mut self, host: &'h str, cursors: &'h [Position]) -> Result<(), Lapse> {
        let owner = self.hosts.entry(host).or_default();
        owner.leave();
        let is_excused = std::mem::take(&mut owner.left_in_hand);
        let untold = |held: &&Position| held.cursor > owner.told.get(&held.channel).copied().unwrap_or_default();
        if let Some(held) = cursors.iter().find(untold).filter(|_| !is_excused) {
            let what = format!(
                "finds {} up to #{} in its inbox, which its application has not processed",
                held.channel, held.cursor.0
            );
            return Err(Lapse { what, before: None });
        }
        cursors.iter().for_each(|held| owner.tell(&held.channel, held.cursor));
        Ok(())
    }

    fn process(&mut self, host: &'h str, hand: InHand) -> Result<(), Lapse> {
        let Some(earlier) = self.hosts.entry(host).or_default().hand.replace(hand) else { return Ok(()) };
        let what = format!(
            "processed {}, and the {} that it had processed before are not stored",
            count(hand.messages, "message"),
            earlier.messages
        );
        Err(Lapse { what, before: Some(earlier) })
    }

    fn commit(&mut self, host: &str, messages: &'h [(Channel, MessageId, u64)]) -> Result<(), Lapse> {
        let Some(owner) = self.hosts.get_mut(host) else { return Ok(()) };
        messages.iter().for_each(|(channel, id, _)| owner.tell(channel, Cursor(id.0)));
        let before = owner.hand.take();
        let len = messages.len() as u64;
        let committed = || format!("committed {}", count(len, "message"));
        let lapse = |what: String| Err(Lapse { what, before });
        let Some(InHand { messages: processed, key, .. }) = before else {
            return lapse(format!("{} that its application has not processed", committed()));
        };
        if processed != len {
            return lapse(format!("{} after it had processed {processed}", committed()));
        }
        if key != key_of_batch(messages.iter().map(|(channel, id, key)| (channel, *id, *key))) {
            return lapse(format!("{}, but others than it had processed", committed()));
        }
        self.committed += len;
        Ok(())
    }

    fn close(self) -> Verdict {
        if self.committed == 0 {
            return Verdict::unknown("nobody who keeps an inbox committed anything");
        }
        Verdict::Pass { seen: format!("messages that were processed, and then committed: {}", self.committed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use crate::checker::script::{CLIENT, Script, alpha, beta};
    use crate::subject::xmtp::checker::PROCESSING;

    fn opened(script: Script) -> Script {
        script.event(CLIENT, Event::InboxOpened { cursors: Vec::new() })
    }

    fn both(script: Script, messages: &[(Channel, u64)]) -> Script {
        script.processed(messages).committed(1, messages)
    }

    #[test]
    fn what_is_processed_and_then_committed_is_acquitted() {
        let script = both(opened(Script::new()), &[(alpha(), 1)]);
        let seen = both(script, &[(alpha(), 2), (beta(), 3)]).acquitted_by(&PROCESSING);
        assert!(seen.ends_with(": 3"), "{seen}");
    }

    #[test]
    fn what_a_dead_process_or_a_failed_store_had_in_hand_comes_again() {
        let one = [(alpha(), 1)];
        let died = opened(Script::new()).processed(&one).event(CLIENT, Event::ProcessBegan { incarnation: 2 });
        let failed = opened(died).processed(&one).event(CLIENT, Event::StoreFailed { words: "full".into() });
        both(failed, &one).acquitted_by(&PROCESSING);
    }

    #[test]
    fn a_commit_of_what_was_not_processed_is_convicted() {
        let (one, other, two) = ([(alpha(), 1)], [(alpha(), 2)], [(alpha(), 1), (alpha(), 2)]);
        let swapped = [(alpha(), 2), (alpha(), 1)];
        let begun = || opened(Script::new());
        for (script, words) in [
            (begun().committed(1, &one), "committed 1 message that its application has not processed"),
            (begun().processed(&one).committed(1, &two), "committed 2 messages after it had processed 1"),
            (begun().processed(&two).committed(1, &one), "committed 1 message after it had processed 2"),
            (begun().processed(&one).committed(1, &other), "others than it had processed"),
            (begun().processed(&two).committed(1, &swapped), "others than it had processed"),
            (begun().processed(&one).processed(&one), "the 1 that it had processed before"),
        ] {
            let evidence = script.condemned_by(&PROCESSING);
            assert!(evidence.what.contains(words), "{}", evidence.what);
        }
    }

    fn inbox(cursor: u64) -> Event {
        Event::InboxOpened { cursors: vec![Position { channel: alpha(), cursor: Cursor(cursor) }] }
    }

    #[test]
    fn an_inbox_holds_what_was_told_or_was_in_hand_and_nothing_else() {
        let died = |script: Script| script.event(CLIENT, Event::ProcessBegan { incarnation: 2 });
        let told = || both(opened(Script::new()), &[(alpha(), 1)]);
        died(told()).event(CLIENT, inbox(1)).acquitted_by(&PROCESSING);
        died(told().processed(&[(alpha(), 2)])).event(CLIENT, inbox(2)).acquitted_by(&PROCESSING);
        let failed = told().processed(&[(alpha(), 2)]).event(CLIENT, Event::StoreFailed { words: "full".into() });
        failed.event(CLIENT, inbox(2)).acquitted_by(&PROCESSING);
        let evidence = died(told()).event(CLIENT, inbox(2)).condemned_by(&PROCESSING);
        assert!(evidence.what.contains("finds group:alpha up to #2 in its inbox"), "{}", evidence.what);
        let again = died(told().processed(&[(alpha(), 2)])).event(CLIENT, inbox(1));
        died(again).event(CLIENT, inbox(2)).condemned_by(&PROCESSING);
        // A disk of long ago, and then one of not so long ago.
        let older = died(both(told(), &[(alpha(), 2)])).event(CLIENT, inbox(1));
        died(older).event(CLIENT, inbox(2)).acquitted_by(&PROCESSING);
    }

    #[test]
    fn who_keeps_no_inbox_is_not_judged() {
        let why = Script::new().committed(1, &[(alpha(), 1)]).puzzles(&PROCESSING);
        assert!(why.contains("nobody who keeps an inbox"), "{why}");
    }
}
