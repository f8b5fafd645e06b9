//! Follows the older calls of clients: one on which nothing comes is given up in time, and none before.
//!
//! Refuses to know frames: the tap reads none of these calls, and they have no heartbeat. Heard is what a client
//! committed, of each sequence by itself, for each has a call of its own.
//!
//! ```text
//!   nothing --Dialing--> dialing --Started, and nothing Opened--> following --Ended--> nothing
//!                           +---Opened: the newer call--> nothing    +--Delivered: the silence of that sequence begins anew
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use crate::channel::{Channel, MessageId};
use crate::checker::excuse::Excuses;
use crate::checker::{Evidence, Requirement};
use crate::grammar::Readable;
use crate::history::{EndCause, Record, Terms};

/// After so long a silence an older call is given up (libxmtp PR 3718); so long the headers of one may take, too.
const IDLE: Duration = Duration::from_secs(300);
/// What a dial may take before, and what a client may take to store what has come.
const SLACK: Duration = Duration::from_secs(30);
/// A timer may ring so much early.
const EARLY: Duration = Duration::from_secs(1);

/// What happened last, and its record.
#[derive(Clone, Copy)]
struct Last {
    at: Duration,
    index: usize,
}

/// An attempt that has opened nothing of the newer call.
struct OlderAttempt<'h> {
    number: u64,
    dialed: Last,
    /// What came last of each sequence, from Started on.
    heard: BTreeMap<&'h str, Last>,
}

impl OlderAttempt<'_> {
    /// The longest silence that lasts: of a sequence, or of all since it dialed.
    fn silence(&self) -> (&str, Last) {
        let longest = self.heard.iter().min_by_key(|(_, last)| last.at);
        longest.map_or(("anything", self.dialed), |(sequence, last)| (*sequence, *last))
    }
}

/// The older calls of everybody, where servers may be old.
pub(crate) struct OlderCalls<'h> {
    law: Option<Requirement>,
    terms: &'h Terms,
    attempts: BTreeMap<&'h str, OlderAttempt<'h>>,
}

impl<'h> OlderCalls<'h> {
    /// Of a subject with such calls, and with servers that may be old.
    pub(crate) fn new(law: Option<Requirement>, terms: &'h Terms) -> Self {
        OlderCalls { law: law.filter(|_| terms.old_servers), terms, attempts: BTreeMap::new() }
    }

    pub(crate) fn dial(&mut self, index: usize, record: &'h Record, number: u64) {
        let dialed = Last { at: record.at, index };
        self.attempts.insert(&record.host, OlderAttempt { number, dialed, heard: BTreeMap::new() });
    }

    /// It is no older call.
    pub(crate) fn open(&mut self, host: &str) {
        self.attempts.remove(host);
    }

    pub(crate) fn start(&mut self, index: usize, record: &'h Record) {
        let Some(attempt) = self.attempts.get_mut(&*record.host) else { return };
        let followed = self.terms.followers.iter().filter(|(host, _)| *host == record.host);
        let sequences = followed.flat_map(|(_, positions)| positions.iter().map(|one| one.channel.sequence()));
        attempt.heard = sequences.map(|sequence| (sequence, Last { at: record.at, index })).collect();
    }

    pub(crate) fn deliver(
        &mut self,
        index: usize,
        record: &'h Record,
        messages: &'h [(Channel, MessageId, u64)],
        excuses: &Excuses<'h>,
    ) -> Option<Evidence> {
        let late = self.check(index, &record.host, record.at, excuses);
        let attempt = self.attempts.get_mut(&*record.host)?;
        for (channel, ..) in messages {
            attempt.heard.insert(channel.sequence(), Last { at: record.at, index });
        }
        late
    }

    /// It ended for that cause; none where its process died.
    pub(crate) fn end(
        &mut self,
        index: usize,
        record: &'h Record,
        cause: Option<EndCause>,
        excuses: &Excuses<'h>,
    ) -> Option<Evidence> {
        let late = self.check(index, &record.host, record.at, excuses);
        let attempt = self.attempts.remove(&*record.host)?;
        late.or_else(|| self.early(index, record, cause, &attempt))
    }

    fn early(
        &self,
        index: usize,
        record: &Record,
        cause: Option<EndCause>,
        attempt: &OlderAttempt<'h>,
    ) -> Option<Evidence> {
        let (law, (_, last)) = (self.law?, attempt.silence());
        let silent = record.at.saturating_sub(last.at);
        if cause != Some(EndCause::Watchdog) || silent + EARLY + self.terms.travel >= IDLE {
            return None;
        }
        let what = format!(
            "{} gave attempt {} up as dead, an older call, and had heard of it {} before; it may after {}",
            record.host,
            attempt.number,
            Readable(silent),
            Readable(IDLE)
        );
        Some(Evidence::new(index, record, law, what).with([last.index]))
    }

    /// The attempt of `host` still stands at `now`: was it silent for too long before?
    pub(crate) fn check(&self, index: usize, host: &str, now: Duration, excuses: &Excuses<'h>) -> Option<Evidence> {
        let (law, attempt) = (self.law?, self.attempts.get(host)?);
        let (sequence, last) = attempt.silence();
        let since = excuses.running_since(host, last.at, now);
        let (silent, bound) = (now.saturating_sub(since), IDLE + SLACK + self.terms.travel * 2 + self.terms.consume);
        if silent <= bound {
            return None;
        }
        let what = format!(
            "{host} heard nothing of {sequence} on attempt {}, an older call, from {} on and still held it {} later; \
                its watchdog allows {}",
            attempt.number,
            Readable(since),
            Readable(silent),
            Readable(IDLE)
        );
        Some(Evidence::at(since + bound, host, law, what).with([attempt.dialed.index, last.index, index]))
    }

    /// Who has an attempt that lasts.
    pub(crate) fn hosts(&self) -> Vec<&'h str> {
        self.attempts.keys().copied().collect()
    }
}
