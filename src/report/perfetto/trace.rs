//! The trace of a trial: its tracks, and what is on them, in the order of time.
//!
//! Refuses to know numbers of fields. The trial's time is the trace's: both begin at zero.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;

use crate::checker::Verdict;
use crate::grammar::Readable;
use crate::history::{Event, TapStream};
use crate::report::chart::{Chart, ChartMark, MarkKind};
use crate::report::harmless::harmless;
use crate::report::head::ReportHead;
use crate::report::perfetto::proto::{
    ChildTracksOrdering, DebugAnnotation, EventType, PerfettoTrace, ProcessDescriptor, TracePacket, TrackDescriptor,
    TrackEvent,
};
use crate::trial::Outcome;

/// Whoever writes a trace has a number of his own, and there is one.
const SEQUENCE: u32 = 1;
/// `TracePacket.SequenceFlags.SEQ_INCREMENTAL_STATE_CLEARED`: nothing is left over from before.
const STATE_CLEARED: u32 = 1;

/// The trace of a trial, as the bytes of a `perfetto.protos.Trace`.
#[must_use]
pub fn perfetto(outcome: &Outcome, head: &ReportHead) -> Vec<u8> {
    let chart = Chart::of(outcome);
    let mut writer = TraceWriter { end: chart.end, descriptors: Vec::new(), events: Vec::new() };
    let world = writer.process(0, "the world");
    writer.faults(&chart, world);
    writer.verdicts(outcome, head, world);
    let hosts: Vec<HostTracks> = (1..chart.lanes.len()).map(|lane| writer.host(&chart, lane)).collect();
    for host in &hosts {
        writer.stretches(&chart, host);
    }
    for mark in &chart.marks {
        if let Some(host) = mark.lane.checked_sub(1) {
            writer.mark(mark, &hosts[host]);
        }
    }
    writer.into_trace().encode_to_vec()
}

/// The tracks of one host.
struct HostTracks {
    lane: usize,
    process: u64,
    link: u64,
    streams: BTreeMap<TapStream, u64>,
    kinds: BTreeMap<MarkKind, u64>,
}

/// What is on a track at an instant. What ends there comes before what begins.
struct TrackPoint {
    at: Duration,
    /// By this among those at one instant, and then in the order in which they were added.
    order: u8,
    event: TrackEvent,
}

struct TraceWriter {
    end: Duration,
    descriptors: Vec<TrackDescriptor>,
    events: Vec<TrackPoint>,
}

impl TraceWriter {
    /// A process of its own for a lane; its track.
    fn process(&mut self, lane: usize, name: &str) -> u64 {
        let number = i32::try_from(lane + 1).expect("a world has at most 65,535 hosts");
        let process = ProcessDescriptor { pid: Some(number), process_name: Some(harmless(name)) };
        self.track(TrackDescriptor {
            process: Some(process),
            child_ordering: Some(ChildTracksOrdering::Explicit.into()),
            sibling_order_rank: Some(number),
            ..TrackDescriptor::default()
        })
    }

    fn child(&mut self, parent: u64, name: &str) -> u64 {
        let rank = i32::try_from(self.descriptors.len()).unwrap_or(i32::MAX);
        self.track(TrackDescriptor {
            parent_uuid: Some(parent),
            name: Some(harmless(name)),
            sibling_order_rank: Some(rank),
            ..TrackDescriptor::default()
        })
    }

    fn track(&mut self, descriptor: TrackDescriptor) -> u64 {
        let uuid = self.descriptors.len() as u64 + 1;
        self.descriptors.push(TrackDescriptor { uuid: Some(uuid), ..descriptor });
        uuid
    }

    fn host(&mut self, chart: &Chart<'_>, lane: usize) -> HostTracks {
        let process = self.process(lane, &chart.lanes[lane]);
        let own = self.child(process, "process");
        let link = self.child(process, "link");
        let streams = chart.streams().into_iter().filter(|(client, _)| *client == lane);
        let streams = streams.map(|(_, stream)| (stream, self.child(process, &stream.to_string()))).collect();
        let mut kinds: BTreeMap<MarkKind, u64> = BTreeMap::from([(MarkKind::Life, own), (MarkKind::Link, link)]);
        for mark in chart.marks.iter().filter(|mark| mark.lane == lane && mark.stream.is_none()) {
            kinds.entry(mark.kind).or_insert_with(|| self.child(process, kind_name(mark.kind)));
        }
        HostTracks { lane, process: own, link, streams, kinds }
    }

    fn faults(&mut self, chart: &Chart<'_>, world: u64) {
        for window in &chart.windows {
            let (number, name) = (window.clause.number, window.clause.fault.name());
            let track = self.child(world, &format!("fault {number}: {name}"));
            let felt = if window.felt { "it harmed somebody" } else { "it harmed nothing" };
            let notes = [("felt", felt.to_owned()), ("clause", number.to_string())];
            self.slice(track, "fault", &window.clause.fault.to_string(), [window.clause.at, window.until], &notes);
        }
    }

