//! An application that publishes.

use bytes::Bytes;
use rand::{Rng, RngExt};
use std::ops::RangeInclusive;
use tokio::time::{Instant, sleep_until};
use xxhash_rust::xxh3::xxh3_128;

use crate::env::Dice;
use crate::history::{Event, Recorder};
use crate::subject::xmtp::channels::{Channels, key_of_draft};
use crate::subject::xmtp::client::{Publisher, requests};
use crate::subject::xmtp::wire::{Draft, Envelope, MessageKind, Topic, application_message};
use crate::subject::xmtp::workload::Schedule;

/// One request carries at most so many messages: about 1 MiB of 1 KiB messages, far below gRPC's limits.
const MESSAGES_PER_REQUEST: usize = 1000;

/// Makes messages: every payload is unique, so that a checker knows each again.
pub struct Payloads {
    topics: Vec<Topic>,
    sizes: RangeInclusive<usize>,
    dice: Dice,
    /// Tells this process's messages from those of every other.
    author: String,
    made: u64,
}

impl Payloads {
    /// Messages of `author` on `topics`, with payloads of so many bytes (more where the unique part needs it).
    #[must_use]
    pub fn new(author: &str, topics: Vec<Topic>, sizes: RangeInclusive<usize>, mut dice: Dice) -> Self {
        let author = format!("{author}/{:016x}", dice.next_u64());
        Payloads { topics, sizes, dice, author, made: 0 }
    }

    /// Where there is one size, nothing is drawn.
    fn draw_size(&mut self) -> usize {
        let (least, most) = (*self.sizes.start(), *self.sizes.end());
        if least == most { least } else { self.dice.random_range(least..=most) }
    }

    /// The next message, on a topic drawn at random.
    fn draw(&mut self) -> Draft {
        self.made += 1;
        let prefix = format!("{}/{}/", self.author, self.made);
        let unique = prefix.len();
        let mut payload = vec![0; self.draw_size().max(unique)];
        payload[..unique].copy_from_slice(prefix.as_bytes());
        self.dice.fill_bytes(&mut payload[unique..]);
        let topic = self.topics[self.dice.random_range(0..self.topics.len())].clone();
        let envelope = envelope_of(topic.kind(), &payload);
        let data = match topic.kind() {
            MessageKind::Group => application_message(&topic.rest(), &payload),
            MessageKind::Welcome => payload.into(),
        };
        Draft { topic, data, envelope }
    }
}

/// What goes with a payload is as unique as that: whoever mixes it up is seen.
fn envelope_of(kind: MessageKind, payload: &[u8]) -> Envelope {
    let number = xxh3_128(payload);
    let (bytes, is_odd) = (number.to_le_bytes(), number % 2 == 1);
    match kind {
        MessageKind::Group => {
            Envelope::Group { sender_hmac: Bytes::copy_from_slice(&bytes), should_push: is_odd, is_commit: false }
        }
        MessageKind::Welcome => Envelope::Welcome {
            hpke_public_key: Bytes::copy_from_slice(&bytes),
            wrapper_algorithm: if is_odd { 1 } else { 2 },
            welcome_metadata: Bytes::copy_from_slice(&bytes[..8]),
        },
    }
}

/// Publishes `first` messages at once, calls `ready`, and then what the schedule says on the trial's time
/// line, until it ends. A
/// message that fails is recorded and not sent again: its outcome is unknown, and a second copy would be
/// another message.
pub async fn publish(
    mut publisher: Publisher,
    mut payloads: Payloads,
    mut schedule: Schedule,
    first: usize,
    ready: impl FnOnce(),
    recorder: Recorder,
) {
    let origin = Instant::now() - recorder.now();
    let channels = Channels::default();
    send(&mut publisher, &mut payloads, first, &recorder, &channels).await;
    ready();
    while let Some(next) = schedule.next() {
        sleep_until(origin + next).await;
        // The trial's clock may read the beginning of a tick, which lies before the moment that was waited for; and a
        // host that slept has a monotonic clock that stood still.
        let now = recorder.now().max(origin.elapsed());
        let due = schedule.take_due(now, MESSAGES_PER_REQUEST);
        send(&mut publisher, &mut payloads, due, &recorder, &channels).await;
    }
}

async fn send(
    publisher: &mut Publisher,
    payloads: &mut Payloads,
    mut count: usize,
    recorder: &Recorder,
    channels: &Channels,
) {
    while count > 0 {
        let part = count.min(MESSAGES_PER_REQUEST);
        count -= part;
        let drafts = (0..part).map(|_| payloads.draw()).collect();
        // Each by itself: what becomes of it is told of its messages alone.
        for drafts in requests(drafts).into_values() {
            send_together(publisher, drafts, recorder, channels).await;
        }
    }
}

async fn send_together(publisher: &mut Publisher, drafts: Vec<Draft>, recorder: &Recorder, channels: &Channels) {
    let sent: Vec<_> = drafts.iter().map(|draft| (channels.of(&draft.topic), key_of_draft(draft))).collect();
    for (channel, key) in sent.iter().cloned() {
        recorder.record(Event::Produced { channel, key });
    }
    let outcome = publisher.publish(drafts).await.map_err(|error| (error.may_be_stored(), error.to_string()));
    for (channel, key) in sent {
        recorder.record(match &outcome {
            Ok(()) => Event::Acknowledged { channel, key },
            Err((true, error)) => Event::ProduceFailed { channel, key, words: error.clone().into() },
            Err((false, error)) => Event::ProduceRefused { channel, key, words: error.clone().into() },
        });
    }
}
