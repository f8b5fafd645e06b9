//! The keys of a sim's `[node.limits]`: each bound of a node (S8), its reason, and what going over it costs.
//!
//! Refuses to know how a node holds a bound.

use std::time::Duration;

use crate::grammar::quantity::{SIZE_FORM, size};
use crate::grammar::{Entry, KeyHelp, Problem, Section, key, spell, spell_size};
use crate::subject::xmtp::node::NodeLimits;

/// Twenty times the largest default of a count: more would bound nothing in a trial.
const COUNT_MAX: u32 = 1_000_000;
/// More would bound nothing in a trial, which holds messages several times over.
const QUEUE_BYTES_MAX: u64 = 1 << 30;
/// What a client reads in one gRPC message, less its envelope: a larger frame or page would end every stream.
const FRAME_BYTES_MAX: u64 = 24 << 20;
/// As long as any interval of a sim.
const STALL_MAX: Duration = Duration::from_secs(3_600);

/// Where a bound stands, and how large it may be.
enum LimitPlace {
    /// A number from 1.
    Count(fn(&mut NodeLimits) -> &mut usize),
    /// A number from 1 of a rate.
    Rate(fn(&mut NodeLimits) -> &mut u32),
    /// A size from 1 byte.
    Bytes(fn(&mut NodeLimits) -> &mut usize, u64),
    /// A time from 1 ms.
    Time(fn(&mut NodeLimits) -> &mut Duration),
}

impl LimitPlace {
    /// What stands there, as a sim says it.
    fn told(&self, limits: &mut NodeLimits) -> String {
        match self {
            Count(count) => count(limits).to_string(),
            Rate(rate) => rate(limits).to_string(),
            Bytes(bytes, _) => spell_size(*bytes(limits) as u64),
            Time(time) => spell(*time(limits)),
        }
    }
}

use LimitPlace::{Bytes, Count, Rate, Time};

/// Each key once: in words for the page, and with its place for the reader.
macro_rules! limit_keys {
    ($($name:literal $takes:literal $default:literal $means:literal => $place:expr,)+) => {
        /// The keys in words.
        pub(crate) const LIMIT_KEYS: &[KeyHelp] = &[$(key($name, $takes, $default, $means)),+];

        const LIMIT_PLACES: &[(&str, LimitPlace)] = &[$(($name, $place)),+];
    };
}

limit_keys! {
    "subscriptions" "1 to 1,000,000" "50,000" "topics of one stream; a gateway has a thousand identities with 50 each: \
        RESOURCE_EXHAUSTED" => Count(|limits| &mut limits.subscriptions),
    "adds" "1 to 1,000,000" "5,000" "adds in one Mutate; a gateway puts 1,000 into a frame: RESOURCE_EXHAUSTED"
        => Count(|limits| &mut limits.adds),
    "topic-bytes" "1B to 24MiB" "256B" "one topic; group ids have 16 bytes, installation keys 32: RESOURCE_EXHAUSTED"
        => Bytes(|limits| &mut limits.topic_bytes, FRAME_BYTES_MAX),
    "mutates-at-once" "1 to 1,000,000" "1,024" "Mutates of one stream after a pause; a gateway opens its whole set at \
        once: RESOURCE_EXHAUSTED" => Rate(|limits| &mut limits.mutates.burst),
    "mutates-per-second" "1 to 1,000,000" "100" "Mutates in the long run, as leases come and go: RESOURCE_EXHAUSTED"
        => Rate(|limits| &mut limits.mutates.per_second),
    "pings-at-once" "1 to 1,000,000" "64" "client Pings, and Pongs that answer nothing, after a pause; a probe is \
        rare: RESOURCE_EXHAUSTED" => Rate(|limits| &mut limits.client_pings.burst),
    "pings-per-second" "1 to 1,000,000" "4" "the same in the long run: RESOURCE_EXHAUSTED"
        => Rate(|limits| &mut limits.client_pings.per_second),
    "waves" "1 to 1,000,000" "1,024" "waves in flight on one stream, as many as Mutates at once: RESOURCE_EXHAUSTED"
        => Count(|limits| &mut limits.waves),
    "pending-messages" "1 to 1,000,000" "16,384" "fresh messages that wait for one stream, minutes of a busy one: \
        ABORTED" => Count(|limits| &mut limits.pending_messages),
    "pending-bytes" "1B to 1024MiB" "32MiB" "their bytes, the largest message and change: ABORTED"
        => Bytes(|limits| &mut limits.pending_bytes, QUEUE_BYTES_MAX),
    "pending-controls" "1 to 1,000,000" "8,192" "answers and markers that wait for one stream, more than full bursts \
        cause: ABORTED" => Count(|limits| &mut limits.pending_controls),
    "stall" "1ms to 1h" "1m" "how long a half-closed stream, which is not pinged, may take no frame: ABORTED"
        => Time(|limits| &mut limits.stall),
    "frame-messages" "1 to 1,000,000" "256" "messages in one frame; the others go into the next"
        => Count(|limits| &mut limits.frame_messages),
    "frame-bytes" "1B to 24MiB" "256KiB" "bytes of a frame, by which waves and live take turns; a larger message \
        travels alone" => Bytes(|limits| &mut limits.frame_bytes, FRAME_BYTES_MAX),
    "frames" "1 to 1,000,000" "8" "frames between a stream and HTTP/2, few, so that what waits is counted"
        => Count(|limits| &mut limits.frames),
    "streams" "1 to 1,000,000" "200" "streams open at once on one HTTP/2 connection, as hyper has it; one more waits at the other \
        end, or is REFUSED_STREAM" => Count(|limits| &mut limits.streams),
    "page-messages" "1 to 1,000,000" "100" "messages in one page of a query, as in the reference node; the page says \
        where the next begins" => Count(|limits| &mut limits.page_messages),
    "page-bytes" "1B to 24MiB" "16MiB" "bytes of a page, below what a client reads; a larger message travels alone"
        => Bytes(|limits| &mut limits.page_bytes, FRAME_BYTES_MAX),
    "send-messages" "1 to 1,000,000" "10,000" "messages in one Send, so that a transaction takes milliseconds: \
        RESOURCE_EXHAUSTED" => Count(|limits| &mut limits.send_messages),
    "message-bytes" "1B to 24MiB" "24MiB" "one message, which must fit into what a client reads: RESOURCE_EXHAUSTED"
        => Bytes(|limits| &mut limits.message_bytes, FRAME_BYTES_MAX),
}

