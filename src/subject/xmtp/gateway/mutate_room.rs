//! How much still fits into one Mutate of a gateway.
//!
//! Refuses to know what becomes of what does not fit: it goes into the next.

use crate::subject::xmtp::client::ADDS_BYTES_MAX;
use crate::subject::xmtp::wire::Topic;

/// What is taken of one Mutate: so many topics or 16 MiB, whichever comes first (protocol, section 4). Removes count too.
#[derive(Debug)]
pub(crate) struct MutateRoom {
    most: usize,
    topics: usize,
    bytes: usize,
}

impl MutateRoom {
    /// Room for so many topics.
    pub(crate) fn of(most: usize) -> Self {
        MutateRoom { most, topics: 0, bytes: 0 }
    }

    /// Takes the room for a topic, if there is any. The first always fits, so that a large one blocks nothing.
    pub(crate) fn admit(&mut self, topic: &Topic) -> bool {
        let bytes = self.bytes + topic.bytes().len();
        let fits = self.topics == 0 || (self.topics < self.most && bytes <= ADDS_BYTES_MAX);
        if fits {
            (self.topics, self.bytes) = (self.topics + 1, bytes);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::client::ADDS_MAX;
    use crate::subject::xmtp::wire::MessageKind;

    fn admitted(count: usize, bytes: usize) -> usize {
        let mut room = MutateRoom::of(ADDS_MAX);
        let topic = Topic::new(MessageKind::Group, &vec![7; bytes - 1]);
        (0..count).take_while(|_| room.admit(&topic)).count()
    }

    #[test]
    fn a_thousand_topics_fit_or_16_mib_of_them() {
        assert_eq!(admitted(2_000, 32), 1_000);
        assert_eq!(admitted(2_000, 1 << 20), 16);
    }

    #[test]
    fn a_topic_larger_than_all_room_travels_alone() {
        assert_eq!(admitted(2, 17 << 20), 1);
    }
}
