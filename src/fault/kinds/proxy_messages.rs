//! `proxy-drops-messages`: some gRPC messages vanish in the proxy, and those around them pass.

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Key, Kind};
use crate::fault::kinds::lying::{LIES_LAST_MS, draw_aim};
use crate::fault::kinds::ways::{WAYS, way_key};
use crate::fault::{Direction, Family, StreamAim};
use crate::grammar::quantity::{SIZE_FORM, size};
use crate::grammar::{Entry, Problem, spell_size};
use crate::lie::{Pick, StreamLie};

/// The longest message that gRPC's five bytes of prefix can tell.
const MESSAGE_MAX: u64 = u32::MAX as u64;
/// More messages than a stream has in a trial.
const EVERY_MAX: u32 = 1_000_000;
/// A Ping or a Pong with a number of 64 bits and a little around it; whatever names a topic is larger.
const HEARTBEATS_UNDER: u32 = 20;

/// Heartbeats pass and messages do not, or the reverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyDropsMessages {
    /// Which way.
    pub way: Direction,
    /// Which messages.
    pub pick: Pick,
    /// Of which streams.
    pub aim: StreamAim,
}

impl Kind for ProxyDropsMessages {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\nlarger-than = \"64B\"",
        falls_on: |_| STREAMING,
        read: |section, scene| {
            let way = section.optional("direction", Direction::ToClient, |entry| entry.choice("direction", &WAYS));
            let larger_than = section.optional("larger-than", None, |entry| read_size(entry).map(Some));
            let smaller_than = section.optional("smaller-than", None, |entry| read_size(entry).map(Some));
            let every = section.optional("every", None, |entry| entry.number(1..=EVERY_MAX).map(Some));
            let aim = StreamAim::read(section, scene);
            let pick = Pick { larger_than: larger_than?.value, smaller_than: smaller_than?.value, every: every?.value };
            if pick == Pick::default() {
                let problem = section.problem(format!("`{}` does not say which messages vanish", section.key()));
                section
                    .note(problem.advice("write larger-than = \"64B\", smaller-than, every = 2, or several of them"));
                return None;
            }
            Some(ProxyDropsMessages { way: way?.value, pick, aim: aim? })
        },
        keys: |dropped| {
            let way = (dropped.way == Direction::ToNode).then(|| way_key(Some(dropped.way))).flatten();
            way.into_iter().chain(pick_keys(dropped.pick)).chain(dropped.aim.keys()).collect()
        },
        told: |dropped, hosts| {
            let (way, pick, aim) = (dropped.way, told_pick(dropped.pick), &dropped.aim);
            format!("the proxy drops {pick} for {hosts} {way}{aim}, and passes all others")
        },
        harm: |dropped, on| dropped.aim.harm(on, StreamLie::Drop { direction: dropped.way, pick: dropped.pick }),
        // A message that vanishes is what delivery is judged by.
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        // Nothing tells a client that it missed a message while its stream lives, so that nothing converges.
        // Nothing tells a client that it missed a message while its stream lives, so that nothing converges. Only the
        // smallest may go, and towards the node: those are heartbeats, and who owes one is let go of.
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let pick = Pick { smaller_than: Some(HEARTBEATS_UNDER), ..Pick::default() };
                let on = draw.hosts(STREAMING.can);
                ProxyDropsMessages { way: Direction::ToNode, pick, aim: draw_aim(draw) }.on(on)
            },
        }),
    };
}

fn read_size(entry: &Entry<'_>) -> Result<u32, Problem> {
    let bytes = entry.quantity(SIZE_FORM, size)?;
    u32::try_from(bytes).map_err(|_| entry.outside(&spell_size(bytes), "0B", &spell_size(MESSAGE_MAX)))
}

fn pick_keys(pick: Pick) -> Vec<Key> {
    let sizes = [("larger-than", pick.larger_than), ("smaller-than", pick.smaller_than)];
    let sizes = sizes.into_iter().filter_map(|(key, bytes)| Some((key, spell_size(u64::from(bytes?)).into())));
    sizes.chain(pick.every.map(|every| ("every", i64::from(every).into()))).collect()
}

fn told_pick(pick: Pick) -> String {
    let what = pick.every.map_or("gRPC messages".into(), |every| format!("each gRPC message of {every}"));
    let larger = pick.larger_than.map(|bytes| format!(" over {}", spell_size(u64::from(bytes))));
    let smaller = pick.smaller_than.map(|bytes| format!(" under {}", spell_size(u64::from(bytes))));
    [Some(what), larger, smaller].into_iter().flatten().collect()
}
