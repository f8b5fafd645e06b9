//! Who pings when, and what follows from silence (T2 to T5, S6).
//!
//! What comes too early is judged from when this side caused the traffic, which is before the node sent anything: no
//! slow link can make a lawful Ping look early. What comes too late is given the room of a loaded machine.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use crate::grammar::Readable;
use crate::subject::xmtp::conformance::finding::{
    Finding, Unmet, ended_early, not_judged, overdue, spell_status, violation,
};
use crate::subject::xmtp::conformance::letter::arrivals;
use crate::subject::xmtp::conformance::raw_peer::NodeUnderTest;
use crate::subject::xmtp::conformance::raw_stream::{Heard, Manners, RawStream, change};
use crate::subject::xmtp::conformance::settings::{ANSWER_MAX, AT_ONCE};
use crate::subject::xmtp::wire::proto::Pong;
use crate::subject::xmtp::wire::proto::subscribe_request::v1::Request as Ask;
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;

/// A tenth of the interval and two seconds: timers of busy machines are late, never so late.
fn lateness(interval: Duration) -> Duration {
    interval / 10 + Duration::from_secs(2)
}

/// Two clocks may differ by so much of the interval, and a timer may count in milliseconds.
fn drift(interval: Duration) -> Duration {
    interval / 100 + Duration::from_millis(2)
}

/// The next Ping, and when it came: none within that time.
async fn next_ping(stream: &mut RawStream, patience: Duration) -> Result<Option<(u64, Instant)>, Unmet> {
    let deadline = Instant::now() + patience;
    loop {
        match stream.next_until(deadline).await? {
            Heard::Frame(Arm::Ping(ping)) => return Ok(Some((ping.nonce, Instant::now()))),
            Heard::Frame(_) => {}
            Heard::Ended(status) => return Err(ended_early(&status, "a Ping")),
            Heard::Nothing => return Ok(None),
        }
    }
}

/// The Ping of an idle stream, for rows that judge what comes after it.
pub(crate) async fn first_ping(stream: &mut RawStream, interval: Duration) -> Result<(u64, Instant), Unmet> {
    match next_ping(stream, interval + lateness(interval)).await? {
        Some(ping) => Ok(ping),
        None => not_judged("no Ping came: see T2"),
    }
}

/// T2.
pub(crate) async fn idle_pings(node: Arc<NodeUnderTest>) -> Finding {
    let interval = node.interval(2)?;
    let mut stream = node.dial().await?.open().await?;
    let (mut before, mut told) = (Instant::now(), Vec::new());
    for _ in 0..2 {
        let patience = interval + lateness(interval);
        let Some((nonce, at)) = next_ping(&mut stream, patience).await? else {
            return overdue("a Ping on an idle stream", patience);
        };
        told.push(format!("Ping {nonce:#x} after {}", Readable(at - before)));
        before = at;
    }
    Ok(told.join(", "))
}

/// T3: a Pong and a message put the next Ping off.
pub(crate) async fn traffic_puts_pings_off(node: Arc<NodeUnderTest>) -> Finding {
    let (after_pong, after_message) = tokio::join!(after_pong(&node), after_message(&node));
    Ok(format!("{}; {}", after_pong?, after_message?))
}

async fn after_pong(node: &NodeUnderTest) -> Finding {
    let interval = node.interval(2)?;
    let mut stream = node.dial().await?.open().await?;
    stream.listen(interval / 2).await?;
    let asked = Instant::now();
    stream.ping(1).await;
    stream.read_within(ANSWER_MAX, "Pong 1", |frame| *frame == Arm::Pong(Pong { nonce: 1 })).await?;
    put_off(&mut stream, asked, "a Ping of this side", interval).await
}

async fn after_message(node: &NodeUnderTest) -> Finding {
    let interval = node.interval(2)?;
    let mut peer = node.dial().await?;
    let topic = peer.group();
    let mut stream = peer.follow(&[&topic]).await?;
    stream.listen(interval / 2).await?;
    let letters = peer.letters(&topic, 1, 0);
    let published = peer.publish(&letters).await?;
    let came = stream.until_all(&letters).await?;
    peer.account(&letters, &arrivals(&came), "live").await?;
    put_off(&mut stream, published, "a published message", interval).await
}