/// The limits that are not the usual ones.
pub(crate) fn told_limits(limits: &NodeLimits) -> Vec<String> {
    let (mut limits, mut usual) = (limits.clone(), NodeLimits::default());
    let told = LIMIT_PLACES.iter().map(|(name, place)| (name, place.told(&mut limits), place.told(&mut usual)));
    told.filter(|(_, told, usual)| told != usual).map(|(name, told, _)| format!("{name} {told}")).collect()
}

/// Reads `[node.limits]`; what it does not say keeps its default.
pub(crate) fn read_limits(mut section: Section<'_>) -> Option<NodeLimits> {
    let mut limits = NodeLimits::default();
    let mut is_good = true;
    for (name, place) in LIMIT_PLACES {
        let Some(entry) = section.entry(name) else { continue };
        is_good &= section.keep(read_limit(&entry, place, &mut limits)).is_some();
    }
    section.finish();
    is_good.then_some(limits)
}

fn read_limit(entry: &Entry<'_>, place: &LimitPlace, limits: &mut NodeLimits) -> Result<(), Problem> {
    match place {
        Count(count) => *count(limits) = entry.number(1..=COUNT_MAX)? as usize,
        Rate(rate) => *rate(limits) = entry.number(1..=COUNT_MAX)?,
        Bytes(bytes, most) => *bytes(limits) = read_bytes(entry, *most)?,
        Time(time) => *time(limits) = entry.duration(Duration::from_millis(1)..=STALL_MAX)?,
    }
    Ok(())
}

fn read_bytes(entry: &Entry<'_>, most: u64) -> Result<usize, Problem> {
    let bytes = entry.quantity(SIZE_FORM, size)?;
    let within = (1..=most).contains(&bytes).then(|| usize::try_from(bytes).ok()).flatten();
    within.ok_or_else(|| entry.outside(&spell_size(bytes), "1B", &spell_size(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_says_of_a_limit_is_its_range_and_its_default() {
        let mut limits = NodeLimits::default();
        for (help, (name, place)) in LIMIT_KEYS.iter().zip(LIMIT_PLACES) {
            let takes = match place {
                Count(_) | Rate(_) => format!("1 to {COUNT_MAX}"),
                Bytes(_, most) => format!("1B to {}", spell_size(*most)),
                Time(_) => format!("1ms to {}", spell(STALL_MAX)),
            };
            // The page groups digits.
            let said = (help.name, help.takes.replace(',', ""), help.default.replace(',', ""));
            assert_eq!(said, (*name, takes, place.told(&mut limits)));
        }
    }

    /// A field of the limits without a key would leave all places equal to the defaults here.
    #[test]
    fn every_limit_of_a_node_has_a_key() {
        let mut limits = NodeLimits::default();
        for (_, place) in LIMIT_PLACES {
            match place {
                Count(value) | Bytes(value, _) => *value(&mut limits) = 7,
                Rate(value) => *value(&mut limits) = 7,
                Time(value) => *value(&mut limits) = Duration::from_millis(7),
            }
        }
        let told = format!("{limits:?}");
        let (sevens, fields) = (told.matches(": 7").count(), told.matches(": ").count());
        // The two rates are structs of two fields each.
        assert_eq!((sevens, fields), (LIMIT_PLACES.len(), LIMIT_PLACES.len() + 2), "{told}");
    }
}
