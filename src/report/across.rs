//! One seed behind every proxy, as a table for people.
//!
//! Refuses to know how it was played.

use std::fmt::Write;
use std::time::Duration;

use crate::campaign::{Encounter, SeenEnds};
use crate::grammar::Readable;
use crate::report::paint::Paint;
use crate::report::wrap::hang;
use crate::trial::Conclusion;

/// `write!` into a string.
const INFALLIBLE: &str = "a string takes all";
/// Where the text behind the name of a profile begins.
const TEXT_COLUMN: usize = 20;

/// The table: a line for each way in which streams ended, and then why a promise was not kept, or could not be judged.
#[must_use]
pub fn across(encounters: &[Encounter], paint: Paint) -> String {
    let mut text = String::new();
    let heads =
        format!("{:18}{:>4} {:25} {:>13} {:>8}  promise", "behind", "", "how streams ended", "after", "watchdog");
    writeln!(text, "{}", paint.heading(&heads)).expect(INFALLIBLE);
    for encounter in encounters {
        write_encounter(&mut text, encounter, paint);
    }
    text.push('\n');
    for encounter in encounters {
        if let Conclusion::Fail(why) | Conclusion::Unknown(why) = &encounter.conclusion {
            let head = format!("{:TEXT_COLUMN$}", encounter.profile);
            writeln!(text, "{}", hang(&head, why, TEXT_COLUMN)).expect(INFALLIBLE);
        }
    }
    text.push_str(LEGEND);
    text
}

const LEGEND: &str = "\
how streams ended: what their clients were told. after: since the stream went
dead; with *, of a redial or of a stream that was well, since it was dialed.
watchdog: how many it gave up before anything else ended them; what would have,
--set client.watchdog=off shows. promise: what the checkers say.
";

fn write_encounter(text: &mut String, encounter: &Encounter, paint: Paint) {
    let name = format!("{} {}", encounter.profile, encounter.version);
    let watchdog = match encounter.watchdog_needed {
        0 => "-".to_owned(),
        times => times.to_string(),
    };
    let verdict = paint.verdict(kept(&encounter.conclusion));
    let (first, rest) = match encounter.ends.split_first() {
        Some((first, rest)) => (ended(first), rest),
        None => (format!("{:>4} {:25} {:>13}", 0, "none did", "-"), [].as_slice()),
    };
    writeln!(text, "{name:18}{first} {watchdog:>8}  {verdict}").expect(INFALLIBLE);
    for ends in rest {
        writeln!(text, "{:18}{}", "", ended(ends)).expect(INFALLIBLE);
    }
}

/// So many ends, what clients saw, and after how long.
fn ended(ends: &SeenEnds) -> String {
    format!("{:>4} {:25} {:>13}", ends.count, shortened(&ends.seen.words()), after(ends))
}

/// In one word.
#[must_use]
pub(crate) fn kept(conclusion: &Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Pass => "kept",
        Conclusion::Fail(_) => "broken",
        Conclusion::Unknown(_) => "unknown",
    }
}

fn shortened(words: &str) -> String {
    if words.chars().count() <= 25 { words.to_owned() } else { words.chars().take(24).chain(['…']).collect() }
}

/// After how long, from the shortest to the longest.
#[must_use]
pub(crate) fn after(ends: &SeenEnds) -> String {
    let (least, most) = (rounded(ends.after_least), rounded(ends.after_most));
    let age = if ends.were_dead { "" } else { "*" };
    if least == most { format!("{least}{age}") } else { format!("{least}..{most}{age}") }
}

/// To the second, from where on less tells nothing.
fn rounded(after: Duration) -> String {
    let round = if after < Duration::from_secs(1) {
        Duration::from_millis(u64::from(after.subsec_millis()))
    } else {
        Duration::from_secs(after.as_secs() + u64::from(after.subsec_millis() >= 500))
    };
    Readable(round).to_string().replace(' ', "")
}
