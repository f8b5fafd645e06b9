//! `proxy-ends-streams`: the proxy ends streams from the middle, in one of the ways of real proxies.

use crate::fault::StreamAim;
use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Excuse, Hold, Hosts, Key, Kind};
use crate::fault::words::word;
use crate::grammar::Section;
use crate::http2::ERROR_CODES;
use crate::lie::{Ending, StreamLie};

/// gRPC's status codes, of which 0 is OK.
const STATUS_MAX: u32 = 16;

/// Each stream is ended at a moment of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyEndsStreams {
    /// How.
    pub ending: Ending,
    /// Which streams, and when.
    pub aim: StreamAim,
}

/// The words for the ways to end a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndingWord {
    Reset,
    EndStream,
    Html,
    Status,
    EndRequest,
}

const ENDINGS: [(&str, EndingWord); 5] = [
    ("reset", EndingWord::Reset),
    ("end-stream", EndingWord::EndStream),
    ("html", EndingWord::Html),
    ("status", EndingWord::Status),
    ("end-request", EndingWord::EndRequest),
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
        keys: |ends| ending_keys(&ends.ending).into_iter().chain(ends.aim.keys()).collect(),
        told: |ends, hosts| {
            let how = match &ends.ending {
                Ending::Reset(code) => format!("RST_STREAM({})", word(&ERROR_CODES, *code)),
                Ending::EndStream => "END_STREAM and no trailers".into(),
                Ending::Html(status) => format!("an HTML page, as with HTTP status {status}"),
                Ending::Status(status) => format!("gRPC status {status}"),
                Ending::Request => "END_STREAM to the node alone".into(),
            };
            format!("the proxy ends streams of {hosts}{} with {how}", ends.aim)
        },
        harm: |ends, on| ends.aim.harm(on, StreamLie::End(ends.ending.clone())),
        // A client that is told anything opens another stream (C5).
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: None,
    };
}

fn read_ending(word: EndingWord, section: &mut Section<'_>) -> Option<Ending> {
    Some(match word {
        EndingWord::Reset => {
            let code = section.optional("code", 0x2, |entry| entry.choice("error code of HTTP/2", &ERROR_CODES));
            Ending::Reset(code?.value)
        }
        EndingWord::EndStream => Ending::EndStream,
        EndingWord::Html => {
            let status = section.optional("http-status", 504, |entry| entry.number(200..=599));
            Ending::Html(u16::try_from(status?.value).ok()?)
        }
        EndingWord::Status => {
            let status = section.optional("grpc-status", 14, |entry| entry.number(0..=STATUS_MAX));
            Ending::Status(u16::try_from(status?.value).ok()?)
        }
        EndingWord::EndRequest => Ending::Request,
    })
}

fn ending_keys(ending: &Ending) -> Vec<Key> {
    let (with, particular): (_, Option<Key>) = match ending {
        Ending::Reset(code) => (EndingWord::Reset, Some(("code", word(&ERROR_CODES, *code).into()))),
        Ending::EndStream => (EndingWord::EndStream, None),
        Ending::Html(status) => (EndingWord::Html, Some(("http-status", i64::from(*status).into()))),
        Ending::Status(status) => (EndingWord::Status, Some(("grpc-status", i64::from(*status).into()))),
        Ending::Request => (EndingWord::EndRequest, None),
    };
    [("with", word(&ENDINGS, with).into())].into_iter().chain(particular).collect()
}
