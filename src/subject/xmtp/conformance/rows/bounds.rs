//! What a node refuses to whom (S7), and what is too much (S8). These rows need to be told of the node.

use std::sync::Arc;

use bytes::Bytes;
use tonic::Code;

use crate::subject::xmtp::conformance::finding::{Finding, Unmet, not_judged, overdue, spell_status, violation};
use crate::subject::xmtp::conformance::letter::{RawTopic, arrivals, spell_ids};
use crate::subject::xmtp::conformance::raw_peer::{NodeUnderTest, RawPeer};
use crate::subject::xmtp::conformance::raw_stream::{Heard, RawStream, change};
use crate::subject::xmtp::conformance::rows::seam::first_of_wave;
use crate::subject::xmtp::conformance::settings::{ANSWER_MAX, Bound, REPLAY_MAX};
use crate::subject::xmtp::wire::proto::subscribe_request::v1::mutate::Subscription;
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;

/// Topics of one Mutate, where many are to be added: what a gateway sends (protocol, section 4).
const CHUNK: usize = 1_000;
/// Bytes of a message that fills a queue, and messages of one request.
const FILLER_BYTES: usize = 1_024;
const FILLER_BATCH: usize = 512;
/// Beyond a node's queue so many MiB wait in gRPC's buffers and the stream's window before the queue fills.
const BUFFERED_MESSAGES: usize = 8_192;

/// S7.
pub(crate) async fn authorization(node: Arc<NodeUnderTest>) -> Finding {
    let Some(topic) = &node.settings.refused_topic else {
        return not_judged("no topic that the node refuses to this client was given");
    };
    let mut peer = node.dial().await?;
    let refused = Subscription { topic: Bytes::copy_from_slice(topic), id_cursor: 0 };
    let mut told = Vec::new();
    for history_only in [false, true] {
        let (one, other, followed) = (peer.group(), peer.group(), peer.group());
        let mut asked = change(2, &[(&one, 0), (&other, 0)], &[]);
        asked.adds.insert(1, refused.clone());
        asked.history_only = history_only;
        let how = if history_only { ", history_only" } else { "" };
        let mut stream = peer.open().await?;
        stream.mutate(asked.clone()).await;
        told.push(stream.refused(Code::PermissionDenied, &format!("at open{how}")).await?);
        let mut stream = peer.follow(&[&followed]).await?;
        stream.mutate(asked).await;
        told.push(stream.refused(Code::PermissionDenied, &format!("in mid-stream{how}")).await?);
    }
    Ok(told.join("; "))
}

fn groups(peer: &mut RawPeer, count: usize) -> Vec<RawTopic> {
    (0..count).map(|_| peer.group()).collect()
}

/// Adds all these topics by one Mutate.
async fn add_all(stream: &RawStream, id: u64, topics: &[RawTopic]) {
    let adds: Vec<(&RawTopic, u64)> = topics.iter().map(|topic| (topic, 0)).collect();
    stream.mutate(change(id, &adds, &[])).await;
}

/// S8: as many adds as the bound pass, one more does not.
pub(crate) async fn adds(node: Arc<NodeUnderTest>) -> Finding {
    let most = node.settings.bound(Bound::Adds)?;
    let mut peer = node.dial().await?;
    let topics = groups(&mut peer, most + 1);
    let mut stream = peer.open().await?;
    add_all(&stream, 1, &topics[1..]).await;
    stream.until_complete(1).await?;
    let mut stream = peer.open().await?;
    add_all(&stream, 1, &topics).await;
    let refused = stream.refused(Code::ResourceExhausted, &format!("{} adds", most + 1)).await?;
    Ok(format!("{most} adds pass; {refused}"))
}

/// S8: as many topics as the bound pass, in several Mutates; one more does not.
pub(crate) async fn topics(node: Arc<NodeUnderTest>) -> Finding {
    let most = node.settings.bound(Bound::Topics)?;
    let chunk = node.settings.bound(Bound::Adds).map_or(CHUNK, |adds| adds.clamp(1, CHUNK));
    let mut peer = node.dial().await?;
    let topics = groups(&mut peer, most + 1);
    let mut stream = peer.open().await?;
    for (id, some) in (1..).zip(topics[1..].chunks(chunk)) {
        add_all(&stream, id, some).await;
        stream.until_complete(id).await?;
    }
    let (last, stranger) = (u64::MAX, peer.group());
    stream.mutate(change(last, &[(&topics[0], 0)], &[&topics[1]])).await;
    stream.until_complete(last).await?;
    stream.mutate(change(last, &[(&topics[1], 0)], &[&stranger])).await;
    let refused = stream.refused(Code::ResourceExhausted, &format!("topic {}", most + 1)).await?;
    Ok(format!("{most} topics pass, also one in the place of another; {refused}"))
}

