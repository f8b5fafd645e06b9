//! A sim as data: who is cast, what is done to them, and what is promised.
//!
//! Refuses to know TOML, what a subject makes of its own keys, and how a sim is played.

use std::sync::Arc;
use std::time::Duration;

use crate::cast::Cast;
use crate::checker::{Milestone, Requirement};
use crate::fault::{Fault, Plan, PlanFrame, Storm, StormCast, add_storm, read_plan_text};
use crate::grammar::{Latency, Refusal};
use crate::subject::{Numbness, Setup, Subject, TrialTimes};

/// A week: the longest timer in reach is an hour, and a client that stays connected for days has seen it often.
pub(crate) const TRIAL_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// One file of `sims/`, read and checked.
#[derive(Clone, Debug)]
pub struct SimFile {
    /// The file's stem.
    pub name: String,
    /// The file's text, as read, after every setting.
    pub text: String,
    /// What happens, in one sentence.
    pub title: String,
    /// The requirements that the sim is about, such as `T8`.
    pub cites: Vec<&'static Requirement>,
    /// The seed to play with where nobody names another.
    pub seed: Option<u64>,
    /// It is of the corpus: a sweep plays it once, with its own seed.
    pub once: bool,
    /// How long the trial lasts.
    pub duration: Duration,
    /// The last part of the trial: the workload has ended, faults have healed, convergence is judged.
    pub calm: Duration,
    /// Every link of the world.
    pub link: LinkSettings,
    /// The protocol that is played.
    pub subject: &'static dyn Subject,
    /// What the subject made of its keys: the cast, how each host behaves, and the workload.
    pub setup: Arc<dyn Setup>,
    /// The faults that the file names, numbered from 1 by the time at which they begin.
    pub plan: Plan,
    /// What the seed draws besides, if anything.
    pub storm: Option<Storm>,
    /// What the sim promises.
    pub promise: Promise,
}

impl SimFile {
    /// Who takes part.
    #[must_use]
    pub fn cast(&self) -> &Cast {
        self.setup.cast()
    }

    /// When the calm begins, since the trial's start.
    #[must_use]
    pub fn calm_begins(&self) -> Duration {
        self.duration.saturating_sub(self.calm)
    }

    /// The faults of the trial with that seed: those of the file, and what the seed draws where the sim has a storm.
    #[must_use]
    pub(crate) fn plan_of(&self, seed: u64) -> Plan {
        match &self.storm {
            Some(storm) => {
                let can_feel = |fault: &Fault| !matches!(self.setup.numbness(fault), Some(Numbness::Certain(_)));
                let cast = StormCast { cast: self.cast(), can_feel: &can_feel };
                add_storm(&self.plan, storm, cast, self.calm_begins(), seed)
            }
            None => self.plan.clone(),
        }
    }

    /// The sim with what that seed draws in the place of its storm.
    #[must_use]
    pub(crate) fn drawn(self, seed: u64) -> Self {
        SimFile { plan: self.plan_of(seed), storm: None, ..self }
    }

    /// Reads a plan for this sim from a text of `[[fault]]` tables; `name` names the text.
    ///
    /// # Errors
    /// Every independent problem, with its line and what would be right.
    pub(crate) fn read_plan(&self, name: &str, text: &str) -> Result<Plan, Refusal> {
        let frame = PlanFrame {
            cast: Some(self.cast().clone()),
            duration: Some(self.duration),
            calm_begins: Some(self.calm_begins()),
            longest: TRIAL_MAX,
        };
        read_plan_text(name, text, &frame)
    }

    /// When what happens.
    #[must_use]
    pub fn times(&self) -> TrialTimes {
        TrialTimes { calm: self.calm_begins(), end: self.duration }
    }
}

/// The links between hosts; all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// How long bytes travel, one way.
    pub latency: Latency,
    /// How many bytes pass in a second, on all connections together; none is any number.
    pub bandwidth_bytes_per_second: Option<u64>,
    /// How many segments are lost, in hundredths of a percent; none is no loss.
    pub loss_basis_points: Option<u32>,
}

/// What a sim promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// How the trial ends.
    pub verdict: Promised,
    /// How soon after the calm began everything has converged.
    pub within: Duration,
    /// The milestones that must happen, or the trial is unknown.
    pub sometimes: Vec<&'static Milestone>,
}

/// The verdict that a sim promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promised {
    /// Every checker is content.
    Pass,
    /// A planted bug is caught.
    Fail {
        /// The checker that must speak first.
        checker: &'static str,
    },
}
