//! What a campaign found, for the terminal: sims, groups of failures, and how far it came.

use std::fmt::Write;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::campaign::{FailureGroup, NightReport, Nights, Progress, Stopped, Summary, Tally, Times};
use crate::grammar::Readable;
use crate::grammar::quantity::count;
use crate::report::coverage::write_coverage;
use crate::report::paint::Paint;
use crate::report::shell::{program_name, shell_word};
use crate::report::shrunk::{left_of, twin};
use crate::report::wrap::hang;
use crate::runner::Deviation;

/// What a report says of a night that is compared with none.
pub(crate) const NO_NIGHT_BEFORE: &str = "There is no night before it to compare with: all that it found is new.";
/// Digits behind the point of a share.
const DIGITS_MAX: u8 = 9;
/// Groups that are printed one by one; the summary has them all.
const GROUPS_SHOWN: usize = 20;
/// Seeds of a sim that are printed; the summary has them all.
const SEEDS_SHOWN: usize = 40;
/// `write!` into a string.
const INFALLIBLE: &str = "a string takes all";

/// Where a sweep stands, after its bar.
#[must_use]
pub(crate) fn sweep_progress(progress: &Progress<'_>) -> String {
    match progress.tally.bad() {
        0 => format!("{} seed {}", progress.sim, progress.seed),
        bad => format!("{bad} did not pass, {}; {} seed {}", causes(progress), progress.sim, progress.seed),
    }
}

/// Where a sweep stands, on a line of its own.
#[must_use]
pub(crate) fn sweep_standing(progress: &Progress<'_>, asked: Option<u64>, elapsed: Duration) -> String {
    let of = asked.map(|asked| format!(" of {asked}")).unwrap_or_default();
    let bad = match progress.tally.bad() {
        0 => "all pass".to_owned(),
        bad => format!("{bad} did not pass, {}", causes(progress)),
    };
    let elapsed = Readable(Duration::from_secs(elapsed.as_secs()));
    format!("{}{of} trials after {elapsed}: {bad}; at {} seed {}", progress.tally.trials(), progress.sim, progress.seed)
}

fn causes(progress: &Progress<'_>) -> String {
    match progress.causes.len() {
        1 => "of one cause".to_owned(),
        causes => format!("of {causes} causes"),
    }
}

/// What a sweep found, for people.
#[must_use]
pub(crate) fn sweep_summary(night: &NightReport, folder: &str, paint: Paint) -> String {
    let mut text = String::new();
    write_summary(&mut text, night, folder, paint).expect(INFALLIBLE);
    text
}

/// What a sweep found, for machines.
#[derive(Serialize, JsonSchema)]
pub(crate) struct NightJson<'n> {
    /// The report folder.
    folder: &'n str,
    /// The commit of the build, where it was told of one.
    commit: Option<&'static str>,
    /// When, and how fast.
    times: &'n Times,
    /// What is new, goes on and is gone.
    nights: &'n Nights,
    #[serde(flatten)]
    summary: &'n Summary,
}

/// What a sweep found, for machines: its summary, and where, when and by which build it came.
#[must_use]
pub(crate) fn sweep_json(night: &NightReport, folder: &str) -> String {
    let NightReport { summary, times, nights, coverage: _ } = night;
    let json = NightJson { folder, commit: option_env!("PULSELESS_COMMIT"), times, nights, summary };
    serde_json::to_string_pretty(&json).expect("a night is plain data") + "\n"
}

fn write_summary(text: &mut String, night: &NightReport, folder: &str, paint: Paint) -> std::fmt::Result {
    let NightReport { summary, times, nights, coverage: _ } = night;
    let width = summary.sims.keys().map(String::len).max().unwrap_or(0);
    for (sim, tally) in &summary.sims {
        writeln!(text, "{sim:width$}  {}", describe_tally(tally, paint))?;
    }
    for (sim, reasons) in &summary.skipped {
        for reason in reasons {
            writeln!(
                text,
                "\n{sim} is {}: {} cannot express it\n  {reason}",
                paint.verdict("skipped"),
                summary.engine
            )?;
        }
    }
    for group in summary.groups.iter().take(GROUPS_SHOWN) {
        write_group(text, group, nights, folder, paint)?;
    }
    if summary.groups.len() > GROUPS_SHOWN {
        let more = summary.groups.len() - GROUPS_SHOWN;
        writeln!(text, "\nand {more} more groups in {folder}/summary.json")?;
    }
    if let Some(Deviation { sim, seed, expected, digest }) = &summary.deviation {
        writeln!(text, "\n{sim} seed {seed}\n  {}", paint.verdict("not reproducible"))?;
        writeln!(text, "  expected {expected}\n  got      {digest}")?;
    }
    write_coverage(text, night, paint)?;
    write_nights(text, summary, nights)?;
    write_end(text, summary, times, folder)
}