/// The next Ping comes no earlier than the interval after `caused`.
async fn put_off(stream: &mut RawStream, caused: Instant, cause: &str, interval: Duration) -> Finding {
    let (nonce, at) = first_ping(stream, interval).await?;
    let after = at - caused;
    let told = format!("Ping {nonce:#x} came {} after {cause}", Readable(after));
    if after + drift(interval) < interval {
        return violation(format!("{told}, which caused a frame; the interval is {}", Readable(interval)));
    }
    Ok(told)
}

/// T4: a Ping is not answered; a wrong Pong, and half an interval later a Ping and a Mutate come in the place of the right
/// Pong, and what the node answers to those puts nothing off.
pub(crate) async fn silent_client(node: Arc<NodeUnderTest>) -> Finding {
    let interval = node.interval(2)?;
    let mut stream = node.dial().await?.open().await?;
    stream.manners = Manners::Silent;
    let (nonce, at) = first_ping(&mut stream, interval).await?;
    stream.send(Ask::Pong(Pong { nonce: nonce.wrapping_add(1) })).await;
    let patience = interval + lateness(interval);
    let (mut asks, deadline) = (Some(at + interval / 2), at + patience);
    loop {
        match stream.next_until(asks.unwrap_or(deadline)).await? {
            Heard::Nothing if asks.take().is_some() => {
                stream.ping(7).await;
                stream.mutate(change(0, &[], &[])).await;
            }
            Heard::Frame(_) => {}
            Heard::Ended(status) if status.code() == Code::DeadlineExceeded => {
                return Ok(format!(
                    "closed {} after Ping {nonce:#x}, with {}",
                    Readable(at.elapsed()),
                    spell_status(&status)
                ));
            }
            Heard::Ended(status) => {
                return violation(format!(
                    "closed {} after Ping {nonce:#x}, with {}, not DEADLINE_EXCEEDED",
                    Readable(at.elapsed()),
                    spell_status(&status)
                ));
            }
            Heard::Nothing => {
                return violation(format!(
                    "Ping {nonce:#x} was not answered, and the stream is open {} later",
                    Readable(patience)
                ));
            }
        }
    }
}

/// T5: each nonce comes back once.
pub(crate) async fn client_pings(node: Arc<NodeUnderTest>) -> Finding {
    let mut stream = node.dial().await?.open().await?;
    let (nonces, began) = ([1, 0, u64::MAX], Instant::now());
    for nonce in nonces {
        stream.ping(nonce).await;
    }
    let mut pongs = Vec::new();
    while pongs.len() < nonces.len() {
        match stream.next_until(began + AT_ONCE).await? {
            Heard::Frame(Arm::Pong(pong)) => pongs.push(pong.nonce),
            Heard::Frame(_) => {}
            Heard::Ended(status) => return Err(ended_early(&status, "a Pong")),
            Heard::Nothing => {
                return violation(format!(
                    "Pings {nonces:?} were answered by Pongs {pongs:?} within {}",
                    Readable(AT_ONCE)
                ));
            }
        }
    }
    let took = began.elapsed();
    pongs.sort_unstable();
    if pongs != [0, 1, u64::MAX] {
        return violation(format!("Pings {nonces:?} were answered by Pongs {pongs:?}"));
    }
    Ok(format!("Pings {nonces:?} were answered within {}", Readable(took)))
}

/// S6: the matching Pong keeps the stream, and each Ping has a nonce of its own.
pub(crate) async fn answered_ping(node: Arc<NodeUnderTest>) -> Finding {
    let interval = node.interval(2)?;
    let mut stream = node.dial().await?.open().await?;
    let (first, at) = first_ping(&mut stream, interval).await?;
    let deadline = at + interval + lateness(interval);
    loop {
        match stream.next_until(deadline).await? {
            Heard::Frame(Arm::Ping(ping)) if ping.nonce == first => {
                return violation(format!("two Pings have the nonce {first:#x}"));
            }
            Heard::Frame(Arm::Ping(ping)) => {
                return Ok(format!(
                    "Ping {first:#x} was answered, and Ping {:#x} came {} later",
                    ping.nonce,
                    Readable(at.elapsed())
                ));
            }
            Heard::Frame(_) => {}
            Heard::Ended(status) if status.code() == Code::DeadlineExceeded => {
                return violation(format!(
                    "Ping {first:#x} was answered at once, and the stream closed {} later with {}",
                    Readable(at.elapsed()),
                    spell_status(&status)
                ));
            }
            Heard::Ended(status) => return Err(ended_early(&status, "a second Ping")),
            Heard::Nothing => return not_judged("no second Ping came: see T2"),
        }
    }
}
