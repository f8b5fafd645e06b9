//! What processes hold of their machines at the end of a trial, against what their streams need.
//!
//! Sockets come in pairs, and a task serves a connection or a stream: where there are no more of these than before the first
//! fault, there are no more tasks. Refuses to know what a task does. An engine that counts nothing is not judged by it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::{Evidence, Requirement};
use crate::grammar::Readable;
use crate::history::Terms;

/// What one connection or stream more costs a process at most: the tasks of HTTP/2, of gRPC and of the program, on both of
/// its sides. A leak is seen where nothing was gained.
const TASKS_EACH_MAX: usize = 6;

/// What a process held, when, and with how many streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stock {
    pub(crate) at: Duration,
    pub(crate) index: usize,
    pub(crate) dialed: usize,
    pub(crate) accepted: usize,
    pub(crate) tasks: usize,
    /// The streams that it has, serves or carries.
    pub(crate) streams: usize,
}

impl Stock {
    /// Connections and streams.
    fn work(&self) -> usize {
        self.dialed + self.accepted + self.streams
    }
}

/// The stocks of every host, in order.
#[derive(Default)]
pub(crate) struct StockBook<'h> {
    stocks: BTreeMap<&'h str, Vec<Stock>>,
}

impl<'h> StockBook<'h> {
    pub(crate) fn take(&mut self, host: &'h str, stock: Stock) {
        self.stocks.entry(host).or_default().push(stock);
    }

    /// What is held at the end.
    fn last(&self, end: Duration) -> impl Iterator<Item = (&'h str, &[Stock], Stock)> {
        self.stocks.iter().filter_map(move |(host, stocks)| {
            let (last, before) = stocks.split_last()?;
            (last.at == end).then_some((*host, before, *last))
        })
    }

    /// What is held at the end and serves nothing. `closed` streams have just ended: what served them may not have. Where not
    /// every end of a connection was heard at its other end, nobody can say whether that is still to be held.
    pub(crate) fn leftover(
        &self,
        terms: &Terms,
        closed: usize,
        ends_are_heard: bool,
        (keep, release): (Requirement, Requirement),
    ) -> Option<Evidence> {
        let evidence = |requirement: Requirement, (host, what, records): Leftover| {
            Evidence::at(terms.end, &host, requirement, what).with(records)
        };
        // Whoever was not told that the other end is gone goes on serving it, with the streams that were on it.
        let unheard = if ends_are_heard { 0 } else { self.lone(terms.end) };
        let follows = |host: &str| terms.followers.iter().any(|(name, _)| &**name == host);
        let kept = self.last(terms.end).find_map(|(host, before, last)| {
            // Who serves others, as a proxy does, may keep a connection for each that it has served at one time.
            let served = || before.iter().chain([&last]).map(|stock| stock.streams.max(stock.accepted)).max();
            let needed = if follows(host) { 1 } else { served().unwrap_or(0) + 1 };
            spare_dials(host, last, needed, closed).or_else(|| spare_tasks(host, before, last, closed + unheard))
        });
        if let Some(kept) = kept {
            return Some(evidence(keep, kept));
        }
        let unreleased = ends_are_heard.then(|| self.lone_accepts(terms.end, closed)).flatten();
        unreleased.map(|unreleased| evidence(release, unreleased))
    }

    /// How many accepted connections have no other end any more, at least.
    fn lone(&self, end: Duration) -> usize {
        let (accepted, dialed) = self
            .last(end)
            .fold((0, 0), |(accepted, dialed), (_, _, last)| (accepted + last.accepted, dialed + last.dialed));
        accepted.saturating_sub(dialed)
    }

    /// Accepted connections whose other ends nobody holds any more.
    fn lone_accepts(&self, end: Duration, closed: usize) -> Option<Leftover> {
        let held = || self.last(end).map(|(host, _, last)| (host, last));
        let dialed: usize = held().map(|(_, last)| last.dialed).sum();
        let accepted: usize = held().map(|(_, last)| last.accepted).sum();
        let (host, most) = held().max_by_key(|(_, last)| last.accepted)?;
        let what = format!(
            "{accepted} accepted connections are held at the end, {} of them by {host}, and {dialed} by those who dialed \
             them",
            most.accepted
        );
        (accepted > dialed + closed).then(|| (host.to_owned(), what, vec![most.index]))
    }
}

/// Whose it is, what, and its records.
type Leftover = (String, String, Vec<usize>);

/// Connections that a host dialed, beyond those that it needs.
fn spare_dials(host: &str, last: Stock, needed: usize, closed: usize) -> Option<Leftover> {
    let what =
        format!("{host} holds {} connections at the end, and needs no more than {needed} for its streams", last.dialed);
    (last.dialed > needed + closed).then(|| (host.to_owned(), what, vec![last.index]))
}

/// Tasks beyond those that it had before, and beyond what its new connections and streams take.
fn spare_tasks(host: &str, before: &[Stock], last: Stock, closed: usize) -> Option<Leftover> {
    let gained = |first: &Stock| last.work().saturating_sub(first.work());
    let is_exceeded = |first: &&Stock| last.tasks > first.tasks + (gained(first) + closed) * TASKS_EACH_MAX;
    let first = before.iter().find(is_exceeded)?;
    let what = format!(
        "{host} has {} tasks at the end and had {} at {}, with {} connections and streams more",
        last.tasks,
        first.tasks,
        Readable(first.at),
        gained(first)
    );
    Some((host.to_owned(), what, vec![first.index, last.index]))
}
