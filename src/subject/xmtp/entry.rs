//! The subject `xmtp`, as sims name it.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::cast::Cast;
use crate::channel::Position;
use crate::checker::{Checker, Milestone, Requirement};
use crate::env::TcpOptions;
use crate::fault::Direction;
use crate::grammar::{KeyTable, Section};
use crate::history::{BackoffSteps, Event, Fate, Record};
use crate::ladder::Layers;
use crate::subject::xmtp::channels::channel_of;
use crate::subject::xmtp::client;
use crate::subject::xmtp::explain::explain;
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::node;
use crate::subject::xmtp::roles::roles;
use crate::subject::xmtp::settings::{self, XmtpSettings, read_settings};
use crate::subject::xmtp::story::ReplayTeller;
use crate::subject::xmtp::wire::{Dialect, Tag, Topic};
use crate::subject::xmtp::{MILESTONES, checker, spec};
use crate::subject::{Expectations, Explanation, Reading, Role, Setup, Subject, SubjectTeller, Subjects, TrialTimes};

/// The subject `xmtp`: a node, its clients and publishers, and the proxies between them.
pub(crate) struct Xmtp;

/// The subjects of pulseless itself.
pub const SUBJECTS: Subjects = Subjects::new(&[&Xmtp]);

impl Subject for Xmtp {
    fn name(&self) -> &'static str {
        "xmtp"
    }

    fn requirements(&self) -> &'static [Requirement] {
        spec::ALL
    }

    fn checkers(&self) -> &'static [&'static dyn Checker] {
        checker::ALL
    }

    fn milestones(&self) -> &'static [&'static Milestone] {
        MILESTONES
    }

    fn tables(&self) -> &'static [KeyTable] {
        settings::TABLES
    }

    fn read(&self, file: &mut Section<'_>) -> Reading {
        let (fleet, settings) = read_settings(file);
        let setup = settings.map(|settings| Arc::new(XmtpSetup(Arc::new(settings))) as Arc<dyn Setup>);
        Reading { cast: fleet.map(|fleet| fleet.cast()), setup }
    }
}

/// One sim of this subject.
#[derive(Clone, Debug)]
pub struct XmtpSetup(Arc<XmtpSettings>);

impl XmtpSetup {
    /// The sim with these settings.
    #[must_use]
    pub fn new(settings: XmtpSettings) -> Self {
        XmtpSetup(Arc::new(settings))
    }

    /// The settings of a sim of this subject.
    #[must_use]
    pub fn settings(setup: &dyn Setup) -> Option<&XmtpSettings> {
        (setup as &dyn Any).downcast_ref::<XmtpSetup>().map(|setup| &*setup.0)
    }
}

impl Setup for XmtpSetup {
    fn cast(&self) -> &Cast {
        &self.0.cast
    }

    fn roles(&self, times: TrialTimes) -> Vec<Box<dyn Role>> {
        roles(&self.0, times)
    }

    fn preparations(&self) -> u32 {
        if self.0.workload.history == 0 { 0 } else { self.0.fleet.nodes }
    }

    fn expectations(&self) -> Expectations {
        let fleet = self.0.fleet;
        let originators = self.0.originators();
        let from = |topics: Vec<Topic>, dialect: Dialect| -> Vec<Position> {
            let cursor = dialect.beginning();
            let parts = topics.iter().flat_map(|topic| originators.parts(topic));
            parts.map(|part| Position { channel: channel_of(&part), cursor }).collect()
        };
        let behind = |number| {
            // Who asks for a topic that is denied gets none (S7), and is owed nothing.
            let topics = self.0.topics_behind(fleet.proxy_of(number));
            if self.0.denies_any_of(&topics) { Vec::new() } else { topics }
        };
        let clients =
            (1..=fleet.clients).map(|number| (fleet.client(number), from(behind(number), self.0.client.dialect)));
        // Whoever has a lease is judged by itself, as if it were a host (protocol, section 4).
        let identities = (1..=fleet.gateways).flat_map(|number| self.0.identities_of(number));
        let identities = identities.map(|(identity, topics)| (identity, from(topics, Dialect::V1)));
        Expectations {
            keepalive: self.0.node.keepalive,
            intervals: self.0.client.watchdog.unwrap_or(client::WATCHDOG_INTERVALS),
            bounds: self.0.bounds(),
            consume: self.0.client.consume,
            follows: clients.chain(identities).collect(),
            denied: self
                .0
                .denied()
                .iter()
                .flat_map(|topic| originators.parts(topic))
                .map(|part| channel_of(&part))
                .collect(),
            silent_servers: !self.0.node.pings,
            proxies_end_streams: self.0.proxy_profile.conduct().ends_streams(),
            backoff: BackoffSteps { first: self.0.client.backoff.floor, longest: self.0.client.backoff.ceiling },
            old_servers: self.0.node.serves != node::Serves::Everything,
            pong_within: Some(self.0.node.pong_deadline).filter(|within| *within < self.0.node.keepalive),
        }
    }

    fn tcp_options(&self) -> Vec<TcpOptions> {
        vec![self.0.client.tcp, self.0.proxy_tcp]
    }

    fn http2_keepalive(&self) -> Option<(Duration, Duration)> {
        self.0.client.http2_keepalive.map(|keepalive| (keepalive.interval, keepalive.timeout))
    }

    fn layers(&self) -> Layers {
        let (client, node) = (&self.0.client, &self.0.node);
        let probes = |tcp: TcpOptions| tcp.keepalive.is_some() || tcp.user_timeout.is_some();
        Layers {
            client_tcp: probes(client.tcp),
            proxy_tcp: probes(self.0.proxy_tcp),
            proxy_times: self.0.proxy_profile.conduct().ends_streams(),
            http2_ping: client.http2_keepalive.is_some(),
            heartbeat: node.pings && client.dialect.has_pongs(),
            watchdog: client.watchdog.is_some(),
            program: false,
        }
    }

    fn replayed(&self, record: &Record) -> u64 {
        let Event::Tapped { way: Direction::ToClient, fate: Fate::Passed, frame, .. } = &record.event else { return 0 };
        match XmtpFrame::of(frame) {
            Some(XmtpFrame::Delivery { tag: Tag::Wave(_), messages }) => messages.len() as u64,
            Some(
                XmtpFrame::Delivery { tag: Tag::Live | Tag::Untold, .. }
                | XmtpFrame::Mutate { .. }
                | XmtpFrame::Started { .. }
                | XmtpFrame::TopicsLive(_)
                | XmtpFrame::CatchupComplete(_)
                | XmtpFrame::Unreadable(_)
                | XmtpFrame::DraftRequest { .. }
                | XmtpFrame::DraftCatchupComplete
                | XmtpFrame::OlderCall { .. },
            )
            | None => 0,
        }
    }

    fn teller(&self) -> Box<dyn SubjectTeller> {
        Box::new(ReplayTeller::default())
    }

    fn counts(&self) -> Vec<(u64, String)> {
        let (fleet, topics) = (self.0.fleet, self.0.workload.topics);
        let counts = [(fleet.clients, "client"), (fleet.publishers, "publisher"), (topics, "topic")];
        counts.into_iter().map(|(number, noun)| (number.into(), noun.to_owned())).collect()
    }

    fn explain(&self, times: TrialTimes) -> Explanation {
        explain(&self.0, times)
    }
}
