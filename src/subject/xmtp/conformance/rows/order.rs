//! Which frame comes after which (T9, T16, T17, S9), and that nothing of them is missing (S4).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::grammar::Readable;
use crate::subject::xmtp::conformance::finding::{Finding, Unmet, violation};
use crate::subject::xmtp::conformance::letter::{Delivered, Letter, LetterKind, RawTopic, arrivals, spell_ids};
use crate::subject::xmtp::conformance::raw_peer::NodeUnderTest;
use crate::subject::xmtp::conformance::raw_stream::{change, completed, of_topic};
use crate::subject::xmtp::conformance::settings::ANSWER_MAX;
use crate::subject::xmtp::wire::proto::Pong;
use crate::subject::xmtp::wire::proto::subscribe_response::v1::{CatchupComplete, Response as Arm};

/// Rounds of publishing in the rows about order.
const ROUNDS: usize = 6;
/// Requests of one message each: a node that loses one in ten loses two of them.
const SINGLES: usize = 24;
/// A node's clock may be wrong, but not by more: TLS and every log of its machine would be of no use.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// T9: two waves, which may overlap.
pub(crate) async fn markers(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (a, b, empty) = (peer.group(), peer.group(), peer.group());
    let letters = peer.letters_for(&[&a, &b, &a, &b]);
    peer.publish(&letters).await?;
    let mut stream = peer.open().await?;
    stream.mutate(change(1, &[(&a, 0)], &[])).await;
    stream.mutate(change(2, &[(&b, 0), (&empty, 0)], &[])).await;
    // An answer to a Ping comes after every acknowledgment that was on its way, a second one of a Mutate among them.
    let mut open = [1, 2].to_vec();
    let all = |frame: &Arm| {
        open.retain(|id| *frame != complete(*id));
        open.is_empty()
    };
    let mut frames = stream.read_within(ANSWER_MAX, "CatchupComplete 1 and 2", all).await?;
    stream.ping(3).await;
    frames.extend(stream.read_within(ANSWER_MAX, "Pong 3", |frame| *frame == Arm::Pong(Pong { nonce: 3 })).await?);
    for (id, topics) in [(1, vec![&a]), (2, vec![&b, &empty])] {
        check_wave(&frames, id, &topics)?;
    }
    peer.account(&letters, &arrivals(&frames), "in the waves").await?;
    Ok(format!("both waves ended with TopicsLive of their topics and one CatchupComplete: {:?}", completed(&frames)))
}

fn complete(id: u64) -> Arm {
    Arm::CatchupComplete(CatchupComplete { mutate_id: id })
}

/// Replay, then TopicsLive for each topic, then one CatchupComplete.
fn check_wave(frames: &[Arm], id: u64, topics: &[&RawTopic]) -> Result<(), Unmet> {
    let acknowledgments = frames.iter().filter(|frame| **frame == complete(id)).count();
    if acknowledgments != 1 {
        return violation(format!("Mutate {id} was acknowledged {acknowledgments} times"));
    }
    let end = frames.iter().position(|frame| *frame == complete(id));
    for topic in topics {
        let names = |frame: &Arm| matches!(frame, Arm::TopicsLive(live) if live.topics.contains(&topic.wire()));
        let live = frames.iter().position(names);
        if live.is_none() || live > end {
            return violation(format!("TopicsLive of a topic of Mutate {id} did not come before its CatchupComplete"));
        }
        let replay =
            |frame: &Arm| arrivals([frame]).iter().any(|arrival| arrival.tag == id && arrival.topic == **topic);
        if frames.iter().rposition(replay) > live {
            return violation(format!("a frame of wave {id} came after TopicsLive of its topic"));
        }
    }
    if frames.iter().rposition(|frame| arrivals([frame]).iter().any(|arrival| arrival.tag == id)) > end {
        return violation(format!("a frame of wave {id} came after its CatchupComplete"));
    }
    Ok(())
}

/// T16: group and welcome topics, published in turns.
pub(crate) async fn merged_replay(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (a, b, w, x) = (peer.group(), peer.group(), peer.welcomes(), peer.welcomes());
    let turns = [&b, &a, &x, &w].repeat(ROUNDS);
    let letters = peer.letters_for(&turns);
    peer.publish(&letters).await?;
    let mut stream = peer.open().await?;
    stream.mutate(change(1, &[(&a, 0), (&w, 0), (&b, 0), (&x, 0)], &[])).await;
    let came = arrivals(&stream.until_complete(1).await?);
    check_ascent(&came, "wave 1")?;
    peer.account(&letters, &came, "in wave 1").await?;
    Ok(format!("{} messages of 4 topics ascend by id in each kind", came.len()))
}

