//! What the replays of a case came to, and the first event in which they differ.

use std::fmt::Write;
use std::time::Duration;

use crate::grammar::Readable;
use crate::grammar::quantity::count;
use crate::history::{Digest, RawEvent};
use crate::report::paint::Paint;
use crate::runner::{Difference, PLAYS_AT_ONCE, Parting, Replayed, Stretch, Tallied};

/// Digests that are printed one by one; the JSON has them all.
const DIGESTS_SHOWN: usize = 20;
/// Text takes every line.
const INFALLIBLE: &str = "a string takes all";

/// What the replays of a case came to, for people; `again` is the command that does it again.
#[must_use]
pub fn replayed(replayed: &Replayed, again: &str, paint: Paint) -> String {
    let mut text = String::new();
    write_replayed(&mut text, replayed, again, paint).expect(INFALLIBLE);
    text
}

/// What the replays of a case came to, for machines.
#[must_use]
pub(crate) fn replayed_json(replayed: &Replayed) -> String {
    serde_json::to_string_pretty(replayed).expect("plain data") + "\n"
}

fn write_replayed(text: &mut String, replayed: &Replayed, again: &str, paint: Paint) -> std::fmt::Result {
    let (times, processes) = (replayed.times.into(), replayed.processes.into());
    let at_once = match times {
        1 => String::new(),
        _ => format!(", half of them on up to {PLAYS_AT_ONCE} threads at once"),
    };
    writeln!(text, "{}: {} in {}{at_once}", paint.heading(&replayed.sim), each(times), count_processes(processes))?;
    writeln!(text, "\n{}", paint.heading("digests"))?;
    write_digests(text, &replayed.digests, replayed.expected)?;
    if let Some(parting) = &replayed.parting {
        write_parting(text, parting, replayed)?;
    }
    let plays = count(plays_of(&replayed.digests), "play");
    let verdict = match other_plays(replayed) {
        0 => format!("{}: {plays}, each with the case's digest", paint.verdict("pass")),
        other => format!("{}: {plays}, {other} of them with another digest", paint.verdict("not reproducible")),
    };
    writeln!(text, "\nverdict  {verdict}\nagain    {again}")
}

fn each(times: u64) -> String {
    format!("{} each", count(times, "play"))
}

fn count_processes(processes: u64) -> String {
    match processes {
        1 => "1 fresh process".to_owned(),
        many => format!("{many} fresh processes"),
    }
}

fn plays_of(digests: &[Tallied]) -> u64 {
    digests.iter().map(|tallied| tallied.count).sum()
}

fn other_plays(replayed: &Replayed) -> u64 {
    replayed.digests.iter().filter(|tallied| !tallied.expected).map(|tallied| tallied.count).sum()
}

fn write_digests(text: &mut String, digests: &[Tallied], expected: Digest) -> std::fmt::Result {
    if digests.iter().all(|tallied| !tallied.expected) {
        writeln!(text, "{:>12}  {expected}  the case's", "never")?;
    }
    for Tallied { digest, events, count: times, expected } in digests.iter().take(DIGESTS_SHOWN) {
        let mark = if *expected { "  the case's" } else { "" };
        writeln!(text, "{:>12}  {digest}  ({events} events){mark}", count(*times, "time"))?;
    }
    match digests.len().saturating_sub(DIGESTS_SHOWN) {
        0 => Ok(()),
        more => writeln!(text, "{:>12}  {more} more digests", ""),
    }
}

fn write_parting(text: &mut String, parting: &Parting, replayed: &Replayed) -> std::fmt::Result {
    let name = |digest: Digest| if digest == replayed.expected { "the case".to_owned() } else { digest.to_string() };
    let [one, other] = parting.between.map(name);
    writeln!(text, "\nfirst difference between {one} and {other}")?;
    writeln!(text, "  {}", describe_stretch(&parting.stretch))?;
    match &parting.difference {
        Some(difference) => write_difference(text, difference, replayed.expected),
        None => writeln!(text, "  {}", why_gone(parting)),
    }
}

/// Between which checkpoints two plays part, in one line.
#[must_use]
pub(crate) fn describe_stretch(stretch: &Stretch) -> String {
    let first = stretch.agreed.saturating_add(1);
    let agreed = match stretch.agreed {
        0 => "no checkpoint agrees".to_owned(),
        agreed => format!("the first {agreed} events agree, until {}", exact(stretch.since)),
    };
    let until = match stretch.until {
        Some(until) => format!("not after {}", exact(until)),
        None => "before the end".to_owned(),
    };
    format!("{agreed}; one of the events {first} to {} is the first to differ, {until}", stretch.last)
}

/// Why the first difference is not to be seen.
fn why_gone(parting: &Parting) -> String {
    let plays = count(plays_of(&parting.again), "play");
    match parting.again.as_slice() {
        [only] if only.expected => {
            format!("it did not come back: {plays} more to see that stretch, each with the case's digest")
        }
        [only] => format!(
            "it did not come back: {plays} more to see that stretch, each with {}, and nothing to compare them with; \
             a case that was edited, or recorded by another version, is the likely cause",
            only.digest
        ),
        many => format!(
            "it did not come back: {plays} more to see that stretch, with {} digests, part elsewhere",
            many.len()
        ),
    }
}

