//! A partition: which trials of a campaign are this machine's, in nextest's words.
//!
//! Refuses to know what a trial is: it sees its number and its name.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

/// More shares than any scheduler hands out.
const SHARES_MAX: u64 = 100_000;

/// How trials are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShareRule {
    /// In turn, by the trial's number: shares differ by one trial at most.
    Count,
    /// By a hash of sim and seed: a trial stays in its share when others come or go.
    Hash,
}

/// One share of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialPartition {
    rule: ShareRule,
    /// Which share, from 1.
    share: u64,
    /// Of so many.
    shares: NonZeroU64,
}

/// Why a text names no partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPartition {
    /// It is written in another way.
    #[error(
        "`{0}` is not a partition; it is a share of so many, such as 2/4, count:2/4 or hash:2/4, or auto in an array job"
    )]
    Form(String),
    /// There is no such share.
    #[error("`{text}` is not a partition: shares count from 1, and {shares} of them end with {shares}/{shares}")]
    Share {
        /// The text.
        text: String,
        /// So many there are.
        shares: u64,
    },
    /// There are more than 100,000.
    #[error("`{0}` is not a partition: a campaign has at most {SHARES_MAX} shares")]
    Many(String),
    /// `auto` outside of an array job.
    #[error(
        "`{0}` asks the scheduler for the share, and there is none: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is \
         set; name the share yourself, such as 1/4"
    )]
    NoScheduler(String),
    /// Kubernetes does not tell how many there are.
    #[error(
        "`{0}` does not say how many shares there are, and JOB_COMPLETION_INDEX does not either; write auto/4 where the job \
         has 4 completions"
    )]
    Total(String),
    /// A variable of the scheduler's is no number.
    #[error("{variable} is `{value}`, which is not a number; name the share yourself, such as 1/4")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
    },
}

impl TrialPartition {
    /// Reads `2/4`, `count:2/4`, `hash:2/4`, `auto`, `auto/4` or `hash:auto`; `variable` looks a variable of the environment up.
    ///
    /// # Errors
    /// The text names no partition, or the scheduler does not say which.
    pub fn read(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadPartition> {
        let (rule, rest) = match text.split_once(':') {
            Some(("hash", rest)) => (ShareRule::Hash, rest),
            Some(("count", rest)) => (ShareRule::Count, rest),
            Some(_) => return Err(BadPartition::Form(text.to_owned())),
            None => (ShareRule::Count, text),
        };
        let number = |digits: &str| match digits.starts_with('+') {
            true => Err(BadPartition::Form(text.to_owned())),
            false => digits.parse::<u64>().map_err(|_| BadPartition::Form(text.to_owned())),
        };
        let (share, shares) = match rest.split_once('/') {
            Some(("auto", shares)) => (scheduled(&variable, text)?.0, number(shares)?),
            Some((share, shares)) => (number(share)?, number(shares)?),
            None if rest == "auto" => {
                let (share, shares) = scheduled(&variable, text)?;
                (share, shares.ok_or_else(|| BadPartition::Total(text.to_owned()))?)
            }
            None => return Err(BadPartition::Form(text.to_owned())),
        };
        if shares > SHARES_MAX {
            return Err(BadPartition::Many(text.to_owned()));
        }
        match NonZeroU64::new(shares) {
            Some(shares) if (1..=shares.get()).contains(&share) => Ok(TrialPartition { rule, share, shares }),
            Some(_) => Err(BadPartition::Share { text: text.to_owned(), shares }),
            None => Err(BadPartition::Form(text.to_owned())),
        }
    }

    /// Whether the trial of that number, of that sim with that seed, is in this share.
    #[must_use]
    pub(crate) fn has(&self, number: u64, sim: &str, seed: u64) -> bool {
        let key = match self.rule {
            ShareRule::Count => number,
            ShareRule::Hash => xxh3_64(format!("{sim} {seed}").as_bytes()),
        };
        key % self.shares == self.share - 1
    }
}

/// The share that a scheduler gives this task, from 1, and how many there are where it says so.
fn scheduled(variable: impl Fn(&str) -> Option<String>, text: &str) -> Result<(u64, Option<u64>), BadPartition> {
    let read = |name: &'static str| match variable(name) {
        None => Ok(None),
        Some(value) => match value.parse::<u64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(BadPartition::Variable { variable: name, value }),
        },
    };
    // An array may begin anywhere: sbatch --array=5-8.
    if let Some(task) = read("SLURM_ARRAY_TASK_ID")? {
        let first = read("SLURM_ARRAY_TASK_MIN")?.unwrap_or(1);
        return Ok((task.saturating_sub(first).saturating_add(1), read("SLURM_ARRAY_TASK_COUNT")?));
    }
    match read("JOB_COMPLETION_INDEX")? {
        // Kubernetes counts from 0.
        Some(index) => Ok((index.saturating_add(1), None)),
        None => Err(BadPartition::NoScheduler(text.to_owned())),
    }
}

impl FromStr for TrialPartition {
    type Err = BadPartition;

    /// The environment of this process is the scheduler's.
    fn from_str(text: &str) -> Result<Self, BadPartition> {
        TrialPartition::read(text, |name| std::env::var(name).ok())
    }
}

impl fmt::Display for TrialPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match self.rule {
            ShareRule::Count => "count",
            ShareRule::Hash => "hash",
        };
        write!(formatter, "{rule}:{}/{}", self.share, self.shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<TrialPartition, BadPartition> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        TrialPartition::read(text, find)
    }

    #[test]
    fn every_trial_is_in_one_share() {
        for rule in ["count", "hash"] {
            let shares: Vec<TrialPartition> =
                (1..=3).map(|share| read(&format!("{rule}:{share}/3"), &[]).expect("a partition")).collect();
            let sizes: Vec<usize> = shares
                .iter()
                .map(|share| (0..300).filter(|number| share.has(*number, "storm", number + 1)).count())
                .collect();
            assert_eq!(sizes.iter().sum::<usize>(), 300, "{rule}");
            assert!(sizes.iter().all(|size| (60..=140).contains(size)), "{rule}: {sizes:?}");
        }
    }

    #[test]
    fn a_scheduler_says_which_share() {
        let slurm = [("SLURM_ARRAY_TASK_ID", "7"), ("SLURM_ARRAY_TASK_MIN", "5"), ("SLURM_ARRAY_TASK_COUNT", "4")];
        assert_eq!(read("auto", &slurm), read("count:3/4", &[]));
        assert_eq!(read("hash:auto", &slurm), read("hash:3/4", &[]));
        let kubernetes = [("JOB_COMPLETION_INDEX", "0")];
        assert_eq!(read("auto/8", &kubernetes), read("1/8", &[]));
        assert_eq!(read("auto", &kubernetes), Err(BadPartition::Total("auto".to_owned())));
        assert_eq!(read("auto", &[]), Err(BadPartition::NoScheduler("auto".to_owned())));
        let odd = BadPartition::Variable { variable: "JOB_COMPLETION_INDEX", value: "x".to_owned() };
        assert_eq!(read("auto/8", &[("JOB_COMPLETION_INDEX", "x")]), Err(odd));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "2", "a/4", "2/", "/", "-1/4", "+1/4", "1/0", "slice:1/2", "1/2/3"] {
            assert_eq!(read(text, &[]), Err(BadPartition::Form(text.to_owned())));
        }
        for text in ["0/4", "5/4"] {
            assert_eq!(read(text, &[]), Err(BadPartition::Share { text: text.to_owned(), shares: 4 }));
        }
        assert_eq!(read("1/100001", &[]), Err(BadPartition::Many("1/100001".to_owned())));
    }
}
