//! Topics that come and go on one stream (T6, T7, T12, T13, S5).

use std::sync::Arc;

use tokio::time::Instant;

use crate::grammar::Readable;
use crate::subject::xmtp::conformance::finding::{Finding, Unmet, not_judged, violation};
use crate::subject::xmtp::conformance::letter::{Delivered, Letter, RawTopic, arrivals, spell_ids};
use crate::subject::xmtp::conformance::raw_peer::{NodeUnderTest, RawPeer};
use crate::subject::xmtp::conformance::raw_stream::{RawStream, change, completed, of_topic};
use crate::subject::xmtp::conformance::settings::AT_ONCE;
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;

/// Messages of a small history.
const FEW: usize = 3;

/// A topic with a few messages, which the node holds; its ids ascend.
async fn few(peer: &mut RawPeer) -> Result<(RawTopic, Vec<Letter>, Vec<Delivered>), Unmet> {
    let topic = peer.group();
    let letters = peer.letters(&topic, FEW, 0);
    peer.publish(&letters).await?;
    let stored = peer.stored(&topic).await?;
    let order: Vec<Option<usize>> =
        stored.iter().map(|arrival| letters.iter().position(|letter| arrival.is(letter))).collect();
    if order != (0..FEW).map(Some).collect::<Vec<_>>() {
        return not_judged(format!("a replay of {FEW} messages gave {}: see S4", spell_ids(&stored)));
    }
    Ok((topic, letters, stored))
}

/// These letters and no others of their topic came, once each.
async fn exactly(peer: &RawPeer, letters: &[Letter], came: &[Delivered], place: &str) -> Result<(), Unmet> {
    if let Some(strange) = came.iter().find(|arrival| !letters.iter().any(|letter| arrival.is(letter))) {
        return violation(format!("message #{} came {place}, where nobody asked for it", strange.id));
    }
    peer.account(letters, came, place).await
}

/// T6.
pub(crate) async fn add(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (second, letters, stored) = few(&mut peer).await?;
    let first = peer.group();
    let mut stream = peer.follow(&[&first]).await?;
    let cursor = stored[1].id;
    stream.mutate(change(2, &[(&second, cursor)], &[])).await;
    let mut frames = stream.until_complete(2).await?;
    let replayed = of_topic(&frames, &second);
    exactly(&peer, &letters[2..], &replayed, &format!("after an add from #{cursor}")).await?;
    let fresh = peer.letters_for(&[&second, &first]);
    peer.publish(&fresh).await?;
    frames.extend(stream.until_all(&fresh).await?);
    let came = arrivals(&frames);
    exactly(&peer, &[&letters[2..], &fresh].concat(), &came, "on the stream").await?;
    Ok(format!(
        "add from #{cursor}: replayed {}, and live {} on the same stream",
        spell_ids(&replayed),
        spell_ids(&came[1..])
    ))
}

/// T7.
pub(crate) async fn remove(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (gone, kept) = (peer.group(), peer.group());
    let mut stream = peer.follow(&[&gone, &kept]).await?;
    let removed = Instant::now();
    stream.mutate(change(2, &[], &[&gone])).await;
    stream.until_complete(2).await?;
    let took = removed.elapsed();
    if took > AT_ONCE {
        return violation(format!("the remove was acknowledged after {}", Readable(took)));
    }
    // The live flow ascends by id: when the second has come, the first would have come.
    let (unheard, heard) = (peer.letters_for(&[&gone]), peer.letters_for(&[&kept]));
    peer.publish(&unheard).await?;
    peer.publish(&heard).await?;
    let came = arrivals(&stream.until_all(&heard).await?);
    exactly(&peer, &heard, &came, "after the remove of its topic").await?;
    Ok(format!(
        "acknowledged after {}; live afterwards: {} of the topic that was kept",
        Readable(took),
        spell_ids(&came)
    ))
}

