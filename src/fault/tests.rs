//! What faults of a sim file promise, through the reader.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cast::HostName;
use crate::fault::{
    Answer, Between, ClockHarm, Death, DiskHarm, Expired, Fault, Harm, KINDS, KernelHarm, Landmark, LinkHarm, Moment,
    Origin, Plan, Point, ProcessHarm, Unsynced,
};
use crate::grammar::{Latency, Problem, Refusal, Shape};
use crate::sim::{SimFile, read};
use crate::subject::xmtp::SUBJECTS;

mod storm;

/// Twenty minutes with a calm of three; the faults follow.
const HEAD: &str = "title = \"x\"\nduration = \"20m\"\n[cast]\nclients = 2\n[promise]\nverdict = \"pass\"\n";

fn fault(at: &str, lasts: &str, kind: &str, rest: &str) -> String {
    format!("[[fault]]\nat = \"{at}\"\nfor = \"{lasts}\"\nkind = \"{kind}\"\n{rest}\n")
}

fn sim_with(faults: &str) -> Result<SimFile, Refusal> {
    read("x", &format!("{HEAD}{faults}"), SUBJECTS)
}

fn try_plan(faults: &[String]) -> Result<Plan, Refusal> {
    sim_with(&faults.concat()).map(|sim| sim.plan)
}