fn write_difference(text: &mut String, difference: &Difference, expected: Digest) -> std::fmt::Result {
    for event in &difference.before {
        writeln!(text, "    both  {}", line(event))?;
    }
    // Two events with the same words differ in what the words leave out, such as a nonce.
    let [one, other] = difference.sides.each_ref().map(|side| side.event.as_ref().map(line));
    let in_full = one == other;
    for (sign, side) in ["-", "+"].into_iter().zip(&difference.sides) {
        let what = match &side.event {
            None => "the history has ended".to_owned(),
            Some(event) if in_full => format!("{}  {}", line(event), event.particulars),
            Some(event) => line(event),
        };
        writeln!(text, "       {sign}  {what}")?;
    }
    for (sign, side) in ["-", "+"].into_iter().zip(&difference.sides) {
        let whose = if side.digest == expected { "the case's" } else { "another play's" };
        writeln!(text, "       {sign}  is {whose}, {}", side.digest)?;
    }
    Ok(())
}

fn line(RawEvent { number, at, host, what, .. }: &RawEvent) -> String {
    format!("event {number} at {}  {host}  {}", exact(*at), what)
}

/// To the nanosecond: a difference may be no greater.
fn exact(at: Duration) -> String {
    match at.subsec_nanos() % 1_000_000 {
        0 => Readable(at).to_string(),
        _ => format!("{}.{:09}s", at.as_secs(), at.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Beat, Event, HostName};
    use crate::runner::Side;

    fn digest(digit: &str) -> Digest {
        digit.repeat(32).parse().expect("a digest")
    }

    fn raw(number: u64, nanos: u64, event: Event) -> RawEvent {
        RawEvent::of(number, Duration::from_nanos(nanos), &HostName::from("client-1"), &event)
    }

    fn tallied(digit: &str, count: u64) -> Tallied {
        Tallied { digest: digest(digit), events: 2000, count, expected: digit == "a" }
    }

    fn sample(digests: Vec<Tallied>, parting: Option<Parting>) -> Replayed {
        Replayed {
            pulseless: "0.1.0".to_owned(),
            sim: "calm".to_owned(),
            seed: 7,
            expected: digest("a"),
            times: 4,
            processes: 2,
            reproduced: parting.is_none(),
            digests,
            parting,
        }
    }

    fn parting(again: Vec<Tallied>, difference: Option<Difference>) -> Parting {
        let stretch = Stretch { agreed: 1024, since: Duration::from_secs(12), last: 2000, until: None };
        Parting { between: [digest("a"), digest("b")], stretch, again, difference }
    }

    fn said(replayed: &Replayed, parts: &[&str]) {
        let text = super::replayed(replayed, "pulseless replay x", Paint::Plain);
        parts.iter().for_each(|part| assert!(text.contains(part), "no `{part}` in {text}"));
    }

    #[test]
    fn the_first_difference_is_told_with_number_time_host_and_words() {
        let killed = raw(1026, 13_000_000_001, Event::ProcessKilled);
        let dials = raw(1026, 13_000_000_000, Event::Dialing { attempt: 2 });
        let sides = [("a", Some(killed)), ("b", Some(dials))];
        let sides = sides.map(|(digit, event)| Side { digest: digest(digit), event });
        let before = vec![raw(1025, 12_500_000_000, Event::Dialing { attempt: 1 })];
        let found = parting(vec![tallied("a", 7), tallied("b", 1)], Some(Difference { before, sides }));
        let parts = [
            "calm: 4 plays each in 2 fresh processes, half of them on up to 4 threads at once\n",
            "     7 times  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  (2000 events)  the case's\n",
            "      1 time  bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb  (2000 events)\n",
            "the first 1024 events agree, until 12s; one of the events 1025 to 2000 is the first to differ, before the end\n",
            "    both  event 1025 at 12.5s  client-1  dials, attempt 1\n",
            "       -  event 1026 at 13.000000001s  client-1  is killed\n",
            "       +  event 1026 at 13s  client-1  dials, attempt 2\n",
            "verdict  not reproducible: 8 plays, 1 of them with another digest\nagain    pulseless replay x\n",
        ];
        said(&sample(vec![tallied("a", 7), tallied("b", 1)], Some(found)), &parts);
    }

    #[test]
    fn events_with_the_same_words_are_told_in_full() {
        let beat = |nonce| Event::Beat { beat: Beat::Heard { attempt: 1 }, nonce: Some(nonce) };
        let sides = [("a", 1), ("b", 2)];
        let sides = sides.map(|(digit, nonce)| Side { digest: digest(digit), event: Some(raw(1025, 0, beat(nonce))) });
        let found = parting(Vec::new(), Some(Difference { before: Vec::new(), sides }));
        said(&sample(vec![tallied("b", 8)], Some(found)), &["Some(1)", "Some(2)"]);
    }

    #[test]
    fn a_history_that_ends_is_told() {
        let sides = [("a", None), ("b", Some(raw(1025, 0, Event::ProcessKilled)))];
        let sides = sides.map(|(digit, event)| Side { digest: digest(digit), event });
        let found = parting(Vec::new(), Some(Difference { before: Vec::new(), sides }));
        said(&sample(vec![tallied("b", 8)], Some(found)), &["       -  the history has ended\n"]);
    }

    #[test]
    fn a_difference_that_is_gone_is_not_passed_over() {
        for (again, part) in [
            (
                vec![tallied("a", 8)],
                "it did not come back: 8 plays more to see that stretch, each with the case's digest",
            ),
            (vec![tallied("b", 8)], "it did not come back: 8 plays more to see that stretch, each with bbbb"),
            (vec![tallied("c", 7), tallied("d", 1)], "with 2 digests, part elsewhere"),
        ] {
            let found = parting(again, None);
            let never = "       never  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  the case's\n";
            said(&sample(vec![tallied("b", 8)], Some(found)), &[part, never, "the first 1024 events agree"]);
        }
    }

    #[test]
    fn what_is_reproduced_is_a_pass() {
        said(&sample(vec![tallied("a", 8)], None), &["verdict  pass: 8 plays, each with the case's digest\n"]);
    }
}
