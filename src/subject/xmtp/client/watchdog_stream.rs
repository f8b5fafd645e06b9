//! A watchdog over any stream, and the loop that subscribes anew when it, or the stream, fails.
//!
//! Refuses to know what the items are: of a stream of the older calls nobody can ask for a sign of life, so only time
//! tells that it is dead.
//!
//! ```text
//!   watching --item--> watching
//!      |----- idle for the limit --> one `StreamStale` --> ended
//!      +----- the stream's end ----------------------------> ended
//!
//!   resubscribe:  creating --first failure--> the caller's error
//!                     |
//!                 streaming --error, stale--> waiting (floor + jitter, from the last creation) --> creating again
//!                     +------ clean end --> ended
//! ```

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::{Stream, StreamExt};

use crate::env::Dice;

/// An idle limit below this is taken for this: a round trip would pass for death.
const IDLE_MIN: Duration = Duration::from_secs(1);
/// No duration that is asked for can overflow the clock: a day is beyond any use.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How the older streams are watched, and how often they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResubscribeConfig {
    /// A stream without an item for so long is dead. From 1 s to a day.
    pub idle: Duration,
    /// From the making of one stream to the making of the next pass so long at least. At most a day.
    pub floor: Duration,
    /// And up to so long more, drawn, so that streams that fell together do not return together. At most a day.
    pub jitter: Duration,
}

impl Default for ResubscribeConfig {
    /// 300 s, 1 s and 1 s: libxmtp's values (PR 3718).
    fn default() -> Self {
        ResubscribeConfig {
            idle: Duration::from_secs(300),
            floor: Duration::from_secs(1),
            jitter: Duration::from_secs(1),
        }
    }
}

impl ResubscribeConfig {
    /// The same within its bounds.
    #[must_use]
    pub fn clamped(self) -> Self {
        ResubscribeConfig {
            idle: self.idle.clamp(IDLE_MIN, DURATION_MAX),
            // Without a floor, a stream that fails at once would be made without end at one instant.
            floor: self.floor.clamp(Duration::from_millis(1), DURATION_MAX),
            jitter: self.jitter.min(DURATION_MAX),
        }
    }
}

/// Nothing came for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("follow the stream: nothing came for {idle:?}")]
pub struct StreamStale {
    /// The limit.
    pub idle: Duration,
}

