//! Judges gaps: between two messages that a host got of a stream, none is missing that was produced by then.

use std::collections::BTreeSet;

use crate::checker::{Checker, Evidence, Requirement, Verdict};
use crate::history::History;
use crate::subject::stranger::checker::{StreamBook, StreamGot};
use crate::subject::stranger::spec::G1;

/// Over all processes of a host: what one process did not get, the next one may.
pub(crate) struct Gaps;

impl Checker for Gaps {
    fn name(&self) -> &'static str {
        "gaps"
    }

    fn promises(&self) -> &'static str {
        "Between the first and the last message that a host got of a stream, none is missing."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[G1]
    }

    fn judge(&self, history: &History) -> Verdict {
        let book = StreamBook::read(history);
        if let Some(why) = book.is_silent() {
            return Verdict::unknown(why);
        }
        let followers = book.by_follower();
        let first = followers.values().filter_map(|got| gap(history, &book, got)).min_by_key(|evidence| evidence.at);
        match first {
            Some(evidence) => Verdict::Fail(evidence),
            None => Verdict::Pass {
                seen: format!("messages got: {}, by pairs of host and stream: {}", book.got.len(), followers.len()),
            },
        }
    }
}

/// The first message that one host never got of one stream, though it got one beyond it.
fn gap(history: &History, book: &StreamBook<'_>, got: &[&StreamGot<'_>]) -> Option<Evidence> {
    let had: BTreeSet<_> = got.iter().map(|got| got.order).collect();
    let (least, most) = (had.first()?, had.last()?);
    let between = |order| order > *least && order < *most && !had.contains(&order);
    let holes = book.sent_of(got[0].stream).filter(|(order, _)| between(*order));
    // Whoever got one beyond it before it was produced was owed it by nobody.
    let beyond = |order, index| got.iter().find(|got| got.order > order && got.index > index);
    let (missing, sent, beyond) = holes
        .filter_map(|(order, sent)| Some((order, sent, beyond(order, sent.index)?)))
        .min_by_key(|hole| hole.2.index)?;
    let what = format!(
        "{} got {} of {}, and never {missing}, which {} had produced before",
        beyond.host, beyond.order, beyond.stream, sent.host
    );
    let evidence = Evidence::new(beyond.index, &history.records()[beyond.index], G1, what);
    Some(evidence.about(beyond.stream, Some(missing)).with([sent.index]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::stranger::checker::script::*;

    #[test]
    fn a_stream_without_a_hole_is_acquitted_over_all_processes() {
        let seen = orders().got("client", &[2, 3]).restarted("client").got("client", &[3, 4, 5]).acquitted_by(&Gaps);
        assert_eq!(seen, "messages got: 5, by pairs of host and stream: 1");
    }

    #[test]
    fn a_hole_is_condemned_when_the_message_beyond_it_comes() {
        let evidence = orders().got("client", &[1, 2]).at(60).got("client", &[4]).condemned_by(&Gaps);
        assert_eq!(
            (evidence.at.as_secs(), evidence.id.map(|id| id.0), evidence.requirement.as_str()),
            (60, Some(3), "G1")
        );
        assert_eq!(evidence.what, "client got #4 of stream:orders, and never #3, which server had produced before");
    }

    #[test]
    fn what_comes_late_is_no_gap_and_what_was_produced_later_was_not_missing() {
        orders().got("client", &[1, 3, 2]).acquitted_by(&Gaps);
        new().produced(&[1, 3]).got("client", &[1, 3]).at(90).produced(&[2]).acquitted_by(&Gaps);
    }

    #[test]
    fn nothing_is_unknown() {
        assert_eq!(new().puzzles(&Gaps), "nobody said that it produced or got a message");
        assert_eq!(orders().puzzles(&Gaps), "nobody said that it got a message; produced messages: 5");
        assert!(matches!(Gaps.judge(&History::default()), Verdict::Unknown { .. }));
    }
}
