//! Pings, silence, and streams that are kept (C1, C2, C4).

use std::time::Duration;

use tokio::time::Instant;

use crate::grammar::Readable;
use crate::subject::xmtp::conformance::client_suite::{Begun, ClientUnderTest, RETURN_MAX};
use crate::subject::xmtp::conformance::finding::{Finding, Unmet, not_judged, overdue, violation};
use crate::subject::xmtp::conformance::scripted_node::ClientCall;
use crate::subject::xmtp::conformance::served_stream::{ClientAct, NodeManners, half_closed};
use crate::subject::xmtp::conformance::settings::AT_ONCE;
use crate::subject::xmtp::wire::proto;
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;

/// N of C2 is 2 or 3.
const INTERVALS_MIN: u32 = 2;
const INTERVALS_MAX: u32 = 3;
/// A timer that rings late, and a machine that is busy.
const GRACE: Duration = Duration::from_secs(2);
/// What the two ends of a connection may disagree on: when the last frame was heard.
const SLACK: Duration = Duration::from_millis(100);
/// Longer than any N of C2.
const KEPT_INTERVALS: u32 = 4;
/// A client that half-closes does so when it has asked for what it wants.
const HALF_CLOSE_MAX: Duration = Duration::from_secs(3);
/// The replay before a Ping.
const REPLAY_FRAMES: u64 = 20;
const REPLAY_MESSAGES: u64 = 50;

/// A stream whose first wave, of nothing, is complete.
async fn idle(client: &mut ClientUnderTest) -> Result<Begun, Unmet> {
    let mut begun = client.begin().await?;
    let names = begun.names();
    begun.stream.complete(begun.mutate_id, &names).await;
    Ok(begun)
}

/// C1: promptly, with the nonce of the Ping, whatever it is and however often.
pub(crate) async fn pings_are_answered(client: &mut ClientUnderTest) -> Finding {
    let mut stream = idle(client).await?.stream;
    let (nonces, mut slowest) = ([1, 0, u64::MAX, 1], Duration::ZERO);
    for nonce in nonces {
        match stream.ping(nonce, AT_ONCE).await? {
            Some(took) => slowest = slowest.max(took),
            None => return overdue(&format!("the Pong to nonce {nonce}"), AT_ONCE),
        }
    }
    Ok(format!("{} of {} Pings answered, the slowest within {}", nonces.len(), nonces.len(), Readable(slowest)))
}

/// C1: what the application has still to take does not delay a Pong.
pub(crate) async fn ping_behind_a_replay(client: &mut ClientUnderTest) -> Finding {
    let mut begun = client.begin().await?;
    let topic = begun.names().swap_remove(0);
    for _ in 0..REPLAY_FRAMES {
        client.deliver(&mut begun.stream, &topic, begun.mutate_id, REPLAY_MESSAGES).await;
    }
    match begun.stream.ping(7, AT_ONCE).await? {
        Some(took) => {
            Ok(format!("answered within {} behind {} messages", Readable(took), REPLAY_FRAMES * REPLAY_MESSAGES))
        }
        None => overdue(&format!("the Pong behind {} messages", REPLAY_FRAMES * REPLAY_MESSAGES), AT_ONCE),
    }
}

/// C2: after N intervals without a frame, and it comes back.
pub(crate) async fn silence_is_given_up(client: &mut ClientUnderTest) -> Finding {
    let mut stream = idle(client).await?.stream;
    stream.manners = NodeManners::Mute;
    let (began, most) = (stream.said_at, client.interval * INTERVALS_MAX + GRACE);
    loop {
        match stream.next_until(began + most).await? {
            ClientAct::Left => break,
            ClientAct::Request(_) => {}
            ClientAct::HalfClosed => return half_closed(),
            ClientAct::Nothing => {
                let told = (Readable(most), Readable(client.interval));
                return violation(format!(
                    "the client still holds a stream that was silent for {} of {}",
                    told.0, told.1
                ));
            }
        }
    }
    let silent = began.elapsed();
    if silent + SLACK < client.interval * INTERVALS_MIN {
        let told = (Readable(silent), Readable(client.interval));
        return violation(format!(
            "the client gave its stream up after {} of silence; the interval is {}",
            told.0, told.1
        ));
    }
    match client.next_call(RETURN_MAX).await {
        Some(_) => Ok(format!("given up after {} of silence, and opened anew", Readable(silent))),
        None => violation(format!("the client did not come back within {}", Readable(RETURN_MAX))),
    }
}

