//! One seed behind every proxy: the same client, node and faults, each time behind another profile.
//!
//! Refuses to know which profile is good. What a sim promises to happen at least once belongs to the proxy that its author
//! had in mind, and is not asked for behind others; every checker is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::campaign::Stop;
use crate::campaign::grid::share_out;
use crate::channel::{Channel, MessageId};
use crate::fault::{Clause, Harm};
use crate::history::{Digest, Event, History};
use crate::ladder::{Ladder, SeenEnd};
use crate::profile::{Profile, ProxyLayer};
use crate::sim::SimFile;
use crate::trial::{Conclusion, Outcome, PlayError, play};

/// The sim behind each of some profiles.
pub struct Across {
    /// Each profile, and the sim behind it.
    pub sims: Vec<(&'static Profile, SimFile)>,
    /// Profiles that pass bytes, where the sim has lies of HTTP/2: they cannot tell them.
    pub left_out: Vec<&'static Profile>,
    /// The seed of all.
    pub seed: u64,
    /// So many trials at a time.
    pub jobs: usize,
}

/// What came of the sim behind one profile.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Encounter {
    /// The profile.
    pub profile: String,
    /// The version of the proxy that it is.
    pub version: String,
    /// Whether the checkers found the promise kept.
    #[serde(flatten)]
    pub conclusion: Conclusion,
    /// How streams ended, as clients saw it, in the order in which each first happened.
    pub ends: Vec<SeenEnds>,
    /// How many streams only a watchdog, or a question after a suspension, found dead.
    pub watchdog_needed: u64,
    /// How many streams were opened after the first of each client.
    pub reconnects: u64,
    /// The longest from when a message was stored, or from when its client began if that was later, to its delivery.
    pub latest: Option<Duration>,
    /// How many messages were delivered, all clients together.
    pub delivered: u64,
    /// The trial's digest.
    pub digest: Digest,
}

/// Ends of streams that looked alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SeenEnds {
    /// What clients saw.
    #[serde(flatten)]
    pub seen: SeenEnd,
    /// How often.
    pub count: u64,
    /// Whether the streams were dead by then; others were alive, or had not begun.
    pub were_dead: bool,
    /// The shortest time: since a stream was dead or, of one that was not, since it was dialed.
    pub after_least: Duration,
    /// The longest.
    pub after_most: Duration,
}

