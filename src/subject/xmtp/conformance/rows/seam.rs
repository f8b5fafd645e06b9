//! What happens while a wave is in flight (T15, T18, T19, S5): the peer reads one frame of a large replay and then no
//! more, so that the node is held in mid-wave until everything is arranged.

use std::sync::Arc;

use tonic::Code;

use crate::subject::xmtp::conformance::finding::{Finding, Unmet, violation};
use crate::subject::xmtp::conformance::letter::{Delivered, Letter, RawTopic, arrivals, spell_ids};
use crate::subject::xmtp::conformance::raw_peer::{NodeUnderTest, RawPeer};
use crate::subject::xmtp::conformance::raw_stream::{RawStream, change, completed, is_complete, of_topic};
use crate::subject::xmtp::conformance::settings::{ANSWER_MAX, REPLAY_MAX};
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;

/// Messages that are published in mid-wave to each of the two topics.
const MID_WAVE: usize = 3;

/// What two rows judge: wave 2 replays `large` and `folded`, and `live` was live before.
struct Seam {
    peer: RawPeer,
    large: RawTopic,
    folded: RawTopic,
    live: RawTopic,
    /// To `folded`, before the wave, in it and after it.
    to_folded: Vec<Letter>,
    /// To `live`, in the wave, and after it.
    to_live: Vec<Letter>,
    /// Everything from the wave's first frame on.
    frames: Vec<Arm>,
}

impl Seam {
    async fn play(node: &NodeUnderTest) -> Result<Seam, Unmet> {
        let large = node.large_history().await?;
        let mut peer = node.dial().await?;
        let (folded, live) = (peer.group(), peer.group());
        let mut to_folded = peer.letters(&folded, 2, 0);
        peer.publish(&to_folded).await?;
        let mut stream = peer.follow(&[&live]).await?;
        let mut frames = begin_wave(&mut stream, 2, &[&large, &folded]).await?;
        let mut to_live = Vec::new();
        for _ in 0..MID_WAVE {
            let letters = peer.letters_for(&[&folded, &live]);
            peer.publish(&letters).await?;
            to_folded.extend(letters.first().cloned());
            to_live.extend(letters.last().cloned());
        }
        frames.extend(stream.read_within(REPLAY_MAX, "CatchupComplete 2", |frame| is_complete(frame, 2)).await?);
        let after = peer.letters_for(&[&folded, &live]);
        peer.publish(&after).await?;
        to_folded.extend(after.first().cloned());
        to_live.extend(after.last().cloned());
        let came = arrivals(&frames);
        let all = to_folded.iter().chain(&to_live);
        let missing: Vec<Letter> =
            all.filter(|letter| !came.iter().any(|arrival| arrival.is(letter))).cloned().collect();
        frames.extend(stream.until_all(&missing).await?);
        Ok(Seam { peer, large, folded, live, to_folded, to_live, frames })
    }

    /// The place of the wave's acknowledgment.
    fn end(&self) -> usize {
        self.frames.iter().position(|frame| is_complete(frame, 2)).unwrap_or(self.frames.len())
    }
}

/// Starts a wave and reads to the first frame of its replay.
async fn begin_wave(stream: &mut RawStream, id: u64, topics: &[&RawTopic]) -> Result<Vec<Arm>, Unmet> {
    let adds: Vec<(&RawTopic, u64)> = topics.iter().map(|topic| (*topic, 0)).collect();
    stream.mutate(change(id, &adds, &[])).await;
    first_of_wave(stream, id).await
}

/// Reads to the first frame of that wave.
pub(crate) async fn first_of_wave(stream: &mut RawStream, id: u64) -> Result<Vec<Arm>, Unmet> {
    let first = |frame: &Arm| arrivals([frame]).iter().any(|arrival| arrival.tag == id);
    stream.read_within(ANSWER_MAX, &format!("the first frame of wave {id}"), first).await
}

/// T15.
pub(crate) async fn tags(node: Arc<NodeUnderTest>) -> Finding {
    let seam = Seam::play(&node).await?;
    let (end, mut of_wave, mut of_live) = (seam.end(), 0, 0);
    for (at, frame) in seam.frames.iter().enumerate() {
        let Arm::Messages(messages) = frame else { continue };
        let came = arrivals([frame]);
        match messages.mutate_id {
            0 => of_live += came.len(),
            2 if at < end => {
                of_wave += came.len();
                let strangers: Vec<Delivered> = came
                    .into_iter()
                    .filter(|arrival| arrival.topic != seam.large && arrival.topic != seam.folded)
                    .collect();
                if !strangers.is_empty() {
                    return violation(format!(
                        "a frame of wave 2 has messages of a live topic: {}",
                        spell_ids(&strangers)
                    ));
                }
            }
            tag => return violation(format!("a frame has the tag {tag}, which names no wave in flight")),
        }
    }
    Ok(format!("{of_wave} messages came in frames of wave 2, {of_live} in live ones, and no frame mixed them"))
}