fn describe_tally(tally: &Tally, paint: Paint) -> String {
    let bad = [(tally.fail, "fail"), (tally.unknown, "unknown"), (tally.broken, "broken"), (tally.skipped, "skipped")];
    let bad = bad.iter().filter(|(number, _)| *number > 0);
    let bad: String = bad.map(|(number, word)| format!(", {number} {}", paint.verdict(word))).collect();
    let bound = tally.bound_percent().filter(|bound| *bound < 100.0);
    // The rule of three: none in N says that fewer than 3/N fail, with 95 % confidence.
    let bound = bound.map(|bound| format!("  (fewer than {} fail, 95 % sure)", percent(bound))).unwrap_or_default();
    format!("{} {}{bad}{bound}", tally.pass, paint.verdict("pass"))
}

/// A share with two digits that say something: what is very rare is not told as never.
pub(crate) fn percent(percent: f64) -> String {
    let has_two = |digits: &u8| percent * 10_f64.powi(i32::from(*digits)) >= 9.95;
    let digits = (0..DIGITS_MAX).find(has_two).unwrap_or(DIGITS_MAX);
    format!("{percent:.*} %", usize::from(digits))
}

fn write_group(
    text: &mut String,
    group: &FailureGroup,
    nights: &Nights,
    folder: &str,
    paint: Paint,
) -> std::fmt::Result {
    let (trials, age) = (count(group.count, "trial"), tell_age(group, nights));
    let ended = paint.verdict(&group.ended);
    writeln!(text, "\n{}  {ended} {}: {trials}, {age}", group.id, describe_cause(group))?;
    writeln!(text, "{}", hang("  ", &group.why, 2))?;
    for (sim, seeds) in &group.sims {
        let all = match seeds.all.char_indices().nth(SEEDS_SHOWN) {
            Some((end, _)) => format!("{}… (to {})", seeds.all[..end].trim_end_matches(','), seeds.last),
            None => seeds.all.clone(),
        };
        let word = if seeds.count == 1 { "seed" } else { "seeds" };
        writeln!(text, "  {sim} {word} {all}")?;
    }
    for line in small_lines(group, paint) {
        writeln!(text, "{}", hang("  ", &line, 4))?;
    }
    reproduce_line(group, folder).map_or(Ok(()), |line| writeln!(text, "  {line}"))
}

/// What is left of a group's smallest case, and why each fault of it is needed; or why it could not be made small.
pub(crate) fn small_lines(group: &FailureGroup, paint: Paint) -> Vec<String> {
    if let Some(why) = &group.not_small {
        return vec![format!("not made small: {why}")];
    }
    let Some(small) = &group.small else { return Vec::new() };
    let head = format!("made small: {}", left_of(&small.before, &small.after));
    let needless = "no fault is needed".to_owned();
    let why = (!small.why.is_empty()).then(|| format!("then {}", small.why));
    let twins = small.proofs.iter().map(|proof| twin(proof, paint));
    [head].into_iter().chain(why).chain(twins).chain(small.proofs.is_empty().then_some(needless)).collect()
}

/// What a group's failures have in common, in a few words: `liveness C2 at client, with silences`.
pub(crate) fn describe_cause(group: &FailureGroup) -> String {
    let cause = &group.cause;
    let requirement = if cause.requirement.is_empty() { String::new() } else { format!(" {}", cause.requirement) };
    let role = if cause.role.is_empty() { String::new() } else { format!(" at {}", cause.role) };
    format!("{}{requirement}{role}{}", cause.checker, needs_in_words(group))
}

