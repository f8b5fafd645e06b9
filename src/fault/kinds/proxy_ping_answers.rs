//! `proxy-ping-answers`: the proxy does not answer HTTP/2 PING as it should.

use std::time::Duration;

use crate::fault::hosts::CONNECTED;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Key, Kind};
use crate::fault::kinds::lying::LIES_LAST_MS;
use crate::fault::words::word;
use crate::fault::{Family, Harm, ProxyHarm};
use crate::grammar::spell;
use crate::lie::{ConnectionLie, Lie, PingAnswer};

/// Later than any keepalive waits.
const LATE_MAX: Duration = Duration::from_secs(3_600);

/// The words for what becomes of an answer.
const ANSWERS: [(&str, PingAnswer); 4] = [
    ("missing", PingAnswer::Missing),
    ("late", PingAnswer::Late(Duration::ZERO)),
    ("doubled", PingAnswer::Doubled),
    ("wrong", PingAnswer::Wrong),
];

/// Keepalive believes it, and is deceived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyPingAnswers {
    /// What becomes of them.
    pub answer: PingAnswer,
}

impl Kind for ProxyPingAnswers {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\nanswer = \"late\"\nby = \"6s\"",
        falls_on: |_| CONNECTED,
        read: |section, _| {
            let answer = section.required("answer", "answer = \"missing\"", |entry| entry.choice("answer", &ANSWERS));
            let range = Duration::from_millis(1)..=LATE_MAX;
            let by = section.optional("by", None, |entry| entry.duration(range).map(Some));
            let answer = match (answer?.value, by?.value) {
                (PingAnswer::Late(_), Some(by)) => PingAnswer::Late(by),
                (answer @ (PingAnswer::Missing | PingAnswer::Doubled | PingAnswer::Wrong), None) => answer,
                (PingAnswer::Late(_) | PingAnswer::Missing | PingAnswer::Doubled | PingAnswer::Wrong, _) => {
                    let problem =
                        section.problem(format!("`{}` has `by` where nothing is late, or the reverse", section.key()));
                    section.note(problem.advice("write answer = \"late\" and by = \"6s\", or another answer alone"));
                    return None;
                }
            };
            Some(ProxyPingAnswers { answer })
        },
        keys: |answers| match answers.answer {
            PingAnswer::Late(by) => {
                let late = PingAnswer::Late(Duration::ZERO);
                let keys: [Key; 2] = [("answer", word(&ANSWERS, late).into()), ("by", spell(by).into())];
                keys.into()
            }
            answer @ (PingAnswer::Missing | PingAnswer::Doubled | PingAnswer::Wrong) => {
                vec![("answer", word(&ANSWERS, answer).into())]
            }
        },
        told: |answers, hosts| match answers.answer {
            PingAnswer::Missing => format!("the proxy answers no HTTP/2 PING of {hosts}"),
            PingAnswer::Late(by) => format!("the proxy answers each HTTP/2 PING of {hosts} {} late", spell(by)),
            PingAnswer::Doubled => format!("the proxy answers each HTTP/2 PING of {hosts} twice"),
            PingAnswer::Wrong => format!("the proxy answers each HTTP/2 PING of {hosts} with other data"),
        },
        harm: |answers, on| {
            let lie = Lie::Connection(ConnectionLie::PingAnswers(answers.answer));
            Harm::Proxy { on, harm: ProxyHarm::plain(lie) }
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let answer = match draw.one_of(&ANSWERS).1 {
                    PingAnswer::Late(_) => PingAnswer::Late(draw.time(100, 30_000)),
                    answer @ (PingAnswer::Missing | PingAnswer::Doubled | PingAnswer::Wrong) => answer,
                };
                ProxyPingAnswers { answer }.on(draw.hosts(CONNECTED.can))
            },
        }),
    };
}
