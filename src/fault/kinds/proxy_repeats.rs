//! `proxy-repeats-requests`: the proxy takes answers for failures, and sends the requests again.

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::lying::{LIES_LAST_MS, draw_aim};
use crate::fault::{Family, StreamAim};
use crate::lie::StreamLie;

/// Sixteen tries are Pingora's default, and the most of any proxy that was measured.
const TIMES_MAX: u32 = 16;

/// What a request does at the node, it does several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRepeatsRequests {
    /// How often the node gets each.
    pub times: u32,
    /// Which streams.
    pub aim: StreamAim,
}

impl Kind for ProxyRepeatsRequests {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\ntimes = 3",
        falls_on: |_| STREAMING,
        read: |section, scene| {
            let times = section.required("times", "times = 3", |entry| entry.number(2..=TIMES_MAX));
            Some(ProxyRepeatsRequests { aim: StreamAim::read(section, scene)?, times: times?.value })
        },
        keys: |repeats| [("times", i64::from(repeats.times).into())].into_iter().chain(repeats.aim.keys()).collect(),
        told: |repeats, hosts| {
            let (times, aim) = (repeats.times, &repeats.aim);
            format!("the proxy sends each request of {hosts}{aim} {times} times, and passes on the last answer")
        },
        harm: |repeats, on| repeats.aim.harm(on, StreamLie::Repeat { times: repeats.times }),
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        // What is published thrice is stored thrice, and no client can do anything about it: only what reads is repeated.
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let times = draw.uniform(2, TIMES_MAX);
                let on = draw.hosts(|host| host.abilities.recovers);
                ProxyRepeatsRequests { times, aim: draw_aim(draw) }.on(on)
            },
        }),
    };
}
