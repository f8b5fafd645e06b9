//! Judges leaks: at the end nobody holds far more connections and tasks than before anything went wrong.
//!
//! Refuses to know what a connection is good for. A pool may open a second one, so that twice as many are allowed; who leaves
//! one behind at each reconnect has more. Proxies are ours, and judged elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::excuse::Excuses;
use crate::checker::judge::{NO_TERMS, terms};
use crate::checker::{Checker, Evidence, Requirement, Verdict};
use crate::grammar::Readable;
use crate::history::{Event, History};
use crate::subject::stranger::spec::G7;

/// What one connection more costs a process at most: the tasks of HTTP/2, of gRPC and of the program.
const TASKS_EACH_MAX: usize = 6;
/// Whoever accepted a connection may hear so late that it is closed: at its next write, or its next look.
const NOTICED_IN: Duration = Duration::from_secs(60);

pub(crate) struct Leaks;

/// What a process holds, when.
#[derive(Clone, Copy)]
struct Holding {
    at: Duration,
    index: usize,
    dialed: usize,
    accepted: usize,
    tasks: usize,
}

impl Checker for Leaks {
    fn name(&self) -> &'static str {
        "leaks"
    }

    fn promises(&self) -> &'static str {
        "At the end no process holds more than twice the connections and tasks that it held before anything went wrong."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[G7]
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let is_ours = |host: &str| terms.cast.find(host).is_none_or(|member| !member.abilities.stores);
        let mut holdings: BTreeMap<&str, Vec<Holding>> = BTreeMap::new();
        for (index, record) in history.records().iter().enumerate() {
            if let Event::Holds { dialed, accepted, tasks } = record.event {
                let holding = Holding { at: record.at, index, dialed, accepted, tasks };
                holdings.entry(&record.host).or_default().push(holding);
            }
        }
        let at_end = |holdings: &Vec<Holding>| holdings.last().copied().filter(|last| last.at == terms.end);
        let ended: BTreeMap<&str, (Holding, Holding)> = holdings
            .iter()
            .filter_map(|(host, held)| {
                Some((*host, (*held.first().filter(|first| first.at < terms.end)?, at_end(held)?)))
            })
            .collect();
        if ended.is_empty() {
            return Verdict::unknown("nobody was counted before the first fault and at the end");
        }
        let grown = ended
            .iter()
            .filter(|(host, _)| !is_ours(host))
            .find_map(|(host, (first, last))| grown(host, *first, *last));
        let ends_are_heard = Excuses::read(history).hold_up_nothing();
        let is_fresh = |at: Duration| terms.end.saturating_sub(at) <= NOTICED_IN;
        let over = history.records().iter().filter(|record| matches!(record.event, Event::Disconnected { .. }));
        let just_closed = over.filter(|record| is_fresh(record.at)).count();
        let lone = || if ends_are_heard { lone(&holdings, terms.end, just_closed) } else { None };
        match grown.or_else(lone) {
            Some((host, what, records)) => Verdict::Fail(Evidence::at(terms.end, &host, G7, what).with(records)),
            None => Verdict::Pass { seen: format!("processes counted: {}, none has twice what it had", ended.len()) },
        }
    }
}

/// Whose it is, what, and its records.
type Surplus = (String, String, Vec<usize>);

fn grown(host: &str, first: Holding, last: Holding) -> Option<Surplus> {
    let told = |what: &str, now: usize, before: usize| {
        let words = format!("{host} has {now} {what} at the end and had {before} at {}", Readable(first.at));
        Some((host.to_owned(), words, vec![first.index, last.index]))
    };
    if last.dialed > first.dialed.max(1) * 2 {
        return told("connections that it dialed", last.dialed, first.dialed);
    }
    let gained = (last.dialed + last.accepted).saturating_sub(first.dialed + first.accepted);
    let allowed = first.tasks.max(1) * 2 + (gained + 1) * TASKS_EACH_MAX;
    if last.tasks > allowed { told("tasks", last.tasks, first.tasks) } else { None }
}

/// Accepted connections whose other ends nobody holds any more, and which were not just closed there.
fn lone(holdings: &BTreeMap<&str, Vec<Holding>>, end: Duration, just_closed: usize) -> Option<Surplus> {
    let last = || holdings.iter().filter_map(|(host, held)| Some((*host, *held.last().filter(|last| last.at == end)?)));
    let (dialed, accepted) =
        last().fold((0, 0), |(dialed, accepted), (_, held)| (dialed + held.dialed, accepted + held.accepted));
    let (host, most) = last().max_by_key(|(_, held)| held.accepted)?;
    let what = format!(
        "of {accepted} accepted connections that are held at the end, {} of them by {host}, {} are closed at the other end for longer \
            than {}",
        most.accepted,
        accepted.saturating_sub(dialed + just_closed),
        Readable(NOTICED_IN)
    );
    (accepted > dialed + just_closed).then(|| (host.to_owned(), what, vec![most.index]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::pause;
    use crate::subject::stranger::checker::script::*;

    fn held(client: (usize, usize), server: (usize, usize)) -> StreamScript {
        let before = new().at(20).holds("client", 1, 0, 4).holds("server", 0, 1, 5);
        before.at(700).holds("client", client.0, 0, client.1).holds("server", 0, server.0, server.1)
    }

    #[test]
    fn who_holds_what_it_held_is_acquitted() {
        assert_eq!(held((1, 4), (1, 5)).acquitted_by(&Leaks), "processes counted: 2, none has twice what it had");
        held((2, 8), (2, 9)).acquitted_by(&Leaks);
    }

    #[test]
    fn connections_and_tasks_that_pile_up_are_condemned() {
        let evidence = held((5, 8), (5, 9)).condemned_by(&Leaks);
        assert_eq!(evidence.what, "client has 5 connections that it dialed at the end and had 1 at 20s");
        assert_eq!((evidence.requirement.as_str(), evidence.records.len()), ("G7", 2));
        let tasks = held((1, 60), (1, 5)).condemned_by(&Leaks);
        assert_eq!(tasks.what, "client has 60 tasks at the end and had 4 at 20s");
    }

    #[test]
    fn accepted_connections_of_nobody_are_condemned_where_their_end_was_to_be_heard() {
        let evidence = held((1, 4), (2, 6)).condemned_by(&Leaks);
        assert!(
            evidence
                .what
                .starts_with("of 2 accepted connections that are held at the end, 2 of them by server, 1 are closed"),
            "{}",
            evidence.what
        );
        let unheard = new().at(20).holds("server", 0, 1, 5).at(30).fault(1, pause("server")).at(60).fault_ends(1);
        unheard.at(700).holds("server", 0, 2, 6).acquitted_by(&Leaks);
    }

    #[test]
    fn nothing_is_unknown() {
        assert_eq!(new().puzzles(&Leaks), "nobody was counted before the first fault and at the end");
        assert_eq!(Leaks.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }
}