impl Across {
    /// The sim behind each profile, with nothing asked but of the checkers. `behind` reads the sim behind the profile of
    /// that name.
    ///
    /// # Errors
    /// The sim cannot be read behind a profile.
    pub fn of<E>(
        profiles: &[&'static Profile],
        seed: u64,
        jobs: usize,
        behind: impl Fn(&str) -> Result<SimFile, E>,
    ) -> Result<Across, E> {
        let (mut sims, mut left_out) = (Vec::new(), Vec::new());
        for profile in profiles {
            let mut sim = behind(profile.name())?;
            sim.promise.sometimes.clear();
            let is_lie = |clause: &Clause| matches!(clause.fault.harm(), Harm::Proxy { .. });
            if profile.conduct().layer == ProxyLayer::Tcp && sim.plan.clauses.iter().any(is_lie) {
                left_out.push(*profile);
            } else {
                sims.push((*profile, sim));
            }
        }
        Ok(Across { sims, left_out, seed, jobs })
    }

    /// Plays all, or as many as there are until it is stopped.
    ///
    /// # Errors
    /// A trial cannot be played: our bug.
    pub fn run(&self, stop: &Stop) -> Result<Vec<Encounter>, PlayError> {
        let met = Mutex::new(BTreeMap::new());
        share_out(self.jobs, self.sims.len() as u64, stop, |number| {
            let at = usize::try_from(number).expect("an index of profiles");
            let (profile, sim) = &self.sims[at];
            let encounter = Encounter::of(profile, &play(sim, self.seed)?);
            met.lock().unwrap_or_else(PoisonError::into_inner).insert(at, encounter);
            Ok(())
        })?;
        Ok(met.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
    }
}

impl Encounter {
    fn of(profile: &Profile, outcome: &Outcome) -> Encounter {
        let history = &outcome.history;
        let ends = tally_ends(history, &outcome.ladder());
        let by_watchdog = ends.iter().filter(|ends| ends.seen == SeenEnd::Nothing);
        let (latest, delivered) = lateness(history);
        Encounter {
            profile: profile.name().to_owned(),
            version: profile.version().to_owned(),
            conclusion: outcome.conclusion.clone(),
            watchdog_needed: by_watchdog.map(|ends| ends.count).sum(),
            ends,
            reconnects: reconnects(history),
            latest,
            delivered,
            digest: outcome.digest(),
        }
    }
}

fn tally_ends(history: &History, ladder: &Ladder) -> Vec<SeenEnds> {
    let mut tally: Vec<SeenEnds> = Vec::new();
    let mut dialed = BTreeMap::new();
    for record in history.records() {
        if let Event::Dialing { .. } = &record.event {
            dialed.insert(&*record.host, record.at);
        }
        let Event::Ended { attempt, cause, words } = &record.event else { continue };
        let Some(seen) = SeenEnd::of(*cause, &words.to_string()) else { continue };
        let dead = ladder.windows.iter().find(|window| {
            let lasted = window.began..=window.began + window.lasted;
            window.client == record.host && window.attempt == *attempt && lasted.contains(&record.at)
        });
        let since = dead.map(|window| window.began).or_else(|| dialed.get(&*record.host).copied());
        let after = record.at.saturating_sub(since.unwrap_or(record.at));
        let were_dead = dead.is_some();
        match tally.iter_mut().find(|ends| ends.seen == seen && ends.were_dead == were_dead) {
            Some(ends) => {
                ends.count += 1;
                ends.after_least = ends.after_least.min(after);
                ends.after_most = ends.after_most.max(after);
            }
            None => tally.push(SeenEnds { seen, count: 1, were_dead, after_least: after, after_most: after }),
        }
    }
    tally
}

fn reconnects(history: &History) -> u64 {
    let mut opened = BTreeSet::new();
    let streams = history.records().iter().filter(|record| matches!(record.event, Event::Opened { .. }));
    streams.filter(|record| !opened.insert(&record.host)).count() as u64
}

/// The longest that a message took to a client that was there to have it, and how many were delivered.
fn lateness(history: &History) -> (Option<Duration>, u64) {
    let mut stored: BTreeMap<(&Channel, MessageId), Duration> = BTreeMap::new();
    let mut began = BTreeMap::new();
    let (mut latest, mut delivered) = (None, 0);
    for record in history.records() {
        if let Event::Stored { channel, id, .. } = &record.event {
            stored.entry((channel, *id)).or_insert(record.at);
        } else if let Event::Dialing { .. } = &record.event {
            began.entry(&*record.host).or_insert(record.at);
        } else if let Event::Delivered { messages, .. } = &record.event {
            delivered += messages.len() as u64;
            let here = began.get(&*record.host).copied().unwrap_or_default();
            let due = messages.iter().filter_map(|(channel, id, _)| stored.get(&(channel, *id)));
            latest = latest.max(due.map(|at| record.at.saturating_sub(here.max(*at))).max());
        }
    }
    (latest, delivered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::EndCause;

    fn ended(history: &mut History, at: u64, attempt: u64, cause: EndCause, words: &str) {
        history.append(Duration::from_secs(at), &"client-1".into(), Event::Dialing { attempt });
        let end = Event::Ended { attempt, cause, words: words.into() };
        history.append(Duration::from_secs(at + 10 * attempt), &"client-1".into(), end);
    }

    #[test]
    fn ends_that_looked_alike_are_counted_together_from_the_shortest_to_the_longest() {
        let mut history = History::default();
        ended(&mut history, 1, 1, EndCause::StreamFailed, "Unavailable: no");
        ended(&mut history, 100, 2, EndCause::Watchdog, "watchdog");
        ended(&mut history, 200, 3, EndCause::StreamFailed, "Unavailable: not yet");
        ended(&mut history, 300, 4, EndCause::ConsumerBehind, "the application is behind");
        let seen = tally_ends(&history, &Ladder::default());
        let told: Vec<_> = seen.iter().map(|one| (one.seen.to_string(), one.count, one.after_most)).collect();
        let [refused, nothing] = [("status Unavailable", 2, 30), ("nothing", 1, 20)]
            .map(|(words, count, after)| (words.to_owned(), count, Duration::from_secs(after)));
        assert_eq!(told, [refused, nothing]);
        assert_eq!(seen[0].after_least, Duration::from_secs(10));
    }

    #[test]
    fn lateness_is_counted_from_when_the_client_was_there() {
        let mut history = History::default();
        let (node, client, channel) = ("node".into(), "client-1".into(), Channel::new("node", "topic-1"));
        let message = |id| (channel.clone(), MessageId(id), 0);
        let store = |id| Event::Stored { channel: channel.clone(), id: MessageId(id), key: 0 };
        history.append(Duration::from_secs(1), &node, store(1));
        history.append(Duration::from_secs(50), &client, Event::Dialing { attempt: 1 });
        let deliver = |id| Event::Delivered { attempt: 1, messages: vec![message(id)] };
        history.append(Duration::from_secs(52), &client, deliver(1));
        assert_eq!(lateness(&history), (Some(Duration::from_secs(2)), 1));
        history.append(Duration::from_secs(60), &node, store(2));
        history.append(Duration::from_secs(67), &client, deliver(2));
        assert_eq!(lateness(&history), (Some(Duration::from_secs(7)), 2));
    }
}