/// T12.
pub(crate) async fn remove_and_add(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (topic, letters, _) = few(&mut peer).await?;
    let mut stream = peer.open().await?;
    stream.mutate(change(1, &[(&topic, 0)], &[])).await;
    stream.mutate(change(2, &[], &[&topic])).await;
    stream.mutate(change(3, &[(&topic, 0)], &[])).await;
    let frames = stream.until_complete(3).await?;
    let mut acknowledged = completed(&frames);
    // How often each is acknowledged is T9's matter.
    acknowledged.dedup();
    if acknowledged != [1, 2, 3] {
        return violation(format!("acknowledged in the order {acknowledged:?}"));
    }
    let third: Vec<Delivered> = arrivals(&frames).into_iter().filter(|arrival| arrival.tag == 3).collect();
    exactly(&peer, &letters, &third, "in the wave of the second add").await?;
    Ok(format!("acknowledged {acknowledged:?}; the second add replayed {}", spell_ids(&third)))
}

/// T13.
pub(crate) async fn duplicate_adds(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (topic, letters, stored) = few(&mut peer).await?;
    let (high, low) = (stored[1].id, stored[0].id);
    let mut stream = peer.open().await?;
    stream.mutate(change(1, &[(&topic, high), (&topic, low), (&topic, high)], &[])).await;
    let came = arrivals(&stream.until_complete(1).await?);
    exactly(&peer, &letters[1..], &came, &format!("after adds from #{high}, #{low} and #{high}")).await?;
    Ok(format!("adds from #{high}, #{low} and #{high} replayed {}", spell_ids(&came)))
}

/// S5: a re-add at the floor does nothing, one below it starts again, and a topic in both lists is reset.
pub(crate) async fn re_adds(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (topic, letters, stored) = few(&mut peer).await?;
    let (first, last) = (stored[0].id, stored[FEW - 1].id);
    let mut stream = peer.follow(&[&topic]).await?;
    let at_floor = re_add(&mut stream, 2, &topic, last).await?;
    exactly(&peer, &[], &at_floor, "after a re-add at the floor").await?;
    let below = re_add(&mut stream, 3, &topic, first).await?;
    exactly(&peer, &letters[1..], &below, &format!("after a re-add from #{first}, below the floor,")).await?;
    stream.mutate(change(4, &[(&topic, 0)], &[&topic])).await;
    let reset = arrivals(&stream.until_complete(4).await?);
    exactly(&peer, &letters, &reset, "after a reset").await?;
    let fresh = peer.letters_for(&[&topic]);
    peer.publish(&fresh).await?;
    let live = arrivals(&stream.until_all(&fresh).await?);
    exactly(&peer, &fresh, &live, "live after a reset").await?;
    reset_at_floor(&mut peer, &mut stream, (&topic, live[0].id)).await?;
    Ok(format!(
        "re-add at the floor: {}; from #{first}: {}; reset: {}; live: {}; reset at the floor: none",
        spell_ids(&at_floor),
        spell_ids(&below),
        spell_ids(&reset),
        spell_ids(&live)
    ))
}

/// A topic that is reset to where it is replays nothing, and goes on live.
async fn reset_at_floor(
    peer: &mut RawPeer,
    stream: &mut RawStream,
    (topic, floor): (&RawTopic, u64),
) -> Result<(), Unmet> {
    stream.mutate(change(5, &[(topic, floor)], &[topic])).await;
    let replayed = arrivals(&stream.until_complete(5).await?);
    exactly(peer, &[], &replayed, "after a reset at the floor").await?;
    let fresh = peer.letters_for(&[topic]);
    peer.publish(&fresh).await?;
    let live = arrivals(&stream.until_all(&fresh).await?);
    exactly(peer, &fresh, &live, "live after a reset at the floor").await
}

async fn re_add(stream: &mut RawStream, id: u64, topic: &RawTopic, cursor: u64) -> Result<Vec<Delivered>, Unmet> {
    stream.mutate(change(id, &[(topic, cursor)], &[])).await;
    let frames: Vec<Arm> = stream.until_complete(id).await?;
    Ok(arrivals(&frames))
}