/// T17: published by four connections at once.
pub(crate) async fn live(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let topics = [peer.group(), peer.group(), peer.welcomes(), peer.welcomes()];
    let mut stream = peer.follow(&topics.each_ref()).await?;
    let [one, two, three, four] = topics.each_ref().map(|topic| publish_singly(&node, topic));
    let (one, two, three, four) = tokio::join!(one, two, three, four);
    let letters = [one?, two?, three?, four?].concat();
    let came = arrivals(&stream.until_all(&letters).await?);
    if let Some(tagged) = came.iter().find(|arrival| arrival.tag != 0) {
        return violation(format!("live message #{} has the tag {}", tagged.id, tagged.tag));
    }
    check_ascent(&came, "the live flow")?;
    peer.account(&letters, &came, "live").await?;
    Ok(format!("{} messages of 4 topics ascend by id in each kind", came.len()))
}

async fn publish_singly(node: &NodeUnderTest, topic: &RawTopic) -> Result<Vec<Letter>, Unmet> {
    let mut peer = node.dial().await?;
    let letters = peer.letters(topic, ROUNDS, 0);
    for letter in &letters {
        peer.publish(std::slice::from_ref(letter)).await?;
    }
    Ok(letters)
}

/// Ids ascend within each kind.
fn check_ascent(came: &[Delivered], place: &str) -> Result<(), Unmet> {
    let mut heads: BTreeMap<LetterKind, u64> = BTreeMap::new();
    for arrival in came {
        let before = heads.insert(arrival.topic.kind, arrival.id);
        if let Some(before) = before.filter(|before| *before >= arrival.id) {
            return violation(format!("in {place}, #{} came after #{before} of the same kind", arrival.id));
        }
    }
    Ok(())
}

/// S4: what a publisher was told is stored comes live and from history, once, and is the same message in both.
pub(crate) async fn acknowledged(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (group, welcomes) = (peer.group(), peer.welcomes());
    let letters = [peer.letters(&group, SINGLES, 0), peer.letters(&welcomes, ROUNDS, 0)].concat();
    let mut stream = peer.follow(&[&group, &welcomes]).await?;
    for letter in &letters {
        peer.publish(std::slice::from_ref(letter)).await?;
    }
    let live = arrivals(&stream.until_all(&letters).await?);
    let stored = [peer.stored(&group).await?, peer.stored(&welcomes).await?].concat();
    let lost = letters.iter().filter(|letter| !stored.iter().any(|arrival| arrival.is(letter))).count();
    if lost > 0 {
        return violation(format!(
            "{lost} of {} messages were acknowledged, and a replay from 0 does not have them",
            letters.len()
        ));
    }
    peer.account(&letters, &stored, "in a replay from 0").await?;
    peer.account(&letters, &live, "live").await?;
    check_same(&live, &stored, node.wall_clock())?;
    Ok(format!("{} acknowledged messages came live, and the same were replayed: {}", letters.len(), spell_ids(&stored)))
}

/// A message has one id and one time of storing, and that time is of these days.
fn check_same(live: &[Delivered], stored: &[Delivered], now: Duration) -> Result<(), Unmet> {
    for one in stored {
        let created = Duration::from_nanos(one.created_ns);
        if created.abs_diff(now) > CLOCKS_DIFFER_MAX {
            return violation(format!(
                "message #{} says created_ns {}, which is {} from now",
                one.id,
                one.created_ns,
                Readable(created.abs_diff(now))
            ));
        }
        let same = |other: &&Delivered| other.topic == one.topic && other.data == one.data;
        let Some(other) = live.iter().find(same) else { continue };
        if (other.id, other.created_ns) != (one.id, one.created_ns) {
            return violation(format!(
                "message #{}, created_ns {}, came live as #{}, created_ns {}",
                one.id, one.created_ns, other.id, other.created_ns
            ));
        }
    }
    Ok(())
}

/// S9: Mutates that start no wave are acknowledged at once, in order, once each.
pub(crate) async fn acknowledgments(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (live, stranger) = (peer.group(), peer.group());
    let mut stream = peer.follow(&[&live]).await?;
    let head = peer.stored(&live).await?.last().map_or(0, |arrival| arrival.id);
    stream.mutate(change(11, &[], &[&stranger])).await;
    stream.mutate(change(12, &[], &[])).await;
    stream.mutate(change(13, &[(&live, head)], &[])).await;
    stream.mutate(change(0, &[], &[&live])).await;
    stream.ping(14).await;
    let mut frames = Vec::new();
    // The Pong may overtake nothing that was asked before it, or everything: both are lawful, so both are awaited.
    let mut missing = 2;
    let all = |frame: &Arm| {
        missing -= usize::from(*frame == Arm::Pong(Pong { nonce: 14 }) || *frame == complete(0));
        missing == 0
    };
    frames.extend(stream.read_within(ANSWER_MAX, "Pong 14 and CatchupComplete 0", all).await?);
    let order: Vec<u64> = completed(&frames).into_iter().filter(|id| *id != 1).collect();
    if order != [11, 12, 13, 0] {
        return violation(format!("Mutates 11, 12, 13 and 0, none with a wave, were acknowledged {order:?}"));
    }
    match of_topic(&frames, &live).first() {
        Some(arrival) => violation(format!("message #{} came, where nothing was published", arrival.id)),
        None => Ok(format!("acknowledged in order: {order:?}")),
    }
}
