//! Events in words, as a timeline and a story tell them.

use std::fmt;
use std::time::Duration;

use crate::cast::HostName;
use crate::channel::{Channel, MessageId, Position};
use crate::fault::Direction;
use crate::grammar::{Naming, Readable, count};
use crate::history::{Beat, CloseReason, EndCause, Event, Examined, Fate};

/// What happened, in one line, without time and host; `{:#}` names every topic, message and host.
impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&describe(self, Naming::of(formatter)))
    }
}

fn describe(event: &Event, naming: Naming) -> String {
    match event {
        Event::Began(terms) => format!("the trial begins; it ends at {}", Readable(terms.end)),
        Event::FaultBegan(clause) => format!("fault {}: {}", clause.number, naming.tell(&clause.fault)),
        Event::FaultEnded { clause, felt: true } => format!("fault {clause} ends"),
        Event::FaultEnded { clause, felt: false } => format!("fault {clause} ends; it harmed nothing"),
        Event::ProcessBegan { incarnation: 1 } => "begins".to_owned(),
        Event::ProcessBegan { incarnation } => format!("begins again, process {incarnation}"),
        Event::ProgramFailed { words, .. } | Event::ProgramEnded { words } => words.to_string(),
        Event::ProcessKilled => "is killed".to_owned(),
        Event::PowerFailed => "loses power".to_owned(),
        Event::DiskReplaced { as_of: Duration::ZERO } => "gets an empty disk".to_owned(),
        Event::DiskReplaced { as_of } => format!("gets its disk of {} back", Readable(*as_of)),
        Event::LogOpened { heads } => {
            format!("opens its log: {}", places(heads.iter().map(|(name, id)| (name, id)), naming))
        }
        Event::InboxOpened { cursors: found } => format!("opens its inbox: {}", positions(found, naming)),
        Event::StoreFailed { words } => format!("reports that its store failed: {words}"),
        Event::Produced { channel, key } => format!("publishes {key:016x} to {channel}"),
        Event::Acknowledged { channel, key } => format!("is told that {key:016x} is stored in {channel}"),
        Event::ProduceFailed { channel, key, words } => {
            format!("does not know what became of {key:016x} for {channel}: {words}")
        }
        Event::ProduceRefused { channel, key, words } => {
            format!("is told that {key:016x} is not stored in {channel}: {words}")
        }
        Event::Examined { requirement, found, words } => format!("finds {requirement} {}: {words}", finding(*found)),
        Event::Stored { channel, id, key } => format!("stores {channel} {id} ({key:016x})"),
        Event::StreamOpened { stream } => format!("opens subscription {stream}"),
        Event::StreamClosed { stream, reason } => format!("closes subscription {stream}: {}", close_reason(reason)),
        Event::TapOpened { stream, path } => format!("{stream} opens: {path}"),
        Event::Tapped { stream, way, fate, frame } => {
            format!("{stream} {}: {}{}", arrow(*way), naming.tell(frame), fate_note(*fate))
        }
        Event::HalfClosed { stream } => format!("half-closes {stream}"),
        Event::TapClosed { stream, status: None } => format!("{stream} ends"),
        Event::TapClosed { stream, status: Some(status) } => format!("{stream} ends with status {status}"),
        Event::Dialing { attempt } => format!("dials, attempt {attempt}"),
        Event::Opened { attempt, resume } => {
            format!("opens its stream, attempt {attempt}, from {}", positions(resume, naming))
        }
        Event::Started { attempt } => format!("is welcomed by the node, attempt {attempt}"),
        Event::WatchdogPinged { attempt } => format!("watchdog asks for a sign of life, attempt {attempt}"),
        Event::WatchdogTripped { attempt, silent_for } => {
            format!("watchdog trips after {} of silence, attempt {attempt}", Readable(*silent_for))
        }
        Event::Suspended { attempt, lasted } => {
            format!("finds that it stood still for {}, and doubts attempt {attempt}", Readable(*lasted))
        }
        Event::Probed { attempt } => format!("asks whether its stream outlived that, attempt {attempt}"),
        Event::ProbeAnswered { attempt } => format!("trusts its stream again, attempt {attempt}"),
        Event::Leased { via, lease, adds, removes } => describe_lease(via, *lease, (adds, removes), naming),
        Event::LeaseMarked { channel: Some(channel) } => format!("is told that {channel} is live"),
        Event::LeaseMarked { channel: None } => "is told that it is caught up".to_owned(),
        Event::LeaseOver => "gives its lease up".to_owned(),
        Event::Resting { lasts } => format!("takes nothing for {}", Readable(*lasts)),
        Event::Holds { dialed, accepted, tasks } => {
            let (sockets, tasks) = (count(*dialed as u64, "socket"), count(*tasks as u64, "task"));
            format!("holds {sockets} that it connected, {accepted} that it accepted, and {tasks}")
        }
        Event::Processed { messages, key } => format!("processes {} ({key:016x})", count(*messages, "message")),
        Event::Delivered { messages, .. } => commits(messages, naming),
        Event::LetGo { attempt, cause } => {
            format!("lets go of its stream, attempt {attempt}{}", why_let_go(*cause))
        }
        Event::Ended { attempt, words, .. } => format!("attempt {attempt} ends: {words}"),
        Event::BackingOff { delay, .. } => format!("waits {} before it dials again", Readable(*delay)),
        Event::Connected { connection, to } => format!("is connected to {to}, connection {connection}"),
        Event::Disconnected { connection, how } => format!("connection {connection} is over: {how}"),
        Event::Beat { beat, .. } => describe_beat(*beat),
    }
}

