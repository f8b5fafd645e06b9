//! A world with the actors of a busy minute on its hosts. Nothing is observed and nothing judged: what is left is what the
//! world costs.

use pulseless::env::Env;
use pulseless::sim::SimFile;
use pulseless::world::{Engine, on_trial_thread};

use crate::actors::Actors;
use crate::trials::SEED;

/// Plays the minute in the world that `make` makes.
pub(crate) fn busy_minute(sim: &SimFile, make: &(dyn Fn(&SimFile) -> Box<dyn Engine> + Sync)) {
    let actors = Actors::of(sim);
    let play = || {
        let mut world = make(sim);
        fill(&mut *world, &actors);
        world.run_until(sim.duration).expect("no host breaks down");
    };
    on_trial_thread(SEED, play).expect("nothing panics");
    actors.check_delivered();
}

fn fill(world: &mut dyn Engine, actors: &Actors) {
    let of = || actors.clone();
    let (node, proxy, client, publisher, clock) = (of(), of(), of(), of(), world.clock());
    start(world, "node", move |env| node.clone().node(env));
    start(world, "proxy", move |env| proxy.clone().proxy(env));
    for number in 1..=actors.clients {
        let client = client.clone();
        start(world, &format!("client-{number}"), move |env| client.clone().client(env));
    }
    start(world, "publisher-1", move |env| {
        let clock = clock.clone();
        publisher.clone().publisher(env, move || clock.now())
    });
}

fn start<F: Future<Output = ()> + Send + 'static>(
    world: &mut dyn Engine,
    name: &str,
    run: impl Fn(Env) -> F + 'static,
) {
    let program = move |env| {
        let running = run(env);
        Box::pin(async move {
            running.await;
            Ok(())
        }) as _
    };
    let host = world.add_host(name, Box::new(program));
    world.start(host);
}
