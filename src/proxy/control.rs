//! Which lies the proxy tells now: a set of rules, changed from outside, followed by every stream and connection.
//!
//! Refuses to know how a lie is told: that is the gate's part for a stream, and the forger's for a connection.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use rand::RngExt;
use tokio::sync::watch;

use crate::env::{Dice, Die};
use crate::lie::{
    Aim, ByteHarm, ByteLie, ConnectionLie, ConnectionSide, Direction, HeaderMatch, Lie, LieShare, Rule, StreamKey,
    StreamLie, Trigger,
};

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
    /// A proxy that tells the truth, whose lies draw by that seed; [`Control::default`] has the seed 0.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let rules = Rules(Arc::new(RuleSet { seed, ..RuleSet::default() }));
        Control { sender: Arc::new(watch::Sender::new(rules)) }
    }

    /// Puts a rule into force, for streams in flight too; a rule of the same id is replaced.
    pub fn add(&self, id: u32, rule: Rule) {
        self.sender.send_modify(|rules| {
            let rules = Arc::make_mut(&mut rules.0);
            let mark = rules.marks.entry(id).or_default().clone();
            rules.active.insert(id, Arc::new(ActiveRule { id, rule, mark }));
        });
    }

    /// Takes a rule out of force. What it swallowed stays swallowed, and the streams that lost it stay silent.
    pub fn remove(&self, id: u32) {
        self.sender.send_if_modified(|rules| {
            rules.0.active.contains_key(&id) && Arc::make_mut(&mut rules.0).active.remove(&id).is_some()
        });
    }

    /// Whether a rule of that id ever had an effect; remembered after its removal.
    #[must_use]
    pub fn is_felt(&self, id: u32) -> bool {
        self.sender.borrow().0.marks.get(&id).is_some_and(Mark::is_felt)
    }

    /// The rules, where they are no longer those.
    pub(crate) fn changed_from(&self, known: &Rules) -> Option<Rules> {
        let rules = self.sender.borrow();
        (!Arc::ptr_eq(&rules.0, &known.0)).then(|| rules.clone())
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
    active: BTreeMap<u32, Arc<ActiveRule>>,
    /// Of every rule that ever was.
    marks: BTreeMap<u32, Mark>,
    /// What lies draw by.
    seed: u64,
}

/// A rule in force.
#[derive(Debug)]
pub(crate) struct ActiveRule {
    /// Its number in the control; those that always hold have none of their own, and draw nothing.
    pub(crate) id: u32,
    pub(crate) rule: Rule,
    pub(crate) mark: Mark,
}

impl ActiveRule {
    /// Whether it is about this stream.
    pub(crate) fn is_about_stream(&self, face: &StreamFace<'_>) -> bool {
        match self.rule.lie {
            Lie::Stream(_) => names_stream(&self.rule.aim, face),
            Lie::Connection(_) | Lie::Bytes(_) => false,
        }
    }
}

/// What of a stream decides whether a rule is about it.
pub(crate) struct StreamFace<'s> {
    pub(crate) stream: StreamKey,
    pub(crate) peer: IpAddr,
    pub(crate) path: &'s str,
    pub(crate) headers: &'s HeaderMap,
}

impl Rules {
    /// The rules about this stream.
    pub(crate) fn about_stream(&self, face: &StreamFace<'_>) -> impl Iterator<Item = Arc<ActiveRule>> {
        let is_meant =
            |active: &&Arc<ActiveRule>| active.is_about_stream(face) && self.has_drawn(active, face.stream.connection);
        self.0.active.values().filter(is_meant).cloned()
    }

    /// The rules about a connection: those that name its peer, or nobody but its side.
    pub(crate) fn about_connection(&self, face: ConnectionFace) -> Vec<ConnectionRule> {
        let named = self.0.active.values().filter(|active| self.names_connection(active, face));
        named.filter_map(ConnectionRule::of).collect()
    }

    /// The rules about the bytes of a connection.
    pub(crate) fn about_bytes(&self, face: ConnectionFace) -> Vec<ByteRule> {
        let is_meant = |active: &Arc<ActiveRule>| match &active.rule.lie {
            Lie::Bytes(lie) if self.names_connection(active, face) => {
                let die = Die::LieBytes { rule: active.id, connection: face.serial };
                let dice = Dice::named(self.0.seed, &die);
                Some(ByteRule { active: active.clone(), lie: lie.clone(), dice })
            }
            Lie::Bytes(_) | Lie::Connection(_) | Lie::Stream(_) => None,
        };
        self.0.active.values().filter_map(is_meant).collect()
    }

