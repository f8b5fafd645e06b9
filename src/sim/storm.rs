//! A storm: the seed draws families of faults, and their clauses, into the plan of one trial (swarm testing).
//!
//! Refuses to know who carries a clause out. Each family and each clause has dice of its own, so that leaving one
//! out leaves the others as they were; only what contradicted the one that was left out may come to light.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::env::{Dice, Die};
use crate::fault::{
    Answer, Between, Clause, Death, DiskHarm, Expired, Family, Fault, HostHarm, Landmark, Latency, LinkHarm, Moment,
    Origin, Plan, Point, Shape, Storm, Unsynced, Way,
};
use crate::sim::contradiction::contradiction;
use crate::sim::{Role, SimFile};

/// Every clause of a storm ends so long before the calm: TCP that doubled its retransmission timeout in a partition
/// sends again at most so long after it healed (Linux: `TCP_RTO_MAX`, 120 s).
pub(crate) const HEALING: Duration = Duration::from_secs(120);
/// A storm that lasts shorter has no room for its clauses.
pub(crate) const SHORTEST_WINDOW: Duration = Duration::from_secs(60);
/// Times are drawn in tenths of a second, so that a reader of a plan can remember them.
const TICK_MS: u64 = 100;

/// The faults of one trial: those of the file, and what the seed draws where the sim has a storm.
///
/// A drawn clause that contradicts the file's, or one drawn before it, is left out.
#[must_use]
pub fn plan_of(sim: &SimFile, seed: u64) -> Plan {
    let mut clauses = sim.plan.clauses.clone();
    for drawn in sim.storm.iter().flat_map(|storm| draw_storm(sim, storm, seed)) {
        if !clauses.iter().any(|clause| contradiction(clause, &drawn).is_some()) {
            clauses.push(drawn);
        }
    }
    // Stable: of those that begin together the file's come first, then family by family.
    clauses.sort_by_key(|clause| clause.at);
    let numbered = (1..).zip(clauses).map(|(number, clause)| Clause { number, ..clause });
    Plan { clauses: numbered.collect() }
}

/// Everything that a storm draws, family by family.
fn draw_storm(sim: &SimFile, storm: &Storm, seed: u64) -> Vec<Clause> {
    let end = sim.calm_begins().saturating_sub(HEALING);
    let mut drawn = Vec::new();
    for (family, mut dice) in choose_families(storm, seed) {
        // Every number up to twice the mean, without none.
        let count = dice.random_range(1..=2 * storm.intensity - 1);
        for index in 1..=count {
            let dice = Dice::named(seed, &Die::StormClause { family: family.name(), index });
            drawn.push(Draw { sim, dice, at: Duration::ZERO }.clause(family, storm.begins, end));
        }
    }
    drawn
}

/// The families that a seed draws, each with its dice: one in two, and the nearest to it where none is drawn.
fn choose_families(storm: &Storm, seed: u64) -> Vec<(Family, Dice)> {
    const EVEN: u64 = 1 << 63;
    let rolls = storm.families.iter().map(|family| {
        let mut dice = Dice::named(seed, &Die::StormFamily { family: family.name() });
        (dice.next_u64(), *family, dice)
    });
    let rolls: Vec<(u64, Family, Dice)> = rolls.collect();
    let nearest = rolls.iter().map(|(roll, _, _)| *roll).min().unwrap_or_default();
    let chosen = rolls.into_iter().filter(|(roll, _, _)| *roll < EVEN || *roll == nearest);
    chosen.map(|(_, family, dice)| (family, dice)).collect()
}

