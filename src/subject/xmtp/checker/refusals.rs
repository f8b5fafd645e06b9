//! Judges refusals. A stream ends with the status for which its node closed it. What a node refuses for good is not asked for
//! again, and what it has no room for is not asked for in the same way for ever (C4, S8).
//!
//! Refuses to know what was right to refuse: the node's judges look at that. An asking is the topics of each Mutate of a
//! stream; the cursors move on by themselves.
//!
//! ```text
//!   asked --Ended: rejected--> never again
//!   asked --Ended: no room--> n times refused --the same again--> n + 1
//!                              ^                                  |
//!                              +--- all acknowledged: 0 ----------+
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::channel::Channel;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::fault::Direction;
use crate::history::{EndCause, Event, History, Record};
use crate::subject::xmtp::checker::statuses::Statuses;
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::spec::{C4, S8, S11};

/// So often in a row the same may be refused for want of room: more than any client needs that hopes it was short for a
/// moment, and a poison all the same for who asks for ever.
const SAME_MAX: u32 = 12;

/// See the module.
pub struct Refusals;

impl Checker for Refusals {
    fn name(&self) -> &'static str {
        "refusals"
    }

    fn promises(&self) -> &'static str {
        "A stream ends with the status for which its node closed it; what a node refuses for good is not asked for again, \
            and what it has no room for not in the same way for ever."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[C4, S8, S11]
    }

    fn judge(&self, history: &History) -> Verdict {
        if terms(history).is_none() {
            return Verdict::unknown(NO_TERMS);
        }
        let mut book = RefusalBook::default();
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        book.close()
    }
}

/// What was asked for on one stream: the topics of each Mutate.
type AskedTopics<'h> = Vec<BTreeSet<&'h Channel>>;

/// A refusal, and how often the same was refused in a row.
struct RefusedAsking<'h> {
    asked: AskedTopics<'h>,
    cause: EndCause,
    times: u32,
    /// The record of the first.
    first: usize,
}

#[derive(Default)]
struct AskingClient<'h> {
    asked: AskedTopics<'h>,
    acknowledged: usize,
    refused: Option<RefusedAsking<'h>>,
}

#[derive(Default)]
struct RefusalBook<'h> {
    clients: BTreeMap<&'h str, AskingClient<'h>>,
    statuses: Statuses,
    ended: u64,
    refused: u64,
    /// The most refusals of the same in a row.
    most: u32,
}