    /// The silences of the streams of a connection, as rules about its bytes: where a proxy knows no streams, they are
    /// the only lie about them that it can tell, and only one that begins with the stream.
    pub(crate) fn silences(&self, face: ConnectionFace) -> Vec<ByteRule> {
        let ways = |direction: Option<Direction>| match direction {
            Some(direction) => vec![direction],
            None => vec![Direction::ToNode, Direction::ToClient],
        };
        let silence = |active: &Arc<ActiveRule>| match &active.rule.lie {
            Lie::Stream(StreamLie::Silence { direction }) if active.rule.is_about_all_of_a_connection() => {
                Some(ways(*direction))
            }
            Lie::Stream(_) | Lie::Connection(_) | Lie::Bytes(_) => None,
        };
        let named = self.0.active.values().filter(|active| self.names_connection(active, face));
        let muted = named.filter_map(|active| Some((active, silence(active)?)));
        let rule = |active: &Arc<ActiveRule>, direction| {
            let lie = ByteLie { direction, what: ByteHarm::Mute };
            let dice = Dice::named(self.0.seed, &Die::LieBytes { rule: active.id, connection: face.serial });
            ByteRule { active: Arc::clone(active), lie, dice }
        };
        muted.flat_map(|(active, ways)| ways.into_iter().map(move |way| rule(active, way))).collect()
    }

    fn names_connection(&self, active: &ActiveRule, face: ConnectionFace) -> bool {
        let aim = &active.rule.aim;
        let is_named = match &aim.peers {
            Some(peers) => peers.contains(&face.peer),
            None => aim.side == face.side,
        };
        is_named && self.has_drawn(active, face.serial)
    }

    /// Whether a connection is in the share that a rule is about: the same answer each time.
    fn has_drawn(&self, active: &ActiveRule, connection: u64) -> bool {
        active.rule.aim.share.is_none_or(|share| {
            let die = Die::LieShare { rule: active.id, connection };
            share.has(Dice::named(self.0.seed, &die).random_range(0..LieShare::WHOLE))
        })
    }
}

/// What of a connection decides whether a rule is about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionFace {
    /// Its serial number, of the clients' or of those to the node.
    pub(crate) serial: u64,
    pub(crate) peer: IpAddr,
    pub(crate) side: ConnectionSide,
}

/// A rule about a connection.
pub(crate) struct ConnectionRule {
    active: Arc<ActiveRule>,
    lie: ConnectionLie,
}

impl ConnectionRule {
    /// The rule, if it is about connections.
    pub(crate) fn of(active: &Arc<ActiveRule>) -> Option<Self> {
        match &active.rule.lie {
            Lie::Connection(lie) => Some(ConnectionRule { active: active.clone(), lie: lie.clone() }),
            Lie::Stream(_) | Lie::Bytes(_) => None,
        }
    }

    /// What is done.
    pub(crate) fn lie(&self) -> &ConnectionLie {
        &self.lie
    }

    /// From when on.
    pub(crate) fn when(&self) -> Trigger {
        self.active.rule.when
    }

    /// It had an effect.
    pub(crate) fn feel(&self) {
        self.active.mark.feel();
    }

    /// Whether both are one rule in force.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.active, &other.active)
    }
}

/// A rule about the bytes of a connection.
pub(crate) struct ByteRule {
    active: Arc<ActiveRule>,
    /// What is done.
    pub(crate) lie: ByteLie,
    /// What it draws by on this connection.
    pub(crate) dice: Dice,
}

impl ByteRule {
    /// It had an effect.
    pub(crate) fn feel(&self) {
        self.active.mark.feel();
    }

    /// Whether both are one rule in force.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        // One silence is a rule for each way.
        Arc::ptr_eq(&self.active, &other.active) && self.lie.direction == other.lie.direction
    }
}

fn names_peer(aim: &Aim, peer: IpAddr) -> bool {
    aim.peers.as_ref().is_none_or(|peers| peers.contains(&peer))
}

