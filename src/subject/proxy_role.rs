//! The role of the proxy: it stands between the hosts of any subject whose streams travel over HTTP/2.
//!
//! Refuses to know what its subject says through it: a subject brings the tap that reads the bytes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use crate::cast::HostName;
use crate::env::{Address, Env, TcpOptions};
use crate::history::Recorder;
use crate::proxy::{self, Control, ProxyConfig, ProxyEdge, ProxyHabits};
use crate::subject::{Entrance, Role, Seat, program};
use crate::world::Program;

/// The hosts by their addresses, known once all of them stand.
pub type HostNames = Arc<OnceLock<BTreeMap<IpAddr, HostName>>>;

/// What a tap is made from, for each process of a proxy.
pub struct TapSeat {
    /// The process's number over all proxies of the trial, from 1.
    pub incarnation: u32,
    /// Tells hosts by their addresses.
    pub names: HostNames,
    /// Writes into the trial's history; use [`Recorder::on`] for the host that it is about.
    pub recorder: Recorder,
}

/// Makes the observer of one process of a proxy.
pub type TapMaker = Arc<dyn Fn(TapSeat) -> Arc<dyn proxy::ProxyObserver>>;

/// A proxy of the cast.
#[derive(Clone)]
pub struct ProxyPlace {
    /// Its host.
    pub name: HostName,
    /// Where it leads.
    pub upstream: Address,
    /// Its TLS on both sides; [`TrialCa`](crate::subject::TrialCa) makes it for a trial.
    pub edge: ProxyEdge,
}

/// Proxies, each of which leads to one host.
pub struct ProxyRole {
    /// The proxies.
    pub places: Vec<ProxyPlace>,
    /// The port on which each listens.
    pub port: u16,
    /// The TCP of their connections upstream.
    pub tcp: TcpOptions,
    /// What each does of its own accord.
    pub habits: ProxyHabits,
    /// Who reads what passes.
    pub tap: TapMaker,
    /// Counted over all proxies, so that no two of their processes have one number.
    pub incarnations: Arc<AtomicU32>,
}

impl Role for ProxyRole {
    fn hosts(&self) -> Vec<HostName> {
        self.places.iter().map(|place| place.name.clone()).collect()
    }

    fn entrance(&self) -> Entrance {
        Entrance::Listening
    }

    fn program(&self, number: u32, seat: &mut Seat) -> Program {
        let control = seat.control.insert(Control::default()).clone();
        let ProxyPlace { upstream, edge, .. } = self.places[number as usize - 1].clone();
        let config =
            ProxyConfig { port: self.port, upstream, tcp: self.tcp, control, habits: self.habits.clone(), edge };
        let (names, recorder) = (seat.names.clone(), seat.recorder.clone());
        let (tap, incarnations) = (self.tap.clone(), self.incarnations.clone());
        program(move |env: Env| {
            let incarnation = incarnations.fetch_add(1, Ordering::Relaxed) + 1;
            let tap = tap(TapSeat { incarnation, names: names.clone(), recorder: recorder.begin_life() });
            let serving = proxy::serve(env, config.clone(), tap);
            async move { serving.await.map_err(|error| error.to_string()) }
        })
    }
}
