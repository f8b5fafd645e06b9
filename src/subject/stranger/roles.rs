//! The hosts of a stranger's cast: each runs what its kind makes, or the proxy.
//!
//! Refuses to know the engine that plays them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cast::HostName;
use crate::env::Env;
use crate::proxy::{ProxyEdge, ProxyHabits};
use crate::subject::stranger::entry::StrangerSetup;
use crate::subject::stranger::pen::Pen;
use crate::subject::stranger::read::{CastEntry, CastHosts, CastProxy};
use crate::subject::stranger::tap::StrangerTap;
use crate::subject::{Entrance, PlainRole, ProxyPlace, ProxyRole, Restart, Role, program};

/// The roles, in the order of the sim: each is at work before the next one enters.
pub(crate) fn roles(setup: &StrangerSetup) -> Vec<Box<dyn Role>> {
    let incarnations = Arc::new(AtomicU32::new(0));
    let role = |entry: &CastEntry| match entry {
        CastEntry::Hosts(hosts) => hosts_of(hosts),
        CastEntry::Proxy(proxy) => Box::new(proxy_of(proxy, &incarnations)),
    };
    setup.entries().iter().map(role).collect()
}

fn hosts_of(hosts: &CastHosts) -> Box<dyn Role> {
    let (names, numbers) = (hosts.names(), Arc::new(AtomicU32::new(0)));
    let (kind, settings, restart) = (hosts.kind.clone(), Arc::clone(&hosts.settings), hosts.restart);
    PlainRole::new(names, Entrance::Listening, move |name: &HostName, seat| {
        let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let (kind, settings) = (kind.clone(), Arc::clone(&settings));
        let (name, recorder) = (name.clone(), seat.recorder.clone());
        program(move |env: Env| {
            let recorder = recorder.begin_life();
            let run = kind.run(name.clone(), number, &settings, env);
            async move {
                Pen::keep(recorder);
                match (run.await, restart) {
                    // Its supervisor is to hear of it, and of no error.
                    (Ok(()), Restart::Always(_)) => Err(String::new()),
                    (ended, _) => ended,
                }
            }
        })
    })
}

fn proxy_of(proxy: &CastProxy, incarnations: &Arc<AtomicU32>) -> ProxyRole {
    let place = ProxyPlace { name: proxy.name.clone(), upstream: proxy.upstream.clone(), edge: ProxyEdge::default() };
    ProxyRole {
        places: vec![place],
        port: proxy.port,
        tcp: proxy.tcp,
        habits: ProxyHabits::of(proxy.profile.conduct()),
        tap: Arc::new(|seat| Arc::new(StrangerTap::new(seat))),
        incarnations: Arc::clone(incarnations),
    }
}
