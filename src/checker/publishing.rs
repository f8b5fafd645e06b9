//! Judges publishing: what a producer is told of its messages is true, comes in time, and each is stored once.
//!
//! Refuses to know who reads, and what a message says: it compares what producers sent and were told with what servers
//! stored. A channel to which no producer of the trial has sent anything is somebody else's.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::channel::{Channel, MessageId};
use crate::checker::excuse::Excuses;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::grammar::Readable;
use crate::history::{Event, History, Record, Terms};

/// On a healthy way a producer is told within this time: a commit takes milliseconds, and a large request a second.
const TOLD_MAX: Duration = Duration::from_secs(10);

/// The judge of publishing, and what of a subject a breach is against.
pub struct Publishing {
    /// Everything that it judges.
    pub cites: &'static [Requirement],
    /// What was told is true.
    pub truth: Requirement,
    /// What was sent is stored once, under one id.
    pub once: Requirement,
}

impl Checker for Publishing {
    fn name(&self) -> &'static str {
        "publishing"
    }

    fn promises(&self) -> &'static str {
        "What a producer is told is true: what is refused is not stored, nothing is stored twice or that nobody sent, \
            and on a healthy way all is stored and told at once."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut book = PublishingBook { laws: self, terms, excuses: Excuses::read(history), sent: BTreeMap::new() };
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        if let Some(evidence) = book.delivered_though_refused(history) {
            return Verdict::Fail(evidence);
        }
        book.close()
    }
}

/// A message, by the hash of its data.
struct SentMessage<'h> {
    host: &'h str,
    at: Duration,
    index: usize,
    /// How often it was sent: who publishes the same data twice is owed two copies.
    times: u64,
    stored: Vec<(MessageId, usize)>,
    /// The record that told what became of it.
    told: Option<usize>,
    refused: Option<usize>,
}

struct PublishingBook<'h> {
    laws: &'h Publishing,
    terms: &'h Terms,
    excuses: Excuses<'h>,
    sent: BTreeMap<&'h Channel, BTreeMap<u64, SentMessage<'h>>>,
}

