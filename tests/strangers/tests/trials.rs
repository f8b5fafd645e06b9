//! Strangers in a trial.

use std::time::Duration;

use strangers::etcd::{self, Etcd, Watchdog};
use strangers::world::{Mischief, World};
use strangers::{guide, nats, redis_like, sse};

const MINUTE: Duration = Duration::from_secs(60);
const GUARD: Watchdog = Watchdog { ask: Duration::from_secs(10), patience: Duration::from_secs(30) };

fn guide() -> World {
    World::default()
        .host("server", || guide::serve("0.0.0.0:80"))
        .proxy("proxy", "10.0.0.1", 80)
        .host("client", || guide::follow("http://10.0.0.2:80".to_owned()))
        .host("chatter", || guide::chat("http://10.0.0.2:80".to_owned()))
}

fn etcd() -> World {
    let etcd = Etcd::default();
    World::default()
        .host("server", move || { let etcd = etcd.clone(); async move { etcd.serve("0.0.0.0:80").await } })
        .proxy("proxy", "10.0.0.1", 80)
        .host("publisher", || etcd::put("http://10.0.0.1:80".to_owned()))
        .host("client", || etcd::watch_orders("http://10.0.0.2:80".to_owned(), None))
        .host("guarded", || etcd::watch_orders("http://10.0.0.2:80".to_owned(), Some(GUARD)))
}

fn redis() -> World {
    World::default()
        .host("server", || redis_like::serve("0.0.0.0:80"))
        .host("publisher", || redis_like::publish("redis://10.0.0.1:80".to_owned()))
        .host("client", || redis_like::subscribe("redis://10.0.0.1:80".to_owned()))
}

fn sse() -> World {
    World::default()
        .host("server", || sse::serve("0.0.0.0:80"))
        .proxy("proxy", "10.0.0.1", 80)
        .host("client", || sse::listen("http://10.0.0.2:80".to_owned(), None))
        .host("guarded", || sse::listen("http://10.0.0.2:80".to_owned(), Some(MINUTE)))
}

fn nats() -> World {
    World::default()
        .host("server", || nats::serve("0.0.0.0:80"))
        .host("publisher", || nats::publish("nats://10.0.0.1:80".to_owned()))
        .host("client", || nats::subscribe("nats://10.0.0.1:80".to_owned()))
}

fn told(name: &str, world: World) {
    match world.play(7, 12 * MINUTE) {
        Err(error) => println!("== {name}: BROKE {error}"),
        Ok(seen) => {
            println!("== {name}: {} lines", seen.len());
            let mut last: std::collections::BTreeMap<String, (f64, u64)> = std::collections::BTreeMap::new();
            let mut errors: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
            for line in &seen {
                let (at, rest) = line.split_once(' ').unwrap();
                let at: f64 = at.parse().unwrap();
                let (who, what) = rest.split_once(": ").unwrap();
                if let Some(n) = what.strip_prefix("order ").or(what.strip_prefix("heard ")) {
                    let n: u64 = n.parse::<u64>().unwrap() - 1_767_225_600;
                    if let Some((before, m)) = last.get(who) {
                        if *m + 1 != n || at - before > 3.0 { println!("   {at} {who}: {n} after {m} at {before}"); }
                    } else { println!("   {at} {who}: first {n}"); }
                    last.insert(who.to_owned(), (at, n));
                } else { let key = format!("{who} {}", &what[..what.len().min(60)]); let n = errors.entry(key).or_insert(0); *n += 1; if *n <= 3 { println!("   {line}"); } }
            }
            for (what, n) in errors { if n > 3 { println!("   {n} times {what}"); } }
            println!("   last {last:?}");
        }
    }
}

#[test]
fn look() {
    for (name, world) in [("guide", guide as fn() -> World), ("etcd", etcd), ("redis", redis), ("sse", sse), ("nats", nats)] {
        told(name, world());
        let silent = |world: World| world.befalls(Mischief::Silence, 2 * MINUTE, 3 * MINUTE);
        let through = matches!(name, "guide" | "etcd" | "sse");
        if through { told(&format!("{name} silence"), silent(world())); }
        let end = if through { "proxy" } else { "server" };
        told(&format!("{name} one way"), world().befalls(Mischief::OneWay(end, "client"), 2 * MINUTE, 3 * MINUTE));
        told(&format!("{name} cut"), world().befalls(Mischief::Cut(end, "client"), 2 * MINUTE, 3 * MINUTE));
        told(&format!("{name} down"), world().befalls(Mischief::Down("server"), 2 * MINUTE, MINUTE));
    }
}
