//! `proxy-slows-streams`: bytes wait in the proxy, or trickle out of it.

use std::time::Duration;

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Key, Kind};
use crate::fault::kinds::lying::{LIES_LAST_MS, draw_aim, draw_way};
use crate::fault::kinds::ways::{WAYS, told_way, way_key};
use crate::fault::{Direction, Family, StreamAim};
use crate::grammar::quantity::{BANDWIDTH_FORM, bandwidth};
use crate::grammar::{Entry, Problem, spell, spell_size};
use crate::lie::StreamLie;

/// A byte per second resets every timer that counts bytes.
const RATE_MIN: u64 = 1;
/// No proxy that is slow is faster.
const RATE_MAX: u64 = 1 << 30;
/// Slower than any proxy that still works.
const DELAY_MAX: Duration = Duration::from_secs(3_600);

/// Latency and bandwidth of single streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySlowsStreams {
    /// One way only; none is both.
    pub way: Option<Direction>,
    /// Each piece of DATA waits for so long.
    pub delay: Duration,
    /// So much passes on each stream; none is as much as can.
    pub bytes_per_second: Option<u64>,
    /// Which streams.
    pub aim: StreamAim,
}

impl Kind for ProxySlowsStreams {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\ndirection = \"to-client\"\nrate = \"1B/s\"",
        falls_on: |_| STREAMING,
        read: |section, scene| {
            let way = section.optional("direction", None, |entry| entry.choice("direction", &WAYS).map(Some));
            let range = Duration::from_millis(1)..=DELAY_MAX;
            let delay = section.optional("delay", None, |entry| entry.duration(range).map(Some));
            let rate = section.optional("rate", None, |entry| read_rate(entry).map(Some));
            let aim = StreamAim::read(section, scene);
            let (delay, rate) = (delay?.value, rate?.value);
            if delay.is_none() && rate.is_none() {
                let problem = section.problem(format!("`{}` does not say how slow", section.key()));
                section.note(problem.advice("write delay = \"5s\", rate = \"1B/s\", or both"));
                return None;
            }
            let delay = delay.unwrap_or_default();
            Some(ProxySlowsStreams { way: way?.value, delay, bytes_per_second: rate, aim: aim? })
        },
        keys: |slow| {
            let delay: Option<Key> = (!slow.delay.is_zero()).then(|| ("delay", spell(slow.delay).into()));
            let rate: Option<Key> =
                slow.bytes_per_second.map(|rate| ("rate", format!("{}/s", spell_size(rate)).into()));
            way_key(slow.way).into_iter().chain(delay).chain(rate).chain(slow.aim.keys()).collect()
        },
        told: |slow, hosts| {
            let delay = (!slow.delay.is_zero()).then(|| format!("holds each piece for {}", spell(slow.delay)));
            let rate = slow.bytes_per_second.map(|rate| format!("passes {}/s", spell_size(rate)));
            let how = delay.into_iter().chain(rate).collect::<Vec<_>>().join(" and ");
            format!("the proxy {how} on each stream of {hosts}{}{}", told_way(slow.way), slow.aim)
        },
        harm: |slow, on| {
            let ProxySlowsStreams { way: direction, delay, bytes_per_second, .. } = *slow;
            slow.aim.harm(on, StreamLie::Slow { direction, delay, bytes_per_second })
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let way = draw_way(draw);
                // Below what a heartbeat waits for, and above: some streams die of it.
                let delay = if draw.coin() { draw.time(100, 40_000) } else { Duration::ZERO };
                let rate = (delay.is_zero() || draw.coin()).then(|| draw.spread(RATE_MIN, 64 << 10));
                let on = draw.hosts(STREAMING.can);
                ProxySlowsStreams { way, delay, bytes_per_second: rate, aim: draw_aim(draw) }.on(on)
            },
        }),
    };
}

fn read_rate(entry: &Entry<'_>) -> Result<u64, Problem> {
    let rate = entry.quantity(BANDWIDTH_FORM, bandwidth)?;
    if (RATE_MIN..=RATE_MAX).contains(&rate) {
        return Ok(rate);
    }
    let told = |bytes| format!("{}/s", spell_size(bytes));
    Err(entry.outside(&told(rate), &told(RATE_MIN), &told(RATE_MAX)))
}