/// How long a kind of fault lasts, in milliseconds, and how its particulars are drawn.
struct Kind {
    least_ms: u64,
    most_ms: u64,
    fault: fn(&mut Draw<'_>) -> Fault,
}

const fn kind(least_ms: u64, most_ms: u64, fault: fn(&mut Draw<'_>) -> Fault) -> Kind {
    Kind { least_ms, most_ms, fault }
}

/// The kinds of a family. What nothing converges after is missing: a node whose log is lost, old or rotten has
/// not what it acknowledged, and nobody replaces the inbox of a client that finds it rotten.
fn kinds(family: Family) -> &'static [Kind] {
    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;
    match family {
        Family::Partitions => const { &[kind(SECOND, 4 * MINUTE, |draw| draw.partition())] },
        Family::SlowLinks => {
            const {
                &[
                    kind(5 * SECOND, 4 * MINUTE, |draw| draw.latency()),
                    kind(5 * SECOND, 3 * MINUTE, |draw| draw.bandwidth()),
                ]
            }
        }
        Family::Loss => {
            const {
                &[
                    kind(5 * SECOND, 3 * MINUTE, |draw| draw.loss()),
                    kind(10 * SECOND, 3 * MINUTE, |draw| draw.mtu_black_hole()),
                ]
            }
        }
        Family::Connections => {
            const {
                &[
                    kind(10 * SECOND, 3 * MINUTE, |draw| draw.syn_loss()),
                    kind(5 * SECOND, 2 * MINUTE, |draw| draw.backlog_full()),
                    kind(MINUTE, 4 * MINUTE, |draw| draw.idle_drop()),
                ]
            }
        }
        Family::Deaths => {
            const {
                &[
                    kind(TICK_MS, 2 * MINUTE, |draw| draw.kill()),
                    kind(10 * SECOND, 2 * MINUTE, |draw| draw.restart_loop()),
                ]
            }
        }
        Family::Power => const { &[kind(SECOND, 3 * MINUTE, |draw| draw.power_off())] },
        Family::Pauses => {
            const { &[kind(SECOND, 2 * MINUTE, |draw| draw.pause()), kind(5 * SECOND, 4 * MINUTE, |draw| draw.suspend())] }
        }
        Family::Clocks => {
            const {
                &[
                    kind(SECOND, 4 * MINUTE, |draw| draw.clock_step()),
                    kind(10 * SECOND, 4 * MINUTE, |draw| draw.clock_drift()),
                ]
            }
        }
        Family::Names => const { &[kind(5 * SECOND, 3 * MINUTE, |draw| draw.name())] },
        Family::Disks => {
            const {
                &[
                    kind(SECOND, MINUTE, |draw| draw.sync_fails()),
                    kind(SECOND, 2 * MINUTE, |draw| draw.disk_full()),
                    kind(5 * SECOND, 3 * MINUTE, |draw| draw.slow_sync()),
                    kind(SECOND, MINUTE, |draw| draw.disk_lost()),
                    kind(SECOND, MINUTE, |draw| draw.disk_restored()),
                ]
            }
        }
        Family::Silences => const { &[kind(5 * SECOND, 4 * MINUTE, |draw| draw.silence())] },
    }
}

/// One clause while it is drawn.
struct Draw<'s> {
    sim: &'s SimFile,
    dice: Dice,
    at: Duration,
}

