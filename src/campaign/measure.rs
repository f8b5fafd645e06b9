//! What a liveness setting costs and what it buys, measured over many trials.
//!
//! Refuses to judge: a trial that fails is measured as well, and counted.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::history::{Beat, EndCause, Event, Record};
use crate::ladder::{Ladder, LadderTally, LadderWindow, WindowEnding, gave_up_on_ping};
use crate::trial::{Conclusion, Outcome};

/// The kinds of faults that hold a stream up and lose nothing of it.
const SLOW: [&str; 2] = ["latency", "bandwidth"];

/// The measures of many trials; they add up in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Measures {
    /// How many trials.
    pub trials: u64,
    /// How many of them did not pass.
    pub bad: u64,
    /// How long clients were watched, all together.
    pub client_time: Duration,
    /// How often a client gave a stream up that was not dead.
    pub false_trips: u64,
    /// How many streams were opened after the first of each client.
    pub reconnects: u64,
    /// The protocol's own Pings, both ways.
    pub pings: u64,
    /// The PINGs of HTTP/2 that proxies answered.
    pub http2_pings: u64,
    /// Messages that came in a replay to a client that had reconnected.
    pub replayed: u64,
    /// How long each layer took to notice a dead stream.
    pub ladder: LadderTally,
}

impl Measures {
    /// Adds one trial.
    pub fn add(&mut self, outcome: &Outcome) {
        let ladder = outcome.ladder();
        // A slow link is no dead one: a client that gives up on it would have done better to wait.
        let (slow, dead): (Vec<LadderWindow>, Vec<LadderWindow>) =
            ladder.windows.iter().cloned().partition(|window| SLOW.contains(&window.kind.as_str()));
        self.false_trips += slow.iter().filter(|window| window.ending == WindowEnding::LetGo).count() as u64;
        self.trials += 1;
        self.bad += u64::from(outcome.conclusion != Conclusion::Pass);
        let (mut opened, mut welcomed) = (BTreeSet::new(), BTreeSet::new());
        for record in outcome.history.records() {
            self.count(record, &mut opened, &mut welcomed, &ladder);
            if opened.contains(&*record.host) {
                self.replayed += outcome.sim.setup.replayed(record);
            }
        }
        self.ladder.add(&Ladder { windows: dead });
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is measured is a part of what there is to see")]
    fn count<'h>(
        &mut self,
        record: &'h Record,
        opened: &mut BTreeSet<&'h str>,
        welcomed: &mut BTreeSet<&'h str>,
        ladder: &Ladder,
    ) {
        match &record.event {
            Event::Began(terms) => {
                let clients = u32::try_from(terms.followers.len()).expect("a cast is bounded");
                self.client_time += terms.end * clients;
            }
            Event::Opened { .. } => self.reconnects += u64::from(!opened.insert(&record.host)),
            Event::Started { .. } => _ = welcomed.insert(&record.host),
            Event::Beat { beat: Beat::Ping { .. }, .. } => self.pings += record.count,
            Event::Beat { beat: Beat::KeepaliveAnswered { .. }, .. } => self.http2_pings += record.count,
            Event::Ended { attempt, cause, words } => {
                let gave_up = match cause {
                    EndCause::Watchdog | EndCause::Stale => true,
                    EndCause::StreamFailed => gave_up_on_ping(&words.to_string()),
                    EndCause::DialFailed
                    | EndCause::Refused
                    | EndCause::StoreFailed
                    | EndCause::BacklogFull
                    | EndCause::StreamEnded
                    | EndCause::Finished
                    | EndCause::FallbackOver
                    | EndCause::ConsumerBehind
                    | EndCause::Rejected
                    | EndCause::Exhausted => false,
                };
                let was_dead = ladder.windows.iter().any(|window| {
                    window.client == record.host
                        && window.attempt == *attempt
                        && (window.began..=window.began + window.lasted).contains(&record.at)
                });
                // What never began was no stream to be false about.
                let was_alive = welcomed.remove(&*record.host) && !was_dead;
                self.false_trips += u64::from(gave_up && was_alive);
            }
            _ => {}
        }
    }

    /// Adds the measures of other trials.
    pub fn merge(&mut self, other: &Measures) {
        self.trials += other.trials;
        self.bad += other.bad;
        self.client_time += other.client_time;
        self.false_trips += other.false_trips;
        self.reconnects += other.reconnects;
        self.pings += other.pings;
        self.http2_pings += other.http2_pings;
        self.replayed += other.replayed;
        self.ladder.merge(&other.ladder);
    }

    /// So many of something in an hour of one client.
    #[must_use]
    pub fn per_client_hour(&self, number: u64) -> f64 {
        let hours = self.client_time.as_secs_f64() / 3_600.0;
        if hours > 0.0 { number as f64 / hours } else { 0.0 }
    }

    /// Messages replayed for each reconnect; none where nobody reconnected.
    #[must_use]
    pub fn replayed_per_reconnect(&self) -> Option<f64> {
        (self.reconnects > 0).then(|| self.replayed as f64 / self.reconnects as f64)
    }

    /// What so many of a hundred clients took to let go of a dead stream; none where none did.
    #[must_use]
    pub fn detection(&self, percent: u64) -> Option<Duration> {
        self.ladder.let_go.percentile(percent)
    }
}
