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
//! What was in hand then comes again.

use std::collections::BTreeMap;

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
            nothing between the two."
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

struct ProcessingBook<'h> {
    law: Requirement,
    /// Hosts that keep an inbox.
    hosts: BTreeMap<&'h str, Option<InHand>>,
    committed: u64,
}

impl<'h> ProcessingBook<'h> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let breach = |what: String, before: Option<InHand>| {
            let evidence = Evidence::new(index, record, self.law, format!("{} {what}", record.host));
            Err(Box::new(evidence.with(before.map(|hand| hand.index))))
        };
        match &record.event {
            Event::InboxOpened { .. } => drop(self.hosts.insert(&record.host, None)),
            Event::ProcessBegan { .. } | Event::StoreFailed { .. } => {
                self.hosts.entry(&record.host).and_modify(|hand| *hand = None);
            }
            Event::Processed { messages, key } => {
                let hand = InHand { index, messages: *messages, key: *key };
                let before = self.hosts.entry(&record.host).or_default().replace(hand);
                if let Some(earlier) = before {
                    let what = format!(
                        "processed {}, and the {} that it had processed before are not stored",
                        count(*messages, "message"),
                        earlier.messages
                    );
                    return breach(what, before);
                }
            }
            Event::Delivered { messages, .. } => {
                let Some(hand) = self.hosts.get_mut(&*record.host).map(Option::take) else { return Ok(()) };
                let len = messages.len() as u64;
                let these = || count(len, "message");
                let Some(InHand { messages: processed, key, .. }) = hand else {
                    return breach(format!("committed {} that its application has not processed", these()), None);
                };
                if processed != len {
                    return breach(format!("committed {} after it had processed {processed}", these()), hand);
                }
                if key != key_of_batch(messages.iter().map(|(channel, id, key)| (channel, *id, *key))) {
                    return breach(format!("committed {}, but others than it had processed", these()), hand);
                }
                self.committed += len;
            }
            _ => {}
        }
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

    #[test]
    fn who_keeps_no_inbox_is_not_judged() {
        let why = Script::new().committed(1, &[(alpha(), 1)]).puzzles(&PROCESSING);
        assert!(why.contains("nobody who keeps an inbox"), "{why}");
    }
}