/// Ends a stream that is idle for too long, with one error. Fused.
pub struct WatchdogStream<S> {
    /// None once it has ended.
    stream: Option<Pin<Box<S>>>,
    idle: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl<S> WatchdogStream<S> {
    /// Watches `stream`, from now on; `idle` is from 1 s to a day.
    pub fn over(stream: S, idle: Duration) -> Self {
        let idle = idle.clamp(IDLE_MIN, DURATION_MAX);
        WatchdogStream { stream: Some(Box::pin(stream)), idle, alarm: Box::pin(sleep_until(Instant::now() + idle)) }
    }
}

impl<S, T, E> Stream for WatchdogStream<S>
where
    S: Stream<Item = Result<T, E>>,
    E: From<StreamStale>,
{
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        // The stream first, so that what has arrived counts before silence does.
        match stream.as_mut().poll_next(context) {
            Poll::Ready(Some(item)) => {
                let due = Instant::now() + self.idle;
                self.alarm.as_mut().reset(due);
                return Poll::Ready(Some(item));
            }
            Poll::Ready(None) => {
                self.stream = None;
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        if self.alarm.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.stream = None;
        Poll::Ready(Some(Err(StreamStale { idle: self.idle }.into())))
    }
}

/// Makes a stream and takes what it brings, and makes it anew whenever it fails or is stale, until it ends cleanly.
/// Dropping the future ends it at any time. `make` is to resume from what `take` has made durable.
///
/// # Errors
/// The first making failed, or `take` did. A later making that fails is tried again.
pub async fn resubscribe<Make, Making, S, T, E, Take, Taking>(
    config: ResubscribeConfig,
    dice: &mut Dice,
    mut make: Make,
    mut take: Take,
) -> Result<(), E>
where
    Make: FnMut() -> Making,
    Making: Future<Output = Result<S, E>>,
    S: Stream<Item = Result<T, E>>,
    E: From<StreamStale>,
    Take: FnMut(T) -> Taking,
    Taking: Future<Output = Result<(), E>>,
{
    let ResubscribeConfig { idle, floor, jitter } = config.clamped();
    let mut made_at = Instant::now();
    let mut made = Some(make().await?);
    loop {
        if let Some(stream) = made.take() {
            let mut watched = WatchdogStream::over(stream, idle);
            loop {
                match watched.next().await {
                    None => return Ok(()),
                    Some(Ok(item)) => take(item).await?,
                    Some(Err(_)) => break,
                }
            }
        }
        // Counted from the last making: after a long life it costs nothing.
        sleep_until(made_at + floor + dice.up_to(jitter)).await;
        made_at = Instant::now();
        made = make().await.ok();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::sync::mpsc;
    use tokio::time::timeout;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;
    use crate::env::Die;

    const SECOND: Duration = Duration::from_secs(1);
    const IDLE: Duration = Duration::from_secs(300);

    #[derive(Debug, PartialEq, Eq)]
    enum Failure {
        Stale,
        Broken,
    }

    impl From<StreamStale> for Failure {
        fn from(_: StreamStale) -> Self {
            Failure::Stale
        }
    }

    type Items = ReceiverStream<Result<u64, Failure>>;

    fn pipe() -> (mpsc::Sender<Result<u64, Failure>>, Items) {
        let (sender, receiver) = mpsc::channel(8);
        (sender, ReceiverStream::new(receiver))
    }

    #[tokio::test(start_paused = true)]
    async fn every_item_begins_a_new_silence_and_one_error_ends_it() {
        let (sender, items) = pipe();
        let mut watched = WatchdogStream::over(items, IDLE);
        for item in 0..3 {
            tokio::time::sleep(IDLE - SECOND).await;
            sender.send(Ok(item)).await.expect("room");
            assert_eq!(watched.next().await, Some(Ok(item)));
        }
        let start = Instant::now();
        assert_eq!((watched.next().await, start.elapsed()), (Some(Err(Failure::Stale)), IDLE));
        assert_eq!((watched.next().await, watched.next().await), (None, None), "fused");
        assert!(sender.is_closed(), "the stream is let go");
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_an_end_and_absurd_limits_are_clamped() {
        let (sender, items) = pipe();
        drop(sender);
        let mut watched = WatchdogStream::over(items, Duration::MAX);
        assert_eq!((watched.next().await, watched.next().await), (None, None));
        let (_sender, items) = pipe();
        let start = Instant::now();
        assert_eq!(WatchdogStream::over(items, Duration::ZERO).next().await, Some(Err(Failure::Stale)));
        assert_eq!(start.elapsed(), IDLE_MIN);
        let absurd = ResubscribeConfig { idle: Duration::ZERO, floor: Duration::MAX, jitter: Duration::MAX }.clamped();
        assert_eq!((absurd.idle, absurd.floor, absurd.jitter), (IDLE_MIN, DURATION_MAX, DURATION_MAX));
    }

    /// Plays the loop over the makings that `script` gives, and tells when each was asked for.
    async fn play(script: Vec<Result<Items, Failure>>) -> (Result<(), Failure>, Vec<Duration>, Vec<u64>) {
        let (start, script) = (Instant::now(), RefCell::new(script.into_iter()));
        let (makings, taken) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let make = || {
            makings.borrow_mut().push(start.elapsed());
            let next = script.borrow_mut().next();
            async { next.expect("the loop has ended before") }
        };
        let take = |item| {
            taken.borrow_mut().push(item);
            async { Ok(()) }
        };
        let mut dice = Dice::named(1, &Die::Test("resubscribe"));
        let outcome = resubscribe(ResubscribeConfig::default(), &mut dice, make, take).await;
        (outcome, makings.into_inner(), taken.into_inner())
    }

    fn over(items: Vec<Result<u64, Failure>>) -> Items {
        let (sender, stream) = pipe();
        items.into_iter().for_each(|item| sender.try_send(item).expect("room"));
        stream
    }

    #[tokio::test(start_paused = true)]
    async fn streams_are_made_anew_with_a_floor_and_jitter_until_a_clean_end() {
        let script = vec![
            Ok(over(vec![Ok(1), Err(Failure::Broken)])),
            Err(Failure::Broken),
            Err(Failure::Broken),
            Ok(over(vec![Ok(2)])),
        ];
        let (outcome, makings, taken) = play(script).await;
        assert_eq!((outcome, taken), (Ok(()), vec![1, 2]));
        assert_eq!(makings.len(), 4);
        for pair in makings.windows(2) {
            assert!((SECOND..=2 * SECOND).contains(&(pair[1] - pair[0])), "{makings:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_idle_period_costs_no_further_wait() {
        let (sender, silent) = pipe();
        let (_, makings, _) = play(vec![Ok(silent), Ok(over(vec![]))]).await;
        assert_eq!(makings, [Duration::ZERO, IDLE]);
        drop(sender);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_failure_and_a_failure_to_take_are_the_callers() {
        let (outcome, makings, _) = play(vec![Err(Failure::Broken)]).await;
        assert_eq!((outcome, makings.len()), (Err(Failure::Broken), 1));
        let calls = Cell::new(0);
        let make = || async { Ok(over(vec![Ok(1), Ok(2)])) };
        let take = |_| {
            calls.set(calls.get() + 1);
            async { Err(Failure::Broken) }
        };
        let mut dice = Dice::named(1, &Die::Test("resubscribe"));
        let outcome = resubscribe(ResubscribeConfig::default(), &mut dice, make, take).await;
        assert_eq!((outcome, calls.get()), (Err(Failure::Broken), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_canceled_loop_ends_its_stream() {
        let (sender, silent) = pipe();
        assert!(timeout(SECOND, play(vec![Ok(silent)])).await.is_err());
        assert!(sender.is_closed());
    }
}
