//! What this subject adds to a story: how many messages a wave replayed to a client that came back.

use std::collections::BTreeMap;

use crate::history::{Event, Fate, HostName, Record, TapStream};
use crate::subject::SubjectTeller;
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::wire::Tag;

/// Follows every client's newest stream.
#[derive(Default)]
pub(crate) struct ReplayTeller(BTreeMap<HostName, ToldReplay>);

/// One client's newest attempt.
#[derive(Default)]
struct ToldReplay {
    /// The node's first frame has reached the client: the tap is ahead of it, and a replay is told when it knows.
    started: bool,
    stream: Option<TapStream>,
    replayed: usize,
    /// So many messages were replayed, all that were missing.
    caught_up: Option<usize>,
}

impl SubjectTeller for ReplayTeller {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a story tells of what concerns it, and a new event does not")]
    fn hear(&mut self, record: &Record) -> Option<String> {
        match &record.event {
            Event::Opened { .. } => *self.replay(record) = ToldReplay::default(),
            Event::Started { .. } => self.replay(record).started = true,
            Event::Tapped { stream, fate: Fate::Passed, frame, .. } => {
                self.replay(record).tap(*stream, XmtpFrame::of(frame)?);
            }
            _ => return None,
        }
        self.replay(record).tell()
    }
}

impl ReplayTeller {
    fn replay(&mut self, record: &Record) -> &mut ToldReplay {
        self.0.entry(record.host.clone()).or_default()
    }
}

impl ToldReplay {
    fn tap(&mut self, stream: TapStream, frame: &XmtpFrame) {
        match frame {
            XmtpFrame::Mutate { .. } => self.stream = Some(stream),
            XmtpFrame::Delivery { tag: Tag::Wave(_), messages } if self.stream == Some(stream) => {
                self.replayed += messages.len();
            }
            XmtpFrame::CatchupComplete(_) if self.stream == Some(stream) => {
                self.caught_up = Some(std::mem::take(&mut self.replayed));
            }
            XmtpFrame::Delivery { .. }
            | XmtpFrame::CatchupComplete(_)
            | XmtpFrame::Started { .. }
            | XmtpFrame::TopicsLive(_)
            | XmtpFrame::DraftRequest { .. }
            | XmtpFrame::DraftCatchupComplete
            | XmtpFrame::OlderCall { .. }
            | XmtpFrame::Unreadable(_) => {}
        }
    }

    fn tell(&mut self) -> Option<String> {
        let replayed = if self.started { self.caught_up.take()? } else { return None };
        match replayed {
            0 => None,
            1 => Some("1 message is replayed to it".to_owned()),
            replayed => Some(format!("{replayed} messages are replayed to it")),
        }
    }
}
