//! Judges invention: nobody gets what nobody had produced.

use crate::checker::{Checker, Evidence, Requirement, Verdict};
use crate::history::History;
use crate::subject::stranger::checker::StreamBook;
use crate::subject::stranger::spec::G4;

/// By its stream, its place there and its key.
pub(crate) struct Invention;

impl Checker for Invention {
    fn name(&self) -> &'static str {
        "invention"
    }

    fn promises(&self) -> &'static str {
        "Everything that anybody gets was produced before, with that place in the stream and that key."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[G4]
    }

    fn judge(&self, history: &History) -> Verdict {
        let book = StreamBook::read(history);
        if let Some(why) = book.is_silent() {
            return Verdict::unknown(why);
        }
        for got in &book.got {
            let sent = book.sent.get(&(got.stream, got.order)).map(Vec::as_slice).unwrap_or_default();
            if sent.iter().any(|sent| sent.key == got.key && sent.index < got.index) {
                continue;
            }
            let why = match sent.iter().find(|sent| sent.index < got.index) {
                Some(sent) => format!("with another key than {} produced it with", sent.host),
                None => "and nobody had produced it".to_owned(),
            };
            let what = format!("{} got {} of {} {why}", got.host, got.order, got.stream);
            let evidence = Evidence::new(got.index, &history.records()[got.index], G4, what);
            let proof = sent.iter().filter(|sent| sent.index < got.index).map(|sent| sent.index);
            return Verdict::Fail(evidence.about(got.stream, Some(got.order)).with(proof));
        }
        Verdict::Pass { seen: format!("messages got: {}, all of them produced before", book.got.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::stranger::checker::script::*;

    #[test]
    fn what_was_produced_before_is_acquitted() {
        assert_eq!(
            orders().got("client", &[1, 2]).acquitted_by(&Invention),
            "messages got: 2, all of them produced before"
        );
    }

    #[test]
    fn what_nobody_produced_or_not_yet_or_not_so_is_condemned() {
        let evidence = orders().got("client", &[9]).condemned_by(&Invention);
        assert_eq!(evidence.what, "client got #9 of stream:orders and nobody had produced it");
        orders().got("client", &[6]).produced(&[6]).condemned_by(&Invention);
        let other = orders().delivered("client", 2, 77).condemned_by(&Invention);
        assert_eq!(other.what, "client got #2 of stream:orders with another key than server produced it with");
        assert_eq!(other.requirement, "G4");
    }

    #[test]
    fn a_place_that_was_given_twice_is_both() {
        orders().sent(2, 77).delivered("client", 2, 77).got("client", &[2]).acquitted_by(&Invention);
    }

    #[test]
    fn nothing_is_unknown() {
        orders().puzzles(&Invention);
        assert!(matches!(Invention.judge(&History::default()), Verdict::Unknown { .. }));
    }
}
