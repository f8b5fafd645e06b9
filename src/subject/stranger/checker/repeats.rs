//! Judges duplicates and order: what a process gets of a stream ascends, and nothing comes twice.
//!
//! Each process of a host begins anew: what an application that keeps nothing gets again after its death is no wrong.

use std::collections::BTreeMap;

use crate::channel::{Channel, MessageId};
use crate::checker::{Checker, Evidence, Requirement, Verdict};
use crate::history::History;
use crate::subject::stranger::checker::{StreamBook, StreamGot};
use crate::subject::stranger::spec::{G2, G3};

/// Nothing comes twice.
pub(crate) struct Duplicates;

/// Everything comes in order.
pub(crate) struct InOrder;

impl Checker for Duplicates {
    fn name(&self) -> &'static str {
        "duplicates"
    }

    fn promises(&self) -> &'static str {
        "No process gets a message of a stream twice."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[G2]
    }

    fn judge(&self, history: &History) -> Verdict {
        let mut had: BTreeMap<(StreamReader<'_>, MessageId), usize> = BTreeMap::new();
        walk(history, |got| {
            let first = had.insert((reader(got), got.order), got.index)?;
            let what = format!("{} got {} of {} twice", got.host, got.order, got.stream);
            Some(evidence(history, got, G2, what).with([first]))
        })
    }
}

impl Checker for InOrder {
    fn name(&self) -> &'static str {
        "order"
    }

    fn promises(&self) -> &'static str {
        "What a process gets of a stream ascends in the order in which it was numbered."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[G3]
    }

    fn judge(&self, history: &History) -> Verdict {
        let mut last: BTreeMap<StreamReader<'_>, (MessageId, usize)> = BTreeMap::new();
        walk(history, |got| {
            let (before, index) = *last.entry(reader(got)).or_insert((got.order, got.index));
            // The same again is a duplicate, and no disorder.
            if got.order >= before {
                last.insert(reader(got), (got.order, got.index));
                return None;
            }
            let what = format!("{} got {} of {} after {before}", got.host, got.order, got.stream);
            Some(evidence(history, got, G3, what).with([index]))
        })
    }
}

/// One process that reads one stream.
type StreamReader<'h> = (&'h str, u32, &'h Channel);

fn reader<'h>(got: &StreamGot<'h>) -> StreamReader<'h> {
    (got.host, got.life, got.stream)
}

fn evidence(history: &History, got: &StreamGot<'_>, requirement: Requirement, what: String) -> Evidence {
    Evidence::new(got.index, &history.records()[got.index], requirement, what).about(got.stream, Some(got.order))
}

/// Looks at all that was got, in the order of time, until something is wrong with it.
fn walk<'h>(history: &'h History, wrong: impl FnMut(&StreamGot<'h>) -> Option<Evidence>) -> Verdict {
    let book = StreamBook::read(history);
    if let Some(why) = book.is_silent() {
        return Verdict::unknown(why);
    }
    match book.got.iter().find_map(wrong) {
        Some(evidence) => Verdict::Fail(evidence),
        None => Verdict::Pass { seen: format!("messages got: {}", book.got.len()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::stranger::checker::script::*;

    #[test]
    fn what_ascends_is_acquitted_and_a_new_process_begins_anew() {
        let script =
            || orders().got("client", &[1, 2, 4]).got("other", &[1, 2]).restarted("client").got("client", &[2, 3]);
        assert_eq!(script().acquitted_by(&Duplicates), "messages got: 7");
        script().acquitted_by(&InOrder);
    }

    #[test]
    fn what_comes_twice_is_a_duplicate() {
        let evidence = orders().got("client", &[1, 2]).at(60).got("client", &[3, 2]).condemned_by(&Duplicates);
        assert_eq!(evidence.what, "client got #2 of stream:orders twice");
        assert_eq!((evidence.requirement.as_str(), evidence.at.as_secs()), ("G2", 60));
        orders().got("client", &[1, 1]).acquitted_by(&InOrder);
    }

    #[test]
    fn what_comes_after_a_later_one_is_out_of_order() {
        let evidence = orders().got("client", &[1, 3]).at(60).got("client", &[2]).condemned_by(&InOrder);
        assert_eq!(evidence.what, "client got #2 of stream:orders after #3");
        assert_eq!((evidence.requirement.as_str(), evidence.records.len()), ("G3", 2));
        orders().got("client", &[1, 3, 2]).acquitted_by(&Duplicates);
    }

    #[test]
    fn nothing_is_unknown() {
        for judge in [&Duplicates as &dyn Checker, &InOrder] {
            orders().puzzles(judge);
            assert!(matches!(judge.judge(&History::default()), Verdict::Unknown { .. }));
        }
    }
}