    fn verdicts(&mut self, outcome: &Outcome, head: &ReportHead, world: u64) {
        let track = self.child(world, "verdicts");
        let caveat = head.caveat.clone().map(|caveat| ("caveat", caveat));
        let notes = [("again", head.again.clone()), ("verdict", outcome.conclusion.to_string())];
        let notes: Vec<_> = notes.into_iter().chain(caveat).collect();
        let name = format!("{}, seed {}", outcome.sim.name, outcome.seed);
        self.slice(track, "trial", &name, [Duration::ZERO, self.end], &notes);
        for judgement in &outcome.judgements {
            if let Verdict::Fail(evidence) = &judgement.verdict {
                let name = format!("{} fails ({})", judgement.checker, evidence.requirement);
                let notes = [("what", evidence.what.clone()), ("host", evidence.host.clone())];
                self.instant(track, "verdict", &name, evidence.at.min(self.end), &notes);
            }
        }
    }

    /// What lasts on a host: its processes, the streams that it holds, and those that the proxy's tap saw.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others begin and end nothing that lasts")]
    fn stretches(&mut self, chart: &Chart<'_>, host: &HostTracks) {
        let mut open: BTreeMap<u64, (Duration, &'static str, String)> = BTreeMap::new();
        let marks = chart.marks.iter().filter(|mark| mark.lane == host.lane);
        for mark in marks {
            let (at, event) = (mark.record.at, &mark.record.event);
            let (ended, begun) = match event {
                Event::ProcessBegan { incarnation } => {
                    (vec![host.process], Some((host.process, "process", format!("process {incarnation}"))))
                }
                Event::ProcessKilled | Event::ProgramFailed { .. } => (vec![host.process, host.link], None),
                Event::Started { attempt } => {
                    (vec![host.link], Some((host.link, "link", format!("holds a stream, attempt {attempt}"))))
                }
                Event::WatchdogTripped { .. } | Event::LetGo { .. } | Event::Ended { .. } => (vec![host.link], None),
                Event::TapOpened { stream, path } => (Vec::new(), Some((host.streams[stream], "stream", path.clone()))),
                Event::TapClosed { stream, .. } => (vec![host.streams[stream]], None),
                _ => continue,
            };
            for track in ended {
                if let Some((from, category, name)) = open.remove(&track) {
                    self.slice(track, category, &name, [from, at], &[]);
                }
            }
            if let Some((track, category, name)) = begun {
                open.insert(track, (at, category, name));
            }
        }
        for (track, (from, category, name)) in open {
            self.slice(track, category, &name, [from, self.end.max(from)], &[]);
        }
    }

    fn mark(&mut self, mark: &ChartMark<'_>, host: &HostTracks) {
        let record = mark.record;
        let track = match mark.stream {
            Some(stream) => host.streams[&stream],
            None => host.kinds[&mark.kind],
        };
        let run = [("times", record.count.to_string()), ("until", Readable(record.until).to_string())];
        let notes = if record.count > 1 { &run[..] } else { &[] };
        self.instant(track, kind_name(mark.kind), &record.event.to_string(), record.at, notes);
    }

    fn slice(
        &mut self,
        track: u64,
        category: &'static str,
        name: &str,
        [from, to]: [Duration; 2],
        notes: &[(&'static str, String)],
    ) {
        let begin = event(track, EventType::SliceBegin, Some((category, name)), notes);
        self.events.push(TrackPoint { at: from, order: 1, event: begin });
        let end = event(track, EventType::SliceEnd, None, &[]);
        // One that ends at once ends after it began.
        self.events.push(TrackPoint { at: to, order: if from == to { 2 } else { 0 }, event: end });
    }

    fn instant(
        &mut self,
        track: u64,
        category: &'static str,
        name: &str,
        at: Duration,
        notes: &[(&'static str, String)],
    ) {
        let event = event(track, EventType::Instant, Some((category, name)), notes);
        self.events.push(TrackPoint { at, order: 1, event });
    }

    fn into_trace(self) -> PerfettoTrace {
        let TraceWriter { descriptors, mut events, .. } = self;
        events.sort_by_key(|point| (point.at, point.order));
        let packet = |timestamp, track_descriptor, track_event| TracePacket {
            timestamp,
            trusted_packet_sequence_id: Some(SEQUENCE),
            track_event,
            sequence_flags: None,
            track_descriptor,
        };
        let described = descriptors.into_iter().map(|descriptor| packet(None, Some(descriptor), None));
        let happened = events.into_iter().map(|point| packet(Some(nanoseconds(point.at)), None, Some(point.event)));
        let mut packets: Vec<TracePacket> = described.chain(happened).collect();
        if let Some(first) = packets.first_mut() {
            first.sequence_flags = Some(STATE_CLEARED);
        }
        PerfettoTrace { packet: packets }
    }
}

fn event(
    track: u64,
    kind: EventType,
    said: Option<(&'static str, &str)>,
    notes: &[(&'static str, String)],
) -> TrackEvent {
    let note = |(name, value): &(&'static str, String)| DebugAnnotation {
        name: Some((*name).to_owned()),
        string_value: Some(harmless(value)),
    };
    TrackEvent {
        debug_annotations: notes.iter().map(note).collect(),
        r#type: Some(kind.into()),
        track_uuid: Some(track),
        categories: said.iter().map(|(category, _)| (*category).to_owned()).collect(),
        name: said.map(|(_, name)| harmless(name)),
    }
}

fn kind_name(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Frame => "frames",
        MarkKind::Beat => "heartbeats",
        MarkKind::Link => "link",
        MarkKind::Belief => "watchdog",
        MarkKind::Delivery => "deliveries",
        MarkKind::Publish => "publishes",
        MarkKind::Store => "store",
        MarkKind::Life => "process",
        MarkKind::Other => "other",
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("a trial is shorter than 584 years")
}
