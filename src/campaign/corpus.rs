//! The corpus: what was found once, as sims that every sweep plays once.
//!
//! Refuses to know the date, and files: it hands back a name and a text.

use crate::campaign::shrink::{SimDraft, TooLargeSeed, Wording, name_of_shrunk};
use crate::runner::{Case, CaseError};
use crate::subject::Subjects;
use crate::trial::Conclusion;

/// The word for a planted bug in any table.
const QUIRK: &str = "quirk";

/// A sim of the corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCase {
    /// Its name: its file's stem.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A case that has no place in the corpus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// Its sim or its plan is refused.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// It passed.
    #[error("keep {sim} seed {seed}: it passed, and the corpus is for what failed")]
    Passed {
        /// The sim's name.
        sim: String,
        /// The seed.
        seed: u64,
    },
    /// Its bug is there on purpose.
    #[error(
        "keep {sim} seed {seed}: `{key}` plants a bug, so that it fails for good, and the corpus is for bugs that are \
         mended; take `{key}` out of the sim, or write a sim that promises the failure"
    )]
    Planted {
        /// The sim's name.
        sim: String,
        /// The seed.
        seed: u64,
        /// The key that plants the bug.
        key: String,
    },
    /// The cause is no line of text.
    #[error("keep a case whose cause has a control character, such as a line break: write it in one line")]
    Cause,
    /// It cannot be written as a sim of its own.
    #[error(transparent)]
    Seed(#[from] TooLargeSeed),
}

/// The case as a sim of the corpus, kept on that date: its plan as it was played, never the storm that drew it.
///
/// # Errors
/// It passed, has a planted bug, is refused, or cannot be written.
pub fn keep(case: &Case, subjects: Subjects, cause: Option<&str>, date: &str) -> Result<KeptCase, KeepError> {
    let (sim, seed) = (case.sim.clone(), case.seed);
    let failure = match &case.conclusion {
        Conclusion::Pass => return Err(KeepError::Passed { sim, seed }),
        Conclusion::Fail(why) | Conclusion::Unknown(why) => why,
    };
    if cause.is_some_and(|cause| cause.contains(char::is_control)) {
        return Err(KeepError::Cause);
    }
    let read = case.sim(subjects)?;
    let draft = SimDraft::of(&read, seed)?;
    let mut settings = draft.settings().into_iter();
    if let Some((table, _)) = settings.find(|(_, keys)| keys.iter().any(|key| key == QUIRK)) {
        return Err(KeepError::Planted { sim, seed, key: format!("{table}.{QUIRK}") });
    }
    let wording = Wording::of(draft, read, subjects).without_defaults().plain_faults();
    let cause = cause.map_or_else(|| format!("not known yet; {}", one_line(failure)), str::to_owned);
    let (version, digest) = (&case.pulseless, case.digest);
    let text = format!(
        "# Cause: {cause}\n# Kept {date}; pulseless {version} played it with digest {digest}.\n{}",
        wording.draft.once().text()
    );
    Ok(KeptCase { name: name_of_shrunk(&sim, seed), text })
}

/// What stands in a comment: a line.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::read;
    use crate::subject::xmtp::SUBJECTS;
    use crate::trial::play;

    const SIM: &str = "# Why.\ntitle = \"x\" # said\nduration = \"2m\"\ncalm = \"40s\"\nclient.watchdog = \"off\"\n\
        node = { keepalive = \"5s\" }\n[promise]\nverdict = \"pass\"\nwithin = \"35s\"\n[[fault]]\nat = \"15s\"\n\
        for = \"13s\"\nkind = \"proxy-silence-upstream\"\non = \"client-*\"\n";

    fn case(text: &str, seed: u64) -> Case {
        Case::of(&play(&read("deaf", text, SUBJECTS).expect("a good sim"), seed).expect("played"))
    }

    #[test]
    fn a_case_is_kept_as_the_sim_of_one_trial_with_its_plan_and_its_cause_first() {
        let case = case(SIM, 7);
        let kept = keep(&case, SUBJECTS, Some("nobody was awake"), "2026-11-28").expect("a failure");
        assert_eq!(kept.name, "deaf-seed-7");
        assert!(kept.text.starts_with("# Cause: nobody was awake\n# Kept 2026-11-28; pulseless "), "{}", kept.text);
        assert!(kept.text.contains(&case.digest.to_string()), "{}", kept.text);
        let sim = read(&kept.name, &kept.text, SUBJECTS).expect("a sim");
        assert_eq!((sim.once, sim.seed, &sim.plan), (true, Some(7), &case.sim(SUBJECTS).expect("a sim").plan));
        assert_eq!(play(&sim, 7).expect("played").digest(), case.digest, "{}", kept.text);
        let unknown = keep(&case, SUBJECTS, None, "2026-11-28").expect("a failure");
        assert!(unknown.text.starts_with("# Cause: not known yet; "), "{}", unknown.text);
    }

    #[test]
    fn what_passed_or_was_planted_is_not_kept() {
        let refused =
            |text: &str, cause| keep(&case(text, 7), SUBJECTS, cause, "2026-11-28").expect_err("no").to_string();
        let pass = SIM.replace("watchdog = \"off\"", "watchdog = 3");
        assert_eq!(refused(&pass, None), "keep deaf seed 7: it passed, and the corpus is for what failed");
        let planted =
            SIM.replace("client.watchdog = \"off\"", "client = { watchdog = \"off\", quirk = \"opens-twice\" }");
        assert!(refused(&planted, None).contains("`client.quirk` plants a bug"));
        assert!(refused(SIM, Some("two\nlines")).contains("in one line"));
    }
}
