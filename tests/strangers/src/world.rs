//! A trial of strangers: hosts, a proxy, and what befalls them.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pulseless::cast::HostName;
use pulseless::env::{Address, TcpOptions};
use pulseless::fault::{Between, Death, Harm, LinkHarm};
use pulseless::grammar::Latency;
use pulseless::lie::Rule;
use pulseless::proxy::{self, Control, ProxyConfig, ProxyEdge, ProxyHabits, ProxyNotice, ProxyObserver};
use pulseless::world::{Engine, HostId, Leap, on_trial_thread};

use crate::Result;
use crate::orders::{CLIENT, all_seen};

const LATENCY: Latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(20));

/// 2026-01-01 00:00:00 UTC, when every trial begins.
const START: Duration = Duration::from_secs(1_767_225_600);

type Run = Pin<Box<dyn Future<Output = Result> + Send>>;

/// What befalls a world.
#[derive(Clone, Copy)]
pub enum Mischief {
    /// The proxy goes silent.
    Silence,
    /// Nothing passes between two hosts.
    Cut(&'static str, &'static str),
    /// Nothing passes from one host to another.
    OneWay(&'static str, &'static str),
    /// A host is killed, and started again at the end.
    Down(&'static str),
}

enum Part {
    Host(Arc<dyn Fn() -> Run + Send + Sync>),
    Proxy(Address),
}

/// Hosts have the addresses 10.0.0.1, 10.0.0.2 and so on.
#[derive(Default)]
pub struct World {
    parts: Vec<(&'static str, Part)>,
    mischief: Vec<(Duration, Duration, Mischief)>,
}

struct Deaf;

impl ProxyObserver for Deaf {
    fn notice(&self, _: ProxyNotice) {}
}

impl World {
    #[must_use]
    pub fn host<F: Future<Output = Result> + Send + 'static>(
        mut self,
        name: &'static str,
        run: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        let run = Part::Host(Arc::new(move || Box::pin(CLIENT.scope(name, run()))));
        self.parts.push((name, run));
        self
    }

    /// A proxy, on the port of the server that it leads to.
    #[must_use]
    pub fn proxy(mut self, name: &'static str, upstream: &str, port: u16) -> Self {
        self.parts.push((name, Part::Proxy(Address::new(upstream, port))));
        self
    }

    #[must_use]
    pub fn befalls(mut self, mischief: Mischief, at: Duration, lasting: Duration) -> Self {
        self.mischief.push((at, lasting, mischief));
        self
    }

    /// What clients saw, or how it broke down.
    pub fn play(self, seed: u64, end: Duration) -> std::result::Result<Vec<String>, String> {
        on_trial_thread(seed, move || self.play_here(seed, end)).map_err(|panic| panic.to_string())?
    }

    fn play_here(self, seed: u64, end: Duration) -> std::result::Result<Vec<String>, String> {
        let mut leap = Leap::new(seed, LATENCY);
        let control = Control::default();
        let mut hosts: Vec<(&str, HostId)> = Vec::new();
        for (name, part) in &self.parts {
            let host = match part {
                Part::Host(run) => {
                    let run = run.clone();
                    leap.add_host(name, Box::new(move |_| {
                        let run = run();
                        Box::pin(async { run.await.map_err(|error| format!("{error:?}")) })
                    }))
                }
                Part::Proxy(upstream) => {
                    let (upstream, control) = (upstream.clone(), control.clone());
                    leap.add_host(name, Box::new(move |env| {
                        let config = ProxyConfig {
                            port: upstream.port,
                            upstream: upstream.clone(),
                            tcp: TcpOptions::default(),
                            control: control.clone(),
                            habits: ProxyHabits::default(),
                            edge: ProxyEdge::default(),
                        };
                        let serving = proxy::serve(env, config, Arc::new(Deaf));
                        Box::pin(async { serving.await.map(drop).map_err(|error| format!("{error:?}")) })
                    }))
                }
            };
            hosts.push((name, host));
        }
        hosts.iter().for_each(|(_, host)| leap.start(*host));
        let mut edges: Vec<(Duration, u32, bool, Mischief)> = Vec::new();
        for (number, (at, lasting, mischief)) in (1..).zip(&self.mischief) {
            edges.extend([(*at, number, true, *mischief), (*at + *lasting, number, false, *mischief)]);
        }
        edges.sort_by_key(|(at, number, ..)| (*at, *number));
        for (at, number, begins, mischief) in edges {
            leap.run_until(at).map_err(|error| error.to_string())?;
            let of = |name| hosts.iter().find(|(host, _)| *host == name).expect("a host").1;
            match (mischief, begins) {
                (Mischief::Silence, true) => {
                    let control = control.clone();
                    let order = Box::new(move || control.add(number, Rule::silence(None)));
                    leap.order(of("proxy"), order).map_err(|error| error.to_string())?;
                }
                (Mischief::Silence, false) => {
                    let control = control.clone();
                    leap.order(of("proxy"), Box::new(move || control.remove(number))).map_err(|error| error.to_string())?;
                }
                (Mischief::Cut(from, to), true) => leap.begin(number, &link(from, to, false)),
                (Mischief::OneWay(from, to), true) => leap.begin(number, &link(from, to, true)),
                (Mischief::Cut(..) | Mischief::OneWay(..), false) => drop(leap.end(number)),
                (Mischief::Down(host), true) => drop(leap.halt(of(host), Death::Killed)),
                (Mischief::Down(host), false) => leap.start(of(host)),
            }
        }
        leap.run_until(end).map_err(|error| error.to_string())?;
        let since = |at: Duration| at.saturating_sub(START).as_secs_f64();
        Ok(all_seen().into_iter().map(|(at, line)| format!("{:.3} {line}", since(at))).collect())
    }
}

fn link(from: &str, to: &str, one_way: bool) -> Harm {
    let host = |name: &str| BTreeSet::from([HostName::from(name)]);
    Harm::Link { between: Between { from: host(from), to: host(to), one_way }, harm: LinkHarm::Partition }
}