/// The command that plays a group's smallest case again; none where nothing could be played.
pub(crate) fn reproduce_line(group: &FailureGroup, folder: &str) -> Option<String> {
    let case = group.smallest_case()?;
    Some(format!("{} replay {}", program_name(), shell_word(&format!("{folder}/{case}"))))
}

/// Since when a group is known.
pub(crate) fn tell_age(group: &FailureGroup, nights: &Nights) -> String {
    match nights.ages.get(&group.id) {
        Some(age) if age.nights > 1 => format!("in {} nights since {}", age.nights, age.since),
        Some(_) | None => "new".to_owned(),
    }
}

/// The faults that a group needs: `, with deaths, or silences and pauses`; nothing where it needs none.
fn needs_in_words(group: &FailureGroup) -> String {
    let enough = group.needs.iter().map(|needs| needs.iter().map(String::as_str).collect::<Vec<_>>().join(" and "));
    let enough: Vec<String> = enough.collect();
    if enough.is_empty() { String::new() } else { format!(", with {}", enough.join(", or ")) }
}

/// How the night stands to the one before.
fn write_nights(text: &mut String, summary: &Summary, nights: &Nights) -> std::fmt::Result {
    let (Some(folder), Some(date)) = (&nights.against, &nights.against_date) else { return Ok(()) };
    let new = nights.count_new(summary);
    let (ongoing, resolved) = (nights.ongoing().len(), nights.resolved.len());
    if new + ongoing + resolved + nights.not_played.len() == 0 {
        return Ok(());
    }
    writeln!(text, "\nagainst {folder} of {date}: {new} new, {ongoing} ongoing, {resolved} resolved")?;
    for gone in &nights.resolved {
        let what = format!("{} {}", gone.cause.checker, gone.cause.requirement);
        writeln!(text, "  {}  {}: none in {}", gone.id, what.trim(), count(gone.trials, "trial"))?;
    }
    for gone in &nights.not_played {
        writeln!(text, "  {}  its sims were not all played, so nobody knows", gone.id)?;
    }
    Ok(())
}

/// How much was played, and why not all.
fn write_end(text: &mut String, summary: &Summary, times: &Times, folder: &str) -> std::fmt::Result {
    let played = summary.tally.trials();
    let trials = match summary.asked {
        Some(asked) if summary.stopped.is_some() => format!("{played} of {}", count(asked, "trial")),
        Some(_) | None => count(played, "trial"),
    };
    let reached = match summary.complete_to {
        Some(last) => format!("every sim was played with seeds {} to {last}", summary.from),
        None => "not every sim was played".to_owned(),
    };
    if let Some(stopped) = summary.stopped {
        writeln!(text, "\n{}; {reached}", stopped_in_words(stopped))?;
        if matches!(stopped, Stopped::TimeUp | Stopped::Failed | Stopped::Interrupted) {
            writeln!(text, "{} sweep --resume {}", program_name(), shell_word(folder))?;
        }
    }
    let Times { begun: _, seconds, trials: now, trials_per_second } = times;
    let rate = format!(", {trials_per_second:.1} trials per second");
    let (now, rate) = match now {
        Some(0) => (String::new(), String::new()),
        Some(now) if *now < summary.tally.played() => (format!(", {now} of them"), rate),
        Some(_) | None => (String::new(), rate),
    };
    writeln!(text, "\n{trials}{now} in {seconds:.1} s{rate}; report in {folder}")
}

/// Why a night ended before all was played.
pub(crate) fn stopped_in_words(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::TimeUp => "time was up",
        Stopped::Failed => "as many failed as were asked for",
        Stopped::Interrupted => "interrupted",
        Stopped::Deviated => "stopped at the digest that is another",
        Stopped::Unwritable => "stopped, because the report cannot be written",
        Stopped::Missing => "trials are missing: a share, or the rest of one, is not here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_two_digits_that_count_and_is_never_told_as_none() {
        for (share, told) in
            [(100.0, "100 %"), (60.0, "60 %"), (9.96, "10 %"), (1.5, "1.5 %"), (0.2, "0.20 %"), (0.0003, "0.00030 %")]
        {
            assert_eq!(percent(share), told);
        }
    }
}