impl Draw<'_> {
    /// Draws a clause of a family that begins at `begins` or later and has ended by `end`.
    fn clause(mut self, family: Family, begins: Duration, end: Duration) -> Clause {
        let kind = self.one_of(kinds(family));
        let begins = whole_ticks(begins + Duration::from_millis(TICK_MS - 1));
        let room = whole_ticks(end).saturating_sub(begins).max(1);
        let lasts = self.ticks(kind.least_ms, kind.most_ms).clamp(1, room);
        let at = begins + self.dice.random_range(0..=room - lasts);
        self.at = Duration::from_millis(at * TICK_MS);
        let fault = (kind.fault)(&mut self);
        let lasts = Duration::from_millis(lasts * TICK_MS);
        Clause { number: 0, at: self.at, lasts, fault, origin: Origin::Storm }
    }

    /// So many ticks: short times are as likely as long ones, magnitude by magnitude.
    fn ticks(&mut self, least_ms: u64, most_ms: u64) -> u64 {
        self.spread(least_ms, most_ms) / TICK_MS
    }

    /// A number of which each doubling between the bounds is equally likely, drawn without floating point.
    fn spread(&mut self, least: u64, most: u64) -> u64 {
        let doublings = (most / least.max(1)).max(1).ilog2();
        let low = least << self.dice.random_range(0..=doublings);
        self.dice.random_range(low..=most.min(low * 2).max(low))
    }

    fn time(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(self.spread(least_ms, most_ms))
    }

    fn number(&mut self, least: u32, most: u32) -> u32 {
        let drawn = self.spread(least.into(), most.into());
        u32::try_from(drawn).expect("it lies between two of 32 bits")
    }

    fn coin(&mut self) -> bool {
        self.dice.random_range(0..2) == 0
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.dice.random_range(0..choices.len())]
    }

    /// One host in some role, in one case of three all of them.
    fn hosts(&mut self, roles: &[Role]) -> BTreeSet<String> {
        let cast = &self.sim.cast;
        let present: Vec<Role> = roles.iter().copied().filter(|role| cast.count(*role) > 0).collect();
        let role = *self.one_of(&present);
        let hosts = cast.hosts_of(&[role]);
        if self.dice.random_range(0..3) == 0 {
            return hosts.into_iter().collect();
        }
        BTreeSet::from([self.one_of(&hosts).clone()])
    }

    fn host(&mut self, roles: &[Role], harm: HostHarm) -> Fault {
        Fault::Host { on: self.hosts(roles), harm }
    }

    fn disk(&mut self, harm: DiskHarm) -> Fault {
        Fault::Disk { on: self.hosts(&[Role::Node, Role::Client]), harm }
    }

    /// Some hosts' links to all others.
    fn link(&mut self, harm: LinkHarm) -> Fault {
        let from = self.hosts(&Role::ALL);
        let to = self.sim.hosts().into_iter().filter(|host| !from.contains(host)).collect();
        let one_way = self.dice.random_range(0..3) == 0;
        Fault::Link { between: Between { from, to, one_way }, harm }
    }

    fn partition(&mut self) -> Fault {
        self.link(LinkHarm::Partition)
    }

    /// From a slow mobile network to one that is hardly there.
    fn latency(&mut self) -> Fault {
        let least = self.time(20, 500);
        let most = least + self.time(50, 5_000);
        let shape = if self.coin() { Shape::LongTailed } else { Shape::Uniform };
        self.link(LinkHarm::Latency(Latency { shape, least, most }))
    }

    /// From a modem to a bad mobile network.
    fn bandwidth(&mut self) -> Fault {
        let bytes_per_second = self.spread(4 << 10, 256 << 10);
        self.link(LinkHarm::Bandwidth { bytes_per_second })
    }

    fn loss(&mut self) -> Fault {
        let (basis_points, burst) = (self.number(50, 3_000), self.number(1, 8));
        self.link(LinkHarm::Loss { basis_points, burst })
    }

    /// What tunnels leave of an Ethernet frame, down to IPv6's least (1,280 bytes with headers) and below.
    fn mtu_black_hole(&mut self) -> Fault {
        let largest = self.dice.random_range(536..=1_420);
        self.link(LinkHarm::MtuBlackHole { largest })
    }

    fn syn_loss(&mut self) -> Fault {
        let basis_points = self.number(1_000, 10_000);
        self.link(LinkHarm::SynLoss { basis_points })
    }

    fn backlog_full(&mut self) -> Fault {
        self.host(&[Role::Node, Role::Proxy], HostHarm::BacklogFull)
    }

    /// Shorter than real middleboxes, so that it is felt between two Pings.
    fn idle_drop(&mut self) -> Fault {
        let after = self.time(2_000, 40_000);
        let then = if self.coin() { Expired::Reset } else { Expired::Drop };
        self.link(LinkHarm::IdleDrop { after, then })
    }

    fn kill(&mut self) -> Fault {
        let on = self.hosts(&Role::ALL);
        let point = if self.coin() { Some(self.point(&on)) } else { None };
        Fault::Host { on, harm: HostHarm::Dies { death: Death::Killed, point } }
    }

    fn power_off(&mut self) -> Fault {
        let on = self.hosts(&Role::ALL);
        let unsynced = *self.one_of(&[Unsynced::Lost, Unsynced::Torn, Unsynced::Reordered]);
        let point = if self.coin() { Some(self.point(&on)) } else { None };
        Fault::Host { on, harm: HostHarm::Dies { death: Death::PoweredOff(unsynced), point } }
    }

    /// A point that the hosts come to soon: who has no disk never writes to it.
    fn point(&mut self, on: &BTreeSet<String>) -> Point {
        let with_disk = self.sim.cast.hosts_of(&[Role::Node, Role::Client]);
        let writes = on.iter().all(|host| with_disk.contains(host)) && self.coin();
        let landmark = if writes { Landmark::DurableWrite } else { Landmark::Frame };
        let moment = if self.coin() { Moment::Before } else { Moment::After };
        Point { landmark, nth: self.number(1, 20), moment }
    }

    fn restart_loop(&mut self) -> Fault {
        let (up, down) = (self.time(500, 30_000), self.time(100, 10_000));
        self.host(&Role::ALL, HostHarm::RestartLoop { up, down })
    }

    fn pause(&mut self) -> Fault {
        self.host(&Role::ALL, HostHarm::Paused)
    }

    fn suspend(&mut self) -> Fault {
        self.host(&Role::ALL, HostHarm::Suspended)
    }

    fn clock_step(&mut self) -> Fault {
        const HOUR_MS: u64 = 3_600_000;
        let far = i64::try_from(self.spread(1_000, HOUR_MS)).expect("an hour fits");
        let by_ms = if self.coin() { far } else { -far };
        self.host(&Role::ALL, HostHarm::ClockStep { by_ms })
    }

    /// From a warm quartz to a virtual machine whose clock source is wrong.
    fn clock_drift(&mut self) -> Fault {
        let speed = i32::try_from(self.spread(20, 50_000)).expect("a twentieth fits");
        let parts_per_million = if self.coin() { speed } else { -speed };
        self.host(&Role::ALL, HostHarm::ClockDrift { parts_per_million })
    }

    /// A host is lied to about the name that it dials.
    fn name(&mut self) -> Fault {
        let cast = &self.sim.cast;
        let dialing = [Role::Proxy, Role::Client, Role::Publisher];
        let present: Vec<Role> = dialing.into_iter().filter(|role| cast.count(*role) > 0).collect();
        let role = *self.one_of(&present);
        let number = self.dice.random_range(1..=cast.count(role));
        let name = match role {
            Role::Proxy => cast.node(cast.node_behind(number)),
            Role::Node | Role::Client | Role::Publisher => cast.proxy(cast.proxy_of(number)),
        };
        let mut elsewhere = cast.hosts_of(&[Role::Node, Role::Proxy]);
        elsewhere.retain(|host| *host != name);
        let to = self.one_of(&elsewhere).clone();
        let answer = self.one_of(&[Answer::Fails, Answer::Moves { to }, Answer::Dead]).clone();
        Fault::Host { on: BTreeSet::from([cast.host(role, number)]), harm: HostHarm::Name { name, answer } }
    }

    fn sync_fails(&mut self) -> Fault {
        self.disk(DiskHarm::SyncFails)
    }

    fn disk_full(&mut self) -> Fault {
        self.disk(DiskHarm::Full)
    }

    fn slow_sync(&mut self) -> Fault {
        let takes = self.time(50, 5_000);
        self.disk(DiskHarm::SlowSync { takes })
    }

    fn disk_lost(&mut self) -> Fault {
        self.host(&[Role::Client], HostHarm::Dies { death: Death::DiskLost, point: None })
    }

    fn disk_restored(&mut self) -> Fault {
        let earlier = self.dice.random_range(0..whole_ticks(self.at).max(1));
        let death = Death::DiskRestored { from: Duration::from_millis(earlier * TICK_MS) };
        self.host(&[Role::Client], HostHarm::Dies { death, point: None })
    }

    fn silence(&mut self) -> Fault {
        let on = self.hosts(&[Role::Client, Role::Publisher]);
        let way = *self.one_of(&[None, Some(Way::ToNode), Some(Way::ToClient)]);
        Fault::ProxySilenceUpstream { on, way, path: None }
    }
}

