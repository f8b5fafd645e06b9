//! Clients of other people in our world, unmodified: what becomes of each where the network lies to it, the same for the same seed.

#[path = "../examples/etcd_watch.rs"]
#[expect(dead_code, reason = "an example has a main")]
mod etcd_watch;
#[path = "../examples/nats_heartbeats.rs"]
#[expect(dead_code, reason = "an example has a main")]
mod nats_heartbeats;
#[path = "../examples/redis_pubsub.rs"]
#[expect(dead_code, reason = "an example has a main")]
mod redis_pubsub;
#[path = "../examples/route_guide.rs"]
#[expect(dead_code, reason = "an example has a main")]
mod route_guide;
#[path = "../examples/server_sent_events.rs"]
#[expect(dead_code, reason = "an example has a main")]
mod server_sent_events;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use pulseless::checker::Verdict;
use pulseless::{Durations, Trial, TrialOutcome, Trouble};

/// One stranger.
struct Stranger {
    name: &'static str,
    trial: fn(u64, Duration) -> Trial,
    /// How long it waits for a sign of life when it is told to; none: it waits for ever, or as long as it does by itself.
    guarded: Duration,
    plain: Duration,
    /// Whom its client dials.
    entrance: &'static str,
}

/// Longer than any trial.
const FOR_EVER: Duration = Duration::from_secs(1 << 31);

const STRANGERS: [Stranger; 5] = [
    Stranger { name: "route guide", trial: route_guide::trial, guarded: seconds(30), plain: FOR_EVER, entrance: "edge" },
    Stranger { name: "etcd watch", trial: etcd_watch::trial, guarded: seconds(30), plain: FOR_EVER, entrance: "edge" },
    Stranger { name: "redis pub/sub", trial: redis_pubsub::trial, guarded: seconds(15), plain: FOR_EVER, entrance: "server" },
    Stranger { name: "server-sent events", trial: server_sent_events::trial, guarded: seconds(45), plain: FOR_EVER, entrance: "edge" },
    Stranger { name: "nats", trial: nats_heartbeats::trial, guarded: seconds(20), plain: seconds(60), entrance: "server" },
];

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Stranger {
    /// What may befall it, by name.
    fn troubles(&self) -> Vec<(&'static str, Trouble)> {
        let during = |trouble: Trouble| trouble.at(2.minutes()).lasting(5.minutes());
        let silence = (self.entrance == "edge").then(|| ("silence", during(Trouble::silence("edge"))));
        let others = [
            ("half-open", during(Trouble::power_off(self.entrance))),
            ("partition", during(Trouble::partition("client", self.entrance))),
            ("restart", Trouble::kill("server").at(2.minutes()).lasting(1.minutes())),
        ];
        silence.into_iter().chain(others).collect()
    }

    fn play(&self, seed: u64, patience: Duration, trouble: &Trouble) -> TrialOutcome {
        (self.trial)(seed, patience).title(self.name).fault(trouble.clone()).run(15.minutes())
    }
}

/// Which judges of a trial are not content.
fn complaints(outcome: &TrialOutcome) -> String {
    let failed = outcome.judgements().iter().filter(|one| matches!(one.verdict, Verdict::Fail(_)));
    let names: Vec<&str> = failed.map(|one| one.checker.as_str()).collect();
    if names.is_empty() { "content".to_owned() } else { names.join(", ") }
}

/// The digests of these seeds, each from a thread of this many.
fn digests(stranger: &'static Stranger, seeds: impl Iterator<Item = u64>, threads: usize) -> BTreeMap<u64, String> {
    let seeds = Mutex::new(seeds.collect::<Vec<_>>().into_iter());
    let troubles = stranger.troubles();
    let (_, trouble) = troubles.last().expect("some");
    let all = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(seed) = seeds.lock().expect("no panic").next() else { return };
                    let digest = stranger.play(seed, stranger.guarded, trouble).digest().to_string();
                    all.lock().expect("no panic").insert(seed, digest);
                }
            });
        }
    });
    all.into_inner().expect("no panic")
}

#[test]
fn a_seed_has_one_digest_in_any_order_and_on_any_thread() {
    for stranger in &STRANGERS {
        let start = std::time::Instant::now();
        let (one, other) = (digests(stranger, 1..=10, 1), digests(stranger, (1..=10).rev(), 4));
        let differ: Vec<_> = one.iter().filter(|(seed, digest)| other[*seed] != **digest).collect();
        println!("{}: {} differ {:?}", stranger.name, differ.len(), start.elapsed());
        let different: std::collections::BTreeSet<_> = one.values().collect();
        assert_eq!(different.len(), 10);
    }
}

#[test]
fn look() {
    for stranger in &STRANGERS {
        for (what, trouble) in stranger.troubles() {
            for (how, patience) in [("plain", stranger.plain), ("guarded", stranger.guarded)] {
                let start = std::time::Instant::now();
                let mut counts: BTreeMap<String, u32> = BTreeMap::new();
                for seed in 1..=5 {
                    let outcome = stranger.play(seed, patience, &trouble);
                    *counts.entry(complaints(&outcome)).or_default() += 1;
                    if seed == 1 { std::fs::write(format!("/tmp/stories/{}-{what}-{how}.txt", stranger.name.replace('/', "")), outcome.story()).unwrap(); }
                }
                println!("{} {what} {how}: {counts:?} {:?}", stranger.name, start.elapsed());
            }
        }
    }
}
