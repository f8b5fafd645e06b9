//! Stages a sim: the hosts of its roles, in a world of their own.
//!
//! Refuses to know what a role runs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::cast::HostName;
use crate::fault::Death;
use crate::history::{Beat, Event, Recorder, Terms};
use crate::proxy::Control;
use crate::sim::{LinkSettings, SimFile};
use crate::subject::{Entrance, HostNames, Preparation, Role, Seat, Setup, StopRequest};
use crate::trial::remarks;
use crate::world::{ConnectionNews, ConnectionTurn, Engine, EngineError, Holdings, HostId, ProgramError};

/// The last hosts come when everything is prepared, which is looked at so often; and after this time in any case, so
/// that a host that never is ready cannot hold the trial up.
const PREPARATION_STEP: Duration = Duration::from_millis(100);
const PREPARATION_MAX: Duration = Duration::from_secs(60);

/// A sim on stage: hosts by name, and the strings that the play pulls.
pub(crate) struct Stage {
    pub(crate) world: Box<dyn Engine>,
    pub(crate) hosts: BTreeMap<HostName, HostId>,
    /// Each proxy's control, by its host.
    pub(crate) controls: BTreeMap<HostName, Control>,
    stops: BTreeMap<HostName, StopRequest>,
    pub(crate) recorder: Recorder,
    preparation: Preparation,
    setup: Arc<dyn Setup>,
    /// Hosts whose programs have ended, and when they are begun again.
    restarts: BTreeMap<HostName, Duration>,
    /// The hosts of each role, in the order in which they enter.
    entrances: Vec<(Entrance, Vec<HostName>)>,
}

impl Stage {
    /// Stages a sim in an empty world; nothing runs yet.
    pub(crate) fn build(sim: &SimFile, mut world: Box<dyn Engine>) -> Self {
        let clock = world.clock();
        let recorder = Recorder::new(Arc::new(move || clock.now()));
        let dying = recorder.clone();
        world.observe_crashes(Arc::new(move |host, death| record_death(&dying.on(&HostName::from(host)), death)));
        let pens = connection_pens(sim, &recorder);
        if !pens.is_empty() {
            world.observe_connections(Arc::new(move |news| {
                pens.get(news.host).into_iter().for_each(|pen| record_connection(pen, news));
            }));
        }
        let mut stage = Stage {
            world,
            hosts: BTreeMap::new(),
            controls: BTreeMap::new(),
            stops: BTreeMap::new(),
            recorder,
            preparation: Preparation::of(sim.setup.preparations()),
            setup: Arc::clone(&sim.setup),
            restarts: BTreeMap::new(),
            entrances: Vec::new(),
        };
        let names: HostNames = Arc::new(OnceLock::new());
        for role in sim.setup.roles(sim.times()) {
            stage.add(&*role, &names);
        }
        names.get_or_init(|| stage.hosts.iter().map(|(name, id)| (stage.world.ip(*id), name.clone())).collect());
        stage
    }

    fn add(&mut self, role: &dyn Role, names: &HostNames) {
        let hosts = role.hosts();
        for (number, name) in (1..).zip(&hosts) {
            let (recorder, preparation) = (self.recorder.on(name), self.preparation.clone());
            let mut seat = Seat { recorder, names: names.clone(), preparation, control: None, stop: None };
            let program = role.program(number, &mut seat);
            self.hosts.insert(name.clone(), self.world.add_host(name, program));
            self.controls.extend(seat.control.map(|control| (name.clone(), control)));
            self.stops.extend(seat.stop.map(|stop| (name.clone(), stop)));
        }
        self.entrances.push((role.entrance(), hosts));
    }

    /// Lets the hosts enter, role by role.
    ///
    /// # Errors
    /// A host broke down.
    pub(crate) fn enter(&mut self) -> Result<(), EngineError> {
        for (entrance, hosts) in std::mem::take(&mut self.entrances) {
            if entrance == Entrance::Prepared {
                self.await_preparation()?;
            }
            hosts.iter().for_each(|host| self.start(host));
            if entrance == Entrance::Listening {
                self.run_until(self.world.clock().now())?;
            }
        }
        Ok(())
    }

