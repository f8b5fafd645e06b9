//! Judges lateness: everything is there soon after all faults have healed, and before long while nothing is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::channel::{Channel, MessageId};
use crate::checker::excuse::Excuses;
use crate::checker::judge::{NO_TERMS, terms};
use crate::checker::{Checker, Evidence, Requirement, Verdict};
use crate::grammar::Readable;
use crate::history::{Event, History, Terms};
use crate::subject::stranger::checker::{StreamBook, StreamGot, StreamSent};
use crate::subject::stranger::spec::{G5, G6};

/// What was produced before the calm is there by the bound.
pub(crate) struct Converges;

/// What is produced while nothing is wrong is there within that time, or something newer is.
pub(crate) struct GetsOn;

impl Checker for Converges {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn promises(&self) -> &'static str {
        "Soon after all faults have healed, whoever follows a stream has all of it that was produced before."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[G5]
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let bound = terms.calm.saturating_add(terms.within);
        let book = StreamBook::read(history);
        let followed = followed(&book, terms);
        if followed.is_empty() {
            return Verdict::unknown(book.is_silent().unwrap_or_else(|| "nobody follows a stream".to_owned()));
        }
        let (mut debts, got) = (Debts::default(), book.by_follower());
        for ((host, stream), from) in followed {
            let got = got.get(&(host, stream)).map(Vec::as_slice).unwrap_or_default();
            let had = got.iter().filter(|got| got.at <= bound).map(|got| got.order).collect();
            let sent = book.sent_of(stream).filter(|(order, sent)| *order >= from && sent.at <= terms.calm);
            debts.add_up((host, stream), sent, &had);
        }
        match debts.first {
            Some((host, stream, order, sent)) => {
                let what = format!(
                    "{host} had not got {order} of {stream} {} after the calm began at {}; missing: {} of {}",
                    Readable(terms.within),
                    Readable(terms.calm),
                    debts.missing,
                    debts.owed
                );
                Verdict::Fail(Evidence::at(bound, host, G5, what).about(stream, Some(order)).with([sent]))
            }
            None if debts.owed == 0 => Verdict::unknown("nothing that was produced before the calm is owed to anybody"),
            None => Verdict::Pass { seen: format!("messages owed: {}, all got by {}", debts.owed, Readable(bound)) },
        }
    }
}

/// What is owed in sum, and the first message that is missing.
#[derive(Default)]
struct Debts<'h> {
    owed: u64,
    missing: u64,
    first: Option<(&'h str, &'h Channel, MessageId, usize)>,
}

impl<'h> Debts<'h> {
    fn add_up<'b>(
        &mut self,
        (host, stream): (&'h str, &'h Channel),
        sent: impl Iterator<Item = (MessageId, &'b StreamSent<'h>)>,
        had: &BTreeSet<MessageId>,
    ) where
        'h: 'b,
    {
        for (order, sent) in sent {
            self.owed += 1;
            if !had.contains(&order) {
                self.missing += 1;
                self.first.get_or_insert((host, stream, order, sent.index));
            }
        }
    }
}

/// Who follows what, and from which place on: from the beginning, where the sim says that it does; or else from the first that
/// it got.
fn followed<'h>(book: &StreamBook<'h>, terms: &'h Terms) -> BTreeMap<(&'h str, &'h Channel), MessageId> {
    let mut followed: BTreeMap<(&str, &Channel), MessageId> = BTreeMap::new();
    for got in &book.got {
        let from = followed.entry((got.host, got.stream)).or_insert(got.order);
        *from = got.order.min(*from);
    }
    let said = terms.followers.iter().flat_map(|(host, streams)| streams.iter().map(move |one| (host, one)));
    followed.extend(said.map(|(host, one)| ((&**host, &one.channel), MessageId(one.cursor.0))));
    followed
}

impl Checker for GetsOn {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn promises(&self) -> &'static str {
        "While nothing is wrong, who has got something of a stream gets what is produced in it before long."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[G6]
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let book = StreamBook::read(history);
        if let Some(why) = book.is_silent() {
            return Verdict::unknown(why);
        }
        let watch = HealthyWatch { terms, excuses: Excuses::read(history), lives: lives(history), book: &book };
        let mut judged = 0;
        let mut first: Option<Evidence> = None;
        for (_, got) in book.by_follower() {
            let hung = watch.first_hang(&got, &mut judged);
            first = [first, hung].into_iter().flatten().min_by_key(|evidence| evidence.at);
        }
        match first {
            Some(evidence) => Verdict::Fail(evidence),
            None if judged == 0 => Verdict::unknown("nothing was produced for anybody while nothing was wrong"),
            None => Verdict::Pass {
                seen: format!("messages owed within {}: {judged}, none of them missed", Readable(terms.within)),
            },
        }
    }
}

/// When the processes of each host began and died.
fn lives(history: &History) -> BTreeMap<&str, Vec<Duration>> {
    let mut lives: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let turns = history
        .records()
        .iter()
        .filter(|record| matches!(record.event, Event::ProcessBegan { .. } | Event::ProcessKilled));
    turns.for_each(|record| lives.entry(&record.host).or_default().push(record.at));
    lives
}

