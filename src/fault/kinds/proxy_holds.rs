//! `proxy-buffers`: the proxy gathers what arrives, and hands it on together.

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::lying::{LIES_LAST_MS, draw_aim};
use crate::fault::kinds::ways::{WAYS, way_key};
use crate::fault::words::word;
use crate::fault::{Direction, Family, StreamAim};
use crate::grammar::quantity::{SIZE_FORM, size};
use crate::grammar::{Entry, Problem, spell_size};
use crate::lie::{HeldUntil, StreamLie};

const RELEASES: [(&str, HeldUntil); 2] = [("end", HeldUntil::End), ("first-data", HeldUntil::FirstData)];
/// The window of a stream is a mebibyte: the sender stops before more could be held.
const ROOM_MAX: u64 = 1 << 19;
/// What nginx's buffers of a response hold: eight of 8 KiB.
const ROOM: u64 = 64 << 10;

/// Buffering, of requests or of responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyBuffers {
    /// Which way.
    pub way: Direction,
    /// What lets it go.
    pub until: HeldUntil,
    /// How many bytes are held at most.
    pub room: u64,
    /// Which streams.
    pub aim: StreamAim,
}

impl Kind for ProxyBuffers {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\ndirection = \"to-node\"\nuntil = \"end\"",
        falls_on: |_| STREAMING,
        read: |section, scene| {
            let way =
                section.required("direction", "direction = \"to-node\"", |entry| entry.choice("direction", &WAYS));
            let until = section.required("until", "until = \"end\"", |entry| entry.choice("release", &RELEASES));
            let room = section.optional("buffer", ROOM, read_room);
            let aim = StreamAim::read(section, scene);
            Some(ProxyBuffers { way: way?.value, until: until?.value, room: room?.value, aim: aim? })
        },
        keys: |buffer| {
            let until = ("until", word(&RELEASES, buffer.until).into());
            let room = ("buffer", spell_size(buffer.room).into());
            way_key(Some(buffer.way)).into_iter().chain([until, room]).chain(buffer.aim.keys()).collect()
        },
        told: |buffer, hosts| {
            let until = match buffer.until {
                HeldUntil::End => "its end",
                HeldUntil::FirstData => "its first byte of DATA",
            };
            let (way, room, aim) = (buffer.way, spell_size(buffer.room), &buffer.aim);
            format!("the proxy holds what {hosts} exchange {way}{aim} until {until}, or until it has {room}")
        },
        harm: |buffer, on| {
            let room = usize::try_from(buffer.room).unwrap_or(usize::MAX);
            buffer.aim.harm(on, StreamLie::Hold { direction: buffer.way, until: buffer.until, room })
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let way = *draw.one_of(&[Direction::ToNode, Direction::ToClient]);
                let until = draw.one_of(&RELEASES).1;
                let room = draw.spread(1, ROOM_MAX);
                let on = draw.hosts(STREAMING.can);
                ProxyBuffers { way, until, room, aim: draw_aim(draw) }.on(on)
            },
        }),
    };
}

fn read_room(entry: &Entry<'_>) -> Result<u64, Problem> {
    let bytes = entry.quantity(SIZE_FORM, size)?;
    if (1..=ROOM_MAX).contains(&bytes) {
        return Ok(bytes);
    }
    Err(entry.outside(&spell_size(bytes), "1B", &spell_size(ROOM_MAX)))
}
