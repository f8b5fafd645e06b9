//! What nobody may follow, and who asked for it: it is neither sent nor acknowledged (S7).
//!
//! Refuses to know with which status a node refuses: its stream ends, and what it sent before counts.

use std::collections::BTreeSet;

use crate::channel::{Channel, MessageId, Position};
use crate::fault::Direction;
use crate::history::{Event, Fate, Record, TapStream};
use crate::subject::xmtp::checker::stream_model::{Breach, Judged};
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::spec::S7;
use crate::subject::xmtp::wire::MutateId;

/// The topics of a trial that are denied to everybody, and the Mutates that asked for one.
#[derive(Default)]
pub(crate) struct Denials<'h> {
    topics: BTreeSet<&'h Channel>,
    asked: BTreeSet<(TapStream, MutateId)>,
}

impl<'h> Denials<'h> {
    /// Takes note of the terms.
    pub(crate) fn take(&mut self, record: &'h Record) {
        if let Event::Began(terms) = &record.event {
            self.topics.extend(&terms.denied);
        }
    }

    /// So many Mutates that reached a node asked for what is denied.
    pub(crate) fn asked(&self) -> usize {
        self.asked.len()
    }

    /// Judges a frame. What a client sent counts only where it reached the node.
    pub(crate) fn check(&mut self, stream: TapStream, (way, fate): (Direction, Fate), frame: &'h XmtpFrame) -> Judged {
        match (way, frame) {
            (Direction::ToNode, XmtpFrame::Mutate { id, adds, .. }) => self.ask((stream, *id), fate, adds, &[]),
            (Direction::ToNode, XmtpFrame::DraftRequest { adds, edges, .. }) => {
                self.ask((stream, MutateId(0)), fate, adds, edges)
            }
            (Direction::ToNode, XmtpFrame::OlderCall { adds }) => self.ask((stream, MutateId(0)), fate, adds, &[]),
            (Direction::ToClient, XmtpFrame::Delivery { tag, messages }) => {
                let denied = messages.iter().find(|(topic, _)| self.topics.contains(topic));
                denied.map_or(Ok(()), |(topic, id)| {
                    Err(breach(format!("the node sent {id} of {topic} as {tag}"), Some((topic, Some(*id)))))
                })
            }
            (Direction::ToClient, XmtpFrame::TopicsLive(topics)) => {
                let denied = topics.iter().find(|topic| self.topics.contains(topic));
                denied.map_or(Ok(()), |topic| {
                    Err(breach(format!("the node sent TopicsLive for {topic}"), Some((topic, None))))
                })
            }
            (Direction::ToClient, XmtpFrame::CatchupComplete(id)) if self.asked.contains(&(stream, *id)) => {
                Err(breach(format!("the node acknowledged {id}"), None))
            }
            (Direction::ToNode | Direction::ToClient, _) => Ok(()),
        }
    }

    fn ask(&mut self, of: (TapStream, MutateId), fate: Fate, adds: &[Position], edges: &[Channel]) -> Judged {
        let mut asked = adds.iter().map(|add| &add.channel).chain(edges);
        if fate == Fate::Passed && asked.any(|topic| self.topics.contains(topic)) {
            self.asked.insert(of);
        }
        Ok(())
    }
}

fn breach(what: String, about: Option<(&Channel, Option<MessageId>)>) -> Box<Breach> {
    match about {
        Some((topic, id)) => Breach::new(S7, format!("{what}, which nobody may follow")).about(topic, id),
        None => Breach::new(S7, format!("{what}, which asked for a topic that nobody may follow")),
    }
}
