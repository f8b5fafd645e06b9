//! Writes histories of streams by hand for the judges' tests: `server` and `client`, one stream, calm at 600 s, end at 700 s.

use crate::cast::{Abilities, Cast, Member};
use crate::channel::{Channel, Cursor, MessageId, Position};
use crate::checker::script::{Script, usual_terms};
use crate::checker::{Checker, Evidence};
use crate::fault::Fault;
use crate::history::{Event, Terms};
use crate::subject::stranger::pen::channel;

/// A history in the writing.
pub(crate) struct StreamScript(Script);

fn stream() -> Channel {
    channel("orders")
}

fn terms(followers: &[&str]) -> Terms {
    let member = |name: &str| {
        let abilities = Abilities { stores: true, accepts: true, ..Abilities::default() };
        Member { name: name.into(), abilities, dials: Vec::new() }
    };
    let cast = Cast::new(["server", "client", "other"].into_iter().map(member).collect());
    let from = vec![Position { channel: stream(), cursor: Cursor(0) }];
    let followers = followers.iter().map(|host| ((*host).into(), from.clone())).collect();
    Terms { cast, followers, ..usual_terms() }
}

/// Nothing yet.
pub(crate) fn new() -> StreamScript {
    StreamScript(Script::on(terms(&[])))
}

/// That host follows the stream from its beginning.
pub(crate) fn following(host: &str) -> StreamScript {
    StreamScript(Script::on(terms(&[host])))
}

/// The server has produced five messages.
pub(crate) fn orders() -> StreamScript {
    new().at(10).produced(&[1, 2, 3, 4, 5]).at(20)
}

impl StreamScript {
    pub(crate) fn at(self, seconds: u32) -> Self {
        StreamScript(self.0.at(seconds.into()))
    }

    pub(crate) fn produced(self, orders: &[u64]) -> Self {
        orders.iter().fold(self, |script, order| script.sent(*order, *order))
    }

    pub(crate) fn sent(self, order: u64, key: u64) -> Self {
        StreamScript(self.0.event("server", Event::Stored { channel: stream(), id: MessageId(order), key }))
    }

    pub(crate) fn got(self, host: &str, orders: &[u64]) -> Self {
        orders.iter().fold(self, |script, order| script.delivered(host, *order, *order))
    }

    pub(crate) fn delivered(self, host: &str, order: u64, key: u64) -> Self {
        let messages = vec![(stream(), MessageId(order), key)];
        StreamScript(self.0.event(host, Event::Delivered { attempt: 0, messages }))
    }

    pub(crate) fn restarted(self, host: &str) -> Self {
        let script = self.0.event(host, Event::ProcessKilled);
        StreamScript(script.event(host, Event::ProcessBegan { incarnation: 2 }))
    }

    pub(crate) fn holds(self, host: &str, dialed: usize, accepted: usize, tasks: usize) -> Self {
        StreamScript(self.0.event(host, Event::Holds { dialed, accepted, tasks }))
    }

    pub(crate) fn fault(self, number: u32, fault: Fault) -> Self {
        StreamScript(self.0.fault_begins(number, fault))
    }

    pub(crate) fn fault_ends(self, number: u32) -> Self {
        StreamScript(self.0.fault_ends(number))
    }

    pub(crate) fn condemned_by(self, checker: &dyn Checker) -> Evidence {
        self.0.condemned_by(checker)
    }

    pub(crate) fn acquitted_by(self, checker: &dyn Checker) -> String {
        self.0.acquitted_by(checker)
    }

    pub(crate) fn puzzles(self, checker: &dyn Checker) -> String {
        self.0.puzzles(checker)
    }
}
