//! Which lies the proxy tells now: a set of silences, changed from outside, followed by every stream.
//!
//! Refuses to know what a stream does in silence: that is the gate's and the relay's part.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use globset::GlobMatcher;
use tokio::sync::watch;

use crate::proxy::notice::{Direction, StreamKey};

/// A rule: on these streams nothing passes, while PING is answered and the streams stay open.
///
/// A stream is meant if every field that is set names it; the default means all streams, both ways.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    /// The clients' IP addresses; `None` means all clients.
    pub peers: Option<BTreeSet<IpAddr>>,
    /// A pattern for the path of the request, such as `/*/Subscribe`; `None` means all paths.
    pub paths: Option<GlobMatcher>,
    /// The direction that falls silent; `None` means both.
    pub direction: Option<Direction>,
    /// These very streams; `None` means all streams.
    pub streams: Option<BTreeSet<StreamKey>>,
}

impl Silence {
    fn covers(&self, stream: StreamKey, peer: IpAddr, path: &str, direction: Direction) -> bool {
        self.direction.is_none_or(|meant| meant == direction)
            && self.peers.as_ref().is_none_or(|peers| peers.contains(&peer))
            && self.streams.as_ref().is_none_or(|streams| streams.contains(&stream))
            && self.paths.as_ref().is_none_or(|paths| paths.is_match(path))
    }
}

/// A shared handle on the lies of a proxy; by default the proxy tells the truth.
///
/// The rules live in the handle: they survive the proxy process that follows them.
#[derive(Clone, Debug)]
pub struct Control {
    sender: Arc<watch::Sender<Rules>>,
}

impl Default for Control {
    fn default() -> Self {
        Control { sender: Arc::new(watch::Sender::new(Rules::default())) }
    }
}

impl Control {
    /// Puts a rule into force, for streams in flight too; a rule of the same id is replaced.
    pub fn add(&self, id: u32, silence: Silence) {
        self.sender.send_modify(|rules| {
            let rules = Arc::make_mut(&mut rules.0);
            let mark = rules.marks.entry(id).or_default().clone();
            rules.active.insert(id, Arc::new(Rule { silence, mark }));
        });
    }

    /// Takes a rule out of force. What it swallowed stays swallowed, and the streams that lost it stay silent.
    pub fn remove(&self, id: u32) {
        self.sender.send_if_modified(|rules| {
            rules.0.active.contains_key(&id) && Arc::make_mut(&mut rules.0).active.remove(&id).is_some()
        });
    }

    /// Whether a rule of that id ever swallowed anything or held a stream; remembered after its removal.
    #[must_use]
    pub fn is_felt(&self, id: u32) -> bool {
        self.sender.borrow().0.marks.get(&id).is_some_and(Mark::is_felt)
    }

    /// The rules now and at every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Rules> {
        self.sender.subscribe()
    }
}

/// The rules in force at one moment; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Arc<RuleSet>);

#[derive(Clone, Debug, Default)]
struct RuleSet {
    active: BTreeMap<u32, Arc<Rule>>,
    /// Of every rule that ever was.
    marks: BTreeMap<u32, Mark>,
}

#[derive(Debug)]
struct Rule {
    silence: Silence,
    mark: Mark,
}

impl Rules {
    /// The marks of the rules that silence this direction of this stream.
    pub(crate) fn covering(&self, stream: StreamKey, peer: IpAddr, path: &str, direction: Direction) -> Vec<Mark> {
        let covers = |rule: &&Arc<Rule>| rule.silence.covers(stream, peer, path, direction);
        self.0.active.values().filter(covers).map(|rule| rule.mark.clone()).collect()
    }
}

/// Remembers whether a rule was felt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark(Arc<AtomicBool>);

impl Mark {
    /// The rule swallowed something.
    pub(crate) fn feel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_felt(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use globset::Glob;

    const STREAM: StreamKey = StreamKey { connection: 1, stream: 3 };
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const PATH: &str = "/mls.Api/Subscribe";

    fn is_covered(silence: Silence, direction: Direction) -> bool {
        let control = Control::default();
        control.add(1, silence);
        !control.subscribe().borrow().covering(STREAM, PEER, PATH, direction).is_empty()
    }

    #[test]
    fn the_default_control_tells_the_truth_and_the_default_silence_covers_all() {
        let truth = Control::default();
        assert!(truth.subscribe().borrow().covering(STREAM, PEER, PATH, Direction::ToNode).is_empty());
        assert!(is_covered(Silence::default(), Direction::ToNode));
        assert!(is_covered(Silence::default(), Direction::ToClient));
    }

    #[test]
    fn each_field_narrows_a_silence() {
        let other: IpAddr = "10.0.0.2".parse().expect("an address");
        let path = |text: &str| Some(Glob::new(text).expect("a pattern").compile_matcher());
        let to_client = Silence { direction: Some(Direction::ToClient), ..Silence::default() };
        assert!(is_covered(to_client.clone(), Direction::ToClient) && !is_covered(to_client, Direction::ToNode));
        for (peer, meant) in [(PEER, true), (other, false)] {
            let silence = Silence { peers: Some(BTreeSet::from([peer])), ..Silence::default() };
            assert_eq!(is_covered(silence, Direction::ToNode), meant, "{peer}");
        }
        for (pattern, meant) in [("/*/Subscribe", true), (PATH, true), ("/*/Query*", false)] {
            let silence = Silence { paths: path(pattern), ..Silence::default() };
            assert_eq!(is_covered(silence, Direction::ToNode), meant, "{pattern}");
        }
        for (stream, meant) in [(STREAM, true), (StreamKey { connection: 2, ..STREAM }, false)] {
            let silence = Silence { streams: Some(BTreeSet::from([stream])), ..Silence::default() };
            assert_eq!(is_covered(silence, Direction::ToNode), meant, "{stream}");
        }
    }

    #[test]
    fn a_rule_that_was_felt_is_remembered_after_its_removal_and_another_is_not() {
        let control = Control::default();
        control.add(1, Silence::default());
        control.add(2, Silence { direction: Some(Direction::ToClient), ..Silence::default() });
        for mark in control.subscribe().borrow().covering(STREAM, PEER, PATH, Direction::ToNode) {
            mark.feel();
        }
        control.remove(1);
        assert!(control.is_felt(1) && !control.is_felt(2) && !control.is_felt(3));
    }

    #[test]
    fn a_rule_of_the_same_id_is_replaced() {
        let control = Control::default();
        control.add(1, Silence { direction: Some(Direction::ToNode), ..Silence::default() });
        control.add(1, Silence { direction: Some(Direction::ToClient), ..Silence::default() });
        let covering = |direction| control.subscribe().borrow().covering(STREAM, PEER, PATH, direction).len();
        assert_eq!([Direction::ToNode, Direction::ToClient].map(covering), [0, 1]);
    }

    #[test]
    fn followers_wake_at_a_change_and_only_at_a_change() {
        let control = Control::default();
        let follower = control.subscribe();
        control.remove(7);
        assert!(!follower.has_changed().expect("the control lives"));
        control.add(7, Silence::default());
        assert!(follower.has_changed().expect("the control lives"));
    }
}