/// T18.
pub(crate) async fn no_gap(node: Arc<NodeUnderTest>) -> Finding {
    let seam = Seam::play(&node).await?;
    let (in_wave, after) = seam.frames.split_at(seam.end());
    let too_early: Vec<Delivered> = arrivals(in_wave)
        .into_iter()
        .filter(|arrival| arrival.tag == 0 && (arrival.topic == seam.folded || arrival.topic == seam.large))
        .collect();
    if !too_early.is_empty() {
        return violation(format!("live before the CatchupComplete of its wave: {}", spell_ids(&too_early)));
    }
    let came = arrivals(&seam.frames);
    seam.peer.account(&seam.to_folded, &came, "across the seam").await?;
    seam.peer.account(&seam.to_live, &came, "on a topic that was live all the time").await?;
    let late: Vec<Delivered> = of_topic(after, &seam.live);
    if late.len() > 1 {
        return violation(format!(
            "a live topic stood still during another's wave: {} came after it",
            spell_ids(&late)
        ));
    }
    let folded = of_topic(in_wave, &seam.folded);
    Ok(format!(
        "{} messages of the wave's topic came in the wave and {} live after it, once each; the other topic flowed on",
        folded.len(),
        of_topic(after, &seam.folded).len()
    ))
}

/// T19.
pub(crate) async fn wave_ids(node: Arc<NodeUnderTest>) -> Finding {
    let large = node.large_history().await?;
    let mut peer = node.dial().await?;
    let (one, two) = (peer.group(), peer.group());
    let mut stream = peer.open().await?;
    stream.mutate(change(0, &[(&one, 0)], &[])).await;
    let mut told = vec![stream.refused(Code::InvalidArgument, "an add with id 0").await?];
    let mut stream = peer.open().await?;
    begin_wave(&mut stream, 5, &[&large]).await?;
    stream.mutate(change(5, &[(&one, 0)], &[])).await;
    told.push(stream.refused(Code::InvalidArgument, "the id of a wave in flight").await?);
    let mut stream = peer.open().await?;
    begin_wave(&mut stream, 5, &[&large]).await?;
    stream.mutate(change(5, &[], &[&one])).await;
    told.push(stream.refused(Code::InvalidArgument, "the id of a wave in flight on a remove").await?);
    let mut stream = peer.follow(&[&one]).await?;
    let letters = peer.letters_for(&[&two]);
    peer.publish(&letters).await?;
    stream.mutate(change(1, &[(&two, 0)], &[])).await;
    let replayed = stream.until_all(&letters).await?;
    peer.account(&letters, &arrivals(&replayed), "in a wave whose id was used before").await?;
    told.push("the id of a completed wave: accepted".into());
    Ok(told.join("; "))
}

/// S5: the wave completes over what is left in it.
pub(crate) async fn removed_in_mid_wave(node: Arc<NodeUnderTest>) -> Finding {
    let large = node.large_history().await?;
    let mut peer = node.dial().await?;
    let kept = peer.group();
    let letters = peer.letters(&kept, 2, 0);
    peer.publish(&letters).await?;
    let whole = peer.stored_large(&large).await?;
    let mut stream = peer.open().await?;
    let mut frames = begin_wave(&mut stream, 2, &[&large, &kept]).await?;
    stream.mutate(change(3, &[], &[&large])).await;
    let mut open = [2, 3].to_vec();
    let all = |frame: &Arm| {
        open.retain(|id| !is_complete(frame, *id));
        open.is_empty()
    };
    frames.extend(stream.read_within(REPLAY_MAX, "CatchupComplete 2 and 3", all).await?);
    let replayed = of_topic(&frames, &large).len();
    if replayed >= whole {
        return violation(format!("a topic that was removed in mid-wave was replayed to its end: {replayed} messages"));
    }
    peer.account(&letters, &arrivals(&frames), "in a wave that lost its other topic").await?;
    Ok(format!(
        "{replayed} of {whole} messages of the removed topic came, and all of the other; acknowledged {:?}",
        completed(&frames)
    ))
}