struct HealthyWatch<'h, 'b> {
    terms: &'h Terms,
    excuses: Excuses<'h>,
    lives: BTreeMap<&'h str, Vec<Duration>>,
    book: &'b StreamBook<'h>,
}

impl<'h> HealthyWatch<'h, '_> {
    /// The first message that a follower was owed while nothing was wrong, and after which nothing came.
    fn first_hang(&self, got: &[&StreamGot<'h>], judged: &mut u64) -> Option<Evidence> {
        let (host, stream) = (got[0].host, got[0].stream);
        let mut sent: Vec<_> = self.book.sent_of(stream).collect();
        sent.sort_by_key(|(_, sent)| sent.index);
        for (order, sent) in sent {
            let by = sent.at.saturating_add(self.terms.within);
            let before = got.partition_point(|got| got.at < sent.at);
            let Some(last) = before.checked_sub(1).and_then(|last| got.get(last)) else { continue };
            if by > self.terms.end || !self.excuses.is_calm(sent.at, by) || !self.lives_on(host, last.at, by) {
                continue;
            }
            *judged += 1;
            let came =
                got.get(before).is_some_and(|next| next.at <= by) || got[..before].iter().any(|got| got.order >= order);
            if !came {
                let what = format!(
                    "{host} got nothing of {stream} for {} though {order} was produced at {} and nothing was wrong; the last \
                     that it had got was {}, at {}",
                    Readable(self.terms.within),
                    Readable(sent.at),
                    last.order,
                    Readable(last.at)
                );
                let evidence = Evidence::at(by, host, G6, what).about(stream, Some(order));
                return Some(evidence.with([sent.index, last.index]));
            }
        }
        None
    }

    /// Whether one process of that host lived through that time.
    fn lives_on(&self, host: &str, from: Duration, by: Duration) -> bool {
        !self.lives.get(host).is_some_and(|turns| turns.iter().any(|at| *at > from && *at <= by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::pause;
    use crate::subject::stranger::checker::script::*;

    #[test]
    fn everything_by_the_bound_is_acquitted() {
        assert_eq!(
            orders().got("client", &[1, 2]).at(650).got("client", &[3, 4, 5]).acquitted_by(&Converges),
            "messages owed: 5, all got by 11m"
        );
        // Who comes in the middle is owed nothing of what was before.
        orders().got("client", &[4, 5]).acquitted_by(&Converges);
    }

    #[test]
    fn what_is_missing_at_the_bound_is_condemned() {
        let late = orders().got("client", &[1, 2]).at(661).got("client", &[3, 4, 5]).condemned_by(&Converges);
        assert_eq!((late.at.as_secs(), late.requirement.as_str(), late.id.map(|id| id.0)), (660, "G5", Some(3)));
        assert_eq!(late.what, "client had not got #3 of stream:orders 1m after the calm began at 10m; missing: 3 of 5");
    }

    #[test]
    fn who_is_said_to_follow_is_owed_everything_even_if_it_never_got_any() {
        let never = following("client").produced(&[1, 2]).condemned_by(&Converges);
        assert_eq!(never.id.map(|id| id.0), Some(1));
        following("client").produced(&[1, 2]).got("client", &[1, 2]).acquitted_by(&Converges);
    }

    #[test]
    fn who_gets_on_is_acquitted() {
        let seen =
            orders().got("client", &[1, 2, 3, 4, 5]).at(50).produced(&[6]).got("client", &[6]).acquitted_by(&GetsOn);
        assert_eq!(seen, "messages owed within 1m: 1, none of them missed");
    }

    #[test]
    fn who_hangs_while_nothing_is_wrong_is_condemned_when_the_time_is_over() {
        let hangs = || orders().got("client", &[1, 2, 3, 4, 5]).at(50).produced(&[6]).at(200).produced(&[7]);
        let evidence = hangs().condemned_by(&GetsOn);
        assert_eq!(
            (evidence.at.as_secs(), evidence.requirement.as_str(), evidence.id.map(|id| id.0)),
            (110, "G6", Some(6))
        );
        hangs().at(201).got("client", &[7]).condemned_by(&GetsOn);
    }

    #[test]
    fn faults_and_a_new_process_excuse_who_hangs() {
        let got = || orders().got("client", &[1, 2, 3, 4, 5]);
        let excused = got().at(40).fault(1, pause("server")).at(50).produced(&[6]).at(150).fault_ends(1);
        assert!(excused.puzzles(&GetsOn).starts_with("nothing was produced for anybody"));
        got().at(50).produced(&[6]).at(60).restarted("client").puzzles(&GetsOn);
    }

    #[test]
    fn nothing_is_unknown() {
        assert_eq!(new().puzzles(&Converges), "nobody said that it produced or got a message");
        orders().puzzles(&GetsOn);
        for judge in [&Converges as &dyn Checker, &GetsOn] {
            assert_eq!(judge.judge(&History::default()), Verdict::unknown(NO_TERMS));
        }
    }
}
