//! `proxy-ends-streams`: the proxy ends streams from the middle, in one of the ways of real proxies.

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Key, Kind};
use crate::fault::kinds::lying::{LIES_LAST_MS, PASSING_STATUSES, draw_aim};
use crate::fault::{Family, StreamAim};
use crate::grammar::Section;
use crate::lie::{Ending, ResetCode, StreamLie};

/// gRPC's status codes, of which 0 is OK.
const STATUS_MAX: u32 = 16;
/// The HTTP statuses of proxies whose server is gone, overloaded or late, and one that says nothing is wrong.
const PASSING_HTTP: [u16; 5] = [200, 500, 502, 503, 504];

/// Each stream is ended at a moment of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyEndsStreams {
    /// How.
    pub ending: StreamEnding,
    /// Which streams, and when.
    pub aim: StreamAim,
}

/// The ways to end a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnding {
    /// RST_STREAM with that code.
    Reset(ResetCode),
    /// END_STREAM without trailers.
    EndStream,
    /// A page of HTML, with that status of HTTP where there are no headers yet.
    Html(u16),
    /// That status of gRPC.
    Status(u8),
    /// END_STREAM to the node alone.
    Request,
}

/// The words for them, with what each has unless more is said.
const ENDINGS: [(&str, StreamEnding); 5] = [
    ("reset", StreamEnding::Reset(ResetCode::InternalError)),
    ("end-stream", StreamEnding::EndStream),
    ("html", StreamEnding::Html(504)),
    ("status", StreamEnding::Status(14)),
    ("end-request", StreamEnding::Request),
];

impl Kind for ProxyEndsStreams {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\nwhen = \"60s\"\nwith = \"reset\"\ncode = \"NO_ERROR\"",
        falls_on: |_| STREAMING,
        read: |section, scene| {
            let with =
                section.required("with", "with = \"reset\"", |entry| entry.choice("way to end a stream", &ENDINGS));
            let ending = with.and_then(|with| read_ending(with.value, section));
            Some(ProxyEndsStreams { aim: StreamAim::read(section, scene)?, ending: ending? })
        },
        keys: |ends| ending_keys(ends.ending).into_iter().chain(ends.aim.keys()).collect(),
        told: |ends, hosts| {
            let how = match ends.ending {
                StreamEnding::Reset(code) => format!("RST_STREAM({})", code.word()),
                StreamEnding::EndStream => "END_STREAM and no trailers".into(),
                StreamEnding::Html(status) => format!("an HTML page, as with HTTP status {status}"),
                StreamEnding::Status(status) => format!("gRPC status {status}"),
                StreamEnding::Request => "END_STREAM to the node alone".into(),
            };
            format!("the proxy ends streams of {hosts}{} with {how}", ends.aim)
        },
        harm: |ends, on| {
            let lie = match ends.ending {
                StreamEnding::Reset(code) => StreamLie::End(Ending::reset(code)),
                StreamEnding::EndStream => StreamLie::End(Ending::end_stream()),
                StreamEnding::Html(status) => StreamLie::End(Ending::html(status)),
                StreamEnding::Status(status) => StreamLie::End(Ending::status(status)),
                StreamEnding::Request => StreamLie::EndRequest,
            };
            ends.aim.harm(on, lie)
        },
        // A client that is told anything opens another stream (C5).
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        // A refusal for good is believed (INVALID_ARGUMENT and its like), and one for want of room after a while: neither
        // is drawn, and no HTTP status that stands for one.
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let ending = match draw.uniform(0, 4) {
                    0 => StreamEnding::Reset(draw.one_of(ResetCode::WORDS).1),
                    1 => StreamEnding::EndStream,
                    2 => StreamEnding::Html(*draw.one_of(&PASSING_HTTP)),
                    3 => StreamEnding::Status(*draw.one_of(&PASSING_STATUSES)),
                    _ => StreamEnding::Request,
                };
                let on = draw.hosts(STREAMING.can);
                ProxyEndsStreams { ending, aim: draw_aim(draw) }.on(on)
            },
        }),
    };
}

/// What a way to end a stream has besides: each key is asked for, and one that says nothing is a problem.
fn read_ending(ending: StreamEnding, section: &mut Section<'_>) -> Option<StreamEnding> {
    let code = section.optional("code", None, |entry| entry.choice("error code of HTTP/2", ResetCode::WORDS).map(Some));
    let http = section.optional("http-status", None, |entry| entry.number(200..=599).map(Some));
    let grpc = section.optional("grpc-status", None, |entry| entry.number(0..=STATUS_MAX).map(Some));
    let (code, http, grpc) = (code?.value, http?.value, grpc?.value);
    let (ending, idle) = match ending {
        StreamEnding::Reset(usual) => {
            (StreamEnding::Reset(code.unwrap_or(usual)), [("http-status", http), ("grpc-status", grpc)])
        }
        StreamEnding::Html(usual) => {
            let status = http.map_or(Some(usual), |status| u16::try_from(status).ok())?;
            (StreamEnding::Html(status), [("code", code.map(ResetCode::number)), ("grpc-status", grpc)])
        }
        StreamEnding::Status(usual) => {
            let status = grpc.map_or(Some(usual), |status| u8::try_from(status).ok())?;
            (StreamEnding::Status(status), [("code", code.map(ResetCode::number)), ("http-status", http)])
        }
        StreamEnding::EndStream | StreamEnding::Request => {
            (ending, [("code", code.map(ResetCode::number)), ("http-status", http.or(grpc))])
        }
    };
    if let Some((key, _)) = idle.iter().find(|(_, value)| value.is_some()) {
        let problem = section.problem(format!("`{}` has `{key}`, of which its `with` makes nothing", section.key()));
        section.note(
            problem.advice("write `code` with \"reset\", `http-status` with \"html\", `grpc-status` with \"status\""),
        );
        return None;
    }
    Some(ending)
}

fn ending_keys(ending: StreamEnding) -> Vec<Key> {
    let particular: Option<Key> = match ending {
        StreamEnding::Reset(code) => Some(("code", code.word().into())),
        StreamEnding::Html(status) => Some(("http-status", i64::from(status).into())),
        StreamEnding::Status(status) => Some(("grpc-status", i64::from(status).into())),
        StreamEnding::EndStream | StreamEnding::Request => None,
    };
    let is_this = |named: &StreamEnding| std::mem::discriminant(named) == std::mem::discriminant(&ending);
    let with = ENDINGS.iter().find(|(_, named)| is_this(named)).map_or("", |(word, _)| *word);
    [("with", with.into())].into_iter().chain(particular).collect()
}
