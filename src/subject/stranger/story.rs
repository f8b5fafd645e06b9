//! What a stranger adds to a story: who gets a stream again after it was without for long.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::channel::{Channel, MessageId};
use crate::grammar::{Readable, count};
use crate::history::{Event, HostName, Record};
use crate::subject::SubjectTeller;

/// Whoever waits for less than this has not waited.
const GAP_MIN: Duration = Duration::from_secs(30);

/// Follows what each host gets of each stream.
#[derive(Default)]
pub(crate) struct GapTeller {
    produced: BTreeMap<Channel, Duration>,
    got: BTreeMap<(HostName, Channel), Duration>,
}

impl SubjectTeller for GapTeller {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a story tells of what concerns it, and a new event does not")]
    fn hear(&mut self, record: &Record) -> Option<String> {
        match &record.event {
            Event::Stored { channel, .. } => {
                self.produced.insert(channel.clone(), record.at);
                None
            }
            Event::Delivered { messages, .. } => {
                let (channel, id, _) = messages.first()?;
                let last = self.got.insert((record.host.clone(), channel.clone()), record.at);
                self.tell(record.at, channel, *id, last)
            }
            _ => None,
        }
    }

    fn hears_watchdogs(&self) -> bool {
        false
    }

    fn hears_ends(&self) -> bool {
        true
    }

    fn end_silence(&self, pings: u64, stored: u64) -> Option<String> {
        let produced = count(stored, "message");
        let produced = format!("{produced} {} produced into the dead window", if stored == 1 { "was" } else { "were" });
        Some(match pings {
            0 => format!("the proxy passes bytes again, and what has lost some stays silent; {produced}"),
            _ => {
                let answered = count(pings, "HTTP/2 PING");
                format!(
                    "the proxy speaks again; while silent it answered {answered}, so that no keepalive noticed; {produced}"
                )
            }
        })
    }
}

impl GapTeller {
    fn tell(&self, now: Duration, channel: &Channel, id: MessageId, last: Option<Duration>) -> Option<String> {
        let Some(last) = last else { return Some(format!("gets its first message of {channel}, {id}")) };
        let gap = now.saturating_sub(last);
        let missed = self.produced.get(channel).is_some_and(|produced| *produced > last);
        (gap >= GAP_MIN && missed).then(|| format!("gets {channel} again after {}, {id} first", Readable(gap)))
    }
}