    /// Plays until `end`, and begins programs again that end by themselves, where the sim says so.
    ///
    /// # Errors
    /// A host broke down, and nobody begins it again.
    pub(crate) fn run_until(&mut self, end: Duration) -> Result<(), EngineError> {
        loop {
            let next = self.restarts.values().copied().min().filter(|due| *due <= end);
            match self.world.run_until(next.unwrap_or(end)) {
                Ok(()) if next.is_none() => return Ok(()),
                Ok(()) => self.restart_due(),
                Err(EngineError::Program { host, error, at }) => self.supervise(host, error, at)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Begins those again whose time has come.
    fn restart_due(&mut self) {
        let now = self.world.clock().now();
        let due: Vec<HostName> = self.restarts.extract_if(.., |_, due| *due <= now).map(|(host, _)| host).collect();
        due.iter().for_each(|host| self.start(host));
    }

    /// A program has failed: what its supervisor does.
    ///
    /// # Errors
    /// It has none, or what happened is no program's to survive.
    fn supervise(&mut self, host: String, error: ProgramError, at: Duration) -> Result<(), EngineError> {
        let after = match error {
            ProgramError::Panicked(_) | ProgramError::Exited(_) => self.setup.restart(&host).after_failure(),
            ProgramError::NeverIdle | ProgramError::Livelock => None,
        };
        let Some(after) = after else { return Err(EngineError::Program { host, error, at }) };
        let name = HostName::from(host);
        // A program without an error is told apart by having no words for it.
        let words = match &error {
            ProgramError::Exited(words) if words.is_empty() => "ended".to_owned(),
            ProgramError::Exited(_) | ProgramError::Panicked(_) | ProgramError::NeverIdle | ProgramError::Livelock => {
                error.to_string()
            }
        };
        self.recorder.on(&name).record(Event::ProgramEnded { words: words.into() });
        self.halt(&name, Death::Killed);
        self.restarts.insert(name, at + after);
        Ok(())
    }

    fn await_preparation(&mut self) -> Result<(), EngineError> {
        while !self.preparation.is_done() && self.world.clock().now() < PREPARATION_MAX {
            self.run_until(self.world.clock().now() + PREPARATION_STEP)?;
        }
        Ok(())
    }

    /// The address of a host.
    pub(crate) fn ip(&self, host: &str) -> IpAddr {
        self.world.ip(self.hosts[host])
    }

    /// Starts a process where none runs, and records it.
    pub(crate) fn start(&mut self, host: &str) {
        let id = self.hosts[host];
        if self.world.is_up(id) {
            return;
        }
        self.world.start(id);
        let event = Event::ProcessBegan { incarnation: self.world.incarnation(id) };
        self.recorder.on(&HostName::from(host)).record(event);
    }

    /// Records what every process holds, as far as the engine can tell.
    pub(crate) fn record_holdings(&self) {
        for (name, id) in &self.hosts {
            if let Some(Holdings { dialed, accepted, tasks }) = self.world.holdings(*id) {
                self.recorder.on(name).record(Event::Holds { dialed, accepted, tasks });
            }
        }
    }

    /// Notes what the world noticed besides what it was asked to record.
    pub(crate) fn note_remarks(&self) {
        let hosts: Vec<&str> = self.hosts.keys().map(|name| &**name).collect();
        self.world.remarks().into_iter().for_each(|remark| self.recorder.note(remarks::aside(remark, &hosts)));
    }

    /// Asks a host to stop, and tells whether a process ran on it; one that cannot be asked is killed.
    ///
    /// # Errors
    /// The host broke down.
    pub(crate) fn stop(&mut self, host: &str) -> Result<bool, EngineError> {
        let id = self.hosts[host];
        let Some(stop) = self.stops.get(host).cloned() else { return Ok(self.halt(host, Death::Killed)) };
        let runs = self.world.is_up(id);
        if runs {
            self.world.order(id, Box::new(move || stop.ask()))?;
        }
        Ok(runs)
    }

    /// Halts a host and tells whether a process ran on it.
    pub(crate) fn halt(&mut self, host: &str, death: Death) -> bool {
        // Whoever halts it says when it begins again.
        self.restarts.remove(host);
        self.world.halt(self.hosts[host], death)
    }
}

/// Records how a host died; what its process says from here on is not heard.
fn record_death(recorder: &Recorder, death: Death) {
    recorder.end_life();
    if let Death::PoweredOff(_) = death {
        recorder.record(Event::PowerFailed);
    }
    recorder.record(Event::ProcessKilled);
    match death {
        Death::Killed | Death::PoweredOff(_) => {}
        Death::DiskLost => recorder.record(Event::DiskReplaced { as_of: Duration::ZERO }),
        Death::DiskRestored { from } => recorder.record(Event::DiskReplaced { as_of: from }),
    }
}

/// The pens of the hosts whose connections are told.
fn connection_pens(sim: &SimFile, recorder: &Recorder) -> BTreeMap<HostName, Recorder> {
    let hosts = sim.cast().members().iter().map(|member| &member.name);
    let told = hosts.filter(|name| sim.setup.tells_connections(name));
    told.map(|name| (name.clone(), recorder.on(name))).collect()
}

fn record_connection(pen: &Recorder, news: &ConnectionNews<'_>) {
    let ConnectionNews { connection, to, turn, .. } = *news;
    pen.record(match turn {
        ConnectionTurn::Connected => Event::Connected { connection, to: HostName::from(to) },
        ConnectionTurn::Received => Event::Beat { beat: Beat::Received { connection }, nonce: None },
        ConnectionTurn::Over(how) => Event::Disconnected { connection, how },
    });
}

/// The terms of a sim, for the head of its history.
pub(crate) fn terms(sim: &SimFile) -> Terms {
    let expectations = sim.setup.expectations();
    Terms {
        keepalive: expectations.keepalive,
        intervals: expectations.intervals,
        travel: travel(&sim.link),
        calm: sim.calm_begins(),
        within: sim.promise.within,
        end: sim.duration,
        followers: expectations.follows,
        cast: sim.cast().clone(),
        bounds: expectations.bounds,
        consume: expectations.consume,
        denied: expectations.denied,
        old_servers: expectations.old_servers,
        silent_servers: expectations.silent_servers,
        proxies_end_streams: expectations.proxies_end_streams,
        backoff: expectations.backoff,
        pong_within: expectations.pong_within,
    }
}

/// The longest that bytes travel over two links. Where segments are lost by the sim's own links, a burst is repeated
/// after 200 ms, doubled each time (RFC 6298); five losses in a row are out of reach of any rate worth a sim.
fn travel(link: &LinkSettings) -> Duration {
    const REPEATED_FIVE_TIMES: Duration = Duration::from_millis(200 * 31);
    let repeated = if link.loss_basis_points.is_some() { REPEATED_FIVE_TIMES } else { Duration::ZERO };
    (link.latency.most + repeated) * 2
}
