//! Bounded catch-up and the half-close (T10, S11).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tonic::Code;

use crate::grammar::Readable;
use crate::subject::xmtp::conformance::finding::{Finding, ended_early, not_judged, spell_status, violation};
use crate::subject::xmtp::conformance::letter::{arrivals, spell_ids};
use crate::subject::xmtp::conformance::raw_peer::NodeUnderTest;
use crate::subject::xmtp::conformance::raw_stream::{Manners, change, completed, history, is_complete, of_topic};
use crate::subject::xmtp::conformance::rows::liveness::first_ping;
use crate::subject::xmtp::conformance::rows::seam::first_of_wave;
use crate::subject::xmtp::conformance::settings::{ANSWER_MAX, REPLAY_MAX};
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;

/// T10.
pub(crate) async fn catchup(node: Arc<NodeUnderTest>) -> Finding {
    let mut peer = node.dial().await?;
    let (topic, stranger) = (peer.group(), peer.group());
    let letters = peer.letters(&topic, 3, 0);
    peer.publish(&letters).await?;
    let mut stream = peer.open().await?;
    stream.mutate(history(1, &[(&topic, 0)])).await;
    stream.mutate(change(2, &[], &[&stranger])).await;
    stream.half_close();
    let (frames, status) = stream.ending(ANSWER_MAX).await?;
    if status.code() == Code::DeadlineExceeded {
        return violation(format!("a half-closed stream ended with {}", spell_status(&status)));
    }
    if status.code() != Code::Ok {
        return Err(ended_early(&status, "OK"));
    }
    let acknowledged = completed(&frames);
    if !(acknowledged.contains(&1) && acknowledged.contains(&2)) {
        return violation(format!("ended with OK, and of the Mutates 1 and 2 only {acknowledged:?} were acknowledged"));
    }
    let end = frames.iter().position(|frame| is_complete(frame, 1)).unwrap_or_default();
    let late = arrivals(&frames[end..]);
    if !late.is_empty() {
        return violation(format!("after the CatchupComplete came {}", spell_ids(&late)));
    }
    let came = arrivals(&frames);
    peer.account(&letters, &came, "in a bounded catch-up").await?;
    Ok(format!("replayed {}, acknowledged {acknowledged:?}, ended with OK", spell_ids(&came)))
}

/// S11: nothing is registered for live; a contradiction is refused.
pub(crate) async fn history_only(node: Arc<NodeUnderTest>) -> Finding {
    let large = node.large_history().await?;
    let mut peer = node.dial().await?;
    let (old, live) = (peer.group(), peer.group());
    let mut letters = peer.letters_for(&[&old]);
    peer.publish(&letters).await?;
    let mut stream = peer.follow(&[&live]).await?;
    stream.mutate(history(2, &[(&old, 0)])).await;
    let mut frames = stream.until_complete(2).await?;
    // The live flow ascends by id: when the second has come, the first would have come.
    let (unheard, heard) = (peer.letters_for(&[&old]), peer.letters_for(&[&live]));
    peer.publish(&unheard).await?;
    peer.publish(&heard).await?;
    frames.extend(stream.until_all(&heard).await?);
    letters.extend(heard);
    let strange = of_topic(&frames, &old);
    if let Some(arrival) = strange.iter().find(|arrival| unheard.iter().any(|letter| arrival.is(letter))) {
        return violation(format!("message #{} came live after a history_only add of its topic", arrival.id));
    }
    peer.account(&letters, &arrivals(&frames), "beside a bounded catch-up").await?;
    stream.mutate(history(3, &[(&live, 0)])).await;
    let mut told = vec![stream.refused(Code::InvalidArgument, "history_only of a subscribed topic").await?];
    for (name, second) in
        [("an add", change(2, &[(&large, 0)], &[])), ("another history_only add", history(2, &[(&large, 0)]))]
    {
        let mut stream = peer.open().await?;
        stream.mutate(history(1, &[(&large, 0)])).await;
        first_of_wave(&mut stream, 1).await?;
        stream.mutate(second).await;
        let what = format!("{name} of a topic with a history_only catch-up in flight");
        told.push(stream.refused(Code::InvalidArgument, &what).await?);
    }
    Ok(told.join("; "))
}

/// S11: a half-closed stream whose wave is held for longer than the interval is not pinged, and nothing is waited for that it
/// was asked before.
pub(crate) async fn half_closed(node: Arc<NodeUnderTest>) -> Finding {
    let interval = node.interval(2)?;
    let (quiet, pinged) =
        tokio::join!(held_half_closed(&node, interval, false), held_half_closed(&node, interval, true));
    Ok(format!("{}; pinged before it: {}", quiet?, pinged?))
}

async fn held_half_closed(node: &NodeUnderTest, interval: Duration, pinged: bool) -> Finding {
    let large = node.large_history().await?;
    let mut stream = node.dial().await?.open().await?;
    if pinged {
        stream.manners = Manners::Silent;
        first_ping(&mut stream, interval).await?;
    }
    stream.mutate(history(1, &[(&large, 0)])).await;
    first_of_wave(&mut stream, 1).await?;
    stream.half_close();
    let held = interval + interval / 4;
    sleep(held).await;
    let (frames, status) = stream.ending(REPLAY_MAX).await?;
    let pings = frames.iter().filter(|frame| matches!(frame, Arm::Ping(_))).count();
    if pings > 0 {
        return violation(format!("{pings} Pings came after the half-close"));
    }
    if status.code() == Code::Ok && completed(&frames).contains(&1) {
        let came = arrivals(&frames).len();
        let held = Readable(held);
        return Ok(format!("held for {held} after the half-close: no Ping, then {came} messages, its marker and OK"));
    }
    if status.code() == Code::Aborted {
        return not_judged(format!("the node gave up a consumer that read nothing for {}", Readable(held)));
    }
    if status.code() == Code::DeadlineExceeded {
        return violation(format!("a half-closed stream ended with {}", spell_status(&status)));
    }
    Err(ended_early(&status, "CatchupComplete 1"))
}