impl<'h> RefusalBook<'h> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        self.statuses.take(index, record)?;
        match &record.event {
            Event::ProcessBegan { .. } => *self.client(record) = AskingClient::default(),
            Event::Dialing { .. } => {
                let client = self.client(record);
                client.asked.clear();
                client.acknowledged = 0;
            }
            Event::Tapped { way, frame, .. } => match (way, XmtpFrame::of(frame)) {
                (Direction::ToNode, Some(XmtpFrame::Mutate { adds, .. })) => {
                    self.client(record).asked.push(adds.iter().map(|add| &add.channel).collect());
                }
                (Direction::ToClient, Some(XmtpFrame::CatchupComplete(_))) => self.client(record).acknowledged += 1,
                _ => {}
            },
            Event::Ended { cause, .. } => {
                self.ended += 1;
                return self.end(index, record, *cause);
            }
            _ => {}
        }
        Ok(())
    }

    fn client(&mut self, record: &'h Record) -> &mut AskingClient<'h> {
        self.clients.entry(&record.host).or_default()
    }

    fn end(&mut self, index: usize, record: &'h Record, cause: EndCause) -> Result<(), Box<Evidence>> {
        let client = self.clients.entry(&record.host).or_default();
        let granted = !client.asked.is_empty() && client.acknowledged >= client.asked.len();
        if granted {
            client.refused = None;
        }
        let most = if cause == EndCause::Rejected {
            1
        } else if cause == EndCause::Exhausted && !granted {
            SAME_MAX
        } else {
            return Ok(());
        };
        self.refused += 1;
        let before = client.refused.take().filter(|before| before.asked == client.asked && before.cause == cause);
        let (times, first) = before.map_or((1, index), |before| (before.times + 1, before.first));
        self.most = self.most.max(times);
        client.refused = Some(RefusedAsking { asked: client.asked.clone(), cause, times, first });
        if times <= most {
            return Ok(());
        }
        let topics = client.asked.iter().map(BTreeSet::len).sum::<usize>();
        let why = if cause == EndCause::Rejected { "for good" } else { "for want of room" };
        let what = format!(
            "{} asked for the same {topics} topics in {} Mutates {times} times in a row, and was refused {why} each time",
            record.host,
            client.asked.len()
        );
        Err(Box::new(Evidence::new(index, record, C4, what).with([first])))
    }

    fn close(self) -> Verdict {
        match self.ended {
            0 => Verdict::Pass { seen: "no stream of a client ended".to_owned() },
            ended => Verdict::Pass {
                seen: format!(
                    "streams ended: {ended}, refused: {}, the same in a row at most {} times; ends with a status: {}",
                    self.refused,
                    self.most,
                    self.statuses.seen()
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, Script, alpha, beta};

    fn refused(script: Script, attempt: u64, cause: EndCause) -> Script {
        script.event(CLIENT, Event::Ended { attempt, cause, words: "no room".into() })
    }

    fn asks(script: Script, attempt: u64) -> Script {
        script.dialing(attempt).opened(attempt).mutate(1, &[(alpha(), attempt), (beta(), 0)], &[])
    }

    fn poison(times: u64, cause: EndCause) -> Script {
        (1..=times).fold(Script::new().at(1.0), |script, attempt| refused(asks(script, attempt), attempt, cause))
    }

    #[test]
    fn the_same_is_not_asked_for_ever() {
        let seen = poison(12, EndCause::Exhausted).acquitted_by(&Refusals);
        assert_eq!(seen, "streams ended: 12, refused: 12, the same in a row at most 12 times; ends with a status: 0");
        let evidence = poison(13, EndCause::Exhausted).condemned_by(&Refusals);
        let what = "client-1 asked for the same 2 topics in 1 Mutates 13 times in a row, and was refused for want of room \
                    each time";
        assert_eq!((evidence.requirement.as_str(), evidence.what.as_str()), ("C4", what));
    }

    #[test]
    fn what_is_refused_for_good_is_asked_for_once() {
        poison(1, EndCause::Rejected).acquitted_by(&Refusals);
        assert!(poison(2, EndCause::Rejected).condemned_by(&Refusals).what.ends_with("refused for good each time"));
        let restarted = poison(1, EndCause::Rejected).event(CLIENT, Event::ProcessBegan { incarnation: 2 });
        refused(asks(restarted, 1), 1, EndCause::Rejected).acquitted_by(&Refusals);
    }

    #[test]
    fn an_outage_is_no_refusal_and_less_is_not_the_same() {
        poison(100, EndCause::StreamFailed).acquitted_by(&Refusals);
        let less = poison(12, EndCause::Exhausted).dialing(13).opened(13).mutate(1, &[(alpha(), 0)], &[]);
        let less = refused(less, 13, EndCause::Exhausted);
        refused(asks(less, 14), 14, EndCause::Exhausted).acquitted_by(&Refusals);
    }

    #[test]
    fn what_was_granted_in_between_begins_anew() {
        let granted = asks(poison(12, EndCause::Exhausted), 13).complete(1);
        let later = refused(granted, 13, EndCause::Exhausted);
        refused(asks(later, 14), 14, EndCause::Exhausted).acquitted_by(&Refusals);
    }

    #[test]
    fn a_history_in_which_nothing_ends_is_acquitted_and_an_empty_one_unknown() {
        assert_eq!(Script::new().acquitted_by(&Refusals), "no stream of a client ended");
        assert_eq!(Refusals.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }
}
