//! Every requirement of the protocol under test, as one constant: its number and our sentence for it.
//!
//! Refuses to know who obeys and who judges. The numbers are stable: `S` binds the node, `C` the client,
//! `T` is a conformance test. Code, checkers and sims cite them.

use crate::checker::Requirement;

/// The requirement of that number, written as in the protocol: `C2`, not `c2`.
#[must_use]
pub fn find(number: &str) -> Option<&'static Requirement> {
    ALL.iter().find(|requirement| requirement.number == number)
}

macro_rules! requirements {
    ($($number:ident: $sentence:literal,)+) => {
        $(
            #[doc = $sentence]
            pub const $number: Requirement = Requirement { number: stringify!($number), sentence: $sentence };
        )+
        /// Every requirement: the node's, the client's, the conformance tests, each by number.
        pub const ALL: &[Requirement] = &[$($number),+];
    };
}

requirements! {
    S1: "Response headers and Started go out at once, and Started is the first frame of a stream.",
    S2: "An added topic delivers the ids above its cursor, first from history, then live, and never one at or below \
        its floor.",
    S3: "Each frame of messages belongs to one wave, whose id it carries, or to the live flow; ids of waves are \
        nonzero and not shared.",
    S4: "Waves and the live flow each ascend by id per kind, and a topic goes over from its wave to live with no \
        gap and no repetition.",
    S5: "A Mutate is applied whole, removes before adds; a remove clears the floor, and a re-add from below the \
        floor starts again.",
    S6: "A node that was idle for the interval pings, closes the stream unless the matching Pong comes in time, and \
        answers each client Ping.",
    S7: "Each subscription is authorized by itself, in mid-stream as at open.",
    S8: "Whatever a client may ask for has a bound, and excess is an error, never silent truncation.",
    S9: "TopicsLive follows the last replayed frame of its topics, and each Mutate gets exactly one \
        CatchupComplete, at its wave's end.",
    S10: "A node answers in the version that the client speaks and refuses a version that it does not know.",
    S11: "A history_only wave replays up to its own start and registers nothing, and a half-closed stream finishes \
        its waves and ends with OK.",
    C1: "A client answers each Ping promptly.",
    C2: "A client gives a stream up after N intervals without a frame of any kind, and only then.",
    C3: "A client resumes from what it had persisted while it processed messages, so that nothing is lost or repeated.",
    C4: "A client changes its stream by deltas, and keeps its watchdog off a stream that it has half-closed.",
    C5: "A client that was suspended probes its link before it trusts it, by a clock that ran on meanwhile.",
    C6: "A client whose node does not know Subscribe falls back to the two older streams under a watchdog.",
    T1: "Started arrives at once.",
    T2: "An idle stream is pinged after each interval.",
    T3: "No Ping comes earlier than the interval after the last traffic.",
    T4: "A client that stays silent is closed by the deadline.",
    T5: "A client's Ping is answered.",
    T6: "A topic added in mid-stream delivers what lies above its cursor, once, on the same stream.",
    T7: "A removed topic stops, and the remove is acknowledged at once.",
    T8: "Behind a proxy that goes dead and still answers PING, a client reconnects in time and receives all that it \
        missed.",
    T9: "TopicsLive and CatchupComplete mark the boundary of each wave.",
    T10: "A bounded catch-up ends with OK and delivers nothing after its marker.",
    T11: "After a suspension the stale stream is closed, noticed, and everything is replayed.",
    T12: "A remove and an add from 0 replay everything, with one acknowledgment for each Mutate in order.",
    T13: "Several adds of one topic in one Mutate are one add.",
    T14: "An unknown version is refused.",
    T15: "Each frame of messages names one wave or the live flow.",
    T16: "A wave's replay is merged by id over its topics.",
    T17: "The live flow ascends by id per kind.",
    T18: "At the seam no live frame comes before its wave's end, nothing is lost or repeated, and other topics flow \
        on.",
    T19: "Adds need a nonzero id that no wave in flight has; a completed wave's id may be used again.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_found_by_its_own_number() {
        let count = |letter: char| ALL.iter().filter(|one| one.number.starts_with(letter)).count();
        assert_eq!((count('S'), count('C'), count('T'), ALL.len()), (11, 6, 19, 36));
        for requirement in ALL {
            assert_eq!(find(requirement.number), Some(requirement));
        }
    }

    #[test]
    fn a_number_that_does_not_exist_is_not_found() {
        for wrong in ["", "c2", "S12", "C7", "T20", "C2:"] {
            assert_eq!(find(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_requirement_prints_its_number_and_its_sentence() {
        assert_eq!(C1.to_string(), "C1: A client answers each Ping promptly.");
    }
}
