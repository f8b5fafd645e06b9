//! What came of one trial of a test, and what is asserted of it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::checker::{self, Judgement, Verdict};
use crate::grammar::{Naming, Seed};
use crate::harness::again::TestName;
use crate::harness::files;
use crate::harness::trial::ReadTrial;
use crate::history::{AsideKind, Digest, History};
use crate::report::{self, Paint, Reproduction, shell_word};
use crate::runner::Case;
use crate::subject::Subjects;
use crate::subject::stranger::{self, StreamBook};
use crate::trial::{self, Conclusion, EngineKind, LastWords, Outcome};

/// What becomes of a test binary that a host has ended.
const TAKEN_ALONG: &str =
    "note     the other tests of this program end here, too; cargo nextest gives each a process of its own";

/// The environment's word for the seed.
const SEED: &str = "PULSELESS_SEED";
/// Its word for the file of a case.
const REPLAY: &str = "PULSELESS_REPLAY";
/// It says nothing of streams: what is held at the end is no delivery.
const ABOUT_NO_STREAM: &str = "leaks";

/// One trial that was played. It was judged; whether that matters the test says, by an assertion.
pub struct TrialOutcome {
    outcome: Outcome,
    subjects: Subjects,
    test: TestName,
    /// Where the seed is from.
    chooser: String,
    /// The file of the case that is played instead of the test's own trial.
    case: Option<String>,
}

/// Plays a trial with the environment's seed, or with its own; or the case that the environment names, if it is one of this test.
pub(crate) fn play(read: ReadTrial, test: TestName) -> Result<TrialOutcome, String> {
    let mut note = String::new();
    if let Some((path, case)) = case_of_environment()? {
        if is_case_of(&case, &read) {
            return replay(&read, test, &case, path);
        }
        note = format!("; {REPLAY} names a case of another test, {}", case.sim);
    }
    let (seed, chooser) = choose(read.seed)?;
    play_seed(&read, test, seed, (chooser.to_owned() + &note, None))
}

/// The case that the environment wants played instead of a test's own trial, and its file.
pub(crate) fn case_of_environment() -> Result<Option<(String, Case)>, String> {
    let Some(path) = std::env::var_os(REPLAY) else { return Ok(None) };
    let path = Path::new(&path);
    let case = Case::read(path).map_err(|error| format!("{REPLAY}: {error}"))?;
    Ok(Some((path.display().to_string(), case)))
}

/// Whether a case was found by the test that plays this trial. One that was made small is called after its seed as well.
pub(crate) fn is_case_of(case: &Case, read: &ReadTrial) -> bool {
    let rest = case.sim.strip_prefix(read.sim.name.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-seed-"))
}

/// Plays a case of this test again.
pub(crate) fn replay(read: &ReadTrial, test: TestName, case: &Case, path: String) -> Result<TrialOutcome, String> {
    let sim = case.sim(read.subjects).map_err(|error| error.to_string())?;
    let own_text = read.sim.text.clone();
    let read = ReadTrial { sim, seed: case.seed, subjects: read.subjects };
    let outcome = play_seed(&read, test, case.seed, (String::new(), Some(path.clone())))?;
    let same =
        if outcome.digest() == case.digest { "reproduced bit for bit" } else { "which went otherwise this time" };
    let own =
        if settings(case.sim_text()) == settings(&own_text) { "" } else { ", with its own settings, not the test's" };
    Ok(TrialOutcome { chooser: format!("from {path}, {same}{own}"), ..outcome })
}

/// The lines of a sim that set something of a host of the guest's.
fn settings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("settings")).collect()
}

/// Plays a trial with that seed, which somebody chose, or a case of that file.
pub(crate) fn play_seed(
    read: &ReadTrial,
    test: TestName,
    seed: u64,
    (chooser, case): (String, Option<String>),
) -> Result<TrialOutcome, String> {
    let again = || again(&test, seed, case.as_deref());
    let hear = last_words(&test, read.subjects, chooser.clone(), case.clone());
    let played = trial::play_heard(&read.sim, seed, EngineKind::default(), hear);
    let outcome = played.map_err(|error| format!("failed to play {}: {error}\nagain    {}", read.sim.name, again()))?;
    Ok(TrialOutcome { outcome, subjects: read.subjects, test, chooser, case })
}

/// Says of a trial that takes the test's program with it what a failing assertion says: nobody can assert anything afterwards.
pub(crate) fn last_words(test: &TestName, subjects: Subjects, chooser: String, case: Option<String>) -> LastWords {
    let test = test.clone();
    Arc::new(move |outcome| {
        let (test, chooser, case) = (test.clone(), chooser.clone(), case.clone());
        let outcome = TrialOutcome { outcome, subjects, test, chooser, case };
        // To make it small, it would be played again, and end the program again.
        let told = outcome.complaint_with(&outcome.conclusion().to_string(), &files::write_alone(&outcome));
        format!("{TAKEN_ALONG}\n{told}\n")
    })
}

/// The line that plays a seed of a test again, or a case.
fn again(test: &TestName, seed: u64, case: Option<&str>) -> String {
    let replay = case.map(|path| format!(" {REPLAY}={}", shell_word(path)));
    test.again(seed, &replay.unwrap_or_default())
}

/// The seed, and where it is from.
fn choose(own: u64) -> Result<(u64, &'static str), String> {
    Ok(seed_of_environment()?.map_or((own, "from the test"), |seed| (seed, "from PULSELESS_SEED")))
}