fn names_stream(aim: &Aim, face: &StreamFace<'_>) -> bool {
    names_peer(aim, face.peer)
        && aim.streams.as_ref().is_none_or(|streams| streams.contains(&face.stream))
        && aim.every.is_none_or(|every| face.stream.ordinal().is_multiple_of(every.get()))
        && aim.paths.as_ref().is_none_or(|paths| paths.is_match(face.path))
        && aim.header.as_ref().is_none_or(|header| has_header(face.headers, header))
}

fn has_header(headers: &HeaderMap, wanted: &HeaderMatch) -> bool {
    let mut values = headers.get_all(wanted.name.as_str()).iter();
    values.any(|value| value.to_str().is_ok_and(|value| wanted.value.is_match(value)))
}

/// Remembers whether a rule was felt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark(Arc<AtomicBool>);

impl Mark {
    /// The rule had an effect.
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
    use crate::lie::Direction;
    use globset::{Glob, GlobMatcher};
    use std::collections::BTreeSet;
    use std::num::NonZeroU32;

    const STREAM: StreamKey = StreamKey { connection: 1, stream: 5 };
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const PATH: &str = "/mls.Api/Subscribe";

    fn matcher(text: &str) -> GlobMatcher {
        Glob::new(text).expect("a pattern").compile_matcher()
    }

    fn met(control: &Control) -> Vec<Arc<ActiveRule>> {
        let headers = HeaderMap::from_iter([(http::header::TE, "trailers".parse().expect("a value"))]);
        let face = StreamFace { stream: STREAM, peer: PEER, path: PATH, headers: &headers };
        control.subscribe().borrow().about_stream(&face).collect()
    }

    fn is_met(aim: Aim) -> bool {
        let control = Control::default();
        control.add(1, Rule::silence(None).aimed(aim));
        !met(&control).is_empty()
    }

    #[test]
    fn the_default_control_tells_the_truth_and_the_default_aim_names_all() {
        assert!(met(&Control::default()).is_empty());
        assert!(is_met(Aim::default()));
    }

    #[test]
    fn each_field_narrows_an_aim() {
        let other: IpAddr = "10.0.0.2".parse().expect("an address");
        for (peer, meant) in [(PEER, true), (other, false)] {
            assert_eq!(is_met(Aim { peers: Some(BTreeSet::from([peer])), ..Aim::default() }), meant, "{peer}");
        }
        for (pattern, meant) in [("/*/Subscribe", true), (PATH, true), ("/*/Query*", false)] {
            assert_eq!(is_met(Aim { paths: Some(matcher(pattern)), ..Aim::default() }), meant, "{pattern}");
        }
        for (stream, meant) in [(STREAM, true), (StreamKey { connection: 2, ..STREAM }, false)] {
            assert_eq!(is_met(Aim { streams: Some(BTreeSet::from([stream])), ..Aim::default() }), meant, "{stream}");
        }
        for (every, meant) in [(1, true), (2, false), (3, true), (6, false)] {
            assert_eq!(is_met(Aim { every: NonZeroU32::new(every), ..Aim::default() }), meant, "{every}");
        }
        for (name, value, meant) in [("te", "trail*", true), ("te", "gzip", false), ("via", "*", false)] {
            let header = Some(HeaderMatch { name: name.into(), value: matcher(value) });
            assert_eq!(is_met(Aim { header, ..Aim::default() }), meant, "{name}: {value}");
        }
    }

    #[test]
    fn a_rule_that_was_felt_is_remembered_after_its_removal_and_another_is_not() {
        let control = Control::default();
        control.add(1, Rule::silence(None));
        control.add(2, Rule::silence(None).aimed(Aim { streams: Some(BTreeSet::new()), ..Aim::default() }));
        met(&control).iter().for_each(|active| active.mark.feel());
        control.remove(1);
        assert!(control.is_felt(1) && !control.is_felt(2) && !control.is_felt(3));
    }

    #[test]
    fn a_rule_of_the_same_id_is_replaced() {
        let control = Control::default();
        control.add(1, Rule::silence(None));
        control.add(1, Rule::silence(Some(Direction::ToNode)).from(Trigger::Headers));
        let met = met(&control);
        assert_eq!((met.len(), met[0].rule.when), (1, Trigger::Headers));
    }

    #[test]
    fn followers_wake_at_a_change_and_only_at_a_change() {
        let control = Control::default();
        let follower = control.subscribe();
        control.remove(7);
        assert!(!follower.has_changed().expect("the control lives"));
        control.add(7, Rule::silence(None));
        assert!(follower.has_changed().expect("the control lives"));
    }
}
