//! What was said of the streams of a trial: who produced what, and who got what.
//!
//! Refuses to judge.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::channel::{Channel, MessageId};
use crate::grammar::nearest;
use crate::history::{Event, History};

/// A message that was produced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSent<'h> {
    /// When, since the trial's start.
    pub at: Duration,
    /// Its record's index in the history.
    pub index: usize,
    /// By whom.
    pub host: &'h str,
    /// A hash of its key.
    pub key: u64,
}

/// A message that was delivered, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamGot<'h> {
    /// When, since the trial's start.
    pub at: Duration,
    /// Its record's index in the history.
    pub index: usize,
    /// To whom.
    pub host: &'h str,
    /// Which process of that host had it, from 1.
    pub life: u32,
    /// The stream.
    pub stream: &'h Channel,
    /// Its place in the stream.
    pub order: MessageId,
    /// A hash of its key.
    pub key: u64,
}

/// What was said of the streams of a trial; judges of one's own may read it too.
#[derive(Clone, Debug, Default)]
pub struct StreamBook<'h> {
    /// What was produced, by its stream and its place there; more than one where producers gave a place twice.
    pub sent: BTreeMap<(&'h Channel, MessageId), Vec<StreamSent<'h>>>,
    /// What was delivered, in the order of time.
    pub got: Vec<StreamGot<'h>>,
}

impl<'h> StreamBook<'h> {
    /// Reads a whole history.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    pub fn read(history: &'h History) -> Self {
        let mut book = StreamBook::default();
        let mut lives: BTreeMap<&str, u32> = BTreeMap::new();
        for (index, record) in history.records().iter().enumerate() {
            let (at, host): (Duration, &'h str) = (record.at, &record.host);
            match &record.event {
                Event::ProcessBegan { .. } => *lives.entry(host).or_default() += 1,
                Event::Stored { channel, id, key } => {
                    book.sent.entry((channel, *id)).or_default().push(StreamSent { at, index, host, key: *key });
                }
                Event::Delivered { messages, .. } => {
                    let life = lives.get(host).copied().unwrap_or_default();
                    book.got.extend(messages.iter().map(|(stream, order, key)| StreamGot {
                        at,
                        index,
                        host,
                        life,
                        stream,
                        order: *order,
                        key: *key,
                    }));
                }
                _ => {}
            }
        }
        book
    }

    /// What was produced of a stream, in the order of its places.
    pub fn sent_of(&self, stream: &'h Channel) -> impl Iterator<Item = (MessageId, &StreamSent<'h>)> {
        let range = (stream, MessageId(0))..=(stream, MessageId(u64::MAX));
        self.sent.range(range).flat_map(|((_, order), sent)| sent.iter().map(|sent| (*order, sent)))
    }

    /// What each host got of each stream, in the order of time.
    #[must_use]
    pub fn by_follower(&self) -> BTreeMap<(&'h str, &'h Channel), Vec<&StreamGot<'h>>> {
        let mut followers: BTreeMap<_, Vec<_>> = BTreeMap::new();
        self.got.iter().for_each(|got| followers.entry((got.host, got.stream)).or_default().push(got));
        followers
    }

    /// What there was of a stream, or instead of it, of which nobody got a message.
    pub(crate) fn instead_of(&self, stream: &str) -> String {
        let produced = self.sent.keys().filter(|(channel, _)| channel.name() == stream).count();
        if produced > 0 {
            return format!("produced messages of it: {produced}");
        }
        let channels = self.sent.keys().map(|(channel, _)| *channel).chain(self.got.iter().map(|got| got.stream));
        let streams: BTreeSet<&str> = channels.map(Channel::name).collect();
        let streams: Vec<&str> = streams.into_iter().collect();
        match nearest(stream, &streams) {
            Some(right) => format!("did you mean `{right}`?"),
            None if streams.is_empty() => "no host has told of a stream by `produced` or `delivered`".to_owned(),
            None => format!("hosts told of `{}`", streams.join("`, `")),
        }
    }

    /// Why nothing can be said of what was delivered; none where something was.
    #[must_use]
    pub fn is_silent(&self) -> Option<String> {
        match (self.got.is_empty(), self.sent.len()) {
            (false, _) => None,
            (true, 0) => Some("nobody said that it produced or got a message".to_owned()),
            (true, sent) => Some(format!("nobody said that it got a message; produced messages: {sent}")),
        }
    }
}