fn plan(faults: &[String]) -> Plan {
    try_plan(faults).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// The one fault that these keys make.
fn read_one(kind: &str, rest: &str) -> Fault {
    let mut plan = plan(&[fault("5m", "1m", kind, rest)]);
    assert_eq!((plan.clauses.len(), plan.clauses[0].origin), (1, Origin::File));
    let again = sim_with(&plan.to_string()).expect("what was written").plan;
    assert_eq!(again, plan, "it reads back equal");
    let fault = plan.clauses.remove(0).fault;
    assert_eq!(fault.name(), kind, "the name that a sim file uses");
    assert!(!fault.to_string().is_empty());
    fault
}

/// Asserts that the faults are refused with one problem, whose line ends as the message begins, and its help.
#[track_caller]
fn refused(faults: &[String], message: &str, help: &str) {
    let refusal = try_plan(faults).expect_err(message);
    let told: Vec<&Problem> = refusal.problems().collect();
    assert_eq!(told.len(), 1, "one mistake, one problem: {told:?}");
    let advice = told[0].advised();
    assert!(told[0].message().contains(message), "no `{message}` in {}", told[0].message());
    assert!(advice.contains(help), "no `{help}` in {advice}");
    assert!(told[0].line().is_some_and(|line| line > HEAD.lines().count()), "{refusal}");
    assert!(told[0].key().starts_with("fault."), "{told:?}");
}

#[track_caller]
fn refused_one(kind: &str, rest: &str, message: &str, help: &str) {
    refused(&[fault("5m", "1m", kind, rest)], message, help);
}

fn hosts(names: &[&str]) -> BTreeSet<HostName> {
    names.iter().copied().map(HostName::from).collect()
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn process(on: &[&str], harm: ProcessHarm) -> Harm {
    Harm::Process { on: hosts(on), harm }
}

fn dies(on: &[&str], death: Death, point: Option<Point>) -> Harm {
    process(on, ProcessHarm::Dies { death, point })
}

/// Between the proxy and everybody else.
fn link(harm: LinkHarm) -> Harm {
    let to = hosts(&["node", "client-1", "client-2", "publisher-1"]);
    Harm::Link { between: Between { from: hosts(&["proxy"]), to, one_way: false }, harm }
}

#[test]
fn deaths_and_restarts_are_read() {
    let third = Point { landmark: Landmark::DurableWrite, nth: 3, moment: Moment::Before };
    let tenth = Point { landmark: Landmark::Frame, nth: 10, moment: Moment::After };
    let cases = [
        ("process-kill", "on = \"proxy\"", dies(&["proxy"], Death::Killed, None)),
        (
            "process-kill",
            "on = \"*\"\npoint = \"before durable-write 3\"",
            dies(&["node", "client-1", "client-2"], Death::Killed, Some(third)),
        ),
        ("power-off", "on = \"node\"", dies(&["node"], Death::PoweredOff(Unsynced::Lost), None)),
        (
            "power-off",
            "on = \"proxy\"\nunsynced = \"torn\"\npoint = \"after frame 10\"",
            dies(&["proxy"], Death::PoweredOff(Unsynced::Torn), Some(tenth)),
        ),
        (
            "power-off",
            "on = \"node\"\nunsynced = \"reordered\"",
            dies(&["node"], Death::PoweredOff(Unsynced::Reordered), None),
        ),
        ("disk-lost", "on = \"client-1\"", dies(&["client-1"], Death::DiskLost, None)),
        (
            "disk-restored",
            "on = \"node\"\nfrom = \"2m\"",
            dies(&["node"], Death::DiskRestored { from: secs(120) }, None),
        ),
        ("restart-loop", "on = \"node\"\nup = \"10s\"\ndown = \"1s\"", process(&["node"], ProcessHarm::RestartLoop)),
    ];
    for (kind, rest, expected) in cases {
        assert_eq!(read_one(kind, rest).harm(), expected, "{rest}");
    }
}

#[test]
fn pauses_clocks_and_names_are_read() {
    let name = |answer| {
        let harm = KernelHarm::Name { name: "proxy".into(), answer };
        Harm::Kernel { on: hosts(&["client-1"]), harm }
    };
    let clock = |harm| Harm::Clock { on: hosts(&["node"]), harm };
    let cases = [
        ("pause", "on = \"node\"", process(&["node"], ProcessHarm::Paused)),
        ("suspend", "on = \"client-*\"", process(&["client-1", "client-2"], ProcessHarm::Suspended)),
        ("clock-step", "on = \"node\"\nby = \"+5m\"", clock(ClockHarm::Step { by_ms: 300_000 })),
        ("clock-step", "on = \"node\"\nby = \"-30s\"", clock(ClockHarm::Step { by_ms: -30_000 })),
        ("clock-drift", "on = \"node\"\nppm = -200", clock(ClockHarm::Drift { parts_per_million: -200 })),
        ("backlog-full", "on = \"*\"", Harm::Kernel { on: hosts(&["node", "proxy"]), harm: KernelHarm::BacklogFull }),
        ("name-fails", "on = \"client-1\"\nname = \"proxy\"", name(Answer::Fails)),
        ("name-dead", "on = \"client-1\"\nname = \"proxy\"", name(Answer::Dead)),
        (
            "name-slow",
            "on = \"client-1\"\nname = \"proxy\"\ntakes = \"5s\"",
            name(Answer::Late { takes: Duration::from_secs(5) }),
        ),
        ("name-moves", "on = \"client-1\"\nname = \"proxy\"\nto = \"node\"", name(Answer::Moves { to: "node".into() })),
    ];
    for (kind, rest, expected) in cases {
        assert_eq!(read_one(kind, rest).harm(), expected, "{rest}");
    }
}

#[test]
fn links_are_read() {
    let latency = Latency { shape: Shape::LongTailed, least: Duration::from_millis(50), most: secs(2) };
    let cases = [
        ("partition", "", LinkHarm::Partition),
        ("latency", "latency = \"50ms..2s long-tailed\"", LinkHarm::Latency(latency)),
        ("bandwidth", "rate = \"64KiB/s\"", LinkHarm::Bandwidth { bytes_per_second: 65_536 }),
        ("loss", "rate = \"2.5%\"", LinkHarm::Loss { basis_points: 250, burst: 1 }),
        ("loss", "rate = \"100%\"\nburst = 4", LinkHarm::Loss { basis_points: 10_000, burst: 4 }),
        ("syn-loss", "rate = \"0.05%\"", LinkHarm::SynLoss { basis_points: 5 }),
        ("mtu-black-hole", "largest = \"1200B\"", LinkHarm::MtuBlackHole { largest: 1_200 }),
        (
            "idle-drop",
            "after = \"350s\"\nthen = \"reset\"",
            LinkHarm::IdleDrop { after: secs(350), then: Expired::Reset },
        ),
        ("idle-drop", "after = \"4m\"\nthen = \"drop\"", LinkHarm::IdleDrop { after: secs(240), then: Expired::Drop }),
    ];
    for (kind, rest, harm) in cases {
        assert_eq!(read_one(kind, &format!("from = \"proxy\"\n{rest}")).harm(), link(harm), "{rest}");
    }
    let one_way = Between { from: hosts(&["node"]), to: hosts(&["proxy"]), one_way: true };
    let read = read_one("partition", "from = \"node\"\nto = [\"proxy\"]\none-way = true");
    assert_eq!(read.harm(), Harm::Link { between: one_way, harm: LinkHarm::Partition });
}

#[test]
fn disks_are_read() {
    let cases = [
        ("sync-fails", "every = 2", DiskHarm::SyncFails { every: 2 }),
        ("disk-full", "", DiskHarm::Full),
        ("slow-sync", "takes = \"2s\"", DiskHarm::SlowSync { takes: secs(2) }),
        ("bit-rot", "rate = \"0.05%\"", DiskHarm::BitRot { basis_points: 5 }),
    ];
    for (kind, rest, harm) in cases {
        let on = hosts(&["node", "client-1", "client-2"]);
        assert_eq!(read_one(kind, &format!("on = \"*\"\n{rest}")).harm(), Harm::Disk { on, harm });
    }
}

#[test]
fn every_kind_asks_for_what_it_needs_and_knows_no_more() {
    for kind in KINDS.iter().map(|row| row.name) {
        let refusal = try_plan(&[fault("5m", "1m", kind, "bogus = 1")]).expect_err(kind);
        let told: Vec<&str> = refusal.problems().map(Problem::message).collect();
        assert!(told.iter().any(|message| message.contains("unknown key `bogus` in `fault.1`")), "{kind}: {told:?}");
        assert!(told.iter().any(|message| message.contains("required key")), "{kind}: {told:?}");
    }
}

#[test]
fn hosts_that_a_fault_cannot_fall_on_are_refused() {
    let with_disk = "the hosts with a disk are node, client-1 to client-2";
    let nobody = |pattern: &str| format!("`fault.1.on`: `{pattern}` matches no host that this fault may fall on");
    for (kind, rest) in [
        ("process-kill", "point = \"before durable-write 1\""),
        ("power-off", "point = \"after durable-write 1\""),
        ("disk-lost", ""),
        ("disk-restored", "from = \"1m\""),
        ("sync-fails", ""),
        ("disk-full", ""),
        ("slow-sync", "takes = \"1s\""),
        ("bit-rot", "rate = \"1%\""),
    ] {
        for host in ["proxy", "publisher-1"] {
            refused_one(kind, &format!("on = \"{host}\"\n{rest}"), &nobody(host), with_disk);
        }
    }
    refused_one("backlog-full", "on = \"client-1\"", &nobody("client-1"), "that accept connections are node, proxy");
    let looks_up = "that look names up are proxy, client-1 to client-2, publisher-1";
    refused_one("name-fails", "on = \"node\"\nname = \"proxy\"", &nobody("node"), looks_up);
}

#[test]
fn a_link_has_two_known_ends() {
    let unknown = "matches no host that this fault may fall on";
    let everybody = "the hosts are node, proxy, client-1 to client-2, publisher-1";
    let from = format!("`fault.1.from`: `nodes` {unknown}");
    refused_one("partition", "from = \"nodes\"", &from, everybody);
    let to = format!("`fault.1.to.2`: `client-9` {unknown}");
    refused_one("partition", "from = \"node\"\nto = [\"proxy\", \"client-9\"]", &to, everybody);
    let same = "`fault.1` is from node to node, and a host has no link to itself";
    refused_one("partition", "from = \"node\"\nto = \"node\"", same, "leave `to` out for all others");
    let all = "`fault.1.from` names every host, and leaves none for the other end";
    refused_one("partition", "from = \"*\"", all, "say `to` whom");
    refused_one("partition", "from = \"node\"\none-way = 1", "`fault.1.one-way` is an integer", "true or false");
    refused_one("partition", "to = \"node\"", "the required key `from` is missing", "add `from = \"client-*\"`");
}

#[test]
fn harm_that_does_nothing_or_cannot_be_is_refused() {
    let on_link = |kind: &str, rest: &str, message: &str, help: &str| {
        refused_one(kind, &format!("from = \"node\"\n{rest}"), message, help);
    };
    on_link("latency", "latency = \"-5ms\"", "`fault.1.latency`: `-5ms` is negative", "write a duration or a range");
    on_link("latency", "latency = \"11s\"", "`fault.1.latency` is 11s", "from 0s to 10s");
    on_link("bandwidth", "rate = \"64KiB\"", "`64KiB` is not per second", "such as \"64KiB/s\"");
    on_link("loss", "rate = \"0%\"", "`fault.1.rate` is 0%", "from 0.01% to 100%");
    on_link("loss", "rate = \"100.01%\"", "`fault.1.rate` is 100.01%", "from 0.01% to 100%");
    on_link("loss", "rate = \"1%\"\nburst = 0", "`fault.1.burst` is 0", "from 1 to 1000");
    on_link("syn-loss", "rate = \"0.001%\"", "`0.001%` is not a number with at most two decimals", "\"2.5%\"");
    on_link("mtu-black-hole", "largest = \"100B\"", "`fault.1.largest` is 100B", "from 536B to 9000B");
    on_link(
        "idle-drop",
        "after = \"9s\"\nthen = \"rst\"",
        "no fate of later packets `rst`",
        "write one of drop, reset",
    );
    let on_node = |kind: &str, rest: &str, message: &str, help: &str| {
        refused_one(kind, &format!("on = \"node\"\n{rest}"), message, help);
    };
    on_node("clock-step", "by = \"5m\"", "`5m` has no sign", "such as \"+5m\" or \"-30s\"");
    on_node("clock-step", "by = \"+0s\"", "`fault.1.by` is 0s", "how far the clock goes wrong");
    on_node("clock-step", "by = \"-8761h\"", "`fault.1.by` is -8761h", "from -8760h to +8760h");
    on_node("clock-drift", "ppm = 0", "`fault.1.ppm` is 0", "how far the clock goes wrong");
    on_node("clock-drift", "ppm = -100001", "`fault.1.ppm` is -100001", "from -100000 to 100000");
    on_node("clock-drift", "ppm = \"9\"", "`fault.1.ppm` is a string", "a whole number");
    on_node("slow-sync", "takes = \"0s\"", "`fault.1.takes` is 0s", "from 1ms to 2m");
    on_node("bit-rot", "rate = \"0%\"", "`fault.1.rate` is 0%", "from 0.01% to 100%");
    on_node("power-off", "unsynced = \"gone\"", "no fate of unsynced writes `gone`", "one of lost, torn, reordered");
    on_node("restart-loop", "up = \"1ms\"\ndown = \"1ms\"", "goes round 30000 times in 1m", "at most 10000 rounds");
    for point in ["before", "before write 3", "before frame 0", "at frame 3", "after frame 3 4", "after frame +x"] {
        let rest = format!("point = \"{point}\"");
        on_node("process-kill", &rest, "is not a point of a process's life", "\"before durable-write 3\"");
    }
}

#[test]
fn a_disk_is_restored_from_before_the_fault() {
    let message = "`fault.1` restores the disk of 5m, and begins at 5m";
    refused_one("disk-restored", "on = \"node\"\nfrom = \"5m\"", message, "name a time before 5m");
    assert_eq!(read_one("disk-restored", "on = \"node\"\nfrom = \"4m59s\"").name(), "disk-restored");
}

#[test]
fn names_are_those_of_hosts_that_listen() {
    let on = |rest: &str| format!("on = \"client-1\"\n{rest}");
    let unknown = "`fault.1.name`: there is no such host as `client-2` here";
    refused_one("name-fails", &on("name = \"client-2\""), unknown, "write one of node, proxy");
    let nowhere = "`fault.1.to`: there is no such host as `proxy-2` here";
    refused_one("name-moves", &on("name = \"proxy\"\nto = \"proxy-2\""), nowhere, "write one of node, proxy, client-1");
    let same = "`fault.1.to`: `proxy` leads to proxy already";
    refused_one("name-moves", &on("name = \"proxy\"\nto = \"proxy\""), same, "instead");
}

#[test]
fn any_fault_ends_before_the_calm() {
    for (kind, rest) in [("partition", "from = \"node\""), ("pause", "on = \"node\""), ("disk-full", "on = \"node\"")] {
        refused(&[fault("16m", "2m", kind, rest)], "`fault.1` ends at 18m, and the calm begins at 17m", "at most 1m");
        refused(&[fault("20m", "2m", kind, rest)], "`fault.1` begins at 20m, and the trial ends at 20m", "by 17m");
    }
}

#[test]
fn a_host_dies_or_stands_still_once_at_a_time() {
    let on = "on = \"node\"";
    let off = || fault("2m", "1m", "power-off", on);
    let cases = [
        ("process-kill", "", "`fault.2` kills node at 2m30s, where it is dead until 3m by `fault.1`"),
        ("power-off", "", "`fault.2` powers off node at 2m30s, where it is dead until 3m"),
        ("disk-lost", "", "`fault.2` kills node"),
        ("disk-restored", "\nfrom = \"1m\"", "`fault.2` kills node"),
        ("restart-loop", "\nup = \"1s\"\ndown = \"1s\"", "`fault.2` restarts node at 2m30s, where it is dead"),
        ("pause", "", "`fault.2` pauses node at 2m30s, where it is dead until 3m"),
        ("suspend", "", "`fault.2` suspends node at 2m30s, where it is dead until 3m"),
    ];
    for (kind, rest, message) in cases {
        let rest = format!("{on}{rest}");
        refused(&[off(), fault("2m30s", "1m", kind, &rest)], message, "begin it at 3m or later");
        plan(&[off(), fault("3m", "1m", kind, &rest)]);
        plan(&[off(), fault("2m30s", "1m", kind, &rest.replace("node", "client-1"))]);
    }
    let looping = fault("2m", "1m", "restart-loop", "on = \"node\"\nup = \"1s\"\ndown = \"1s\"");
    let again = "where it is restarted again and again until 3m by `fault.1`";
    refused(&[looping, fault("2m30s", "1m", "process-kill", on)], again, "begin it at 3m or later");
    let asleep = fault("2m", "5m", "suspend", on);
    refused(&[asleep, fault("3m", "1m", "process-kill", on)], "where it is suspended until 7m", "at 7m or later");
}

#[test]
fn one_clock_one_name_one_latency_and_one_bandwidth_at_a_time() {
    let pair = |first: (&str, &str), second: (&str, &str)| {
        [fault("2m", "2m", first.0, first.1), fault("3m", "2m", second.0, second.1)]
    };
    let step = ("clock-step", "on = \"client-*\"\nby = \"+1s\"");
    let drift = ("clock-drift", "on = \"client-2\"\nppm = 5");
    let clock = "`fault.2` bends the clock of client-2 at 3m, where it is bent until 4m by `fault.1`";
    refused(&pair(step, drift), clock, "begin it at 4m or later");
    let fails = ("name-fails", "on = \"client-1\"\nname = \"proxy\"");
    let dead = ("name-dead", "on = \"client-*\"\nname = \"proxy\"");
    refused(&pair(fails, dead), "`fault.2` answers client-1 who asks for `proxy` at 3m", "begin it at 4m or later");
    let slow = ("latency", "from = \"proxy\"\nlatency = \"1s\"");
    let slower = ("latency", "from = \"node\"\nlatency = \"2s\"");
    refused(&pair(slow, slower), "`fault.2` sets the latency from proxy to node at 3m", "begin it at 4m or later");
    let narrow = ("bandwidth", "from = \"proxy\"\nto = \"node\"\nrate = \"1KiB/s\"");
    let width = "`fault.2` sets the bandwidth from proxy to node at 3m, where it is set until 4m by `fault.1`";
    refused(&pair(narrow, narrow), width, "begin it at 4m or later");
    plan(&pair(step, fails));
    plan(&pair(slow, narrow));
    plan(&pair(fails, ("name-fails", "on = \"proxy\"\nname = \"node\"")));
}

#[test]
fn what_a_partition_covers_is_refused() {
    let cut = fault("2m", "5m", "partition", "from = \"proxy\"");
    let inside = |at: &str, lasts: &str| fault(at, lasts, "loss", "from = \"node\"\nto = \"proxy\"\nrate = \"5%\"");
    let message = "`fault.2` can never be felt: nothing passes there until 7m by `fault.1`";
    refused(&[cut.clone(), inside("2m", "5m")], message, "let it end after 7m");
    let first = "`fault.1` can never be felt: nothing passes there until 7m by `fault.2`";
    refused(&[inside("2m", "1m"), cut.clone()], first, "begin it before the partition");
    plan(&[cut.clone(), inside("1m", "5m")]);
    plan(&[cut.clone(), inside("3m", "5m")]);
    plan(&[cut, fault("3m", "1m", "loss", "from = \"node\"\nto = \"client-1\"\nrate = \"5%\"")]);
}

/// One good fault of each kind, apart from each other in time.
fn one_of_each() -> String {
    let faults = (1..).zip(KINDS).map(|(turn, row)| fault(&format!("{}s", turn * 25), "20s", row.name, row.example));
    faults.collect()
}

#[test]
fn no_value_of_any_fault_makes_the_reader_panic() {
    let text = one_of_each();
    assert_eq!(plan(std::slice::from_ref(&text)).clauses.len(), KINDS.len());
    let values = [
        "nan",
        "-9223372036854775808",
        "99999999999999999999999",
        "{}",
        "[]",
        "[[]]",
        "\"\"",
        "\"é%\"",
        "\"-é\"",
        "\"18446744073709551615h\"",
        "\"18446744073709551615MiB/s\"",
        "\"99999999999999999999%\"",
        "\"before frame 99999999999\"",
        "\"[\"",
        "1979-05-27",
    ];
    let lines: Vec<&str> = text.lines().collect();
    let mut tried = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else { continue };
        for value in values {
            let mut changed = lines.clone();
            let wrong = format!("{key} = {value}");
            changed[index] = &wrong;
            let refusal = try_plan(&[changed.join("\n")]).expect_err(&wrong);
            let has_help = |problem: &Problem| !problem.advised().is_empty();
            assert!(refusal.problems().all(has_help), "{wrong}: {refusal}");
            tried += 1;
        }
    }
    assert!(tried > 1_000, "{tried}");
}
