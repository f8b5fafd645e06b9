//! `proxy-alters-status`: calls end with another gRPC status than the node's.

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::lying::{LIES_LAST_MS, PASSING_STATUSES, draw_aim};
use crate::fault::{Family, StreamAim};
use crate::lie::StreamLie;

/// The trailers of a response say something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAltersStatus {
    /// The status, 0 is OK.
    pub status: u16,
    /// On which streams.
    pub aim: StreamAim,
}

impl Kind for ProxyAltersStatus {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\ngrpc-status = 0",
        falls_on: |_| STREAMING,
        read: |section, scene| {
            let status = section.required("grpc-status", "grpc-status = 0", |entry| entry.number(0..=16));
            let status = u16::try_from(status?.value).ok()?;
            Some(ProxyAltersStatus { aim: StreamAim::read(section, scene)?, status })
        },
        keys: |altered| {
            [("grpc-status", i64::from(altered.status).into())].into_iter().chain(altered.aim.keys()).collect()
        },
        told: |altered, hosts| {
            format!("the proxy ends calls of {hosts}{} with gRPC status {}", altered.aim, altered.status)
        },
        harm: |altered, on| altered.aim.harm(on, StreamLie::Status(altered.status)),
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        // What refuses for good is believed (INVALID_ARGUMENT and its like).
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let status = u16::from(*draw.one_of(&PASSING_STATUSES));
                let on = draw.hosts(STREAMING.can);
                ProxyAltersStatus { status, aim: draw_aim(draw) }.on(on)
            },
        }),
    };
}