impl<'h> PublishingBook<'h> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        match &record.event {
            Event::Produced { channel, key } => {
                self.send(index, record, channel, *key);
                Ok(())
            }
            Event::Stored { channel, id, key } => self.store(index, record, channel, (*id, *key)),
            Event::Acknowledged { channel, key } => self.tell(index, record, channel, *key),
            Event::ProduceFailed { channel, key, words } => {
                self.tell(index, record, channel, *key)?;
                self.check_failure(index, record, channel, *key, &format!("{words}"))
            }
            Event::ProduceRefused { channel, key, words } => {
                self.tell(index, record, channel, *key)?;
                self.refuse(index, record, channel, *key)?;
                self.check_failure(index, record, channel, *key, &format!("{words}"))
            }
            // Whom a process's death has left without an answer nobody tells any more.
            Event::ProcessKilled => {
                let messages = self.sent.values_mut().flat_map(BTreeMap::values_mut);
                for message in messages.filter(|message| *message.host == *record.host) {
                    message.told.get_or_insert(index);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn send(&mut self, index: usize, record: &'h Record, channel: &'h Channel, key: u64) {
        let fresh = SentMessage {
            host: &record.host,
            at: record.at,
            index,
            times: 0,
            stored: Vec::new(),
            told: None,
            refused: None,
        };
        self.sent.entry(channel).or_default().entry(key).or_insert(fresh).times += 1;
    }

    fn store(
        &mut self,
        index: usize,
        record: &'h Record,
        channel: &'h Channel,
        (id, key): (MessageId, u64),
    ) -> Result<(), Box<Evidence>> {
        let Some(messages) = self.sent.get_mut(channel) else { return Ok(()) };
        let about = |requirement, what, proof: Option<usize>| {
            Box::new(Evidence::new(index, record, requirement, what).about(channel, Some(id)).with(proof))
        };
        let node = &record.host;
        let Some(message) = messages.get_mut(&key) else {
            let what = format!("{node} stored {id} of {channel} with data that nobody had sent (key {key:016x})");
            return Err(about(self.laws.once, what, None));
        };
        if let Some(refused) = message.refused {
            let what = format!(
                "{node} stored {id} of {channel}, of which {} had been told that it is not stored",
                message.host
            );
            return Err(about(self.laws.truth, what, Some(refused)));
        }
        let (copies, times) = (message.stored.len() as u64 + 1, message.times);
        let first = message.stored.first().copied();
        message.stored.push((id, index));
        match first {
            Some((first, proof)) if copies > times => {
                let what = format!("{node} stored as {id} of {channel} what it had stored as {first} already");
                Err(about(self.laws.once, what, Some(proof)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Its producer learns what became of a message.
    fn tell(&mut self, index: usize, record: &Record, channel: &Channel, key: u64) -> Result<(), Box<Evidence>> {
        let Some(message) = self.sent.get_mut(channel).and_then(|messages| messages.get_mut(&key)) else {
            return Ok(());
        };
        message.told = Some(index);
        let (sent, at) = (message.at, record.at);
        let allowed = TOLD_MAX + self.terms.travel * 4;
        if message.times > 1 || at.saturating_sub(sent) <= allowed || !self.excuses.is_calm(sent, at) {
            return Ok(());
        }
        let what = format!(
            "{} waited {} until it was told what became of its message to {channel}, and nothing was wrong meanwhile",
            record.host,
            Readable(at - sent)
        );
        let evidence = Evidence::new(index, record, self.laws.truth, what).about(channel, None);
        Err(Box::new(evidence.with([message.index])))
    }

    fn refuse(&mut self, index: usize, record: &Record, channel: &Channel, key: u64) -> Result<(), Box<Evidence>> {
        let Some(message) = self.sent.get_mut(channel).and_then(|messages| messages.get_mut(&key)) else {
            return Ok(());
        };
        message.refused = Some(index);
        let Some((id, stored)) = message.stored.last().copied() else { return Ok(()) };
        if message.times > 1 {
            return Ok(());
        }
        let what = format!(
            "{} was told that its message to {channel} is not stored, and it had been stored as {id}",
            record.host
        );
        let evidence = Evidence::new(index, record, self.laws.truth, what).about(channel, Some(id));
        Err(Box::new(evidence.with([stored])))
    }

    /// What was sent is lawful, and no fault stood in its way: it had to be stored.
    fn check_failure(
        &self,
        index: usize,
        record: &Record,
        channel: &Channel,
        key: u64,
        words: &str,
    ) -> Result<(), Box<Evidence>> {
        let message = self.sent.get(channel).and_then(|messages| messages.get(&key));
        let Some(message) = message.filter(|message| self.excuses.is_calm(message.at, record.at)) else {
            return Ok(());
        };
        let what = format!("{} failed to store a message in {channel}, and nothing was wrong: {words}", record.host);
        let evidence = Evidence::new(index, record, self.laws.truth, what).about(channel, None);
        Err(Box::new(evidence.with([message.index])))
    }

    /// A message that somebody got, and of which its producer was told that it is not stored. Its node may not have lived to
    /// say that it stored it.
    fn delivered_though_refused(&self, history: &History) -> Option<Evidence> {
        let refused = |message: &SentMessage<'_>| message.refused.filter(|_| message.times == 1);
        if self.sent.values().flat_map(BTreeMap::values).all(|message| refused(message).is_none()) {
            return None;
        }
        history.records().iter().enumerate().find_map(|(index, record)| {
            let Event::Delivered { messages, .. } = &record.event else { return None };
            messages.iter().find_map(|(channel, id, key)| {
                let message = self.sent.get(channel)?.get(key)?;
                let proof = refused(message)?;
                let what = format!(
                    "{} got {id} of {channel}, of which {} was told that it is not stored",
                    record.host, message.host
                );
                let evidence = Evidence::new(index, record, self.laws.truth, what).about(channel, Some(*id));
                Some(evidence.with([proof]))
            })
        })
    }

    /// A message of which its producer was told nothing, though it ran on for long enough at the end.
    fn unanswered(&self) -> Option<Evidence> {
        let end = self.terms.end;
        let allowed = TOLD_MAX + self.terms.travel * 4;
        let messages =
            self.sent.iter().flat_map(|(channel, messages)| messages.values().map(move |message| (*channel, message)));
        let open = messages.filter(|(_, message)| {
            let since = self.excuses.running_since(message.host, message.at, end);
            message.told.is_none() && end.saturating_sub(since) > allowed * 2
        });
        let (channel, message) = open.min_by_key(|(_, message)| message.at)?;
        let at = message.at + allowed;
        let what = format!(
            "{} was never told what became of the message to {channel} that it sent at {}",
            message.host,
            Readable(message.at)
        );
        Some(Evidence::at(at, message.host, self.laws.truth, what).about(channel, None).with([message.index]))
    }

    fn close(self) -> Verdict {
        if let Some(evidence) = self.unanswered() {
            return Verdict::Fail(evidence);
        }
        let messages = || self.sent.values().flat_map(BTreeMap::values);
        let (sent, stored) = (messages().count(), messages().filter(|message| !message.stored.is_empty()).count());
        match sent {
            0 => Verdict::unknown("nobody sent a message"),
            _ => Verdict::Pass {
                seen: format!(
                    "messages sent: {sent}, stored: {stored}, none twice; told that they are not: {}",
                    messages().filter(|message| message.refused.is_some()).count()
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{NODE, Script, alpha, key, partition};
    use crate::subject::xmtp::checker::PUBLISHING;

    const PUBLISHER: &str = "publisher-1";

    fn sent(script: Script, id: u64) -> Script {
        script.produced(alpha(), id)
    }

    fn failed(script: Script, id: u64) -> Script {
        script.event(PUBLISHER, Event::ProduceFailed { channel: alpha(), key: key(id), words: "no answer".into() })
    }

    fn refused(script: Script, id: u64) -> Script {
        script.event(PUBLISHER, Event::ProduceRefused { channel: alpha(), key: key(id), words: "too much".into() })
    }

    fn cut() -> Script {
        Script::new().fault_begins(1, partition(PUBLISHER, "proxy")).at(1.0)
    }

    #[test]
    fn what_is_stored_once_and_told_is_acquitted() {
        let script = sent(Script::new().at(1.0), 1).at(1.1).stored(alpha(), 1).acknowledged(alpha(), 1);
        let seen = script.acquitted_by(&PUBLISHING);
        assert_eq!(seen, "messages sent: 1, stored: 1, none twice; told that they are not: 0");
    }

    #[test]
    fn a_history_in_which_nobody_sends_is_unknown() {
        assert_eq!(Script::new().puzzles(&PUBLISHING), "nobody sent a message");
        assert_eq!(PUBLISHING.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }

    #[test]
    fn a_second_copy_is_condemned_unless_it_was_sent_twice() {
        let twice = |script: Script| {
            let stored = |id| Event::Stored { channel: alpha(), id: MessageId(id), key: key(1) };
            script.event(NODE, stored(1)).event(NODE, stored(2)).acknowledged(alpha(), 1)
        };
        let evidence = twice(sent(Script::new(), 1)).condemned_by(&PUBLISHING);
        assert_eq!(evidence.what, "node stored as #2 of group:alpha what it had stored as #1 already");
        twice(sent(sent(Script::new(), 1), 1)).acquitted_by(&PUBLISHING);
    }

    #[test]
    fn what_nobody_sent_is_condemned_where_somebody_sends() {
        let evidence = sent(Script::new(), 1).stored(alpha(), 2).condemned_by(&PUBLISHING);
        assert!(evidence.what.contains("with data that nobody had sent"), "{}", evidence.what);
        Script::new().stored(alpha(), 2).puzzles(&PUBLISHING);
    }

    #[test]
    fn what_was_refused_must_not_be_stored_before_or_after() {
        let early = refused(sent(cut(), 1).stored(alpha(), 1), 1).condemned_by(&PUBLISHING);
        assert!(early.what.ends_with("is not stored, and it had been stored as #1"), "{}", early.what);
        let late = refused(sent(cut(), 1), 1).stored(alpha(), 1).condemned_by(&PUBLISHING);
        assert!(late.what.ends_with("had been told that it is not stored"), "{}", late.what);
        refused(sent(cut(), 1), 1).acquitted_by(&PUBLISHING);
    }

    #[test]
    fn what_was_refused_must_not_reach_anybody_though_its_node_never_said_that_it_is_stored() {
        let got = |script: Script| script.committed(1, &[(alpha(), 1)]);
        let evidence = got(refused(sent(cut(), 1), 1)).condemned_by(&PUBLISHING);
        assert!(evidence.what.ends_with("publisher-1 was told that it is not stored"), "{}", evidence.what);
        refused(got(sent(cut(), 1)), 1).condemned_by(&PUBLISHING);
        got(failed(sent(cut(), 1), 1)).acquitted_by(&PUBLISHING);
        got(refused(sent(sent(cut(), 1), 1), 1)).acquitted_by(&PUBLISHING);
    }

    #[test]
    fn a_failure_needs_a_fault() {
        let evidence = failed(sent(Script::new().at(9.0), 1), 1).condemned_by(&PUBLISHING);
        assert!(evidence.what.ends_with("nothing was wrong: no answer"), "{}", evidence.what);
        failed(sent(cut().at(9.0), 1), 1).acquitted_by(&PUBLISHING);
    }

    #[test]
    fn an_answer_comes_in_time_or_a_fault_delays_it() {
        let told = |script: Script, at| sent(script.at(9.0), 1).at(at).stored(alpha(), 1).acknowledged(alpha(), 1);
        told(Script::new(), 19.0).acquitted_by(&PUBLISHING);
        told(Script::new(), 20.0).condemned_by(&PUBLISHING);
        told(cut(), 60.0).acquitted_by(&PUBLISHING);
        let evidence = sent(Script::new().at(9.0), 1).condemned_by(&PUBLISHING);
        assert!(evidence.what.contains("was never told"), "{}", evidence.what);
        sent(Script::new().at(9.0), 1).event(PUBLISHER, Event::ProcessKilled).acquitted_by(&PUBLISHING);
    }
}
