//! Clients of other people in our world, unmodified: what becomes of each where the network lies to it, the same for the same seed.

#[path = "../examples/etcd_watch.rs"]
mod etcd_watch;
#[path = "../examples/nats_heartbeats.rs"]
mod nats_heartbeats;
#[path = "../examples/own_resolver.rs"]
mod own_resolver;
#[path = "../examples/redis_pubsub.rs"]
mod redis_pubsub;
#[path = "../examples/route_guide.rs"]
mod route_guide;
#[path = "../examples/server_sent_events.rs"]
mod server_sent_events;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use std::{env, fs, thread};

use pulseless::grammar::spell;
use pulseless::stranger::StreamBook;
use pulseless::{Durations, Trial, TrialOutcome, Trouble};

/// One stranger.
struct Stranger {
    name: &'static str,
    trial: fn(u64, Duration) -> Trial,
    /// How long it waits for a sign of life where nobody tells it to.
    plain: Duration,
    /// And where somebody does.
    guarded: Duration,
}

/// Longer than any trial.
const FOR_EVER: Duration = Duration::from_secs(1 << 31);
/// How long a trial lasts.
const TRIAL: Duration = Duration::from_secs(15 * 60);
/// Seeds of a row of the table.
const ROW: u64 = 10;
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reports/findings/strangers.md");

const fn stranger(name: &'static str, trial: fn(u64, Duration) -> Trial, plain: Duration, guarded: u64) -> Stranger {
    Stranger { name, trial, plain, guarded: Duration::from_secs(guarded) }
}

const STRANGERS: [Stranger; 6] = [
    stranger("tonic", route_guide::trial, FOR_EVER, 30),
    stranger("etcd-client", etcd_watch::trial, FOR_EVER, 30),
    stranger("redis", redis_pubsub::trial, FOR_EVER, 15),
    stranger("reqwest", server_sent_events::trial, FOR_EVER, 45),
    // Its own default.
    stranger("async-nats", nats_heartbeats::trial, Duration::from_secs(60), 20),
    stranger("hickory-resolver", own_resolver::trial, FOR_EVER, 45),
];

/// What befalls them, by name.
fn troubles() -> [(&'static str, Trouble); 4] {
    let during = |trouble: Trouble| trouble.at(2.minutes()).lasting(5.minutes());
    [
        ("silence", during(Trouble::silence("edge"))),
        ("half-open", during(Trouble::power_off("edge"))),
        ("partition", during(Trouble::partition("client", "edge"))),
        ("restart", Trouble::kill("server").at(2.minutes()).lasting(1.minutes())),
    ]
}

impl Stranger {
    fn play(&self, seed: u64, patience: Duration, trouble: &Trouble) -> TrialOutcome {
        (self.trial)(seed, patience).title(self.name).fault(trouble.clone()).run(TRIAL)
    }
}

/// What became of a client: its longest time without an order (none: it got no more), and how many it never got.
fn fate(outcome: &TrialOutcome) -> (Option<Duration>, usize) {
    let book = StreamBook::read(outcome.history());
    let times: Vec<Duration> = book.got.iter().map(|got| got.at).collect();
    let got: BTreeSet<_> = book.got.iter().map(|got| (got.stream, got.order)).collect();
    // What is produced at the very end is under way.
    let is_due = |at: Duration| at + 1.minutes() < TRIAL;
    let due = book.sent.iter().filter(|(_, sent)| sent.iter().any(|sent| is_due(sent.at)));
    let lost = due.filter(|(order, _)| !got.contains(order)).count();
    let last = times.last().copied().unwrap_or_default();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
    (if is_due(last) { None } else { longest }, lost)
}

/// The same of many seeds, as a cell of the table: the median and the range.
fn cell(fates: &mut [(Option<Duration>, usize)]) -> String {
    fates.sort_by_key(|(deaf, _)| deaf.unwrap_or(Duration::MAX));
    let (deaf, _) = fates[fates.len() / 2];
    let (least, most) = (fates.iter().map(|(_, lost)| lost).min(), fates.iter().map(|(_, lost)| lost).max());
    let lost = match (least, most) {
        (Some(0), Some(0)) => String::new(),
        (Some(least), Some(most)) if least == most => format!(", {least} lost"),
        (Some(least), Some(most)) => format!(", {least} to {most} lost"),
        _ => unreachable!("there are seeds"),
    };
    match deaf {
        None => "for ever".to_owned(),
        Some(deaf) => format!("{}{lost}", spell(Duration::from_secs(deaf.as_secs()))),
    }
}

/// The table of fates.
fn table() -> String {
    let mut table = "| client | what befalls it | as it comes | told to look |\n|---|---|---|---|\n".to_owned();
    for stranger in &STRANGERS {
        for (what, trouble) in &troubles() {
            let cell_of = |patience| {
                let fates = (1..=ROW).map(|seed| fate(&stranger.play(seed, patience, trouble)));
                cell(&mut fates.collect::<Vec<_>>())
            };
            let (plain, guarded) = (cell_of(stranger.plain), cell_of(stranger.guarded));
            table += &format!("| {} | {what} | {plain} | {guarded} |\n", stranger.name);
        }
    }
    table
}

#[test]
fn what_becomes_of_each_is_as_the_page_says() {
    let (begin, end) = ("<!-- fates -->\n", "<!-- end of fates -->\n");
    let page = fs::read_to_string(PAGE).expect("the page of findings");
    let (head, rest) = page.split_once(begin).expect("a table");
    let (said, tail) = rest.split_once(end).expect("a table that ends");
    let played = table();
    if env::var_os("PULSELESS_BLESS").is_some() {
        fs::write(PAGE, format!("{head}{begin}{played}{end}{tail}")).expect("the page can be written");
    } else {
        assert_eq!(said, played, "PULSELESS_BLESS=1 writes it");
    }
}

/// The digests of those seeds, played by so many threads.
fn digests(stranger: &Stranger, seeds: impl Iterator<Item = u64>, threads: usize) -> BTreeMap<u64, String> {
    let (seeds, all) = (Mutex::new(seeds.collect::<Vec<_>>()), Mutex::new(BTreeMap::new()));
    let [(_, silence), ..] = troubles();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(seed) = seeds.lock().expect("no panic").pop() else { return };
                    let outcome = stranger.play(seed, stranger.guarded, &silence);
                    all.lock().expect("no panic").insert(seed, outcome.digest().to_string());
                }
            });
        }
    });
    all.into_inner().expect("no panic")
}