fn whole_ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / TICK_MS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sim::{Vocabulary, read};

    /// As many as a nightly sweep plays.
    const SEEDS: std::ops::Range<u64> = 0..2_000;
    /// What the file itself says, in the midst of the storm.
    const NAMED: &str = "[[fault]]\nat = \"5m\"\nfor = \"2m\"\nkind = \"process-kill\"\non = \"node-1\"\n";

    fn sim(families: &[Family], rest: &str) -> SimFile {
        let names: Vec<&str> = families.iter().map(|family| family.name()).collect();
        let text = format!(
            "title = \"x\"\nduration = \"15m\"\ncalm = \"5m\"\n[cast]\nclients = 3\npublishers = 2\nnodes = 2\nproxies = 3\n\
             [workload]\ntopics = 4\n[storm]\nfamilies = {names:?}\n[promise]\nverdict = \"pass\"\n{rest}"
        );
        read("x", &text, &Vocabulary::default()).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    fn without(family: Family) -> Vec<Family> {
        Family::ALL.into_iter().filter(|other| *other != family).collect()
    }

    fn family(fault: &Fault) -> Family {
        match fault.kind() {
            "partition" => Family::Partitions,
            "latency" | "bandwidth" => Family::SlowLinks,
            "loss" | "mtu-black-hole" => Family::Loss,
            "syn-loss" | "backlog-full" | "idle-drop" => Family::Connections,
            "process-kill" | "restart-loop" => Family::Deaths,
            "power-off" => Family::Power,
            "pause" | "suspend" => Family::Pauses,
            "clock-step" | "clock-drift" => Family::Clocks,
            "name-fails" | "name-moves" | "name-dead" => Family::Names,
            "sync-fails" | "disk-full" | "slow-sync" | "disk-lost" | "disk-restored" => Family::Disks,
            "proxy-silence-upstream" => Family::Silences,
            other => panic!("no storm draws {other}"),
        }
    }

    /// The clauses of a plan, whatever their numbers.
    fn unnumbered(plan: Plan) -> Vec<Clause> {
        plan.clauses.into_iter().map(|clause| Clause { number: 0, ..clause }).collect()
    }

    #[test]
    fn a_seed_decides_the_plan_and_two_seeds_differ() {
        let sim = sim(&Family::ALL, "");
        assert_eq!(plan_of(&sim, 7), plan_of(&sim, 7));
        assert_ne!(plan_of(&sim, 7), plan_of(&sim, 8));
    }

    #[test]
    fn a_sim_without_a_storm_has_the_plan_of_its_file() {
        let mut sim = sim(&Family::ALL, NAMED);
        sim.storm = None;
        assert_eq!((plan_of(&sim, 7).clauses.len(), plan_of(&sim, 7)), (1, sim.plan));
    }

    #[test]
    fn no_plan_contradicts_itself_and_the_files_clauses_stay() {
        let sim = sim(&Family::ALL, NAMED);
        for seed in SEEDS {
            let clauses = plan_of(&sim, seed).clauses;
            for (index, clause) in clauses.iter().enumerate() {
                let other = clauses[..index].iter().find(|other| contradiction(other, clause).is_some());
                assert_eq!(other, None, "seed {seed}: contradicts {clause:?}");
            }
            let named: Vec<&Clause> = clauses.iter().filter(|clause| clause.origin == Origin::File).collect();
            assert_eq!(named.len(), 1, "seed {seed}");
            assert_eq!(named[0].fault, sim.plan.clauses[0].fault, "seed {seed}");
        }
    }

    #[test]
    fn every_clause_has_its_time_and_its_number() {
        let sim = sim(&Family::ALL, NAMED);
        for seed in SEEDS {
            let clauses = plan_of(&sim, seed).clauses;
            assert!(clauses.iter().map(|clause| clause.at).is_sorted(), "seed {seed}");
            assert!(clauses.iter().map(|clause| clause.number).eq(1..=u32::try_from(clauses.len()).expect("a few")));
            for clause in clauses.iter().filter(|clause| clause.origin == Origin::Storm) {
                assert!(clause.at >= Duration::from_secs(30), "seed {seed}: too early: {clause:?}");
                assert!(clause.end() <= sim.calm_begins() - HEALING, "seed {seed}: too late: {clause:?}");
                assert!(clause.lasts >= Duration::from_millis(TICK_MS), "seed {seed}: too short: {clause:?}");
            }
        }
    }

    #[test]
    fn a_family_that_is_left_out_leaves_the_others_as_they_were() {
        let all = sim(&Family::ALL, NAMED);
        for left_out in Family::ALL {
            let fewer = sim(&without(left_out), NAMED);
            for seed in 0..200 {
                let (before, after) = (unnumbered(plan_of(&all, seed)), unnumbered(plan_of(&fewer, seed)));
                let (gone, kept): (Vec<&Clause>, Vec<&Clause>) = before
                    .iter()
                    .partition(|clause| clause.origin == Origin::Storm && family(&clause.fault) == left_out);
                assert!(kept.iter().all(|clause| after.contains(clause)), "seed {seed} without {left_out:?}");
                let alone = kept.iter().all(|clause| clause.origin == Origin::File);
                for new in after.iter().filter(|clause| !before.contains(clause)) {
                    let was_hidden = gone.iter().any(|clause| contradiction(clause, new).is_some());
                    assert!(was_hidden || alone, "seed {seed} without {left_out:?} has {new:?}");
                }
            }
        }
    }

    #[test]
    fn a_storm_that_lasts_longer_keeps_the_families_of_its_seed() {
        let of = |sim: &SimFile, seed| -> BTreeSet<Family> {
            plan_of(sim, seed).clauses.iter().map(|clause| family(&clause.fault)).collect()
        };
        let short = sim(&Family::ALL, "");
        let long = SimFile { duration: Duration::from_secs(10_000), ..short.clone() };
        let same = SEEDS.filter(|seed| of(&short, *seed) == of(&long, *seed)).count();
        // A family all of whose clauses contradicted others is missing.
        assert!(same > 1_500, "{same} of 2000");
    }

    #[test]
    fn every_family_and_kind_appears_and_about_half_of_the_families_each_time() {
        let sim = sim(&Family::ALL, "");
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        let mut families = 0;
        for seed in SEEDS {
            let clauses = plan_of(&sim, seed).clauses;
            assert!(!clauses.is_empty(), "seed {seed}: a storm without wind");
            families += clauses.iter().map(|clause| family(&clause.fault)).collect::<BTreeSet<_>>().len();
            clauses.iter().for_each(|clause| *seen.entry(clause.fault.kind()).or_default() += 1);
        }
        // All but bit rot: nobody replaces a rotten store.
        assert_eq!(seen.len(), 24, "{seen:?}");
        assert!(seen.values().all(|count| *count > 100), "{seen:?}");
        let drawn: BTreeSet<&str> = seen.keys().copied().collect();
        assert!(!drawn.contains("bit-rot"));
        assert!((9_000..=12_000).contains(&families), "about 5.5 of 11 in each of 2000: {families}");
    }

    #[test]
    fn one_family_is_always_drawn() {
        for alone in Family::ALL {
            let sim = sim(&[alone], "");
            for seed in 0..100 {
                let clauses = plan_of(&sim, seed).clauses;
                assert!(!clauses.is_empty() && clauses.iter().all(|clause| family(&clause.fault) == alone));
            }
        }
    }

    #[test]
    fn intensity_is_the_mean_of_what_a_family_draws() {
        for intensity in [1, 3, 10] {
            let mut sim = sim(&[Family::Silences], "");
            sim.storm = sim.storm.map(|storm| Storm { intensity, ..storm });
            let total: usize = SEEDS.map(|seed| plan_of(&sim, seed).clauses.len()).sum();
            let mean = total as f64 / 2_000.0;
            assert!((mean - f64::from(intensity)).abs() < 0.3, "{mean} of {intensity}");
        }
    }

    #[test]
    fn nodes_never_lose_their_disks() {
        let sim = sim(&[Family::Disks], "");
        for seed in SEEDS {
            for Clause { fault, at, .. } in plan_of(&sim, seed).clauses {
                let Fault::Host { on, harm: HostHarm::Dies { death, .. } } = &fault else { continue };
                assert!(on.iter().all(|host| host.starts_with("client-")), "{fault:?}");
                if let Death::DiskRestored { from } = death {
                    assert!(*from < at, "restored from {from:?} at {at:?}");
                }
            }
        }
    }

    #[test]
    fn points_lie_where_hosts_come_by_and_names_are_those_that_hosts_dial() {
        let sim = sim(&[Family::Deaths, Family::Power, Family::Names], "");
        let (mut points, mut names) = (0, 0);
        for clause in SEEDS.flat_map(|seed| plan_of(&sim, seed).clauses) {
            let Fault::Host { on, harm } = &clause.fault else { panic!("not of a host: {clause:?}") };
            match harm {
                HostHarm::Dies { point: Some(point), .. } if point.landmark == Landmark::DurableWrite => {
                    points += 1;
                    let has_disk = |host: &String| host.starts_with("node") || host.starts_with("client");
                    assert!(on.iter().all(has_disk), "{clause:?}");
                }
                HostHarm::Name { name, answer } => {
                    names += 1;
                    let dials_node = on.iter().all(|host| host.starts_with("proxy"));
                    assert_eq!(dials_node, name.starts_with("node"), "{clause:?}");
                    assert_ne!(answer, &Answer::Moves { to: name.clone() }, "{clause:?}");
                }
                _ => {}
            }
        }
        assert!(points > 100 && names > 100, "{points} points, {names} names");
    }

    #[test]
    fn a_cast_without_publishers_has_its_storm_too() {
        let mut sim = sim(&Family::ALL, "");
        sim.cast.publishers = 0;
        let hosts = sim.hosts();
        for clause in SEEDS.flat_map(|seed| plan_of(&sim, seed).clauses) {
            assert!(clause.fault.hosts().all(|host| hosts.iter().any(|known| known == host)), "{clause:?}");
        }
    }
}