fn commits(messages: &[(Channel, MessageId, u64)], naming: Naming) -> String {
    format!("commits {}", places(messages.iter().map(|(channel, id, _)| (channel, id)), naming))
}

/// Messages or heads, each by its channel or sequence.
fn places<P: fmt::Display, I: fmt::Display>(places: impl ExactSizeIterator<Item = (P, I)>, naming: Naming) -> String {
    let count = places.len();
    naming.list(places.map(|(place, id)| format!("{place} {id}")), count)
}

fn describe_lease(via: &HostName, lease: u64, (adds, removes): (&[Position], &[Channel]), naming: Naming) -> String {
    let asks = if adds.is_empty() { "nothing".to_owned() } else { positions(adds, naming) };
    let told = format!("asks {via} for {asks} by its lease {lease}");
    if removes.is_empty() {
        return told;
    }
    format!("{told}, and gives up {}", naming.list(removes.iter().map(Channel::to_string), removes.len()))
}

fn why_let_go(cause: EndCause) -> &'static str {
    if cause == EndCause::ConsumerBehind { ": its application is behind" } else { ", and hands on what had arrived" }
}

fn finding(found: Examined) -> &'static str {
    match found {
        Examined::Kept => "kept",
        Examined::Broken => "broken",
        Examined::Open => "not to be judged",
    }
}

/// Where a reader is, or resumes from.
#[must_use]
pub(crate) fn positions(positions: &[Position], naming: Naming) -> String {
    naming.list(positions.iter().map(|at| format!("{} {}", at.channel, at.cursor)), positions.len())
}

fn describe_beat(beat: Beat) -> String {
    match beat {
        Beat::Ping { stream, way, fate } => format!("{stream} {}: Ping{}", arrow(way), fate_note(fate)),
        Beat::Pong { stream, way, fate } => format!("{stream} {}: Pong{}", arrow(way), fate_note(fate)),
        Beat::KeepaliveAnswered { connection, .. } => {
            format!("the proxy answers an HTTP/2 PING on connection {connection}")
        }
        Beat::Heard { attempt } => format!("hears from the node, attempt {attempt}"),
        Beat::Received { connection } => format!("receives something on connection {connection}"),
        Beat::Waiting { stream, fate } => {
            format!("{stream} {}: Waiting{}", arrow(Direction::ToClient), fate_note(fate))
        }
    }
}

fn arrow(way: Direction) -> &'static str {
    match way {
        Direction::ToNode => "-> node",
        Direction::ToClient => "-> client",
    }
}

fn fate_note(fate: Fate) -> &'static str {
    match fate {
        Fate::Passed => "",
        Fate::Swallowed => " (swallowed by the proxy)",
    }
}

fn close_reason(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Finished => "everything is delivered".to_owned(),
        CloseReason::PeerGone => "the peer is gone".to_owned(),
        CloseReason::Reaped => "no Pong in time".to_owned(),
        CloseReason::Refused(why) => format!("a request is refused: {why}"),
        CloseReason::TooSlow => "the consumer is too slow".to_owned(),
        CloseReason::Failed(why) => format!("the node cannot go on: {why}"),
        CloseReason::Denied(what) => format!("a request is denied: {what}"),
    }
}