#[test]
fn a_seed_has_one_digest_in_any_order_and_on_any_thread() {
    for stranger in &STRANGERS {
        let (one, other) = (digests(stranger, 1..=100, 1), digests(stranger, (1..=100).rev(), 3));
        assert_eq!(one, other, "{}", stranger.name);
        assert_eq!(one.values().collect::<BTreeSet<_>>().len(), 100, "{}", stranger.name);
    }
}

#[test]
fn every_example_keeps_its_promise() {
    let mains = [
        etcd_watch::main,
        nats_heartbeats::main,
        own_resolver::main,
        redis_pubsub::main,
        route_guide::main,
        server_sent_events::main,
    ];
    mains.into_iter().for_each(|main| main());
}

#[test]
fn who_goes_on_where_it_was_has_everything_after_a_storm() {
    for stranger in STRANGERS.iter().filter(|stranger| ["tonic", "etcd-client", "reqwest"].contains(&stranger.name)) {
        let trial = (stranger.trial)(1, stranger.guarded).title(stranger.name);
        trial.storm(&["all"]).sweep(20.minutes(), 1..21).assert_passed();
    }
}

/// An answer that comes later than the resolver waits, 5 s and three times, is none.
#[test]
fn a_resolver_of_its_own_feels_each_fault_of_names() {
    let fault = |kind| Trouble::kind(kind).set("on", "client").set("name", "edge").at(2.minutes()).lasting(5.minutes());
    for (trouble, deaf) in [
        (fault("name-fails"), 300),
        (fault("name-dead"), 322),
        (fault("name-moves").set("to", "server"), 10),
        (fault("name-slow").set("takes", "4s"), 10),
        (fault("name-slow").set("takes", "8s"), 304),
    ] {
        let outcome = own_resolver::trial(7, 45.seconds()).fault(trouble).run(TRIAL);
        outcome.assert_passed();
        let (longest, lost) = fate(&outcome);
        assert_eq!((longest.map(|longest| longest.as_secs()), lost), (Some(deaf), 0));
    }
}

/// Set for a process that only tells its digests.
const TELL: &str = "STRANGERS_TELL";

#[test]
fn a_seed_has_one_digest_in_every_process() {
    let [(_, silence), ..] = troubles();
    if env::var_os(TELL).is_some() {
        for stranger in &STRANGERS {
            println!("{TELL} {} {}", stranger.name, stranger.play(7, stranger.guarded, &silence).digest());
        }
        return;
    }
    let processes = if env::var_os("PULSELESS_LONG").is_some() { 20 } else { 2 };
    let told = || {
        let mut process = Command::new(env::current_exe().expect("a path"));
        process.args(["--exact", "a_seed_has_one_digest_in_every_process", "--nocapture"]).env(TELL, "1");
        let out = String::from_utf8(process.output().expect("it runs").stdout).expect("text");
        out.lines().filter(|line| line.starts_with(TELL)).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = told();
    assert_eq!(first.len(), STRANGERS.len(), "{first:?}");
    assert!((1..processes).all(|_| told() == first), "{first:?}");
}