/// S8: the first wave is large and is not read, so that none of them ends.
pub(crate) async fn waves(node: Arc<NodeUnderTest>) -> Finding {
    let most = node.settings.bound(Bound::Waves)?;
    let mut stream = with_waves(&node, most).await?;
    let mut open: Vec<u64> = (1..).take(most).collect();
    let all = |frame: &Arm| {
        if let Arm::CatchupComplete(complete) = frame {
            open.retain(|id| *id != complete.mutate_id);
        }
        open.is_empty()
    };
    stream.read_within(REPLAY_MAX, &format!("CatchupComplete of {most} waves in flight"), all).await?;
    let mut stream = with_waves(&node, most + 1).await?;
    let refused = stream.refused(Code::ResourceExhausted, &format!("wave {}", most + 1)).await?;
    Ok(format!("{most} waves pass; {refused}"))
}

async fn with_waves(node: &NodeUnderTest, count: usize) -> Result<RawStream, Unmet> {
    let large = node.large_history().await?;
    let mut peer = node.dial().await?;
    let mut stream = peer.open().await?;
    stream.mutate(change(1, &[(&large, 0)], &[])).await;
    first_of_wave(&mut stream, 1).await?;
    for (id, topic) in (2..).zip(groups(&mut peer, count - 1)) {
        add_all(&stream, id, &[topic]).await;
    }
    Ok(stream)
}

/// S8: as many as may come at once are acknowledged; twice as many after them are too many.
pub(crate) async fn mutates(node: Arc<NodeUnderTest>) -> Finding {
    let most = node.settings.bound(Bound::Mutates)?;
    let mut peer = node.dial().await?;
    let stranger = peer.group();
    let mut stream = peer.open().await?;
    let mut left = most;
    for id in (1..).take(most) {
        stream.mutate(change(id, &[], &[&stranger])).await;
    }
    let all = |frame: &Arm| {
        left -= usize::from(left > 0 && matches!(frame, Arm::CatchupComplete(_)));
        left == 0
    };
    stream.read_within(ANSWER_MAX, &format!("{most} acknowledgments"), all).await?;
    for id in (1..).take(2 * most) {
        stream.mutate(change(id, &[], &[&stranger])).await;
    }
    let refused = stream.refused(Code::ResourceExhausted, &format!("{} more", 2 * most)).await?;
    Ok(format!("{most} Mutates at once pass; {refused}"))
}

/// S8: as [`mutates`].
pub(crate) async fn pings(node: Arc<NodeUnderTest>) -> Finding {
    let most = node.settings.bound(Bound::Pings)?;
    let mut stream = node.dial().await?.open().await?;
    let mut left = most;
    for nonce in (1..).take(most) {
        stream.ping(nonce).await;
    }
    let all = |frame: &Arm| {
        left -= usize::from(left > 0 && matches!(frame, Arm::Pong(_)));
        left == 0
    };
    stream.read_within(ANSWER_MAX, &format!("{most} Pongs"), all).await?;
    for nonce in (1..).take(2 * most) {
        stream.ping(nonce).await;
    }
    let refused = stream.refused(Code::ResourceExhausted, &format!("{} more", 2 * most)).await?;
    Ok(format!("{most} Pings at once pass; {refused}"))
}

/// S8: a consumer that reads nothing loses its stream, and until there it has no gap.
pub(crate) async fn slow_consumer(node: Arc<NodeUnderTest>) -> Finding {
    let most = node.settings.bound(Bound::Pending)?;
    let mut peer = node.dial().await?;
    let topic = peer.group();
    let mut stream = peer.follow(&[&topic]).await?;
    let mut published = Vec::new();
    while published.len() < most + BUFFERED_MESSAGES {
        let letters = peer.letters(&topic, FILLER_BATCH, FILLER_BYTES);
        peer.publish(&letters).await?;
        published.extend(letters);
    }
    let (mut came, deadline) = (Vec::new(), tokio::time::Instant::now() + REPLAY_MAX);
    let status = loop {
        match stream.next_until(deadline).await? {
            Heard::Frame(frame) => came.extend(arrivals([&frame])),
            Heard::Ended(status) => break status,
            Heard::Nothing if came.len() >= published.len() => {
                return violation(format!(
                    "{} messages waited for a consumer that read nothing; the bound is {most}",
                    came.len()
                ));
            }
            Heard::Nothing => return overdue("the end of a stream that was not read", REPLAY_MAX),
        }
    };
    if status.code() != Code::Aborted {
        return violation(format!("a consumer that read nothing was told {}, not ABORTED", spell_status(&status)));
    }
    let gap = came.iter().zip(&published).find(|(arrival, letter)| !arrival.is(letter));
    match gap {
        Some((arrival, _)) => violation(format!("before the end came #{} in the place of another", arrival.id)),
        None => Ok(format!(
            "{} published, {} delivered without a gap ({}), then {}",
            published.len(),
            came.len(),
            spell_ids(&came),
            spell_status(&status)
        )),
    }
}
