//! Streams on which a node waits for a Pong: past the deadline it serves them no more, whatever it has to send (S6, T4).
//!
//! What left the node in time may arrive late, so that only a message which was stored after the deadline tells. Refuses
//! to judge a node that an own fault, or one of the way to its proxy, may have held up.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::channel::{Channel, MessageId};
use crate::checker::Evidence;
use crate::checker::by_id::ById;
use crate::checker::excuse::Excuses;
use crate::fault::Direction;
use crate::grammar::Readable;
use crate::history::{Beat, Event, Fate, Record, TapStream, Terms};
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::spec::T4;
use crate::subject::xmtp::wire::Dialect;

/// What a node may take to close a stream whose deadline is over.
const CLOSES_IN: Duration = Duration::from_secs(1);

/// An open stream. What repeats is one record: a run of Pongs may end after a Ping that is recorded behind it.
#[derive(Clone, Copy, Default)]
struct PingedStream {
    /// When the last Ping came from the node, and its record.
    pinged: Option<(Duration, usize)>,
    /// When the last Pong went on to the node.
    answered: Duration,
}

impl PingedStream {
    fn unanswered(self) -> Option<(Duration, usize)> {
        self.pinged.filter(|(at, _)| *at > self.answered)
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct OwedPongs<'h> {
    /// Those whose dialect has Pongs.
    streams: BTreeMap<TapStream, PingedStream>,
    stored: BTreeMap<&'h Channel, ById<Duration>>,
}

impl<'h> OwedPongs<'h> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    pub(crate) fn take(
        &mut self,
        terms: &Terms,
        excuses: &Excuses<'h>,
        index: usize,
        record: &'h Record,
    ) -> Result<(), Box<Evidence>> {
        match &record.event {
            Event::TapOpened { stream, path } if Dialect::of_path(path).unwrap_or_default().has_pongs() => {
                self.streams.insert(*stream, PingedStream::default());
            }
            Event::TapClosed { stream, .. } => drop(self.streams.remove(stream)),
            // Which streams went with a proxy nobody says.
            Event::ProcessKilled if terms.cast.carries_streams(&record.host) => self.streams.clear(),
            Event::Stored { channel, id, .. } => {
                self.stored.entry(channel).or_default().insert(*id, record.at);
            }
            Event::Beat { beat: Beat::Ping { stream, way: Direction::ToClient, .. }, .. } => {
                self.streams.entry(*stream).and_modify(|one| one.pinged = Some((record.until, index)));
            }
            Event::Beat { beat: Beat::Pong { stream, way: Direction::ToNode, fate: Fate::Passed }, .. } => {
                self.streams.entry(*stream).and_modify(|one| one.answered = record.until);
            }
            Event::Tapped { stream, way: Direction::ToClient, frame, .. } => {
                if let Some(XmtpFrame::Delivery { messages, .. }) = XmtpFrame::of(frame) {
                    return self.check(terms, excuses, index, record, *stream, messages);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check(
        &self,
        terms: &Terms,
        excuses: &Excuses<'h>,
        index: usize,
        record: &Record,
        stream: TapStream,
        messages: &[(Channel, MessageId)],
    ) -> Result<(), Box<Evidence>> {
        let Some((pinged, ping)) = self.streams.get(&stream).and_then(|one| one.unanswered()) else { return Ok(()) };
        let deadline = pinged + terms.pong_deadline() + CLOSES_IN + terms.travel;
        let stored = |(channel, id): &(Channel, MessageId)| {
            let at = *self.stored.get(channel)?.get(*id)?;
            (at > deadline).then_some((channel.clone(), *id, at))
        };
        let Some((channel, id, at)) = messages.iter().find_map(stored) else { return Ok(()) };
        if excuses.disturbed_upstream(pinged, record.at) {
            return Ok(());
        }
        let what = format!(
            "the node sent to {} on {stream} {id} of {channel}, stored {} after its Ping, which nothing had answered; it \
             waits for {} and closes",
            record.host,
            Readable(at - pinged),
            Readable(terms.pong_deadline())
        );
        Err(Box::new(Evidence::new(index, record, T4, what).about(&channel, Some(id)).with([ping])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, STREAM, Script, alpha, partition, usual_terms};
    use crate::subject::xmtp::checker::Heartbeat;

    const PING: Beat = Beat::Ping { stream: STREAM, way: Direction::ToClient, fate: Fate::Passed };

    fn pong(fate: Fate) -> Beat {
        Beat::Pong { stream: STREAM, way: Direction::ToNode, fate }
    }

    /// A stream that was pinged at 31 s.
    fn pinged(script: Script) -> Script {
        let script = script.at(1.0).opened(1).tap_opened(STREAM).node_starts().started(1).complete(1);
        script.at(31.0).beat(CLIENT, PING)
    }

    fn served(script: Script, at: f64) -> Script {
        script.at(at).stored(alpha(), 5).live(&[(alpha(), 5)])
    }

    #[test]
    fn who_owes_a_pong_is_served_until_the_deadline_and_not_beyond() {
        served(pinged(Script::new()), 60.0).acquitted_by(&Heartbeat);
        let evidence = served(pinged(Script::new()), 70.0).condemned_by(&Heartbeat);
        let what = "the node sent to client-1 on stream 1.1.1 #5 of group:alpha, stored 39s after its Ping, which nothing \
                    had answered; it waits for 30s and closes";
        assert_eq!((evidence.requirement.as_str(), evidence.what.as_str()), ("T4", what));
        served(pinged(Script::new()).beat(CLIENT, pong(Fate::Swallowed)), 70.0).condemned_by(&Heartbeat);
        let impatient = || Script::on(Terms { pong_within: Some(Duration::from_secs(5)), ..usual_terms() });
        served(pinged(impatient()), 36.0).acquitted_by(&Heartbeat);
        let evidence = served(pinged(impatient()), 38.0).condemned_by(&Heartbeat);
        assert!(evidence.what.ends_with("it waits for 5s and closes"), "{}", evidence.what);
    }

    #[test]
    fn a_run_of_pongs_answers_a_ping_that_is_recorded_behind_it() {
        let first = pinged(Script::new()).stored(alpha(), 4).live(&[(alpha(), 4)]);
        let again = first.at(31.1).beat(CLIENT, pong(Fate::Passed)).at(61.0).beat(CLIENT, PING);
        let answered = again.at(61.1).beat(CLIENT, pong(Fate::Passed));
        served(answered, 100.0).acquitted_by(&Heartbeat);
    }

    #[test]
    fn a_pong_that_went_on_and_a_fault_behind_the_proxy_acquit() {
        served(pinged(Script::new()).beat(CLIENT, pong(Fate::Passed)), 70.0).acquitted_by(&Heartbeat);
        let cut = |one, other| served(pinged(Script::new().fault_begins(1, partition(one, other))), 70.0);
        cut("proxy", NODE).acquitted_by(&Heartbeat);
        cut(CLIENT, "proxy").condemned_by(&Heartbeat);
    }
}
