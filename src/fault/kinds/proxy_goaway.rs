//! `proxy-goaway`: the proxy says GOAWAY, truly or not, and closes the connection or does not.

use std::time::Duration;

use crate::fault::hosts::CONNECTED;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Key, Kind};
use crate::fault::kinds::lying::LIES_LAST_MS;
use crate::fault::words::word;
use crate::fault::{Family, Harm, ProxyHarm};
use crate::grammar::{Section, spell};
use crate::lie::{ConnectionLie, LastStream, Lie, ResetCode, Trigger};

const LASTS: [(&str, LastStream); 3] =
    [("all", LastStream::All), ("seen", LastStream::Seen), ("none", LastStream::None)];
/// A GOAWAY per second says nothing that one per minute does not.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// Whoever is told dials anew; some are told more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyGoAway {
    /// The error code (RFC 9113 section 7).
    pub code: ResetCode,
    /// The last stream that it tells.
    pub last: LastStream,
    /// At which age of a connection; none is at once.
    pub age: Option<Duration>,
    /// A second one follows after so long.
    pub twice: Option<Duration>,
    /// The connection is closed so long after the first; none: it goes on.
    pub closes_after: Option<Duration>,
    /// Again and again, so long after each other.
    pub every: Option<Duration>,
}

impl Kind for ProxyGoAway {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\nevery = \"5m\"\ncloses-after = \"10s\"",
        falls_on: |_| CONNECTED,
        read: |section, scene| {
            let code = section
                .optional("code", ResetCode::NoError, |entry| entry.choice("error code of HTTP/2", ResetCode::WORDS));
            let last = section.optional("last-stream", LastStream::All, |entry| entry.choice("last stream", &LASTS));
            let longest = scene.frame.longest;
            let age = read_time(section, "age", Duration::from_millis(1), longest);
            let twice = read_time(section, "again-after", Duration::from_millis(1), longest);
            let closes_after = read_time(section, "closes-after", Duration::ZERO, longest);
            let every = read_time(section, "every", EVERY_MIN, longest);
            Some(ProxyGoAway {
                code: code?.value,
                last: last?.value,
                age: age?,
                twice: twice?,
                closes_after: closes_after?,
                every: every?,
            })
        },
        keys: |goaway| {
            let head: [Key; 2] =
                [("code", goaway.code.word().into()), ("last-stream", word(&LASTS, goaway.last).into())];
            let times = [
                ("age", goaway.age),
                ("again-after", goaway.twice),
                ("closes-after", goaway.closes_after),
                ("every", goaway.every),
            ];
            let times = times.into_iter().filter_map(|(key, time)| Some((key, spell(time?).into())));
            head.into_iter().chain(times).collect()
        },
        told: told_goaway,
        harm: |goaway, on| {
            let ProxyGoAway { code, last, age, twice, closes_after, every } = goaway.clone();
            let lie = Lie::Connection(ConnectionLie::GoAway { code: code.number(), last, twice, closes_after, every });
            let when = age.map_or(Trigger::Opened, Trigger::Age);
            Harm::Proxy { on, harm: ProxyHarm { when, ..ProxyHarm::plain(lie) } }
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let code = draw.one_of(ResetCode::WORDS).1;
                let last = draw.one_of(&LASTS).1;
                let age = draw.coin().then(|| draw.time(1_000, 120_000));
                let twice = draw.one_in(3).then(|| draw.time(100, 10_000));
                let closes_after = draw.coin().then(|| draw.time(1, 30_000));
                let every = draw.coin().then(|| draw.time(2_000, 120_000));
                ProxyGoAway { code, last, age, twice, closes_after, every }.on(draw.hosts(CONNECTED.can))
            },
        }),
    };
}

fn read_time(
    section: &mut Section<'_>,
    name: &'static str,
    least: Duration,
    most: Duration,
) -> Option<Option<Duration>> {
    Some(section.optional(name, None, |entry| entry.duration(least..=most).map(Some))?.value)
}

fn told_goaway(goaway: &ProxyGoAway, hosts: &str) -> String {
    let last = match goaway.last {
        LastStream::All => "",
        LastStream::Seen => " with the last stream that it saw",
        LastStream::None => " as if it had seen no stream",
    };
    let code = goaway.code.word();
    let when = goaway.age.map(|age| format!(" at the age of {}", spell(age)));
    let every = goaway.every.map(|every| format!(" every {}", spell(every)));
    let twice = goaway.twice.map(|time| format!(", again after {}", spell(time)));
    let close = match goaway.closes_after {
        Some(time) => format!(", and closes the connection after {}", spell(time)),
        None => ", and goes on".into(),
    };
    let times: String = [when, every, twice].into_iter().flatten().collect();
    format!("the proxy says GOAWAY({code}){last} to {hosts}{times}{close}")
}
