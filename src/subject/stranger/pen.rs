//! What a stranger says of its streams: which message it produced, and which it got.
//!
//! No handle is passed: each process of a trial keeps a pen, and whatever runs on its host finds it. Outside of a trial
//! there is none, and what is said goes to `tracing` and no further.

use std::fmt;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event as TracedEvent, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::channel::{Channel, MessageId};
use crate::history::{Event, Recorder, key_of};
use crate::world::{keep_in_process, kept_in_process};

/// The sequence of every stream of a stranger, as a history names its channels.
const STREAM: &str = "stream";
/// Events of `tracing` of that target are about streams.
const TARGET: &str = "pulseless";

/// A message was produced: from now on it is owed to whoever follows the stream.
///
/// `stream` is the name of the stream, `key` tells the message from every other (its id, or its text), and `order` is its
/// place in the stream, ascending. Say it where the message is owed from: where a server has taken it, not where somebody
/// tries to send it. Does nothing outside of a trial but tell `tracing` of it.
pub fn produced(stream: &str, key: impl fmt::Display, order: u64) {
    say(Deed::Produced, stream, &key, order);
}

/// A message has arrived where it was to go: see [`produced`] for what describes it.
///
/// Say it where the application has the message, once for each time that it gets it: judges find what came twice, what is
/// missing and what nobody produced.
pub fn delivered(stream: &str, key: impl fmt::Display, order: u64) {
    say(Deed::Delivered, stream, &key, order);
}

/// What is said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Produced,
    Delivered,
}

impl Deed {
    const WORDS: [(&'static str, Deed); 2] = [("produced", Deed::Produced), ("delivered", Deed::Delivered)];
}

fn say(deed: Deed, stream: &str, key: &dyn fmt::Display, order: u64) {
    match (kept_in_process::<Pen>(), deed) {
        (Some(pen), deed) => pen.write(deed, stream, &key.to_string(), order),
        (None, Deed::Produced) => tracing::debug!(target: TARGET, stream, %key, order, "produced"),
        (None, Deed::Delivered) => tracing::debug!(target: TARGET, stream, %key, order, "delivered"),
    }
}

/// Writes into the history of a trial, for one process of one host.
pub(crate) struct Pen(Recorder);

impl Pen {
    /// The process that runs keeps this pen.
    pub(crate) fn keep(recorder: Recorder) {
        keep_in_process(Arc::new(Pen(recorder)));
    }

    fn write(&self, deed: Deed, stream: &str, key: &str, order: u64) {
        let (channel, id, key) = (channel(stream), MessageId(order), key_of(key.as_bytes()));
        self.0.record(match deed {
            Deed::Produced => Event::Stored { channel, id, key },
            Deed::Delivered => Event::Delivered { attempt: 0, messages: vec![(channel, id, key)] },
        });
    }
}

/// The channel by which a history names a stranger's stream, such as `stream:orders`.
#[must_use]
pub fn channel(stream: &str) -> Channel {
    Channel::new(STREAM, stream)
}

/// Takes what is said of streams from the events of `tracing`, for code that has them already: those of the target
/// `pulseless`, whose message is `produced` or `delivered`, with the fields `stream`, `key` and `order`.
///
/// ```
/// tracing::info!(target: "pulseless", stream = "orders", key = %"A-17", order = 17_u64, "delivered");
/// ```
///
/// The guest installs it, beside its other layers, once for its whole program: which trial and which host an event is of it
/// asks each time. Outside of a trial it does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamLayer;

impl<S: Subscriber> Layer<S> for StreamLayer {
    fn on_event(&self, event: &TracedEvent<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut said = SaidOfStream::default();
        event.record(&mut said);
        let deed = Deed::WORDS.into_iter().find(|(word, _)| said.message == *word);
        if let Some((((_, deed), order), pen)) = deed.zip(said.order).zip(kept_in_process::<Pen>()) {
            pen.write(deed, &said.stream, &said.key, order);
        }
    }
}

/// The fields of an event.
#[derive(Default)]
struct SaidOfStream {
    message: String,
    stream: String,
    key: String,
    order: Option<u64>,
}

impl SaidOfStream {
    fn take(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            "stream" => self.stream = value,
            "key" => self.key = value,
            "order" => self.order = value.parse().ok(),
            _ => {}
        }
    }
}

impl Visit for SaidOfStream {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}
