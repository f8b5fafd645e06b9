//! What the nodes hold, as far as they have said: per topic the stored messages, each with the record that says so.
//!
//! Refuses to judge whether a node may lose something (durability does): what a node no longer finds when it opens its
//! log, or what went with its disk, is not on the shelf any more.

use std::collections::BTreeMap;

use crate::channel::{Channel, MessageId};
use crate::checker::by_id::ById;
use crate::history::{Event, Record};

/// The stored messages of one topic, and the records that say so.
pub(crate) type TopicShelf = ById<usize>;

/// Nothing is stored of a topic that nobody has published to.
static NOTHING: TopicShelf = TopicShelf::new();

/// The stored messages of every topic. Each topic is one node's.
#[derive(Default)]
pub(crate) struct Shelf<'h> {
    topics: BTreeMap<&'h str, BTreeMap<&'h Channel, TopicShelf>>,
    holders: BTreeMap<&'h Channel, &'h str>,
}

impl<'h> Shelf<'h> {
    /// Takes note of a record, if it concerns what is stored.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    pub(crate) fn take(&mut self, index: usize, record: &'h Record) {
        let host: &'h str = &record.host;
        match &record.event {
            Event::Stored { channel, id, .. } => {
                self.holders.insert(channel, host);
                self.topics.entry(host).or_default().entry(channel).or_default().insert(*id, index);
            }
            Event::LogOpened { heads } => {
                for (channel, shelf) in self.topics.entry(host).or_default() {
                    let head = heads.iter().find(|(sequence, _)| **sequence == *channel.sequence());
                    let head = head.map_or(MessageId(0), |(_, head)| *head);
                    shelf.retain(|(id, _)| *id <= head);
                }
            }
            Event::DiskReplaced { .. } => drop(self.topics.remove(host)),
            _ => {}
        }
    }

    /// What is stored of that topic.
    pub(crate) fn of(&self, channel: &Channel) -> &TopicShelf {
        let holder = self.holders.get(channel).and_then(|host| self.topics.get(host));
        holder.and_then(|topics| topics.get(channel)).unwrap_or(&NOTHING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{NODE, Script, alpha, beta};
    use crate::history::History;

    fn held(history: &History, channel: &Channel) -> Vec<u64> {
        let mut shelf = Shelf::default();
        history.records().iter().enumerate().for_each(|(index, record)| shelf.take(index, record));
        shelf.of(channel).all().iter().map(|(id, _)| id.0).collect()
    }

    fn stored() -> Script {
        Script::new().stored(alpha(), 1).stored(beta(), 2).stored(alpha(), 3)
    }

    #[test]
    fn what_was_stored_is_held_topic_by_topic() {
        let history = stored().history();
        assert_eq!((held(&history, &alpha()), held(&history, &beta())), (vec![1, 3], vec![2]));
        assert_eq!(held(&Script::new().history(), &alpha()), [0; 0]);
    }

    #[test]
    fn what_a_node_no_longer_finds_it_does_not_hold() {
        let opened = |heads: Vec<(&str, u64)>| {
            let heads = heads.into_iter().map(|(name, id)| (name.into(), MessageId(id))).collect();
            stored().event(NODE, Event::LogOpened { heads }).history()
        };
        assert_eq!(held(&opened(vec![("group", 2)]), &alpha()), [1]);
        assert_eq!(held(&opened(vec![("group", 3)]), &alpha()), [1, 3]);
        assert_eq!(held(&opened(Vec::new()), &beta()), [0; 0]);
    }

    #[test]
    fn a_replaced_disk_empties_the_shelf_of_its_node_alone() {
        let replaced =
            |host: &str| stored().event(host, Event::DiskReplaced { as_of: std::time::Duration::ZERO }).history();
        assert_eq!(held(&replaced(NODE), &alpha()), [0; 0]);
        assert_eq!(held(&replaced("client-1"), &alpha()), [1, 3]);
    }
}