/// The seed that the environment names, if it does.
pub(crate) fn seed_of_environment() -> Result<Option<u64>, String> {
    match std::env::var(SEED) {
        Ok(text) => text.parse().map(|Seed(seed)| Some(seed)).map_err(|bad| format!("{SEED}: {bad}")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{SEED} is not text")),
        Err(std::env::VarError::NotPresent) => Ok(None),
    }
}

impl TrialOutcome {
    /// The seed that was played.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.outcome.seed
    }

    /// The fingerprint of everything that happened: equal for equal seeds.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.outcome.digest()
    }

    /// What happened, for people: the story, who knew when, the verdicts, the digest, and the line that plays it again.
    #[must_use]
    pub fn story(&self) -> String {
        let again = Reproduction::Again(self.again());
        report::outcome(&self.outcome, &again, Naming::Few, Paint::Plain)
    }

    /// Whether every judge is content, or the one that was to fail has failed.
    #[must_use]
    pub fn conclusion(&self) -> &Conclusion {
        &self.outcome.conclusion
    }

    /// What each judge says.
    #[must_use]
    pub fn judgements(&self) -> &[Judgement] {
        &self.outcome.judgements
    }

    /// What was seen, in order.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.outcome.history
    }

    /// All of it: the sim, the plan of faults, the ladder.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Asserts that the trial kept its promise: every judge is content, none has seen too little, and every fault was felt.
    ///
    /// # Panics
    /// It did not; the message is the verdict and the story, and its last line plays the seed again.
    #[track_caller]
    pub fn assert_passed(&self) {
        if self.outcome.conclusion != Conclusion::Pass {
            self.fail(&self.outcome.conclusion.to_string());
        }
    }

    /// Asserts that what was produced in that stream was delivered: somebody got some of it, everybody who follows a stream got
    /// everything in time, and no judge has seen anything wrong with streams or hosts.
    ///
    /// # Panics
    /// As [`TrialOutcome::assert_passed`] does.
    #[track_caller]
    pub fn assert_delivered(&self, stream: &str) {
        if let Some(why) = self.undelivered(stream) {
            self.fail(&why);
        }
    }

    /// Why nobody can say that a stream was delivered.
    fn undelivered(&self, stream: &str) -> Option<String> {
        let judged = self.judgements().iter().filter(|judgement| judgement.checker != ABOUT_NO_STREAM);
        let judged: Vec<Judgement> = judged.cloned().collect();
        // As the verdict names it.
        let failed = checker::first_to_speak(&judged).and_then(|judgement| match &judgement.verdict {
            Verdict::Fail(evidence) => Some(format!("fail: {} failed: {}", judgement.checker, evidence.what)),
            Verdict::Pass { .. } | Verdict::Unknown { .. } => None,
        });
        let channel = stranger::channel(stream);
        let nobody = || {
            let book = StreamBook::read(&self.outcome.history);
            let got = book.got.iter().any(|got| *got.stream == channel);
            (!got).then(|| format!("fail: nobody got a message of the stream `{stream}`; {}", book.instead_of(stream)))
        };
        let unsure = || {
            judged.iter().find_map(|judgement| match &judgement.verdict {
                Verdict::Unknown { reason } if judgement.checker == "convergence" => {
                    Some(format!("unknown: convergence cannot tell: {reason}"))
                }
                Verdict::Unknown { .. } | Verdict::Pass { .. } | Verdict::Fail(_) => None,
            })
        };
        failed.or_else(nobody).or_else(unsure)
    }

    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        panic!("{}", self.complaint(why));
    }

    /// The verdict, the files that were written, and the story; the last line plays the seed again.
    pub(crate) fn complaint(&self, why: &str) -> String {
        self.complaint_with(why, &files::write(self))
    }

    fn complaint_with(&self, why: &str, files: &str) -> String {
        let (seed, chooser, clues) = (self.seed(), &self.chooser, self.clues());
        // What was asserted is the verdict; the story's own is of the judges alone.
        let story = self.story().replace("\nverdict  ", "\njudges   ");
        format!("verdict  {why}\n{clues}seed     {seed} ({chooser})\n{files}\n{}", story.trim_end())
    }

    /// What may be why, a line each: whom hosts looked for in vain.
    fn clues(&self) -> String {
        let asides = self.outcome.history.asides().iter().filter(|aside| aside.kind == AsideKind::Clue);
        asides.map(|aside| format!("perhaps  {} {}\n", aside.host, aside.words())).collect()
    }

    /// The line that plays it again.
    pub(crate) fn again(&self) -> String {
        again(&self.test, self.seed(), self.case.as_deref())
    }

    /// How its files are called.
    pub(crate) fn stem(&self) -> String {
        let (name, ending) = (&self.outcome.sim.name, format!("-seed-{}", self.seed()));
        // One that was made small is called after its seed already; and what is played again overwrites no case.
        let again = if self.case.is_some() { ".replayed" } else { "" };
        format!("{}{ending}{again}", name.strip_suffix(&ending).unwrap_or(name))
    }

    pub(crate) fn subjects(&self) -> Subjects {
        self.subjects
    }
}

impl fmt::Debug for TrialOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, conclusion) = (self.seed(), self.conclusion());
        formatter
            .debug_struct("TrialOutcome")
            .field("seed", &seed)
            .field("conclusion", conclusion)
            .finish_non_exhaustive()
    }
}