/// C2: a Ping of the node's is a frame like any other.
pub(crate) async fn pings_keep_the_stream(client: &mut ClientUnderTest) -> Finding {
    let mut stream = idle(client).await?.stream;
    // Its own Pings stay unanswered: only ours count.
    stream.manners = NodeManners::Mute;
    for nonce in 1..=KEPT_INTERVALS {
        stream.say(Arm::Ping(proto::Ping { nonce: nonce.into() })).await;
        stream.keep_until(Instant::now() + client.interval, "although a Ping came in each interval").await?;
    }
    Ok(format!("kept over {}, in which nothing but Pings came", Readable(client.interval * KEPT_INTERVALS)))
}

/// C2: and so is a Pong. Only a client that asks for a sign of life can be judged.
pub(crate) async fn pongs_keep_the_stream(client: &mut ClientUnderTest) -> Finding {
    let mut stream = idle(client).await?.stream;
    let until = Instant::now() + client.interval * (KEPT_INTERVALS + 1);
    loop {
        match stream.next_until(until).await? {
            ClientAct::Nothing => break,
            ClientAct::Request(_) => {}
            ClientAct::HalfClosed => return half_closed(),
            ClientAct::Left if stream.pings > 0 => {
                return violation(format!(
                    "the client gave its stream up although {} Pings were answered",
                    stream.pings
                ));
            }
            ClientAct::Left => return not_judged("the client asks for no sign of life before it gives a stream up"),
        }
    }
    Ok(format!("kept, because {} Pings of the client were answered", stream.pings))
}

/// C4: a client that has a healthy stream opens no other.
pub(crate) async fn one_stream(client: &mut ClientUnderTest) -> Finding {
    let mut begun = idle(client).await?;
    let topic = begun.names().swap_remove(0);
    for nonce in 1..=KEPT_INTERVALS {
        client.deliver(&mut begun.stream, &topic, 0, 1).await;
        begun.stream.say(Arm::Ping(proto::Ping { nonce: nonce.into() })).await;
        begun.stream.keep_until(Instant::now() + client.interval, "although it was served").await?;
    }
    match client.next_call(Duration::ZERO).await {
        None => Ok(format!("the only stream in {}", Readable(client.interval * KEPT_INTERVALS))),
        Some(ClientCall::Subscribe(call)) => {
            let age = call.at.elapsed();
            violation(format!("a second stream was opened {} ago beside a healthy one", Readable(age)))
        }
        Some(ClientCall::Older(_)) => violation("an older call was made beside a healthy stream"),
    }
}

/// C4: the node has nothing to say on a stream that is half-closed until its waves are done. Only a client that
/// half-closes, such as one that catches up and ends, can be judged.
pub(crate) async fn half_closed_stream(client: &mut ClientUnderTest) -> Finding {
    let mut begun = client.begin().await?;
    let asked = begun.stream.next_until(Instant::now() + HALF_CLOSE_MAX).await?;
    if !matches!(asked, ClientAct::HalfClosed) {
        return not_judged(format!(
            "the client did not half-close within {}: a bounded catch-up is judged by C4 alone",
            Readable(HALF_CLOSE_MAX)
        ));
    }
    let silence = client.interval * KEPT_INTERVALS;
    match begun.stream.next_until(Instant::now() + silence).await? {
        ClientAct::Nothing => {}
        ClientAct::Left => return violation("the client gave a half-closed stream up before its wave was complete"),
        ClientAct::Request(_) | ClientAct::HalfClosed => {
            return violation("the client spoke on a half that it had closed");
        }
    }
    let names = begun.names();
    begun.stream.complete(begun.mutate_id, &names).await;
    Ok(format!("kept over {} of silence, until its wave was complete", Readable(silence)))
}
