//! What the reader of sims promises, on whole files and on what is shown of their mistakes.

use std::collections::BTreeSet;
use std::time::Duration;

use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::cast::HostName;
use crate::checker::milestone::RECONNECT_BY_WATCHDOG;
use crate::env::TcpOptions;
use crate::fault::Kind;
use crate::fault::kinds::{ProcessKill, ProxySilence};
use crate::fault::{Clause, Direction, Origin, StreamAim};
use crate::grammar::Latency;
use crate::grammar::{Rate, Refusal};
use crate::sim::{LinkSettings, Promise, Promised, Setting, SimFile, read, read_with};
use crate::subject::xmtp::client::{self, BackoffConfig, Http2Keepalive, Http2Windows};
use crate::subject::xmtp::settings::{ClientSettings, Fleet, NodeSettings, Workload, WorkloadKind, XmtpSettings};
use crate::subject::xmtp::wire::{Dialect, Topic};
use crate::subject::xmtp::{SUBJECTS, XmtpSetup};
use crate::subject::xmtp::{node, spec};

mod client_keys;
mod network;
mod node_keys;
mod storm;

const FULL: &str = r#"title = "The proxy keeps answering; its upstream is gone"
cites = ["T8", "C2"]
duration = "20m"
calm = "3m"

[cast]
clients = 3
publishers = 2
proxy = { tcp-user-timeout = "off" }

[link]
latency = "1ms..20ms"

[node]
keepalive = "20s"
pong-deadline = "10s"
quirk = "mixed-tags"
denies = ["welcome:*"]
[client]
watchdog = 2
http2-keepalive = { interval = "15s", timeout = "6s" }
consume = "50ms"
quirk = "pong-withheld"

[workload]
kind = "burst"
topics = 4
welcomes = 1
rate = "10/m"
burst = 50
size = "16KiB"
history = 20

[[fault]]
at = "5m"
for = "1m"
kind = "process-kill"
on = "node"

[[fault]]
at = "2m"
for = "10m"
kind = "proxy-silence-upstream"
on = ["client-*", "publisher-2"]
direction = "to-node"
path = "*/Subscribe"

[promise]
verdict = "fail"
checker = "delivery"
within = "2m"
sometimes = ["reconnect-by-watchdog"]
"#;

const SMALL: &str = "title = \"x\"\nduration = \"20m\"\n[promise]\nverdict = \"pass\"\n";

fn settings(sim: &SimFile) -> &XmtpSettings {
    XmtpSetup::settings(&*sim.setup).expect("a sim of this subject")
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn hosts(names: &[&str]) -> BTreeSet<HostName> {
    names.iter().copied().map(HostName::from).collect()
}

fn full() -> SimFile {
    read("full", FULL, SUBJECTS).expect("a good sim")
}

/// What a user sees of the sim `FULL` after one change; `from` must occur in it once.
fn shown(from: &str, to: &str) -> String {
    assert_eq!(FULL.matches(from).count(), 1, "`{from}` must occur once");
    render(&read("full", &FULL.replacen(from, to, 1), SUBJECTS).expect_err(to))
}

fn render(refusal: &Refusal) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(200);
    handler.render_report(&mut text, refusal).expect("a report that renders");
    text
}

/// Asserts that a change to `FULL` is refused with all of `parts`, in one problem.
fn refused(from: &str, to: &str, parts: &[&str]) {
    let text = shown(from, to);
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(!text.contains("more problem"), "one mistake, one problem:\n{text}");
}

#[test]
fn every_key_is_read() {
    let file = full();
    assert_eq!((file.name.as_str(), file.text.as_str()), ("full", FULL));
    assert_eq!(file.title, "The proxy keeps answering; its upstream is gone");
    assert_eq!(file.cites, [&spec::T8, &spec::C2]);
    assert_eq!((file.duration, file.calm, file.calm_begins()), (secs(1_200), secs(180), secs(1_020)));
    let settings = settings(&file);
    let fleet = Fleet { nodes: 1, proxies: 1, clients: 3, publishers: 2, visitors: 0, examiners: 0, gateways: 0 };
    assert_eq!(settings.fleet, fleet);
    assert_eq!(settings.proxy_tcp, TcpOptions::default());
    let node = NodeSettings {
        keepalive: secs(20),
        pings: true,
        pong_deadline: secs(10),
        serves: node::Serves::Everything,
        upgraded_at: None,
        dialects: vec![Dialect::V1],
        denies: vec!["welcome:*".to_owned()],
        tls: None,
        limits: node::NodeLimits::default(),
        quirk: Some(node::NodeQuirk::MixedTags),
    };
    assert_eq!(settings.node, node);
    let client = ClientSettings {
        watchdog: Some(2),
        http2_keepalive: Some(Http2Keepalive { interval: secs(15), timeout: secs(6) }),
        http2_windows: Http2Windows::default(),
        tcp: TcpOptions::default(),
        connect_timeout: secs(10),
        backoff: BackoffConfig::default(),
        topics_per_mutate: 1_000,
        consume: Duration::from_millis(50),
        windows: None,
        dialect: Dialect::V1,
        quirk: Some(client::ClientQuirk::PongWithheld),
    };
    assert_eq!(settings.client, client);
    let workload = Workload {
        kind: WorkloadKind::Burst,
        topics: 4,
        originators: 1,
        welcomes: 1,
        rate: Rate { count: 10, period: secs(60) },
        burst: 50,
        size_bytes: 16_384..=16_384,
        history: 20,
    };
    assert_eq!(settings.workload, workload);
    let promise = Promise {
        verdict: Promised::Fail { checker: "delivery" },
        within: secs(120),
        sometimes: vec![&RECONNECT_BY_WATCHDOG],
    };
    assert_eq!(file.promise, promise);
}

#[test]
fn faults_are_numbered_by_time_and_their_patterns_expanded() {
    let silence = ProxySilence {
        way: Some(Direction::ToNode),
        aim: StreamAim { path: Some("*/Subscribe".into()), ..StreamAim::default() },
    };
    let silence = silence.on(hosts(&["client-1", "client-2", "client-3", "publisher-2"]));
    let expected = [
        Clause { number: 1, at: secs(120), lasts: secs(600), fault: silence, origin: Origin::File },
        Clause {
            number: 2,
            at: secs(300),
            lasts: secs(60),
            fault: ProcessKill { point: None }.on(hosts(&["node"])),
            origin: Origin::File,
        },
    ];
    let kinds: Vec<&str> = expected.iter().map(|clause| clause.fault.name()).collect();
    assert_eq!(kinds, ["proxy-silence-upstream", "process-kill"]);
    assert_eq!(full().plan.clauses, expected);
}

#[test]
fn a_silence_falls_on_those_whose_streams_pass_the_proxy_only() {
    let text = FULL.replace("[\"client-*\", \"publisher-2\"]", "\"*\"");
    let plan = read("x", &text, SUBJECTS).expect("a good sim").plan;
    let everybody = hosts(&["client-1", "client-2", "client-3", "publisher-1", "publisher-2"]);
    assert!(plan.clauses[0].fault.hosts().eq(&everybody));
}

#[test]
fn what_a_sim_leaves_out_has_its_default() {
    let file = read("small", SMALL, SUBJECTS).expect("a good sim");
    assert_eq!((file.cites.len(), file.calm, file.plan.clauses.len()), (0, secs(180), 0));
    let settings = settings(&file);
    let fleet = Fleet { nodes: 1, proxies: 1, clients: 1, publishers: 1, visitors: 0, examiners: 0, gateways: 0 };
    assert_eq!(settings.fleet, fleet);
    let latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(20));
    assert_eq!(file.link, LinkSettings { latency, bandwidth_bytes_per_second: None, loss_basis_points: None });
    assert_eq!(
        settings.node,
        NodeSettings {
            keepalive: secs(30),
            pings: true,
            pong_deadline: secs(30),
            serves: node::Serves::Everything,
            upgraded_at: None,
            dialects: vec![Dialect::V1],
            denies: Vec::new(),
            tls: None,
            limits: node::NodeLimits::default(),
            quirk: None
        }
    );
    let http2_keepalive = Some(Http2Keepalive { interval: secs(10), timeout: secs(5) });
    assert_eq!(
        settings.client,
        ClientSettings {
            watchdog: Some(3),
            http2_keepalive,
            http2_windows: Http2Windows::default(),
            tcp: TcpOptions::default(),
            connect_timeout: secs(10),
            backoff: BackoffConfig::default(),
            topics_per_mutate: 1000,
            consume: secs(0),
            windows: None,
            dialect: Dialect::V1,
            quirk: None
        }
    );
    let rate = Rate { count: 1, period: secs(1) };
    let kind = WorkloadKind::Steady;
    assert_eq!(
        settings.workload,
        Workload { kind, topics: 1, welcomes: 0, originators: 1, rate, burst: 100, size_bytes: 200..=200, history: 0 }
    );
    assert_eq!(file.promise, Promise { verdict: Promised::Pass, within: secs(60), sometimes: vec![] });
    let slow = format!("{SMALL}[node]\nkeepalive = \"5s\"\n");
    let slow = read("slow", &slow, SUBJECTS).expect("a good sim");
    assert_eq!(self::settings(&slow).node.pong_deadline, secs(5), "the deadline follows the interval");
}

#[test]
fn hosts_and_topics_have_their_names() {
    let file = full();
    let names: Vec<&str> = file.cast().members().iter().map(|member| &*member.name).collect();
    assert_eq!(names, ["node", "proxy", "client-1", "client-2", "client-3", "publisher-1", "publisher-2"]);
    let topics: Vec<String> = settings(&file).topics().iter().map(ToString::to_string).collect();
    assert_eq!(topics, ["group:topic-1", "group:topic-2", "group:topic-3", "welcome:welcome-1"]);
}

#[test]
fn a_refusal_shows_the_line_and_the_nearest_right_word() {
    let expected = "  × read sim `full`, line 20: unknown key `wachdog` in `client`
    ╭─[full.toml:20:1]
 19 │ [client]
 20 │ wachdog = 2
    · ───┬───
    ·    ╰── not a key of a sim
 21 │ http2-keepalive = { interval = \"15s\", timeout = \"6s\" }
    ╰────
  help: did you mean `watchdog`? the keys in `client` are dialect, watchdog, http2-keepalive, stream-window, connection-window, tcp-keepalive, tcp-user-timeout, connect-timeout, backoff, consume,
        topics-per-mutate, windows, quirk
";
    assert_eq!(shown("watchdog = 2", "wachdog = 2"), expected);
}

#[test]
fn an_unknown_key_is_refused_at_every_level() {
    refused("calm = \"3m\"", "clam = \"3m\"", &["line 4: unknown key `clam`", "did you mean `calm`?"]);
    refused("[link]", "[lnk]", &["line 11: unknown key `lnk`", "did you mean `link`?"]);
    let nested = ["unknown key `intervall` in `client.http2-keepalive`", "did you mean `interval`?"];
    refused("interval = \"15s\"", "intervall = \"15s\"", &nested);
    refused(
        "tcp-user-timeout",
        "tcp-user-timeot",
        &["unknown key `tcp-user-timeot` in `cast.proxy`", "did you mean `tcp-user-timeout`?"],
    );
    refused("pong-deadline", "pong_deadline", &["unknown key `pong_deadline`", "did you mean `pong-deadline`?"]);
    let other_kind = ["line 39: unknown key `path` in `fault.1`", "the keys in `fault.1` are at, for, kind, point, on"];
    refused("on = \"node\"", "on = \"node\"\npath = \"*\"", &other_kind);
}

#[test]
fn a_missing_key_is_named_with_an_example() {
    refused("title = \"The proxy keeps answering; its upstream is gone\"\n", "", &["required key `title` is missing"]);
    refused("duration = \"20m\"\n", "", &["required key `duration` is missing", "add `duration = \"20m\"`"]);
    let verdict = ["line 48: the required key `verdict` is missing in `promise`", "add `verdict = \"pass\"`"];
    refused("verdict = \"fail\"\n", "", &verdict);
    refused("at = \"5m\"\n", "", &["line 34: the required key `at` is missing in `fault.1`"]);
    refused("for = \"1m\"\n", "", &["line 34: the required key `for` is missing in `fault.1`"]);
    refused("kind = \"process-kill\"\n", "", &["line 34: the required key `kind` is missing in `fault.1`"]);
    refused("on = \"node\"\n", "", &["line 34: the required key `on` is missing in `fault.1`"]);
    let error = read("x", "title = \"x\"\nduration = \"20m\"\n", SUBJECTS).expect_err("no promise");
    assert!(render(&error).contains("the required table `promise` is missing"), "{error}");
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    refused("duration = \"20m\"", "duration = 20", &["`duration` is an integer", "write a duration with the units"]);
    let title = "title = \"The proxy keeps answering; its upstream is gone\"";
    refused(title, "title = true", &["`title` is a boolean", "write one sentence"]);
    refused(title, "title = \" \"", &["`title` is empty", "write one sentence"]);
    refused("clients = 3", "clients = \"3\"", &["`cast.clients` is a string", "a whole number from 1 to 1000"]);
    refused("clients = 3", "clients = 3.0", &["`cast.clients` is a float"]);
    refused("clients = 3", "clients = nan", &["`cast.clients` is a float"]);
    refused("clients = 3", "clients = 1979-05-27", &["`cast.clients` is a date or time"]);
    refused("watchdog = 2", "watchdog = \"of\"", &["`client.watchdog` is a string", "from 2 to 10, or \"off\""]);
    let proxy = ["`cast.proxy` is a string", "write a table: `cast.proxy = { … }`"];
    refused("proxy = { tcp-user-timeout = \"off\" }", "proxy = \"plain\"", &proxy);
    let keepalive = ["is a string", "write { interval = \"10s\", timeout = \"5s\" }, or \"off\""];
    refused("{ interval = \"15s\", timeout = \"6s\" }", "\"on\"", &keepalive);
    refused("[\"T8\", \"C2\"]", "\"T8\"", &["`cites` is a string", "an array of strings, each a requirement"]);
    refused("[\"T8\", \"C2\"]", "[8]", &["`cites.1` is an integer", "write one of S1"]);
    refused("[link]", "[[link]]", &["`link` is an array", "`[link]`"]);
    refused("on = \"node\"", "on = 1", &["`fault.1.on` is an integer", "\"client-*\""]);
    refused("on = \"node\"", "on = []", &["`fault.1.on` names no host"]);
    let text = format!("{SMALL}[fault]\nat = \"1m\"\n");
    let error = render(&read("x", &text, SUBJECTS).expect_err("one table"));
    assert!(error.contains("`fault` is a table") && error.contains("`[[fault]]`"), "{error}");
}

#[test]
fn a_wrong_unit_says_which_units_there_are() {
    let units = "write a duration with the units ms, s, m and h";
    refused("\"20m\"", "\"20 minutes\"", &["unknown unit `minutes`; did you mean `m`?", units]);
    refused("\"20m\"", "\"5 sec\"", &["`duration`: `5 sec` has the unknown unit `sec`; did you mean `s`?", units]);
    refused("\"20m\"", "\"10\"", &["`duration`: `10` has no unit", "not a duration", units]);
    refused("\"16KiB\"", "\"16KB\"", &["did you mean `KiB`?", "not a size", "with the unit B, KiB or MiB"]);
    refused("\"10/m\"", "\"10\"", &["`10` does not say per what", "not a rate", "a rate per s, m or h"]);
    refused("\"1ms..20ms\"", "\"1..20ms\"", &["`1` has no unit", "a duration or a range of two"]);
}

#[test]
fn numbers_and_quantities_out_of_range_are_refused() {
    refused("\"20m\"", "\"0s\"", &["`duration` is 0s", "from 1ms to 168h"]);
    refused("\"20m\"", "\"-20m\"", &["`-20m` is negative"]);
    refused("\"20m\"", "\"400h\"", &["`duration` is 400h"]);
    refused("\"20m\"", "\"99999999999999999999h\"", &["is too large"]);
    refused("calm = \"3m\"", "calm = \"0s\"", &["`calm` is 0s"]);
    refused("keepalive = \"20s\"", "keepalive = \"2h\"", &["`node.keepalive` is 2h", "from 1s to 1h"]);
    refused("for = \"1m\"", "for = \"0s\"", &["`fault.1.for` is 0s"]);
    refused("\"1ms..20ms\"", "\"20ms..1ms\"", &["`20ms..1ms` runs backwards"]);
    refused("\"1ms..20ms\"", "\"1ms..11s\"", &["`link.latency` is 1ms..11s", "from 0s to 10s"]);
    refused("\"10/m\"", "\"0/m\"", &["`workload.rate` is 0/m", "from 1/m to 100000/m"]);
    refused("\"16KiB\"", "\"2MiB\"", &["`workload.size` is 2MiB", "from 1B to 1MiB"]);
    refused("clients = 3", "clients = 0", &["`cast.clients` is 0", "from 1 to 1000"]);
    refused("publishers = 2", "publishers = -1", &["`cast.publishers` is -1", "from 0 to 100"]);
    refused("publishers = 2", "publishers = 99999999999999999999", &["is 99999999999999999999", "out of range"]);
    refused("watchdog = 2", "watchdog = 0xb", &["`client.watchdog` is 0xb", "from 2 to 10, or \"off\""]);
}

#[test]
fn an_unknown_word_is_refused_with_the_right_ones() {
    refused("\"process-kill\"", "\"proces-kill\"", &["no kind of fault `proces-kill`", "did you mean `process-kill`?"]);
    refused("\"mixed-tags\"", "\"mixd-tags\"", &["no quirk of a node `mixd-tags`", "did you mean `mixed-tags`?"]);
    refused("\"pong-withheld\"", "\"pong\"", &["no quirk of a client `pong`", "write one of ", "pong-withheld"]);
    refused("\"delivery\"", "\"delivry\"", &["no checker `delivry`", "did you mean `delivery`?"]);
    let milestone = ["no milestone `reconnect-by-watchdg`", "did you mean `reconnect-by-watchdog`?"];
    refused("\"reconnect-by-watchdog\"", "\"reconnect-by-watchdg\"", &milestone);
    refused("\"T8\"", "\"T20\"", &["`cites.1`: there is no requirement `T20`", "S1 to S11, C1 to C6, T1 to T19"]);
    refused("kind = \"burst\"", "kind = \"brust\"", &["no kind of workload `brust`", "did you mean `burst`?"]);
    refused("\"to-node\"", "\"to-nod\"", &["no direction `to-nod`", "did you mean `to-node`?"]);
    refused("\"fail\"", "\"fails\"", &["no verdict `fails`", "write one of pass, fail"]);
}

#[test]
fn a_pattern_that_matches_no_host_lists_the_hosts() {
    let everybody = "the hosts are node, proxy, client-1 to client-3, publisher-1 to publisher-2";
    refused("on = \"node\"", "on = \"nodes\"", &["line 38: `fault.1.on`: `nodes` matches no host", everybody]);
    let second = ["`fault.2.on.2`: `publisher-9` matches no host", "the hosts whose streams pass a proxy are client-1"];
    refused("\"publisher-2\"", "\"publisher-9\"", &second);
    refused("on = \"node\"", "on = \"[a\"", &["`fault.1.on`: unclosed character class", "`*` stands for any text"]);
    refused("\"*/Subscribe\"", "\"{a\"", &["`fault.2.path`", "not a pattern"]);
    let long = format!("on = \"{}\"", "?".repeat(201));
    refused("on = \"node\"", &long, &["`fault.1.on` is 201 bytes long", "a pattern of at most 200 bytes"]);
}

#[test]
fn a_fault_ends_before_the_calm_begins() {
    let late = ["line 35: `fault.1` begins at 20m, and the trial ends at 20m", "when the calm begins"];
    refused("at = \"5m\"", "at = \"20m\"", &late);
    let long = ["line 42: `fault.2` ends at 17m1s, and the calm begins at 17m", "let it last at most 15m"];
    refused("for = \"10m\"", "for = \"15m1s\"", &long);
    refused("at = \"5m\"", "at = \"18m\"", &["`fault.1` ends at 19m", "begin it earlier, or lengthen the trial"]);
    let exact = FULL.replace("for = \"10m\"", "for = \"15m\"");
    assert!(read("x", &exact, SUBJECTS).is_ok(), "it may heal at the moment at which the calm begins");
}

#[test]
fn a_host_is_not_killed_while_it_is_dead() {
    let kill = |at: &str| {
        format!("[[fault]]\nat = \"{at}\"\nfor = \"30s\"\nkind = \"process-kill\"\non = \"n*\"\n\n[promise]")
    };
    let twice = ["`fault.3` kills node at 5m59s, where it is dead until 6m by `fault.1`", "begin it at 6m or later"];
    refused("[promise]", &kill("5m59s"), &twice);
    let after = FULL.replace("[promise]", &kill("6m"));
    assert!(read("x", &after, SUBJECTS).is_ok(), "a restarted host may be killed again");
}

#[test]
fn more_faults_than_anybody_can_follow_are_refused() {
    let fault = "[[fault]]\nat = \"1m\"\nfor = \"1s\"\nkind = \"proxy-silence-upstream\"\non = \"client-1\"\n";
    let most = read("most", &format!("{SMALL}{}", fault.repeat(1_000)), SUBJECTS).expect("a good sim");
    assert_eq!(most.plan.clauses.last().map(|clause| clause.number), Some(1_000));
    let error = read("more", &format!("{SMALL}{}", fault.repeat(1_001)), SUBJECTS).expect_err("one too many");
    assert!(error.to_string().ends_with("there are 1001 faults"), "{error}");
}

#[test]
fn parts_that_contradict_each_other_are_refused_where_both_stand() {
    let calm = ["line 4: the calm, 20m, is not shorter than the duration, 20m", "the limit"];
    refused("calm = \"3m\"", "calm = \"20m\"", &calm);
    let deadline = ["line 16: the pong deadline, 21s, is longer than the keepalive interval, 20s", "(S6)"];
    refused("\"10s\"", "\"21s\"", &deadline);
    refused("welcomes = 1", "welcomes = 5", &["5 welcome topics are more than all 4 topics"]);
    refused("within = \"2m\"", "within = \"4m\"", &["within 4m cannot be judged in a calm of 3m", "the limit"]);
    refused("checker = \"delivery\"\n", "", &["the verdict is \"fail\", but `promise.checker` is missing"]);
    refused("\"fail\"", "\"pass\"", &["`promise.checker` is given, but the verdict is \"pass\""]);
    refused("kind = \"burst\"", "kind = \"steady\"", &["line 30: `workload.burst` is given, but nothing bursts"]);
    let short = SMALL.replace("20m", "2m");
    let error = render(&read("x", &short, SUBJECTS).expect_err("no time before the calm"));
    assert!(error.contains("the calm, 3m, is not shorter") && error.contains("calm has its default"), "{error}");
}

#[test]
fn text_that_is_not_toml_is_refused_at_its_place() {
    refused("duration = \"20m\"", "duration = 20m", &["full.toml:3:12", "stand in quotes, as in duration = \"20m\""]);
    refused("[cast]", "[cast", &["full.toml:6"]);
    refused("clients = 3", "clients = 3\nclients = 4", &["line 8: duplicate key"]);
}

#[test]
fn every_independent_problem_is_told_at_once() {
    let text = FULL.replace("\"20m\"", "\"20\"").replace("clients = 3", "clients = 0").replace("\"T8\"", "\"T99\"");
    let refusal = read("full", &text, SUBJECTS).expect_err("three mistakes");
    let told: Vec<_> = refusal.problems().map(|problem| (problem.line(), problem.key())).collect();
    assert_eq!(told, [(Some(2), "cites.1"), (Some(3), "duration"), (Some(7), "cast.clients")]);
    let text = render(&refusal);
    assert!(text.contains("(and 2 more problems)") && text.contains("help: write a whole number"), "{text}");
}

fn set(text: &str, flags: &[&str]) -> Result<SimFile, Refusal> {
    let settings: Vec<Setting> = flags.iter().map(|text| text.parse().expect("a good setting")).collect();
    read_with("full", text, &settings, SUBJECTS)
}

#[test]
fn settings_change_the_sim_and_its_text() {
    let file = set(FULL, &["client.watchdog=off", "workload.rate=3/h", "cast.clients=5"]).expect("a good sim");
    assert_eq!((settings(&file).client.watchdog, settings(&file).fleet.clients), (None, 5));
    assert_eq!(settings(&file).workload.rate, Rate { count: 3, period: secs(3_600) });
    assert_eq!(file.plan.clauses[0].fault.hosts().count(), 6, "patterns meet the new cast");
    let again = read("full", &file.text, SUBJECTS).expect("a good sim");
    assert_eq!((settings(&again), &again.plan), (settings(&file), &file.plan));
    assert_eq!(set(FULL, &[]).expect("a good sim").text, full().text);
}

#[test]
fn settings_are_judged_together() {
    let pair = set(SMALL, &["promise.verdict=fail", "promise.checker=waves"]).expect("a good sim");
    assert_eq!(pair.promise.verdict, Promised::Fail { checker: "waves" });
    assert!(set(SMALL, &["promise.verdict=fail"]).is_err());
}

#[test]
fn the_error_of_a_setting_names_the_flag_and_no_line() {
    let flags = [
        ("client.watchdog=11", "`client.watchdog` is 11"),
        ("duration=1m", "the calm, 3m, is not shorter than the duration, 1m"),
        ("clint.watchdog=3", "unknown key `clint`"),
        ("fault.1.on=nobody", "`fault.1.on`: `nobody` matches no host that this fault may fall on"),
        ("title.x=1", "`title` is not a table, so it has no `x`"),
    ];
    for (flag, expected) in flags {
        let refusal = set(FULL, &[flag]).expect_err(flag);
        let first = format!("read sim `full` with setting `{flag}`: {expected}");
        assert!(refusal.to_string().starts_with(&first), "{refusal}");
        assert!(!render(&refusal).contains("full.toml"), "{}", render(&refusal));
    }
    let refusal = set(FULL, &["cast.clients=0", "node.keepalive=0s"]).expect_err("two mistakes");
    let told: Vec<String> = refusal.problems().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["setting `cast.clients=0`: `cast.clients` is 0", "setting `node.keepalive=0s`: `node.keepalive` is 0s"]
    );
}

#[test]
fn a_setting_does_not_mend_a_broken_file() {
    let refusal = set(&SMALL.replace("20m", "20"), &["duration=20m"]).expect_err("a broken file");
    assert_eq!(refusal.to_string(), "read sim `full`, line 2: `duration`: `20` has no unit");
}

#[test]
fn no_text_makes_the_reader_panic() {
    let mut refused = 0_u32;
    let mut try_text = |text: &str| {
        if let Err(refusal) = read("x", text, SUBJECTS) {
            assert!(!render(&refusal).is_empty());
            refused += 1;
        }
    };
    for index in 0..FULL.len() {
        let (before, after) = FULL.split_at(index);
        try_text(before);
        try_text(after);
        try_text(&format!("{before}{}", &after[1..]));
        for wedge in ["\"", "=", "[", "9", "-", ".", "\n", "é", "\0"] {
            try_text(&format!("{before}{wedge}{after}"));
        }
    }
    for deep in ["[", "{a=", "a.", "[["] {
        try_text(&format!("title = {}", deep.repeat(50_000)));
        try_text(&deep.repeat(50_000));
    }
    assert!(refused > 1_000, "mutations must reach the refusals: {refused}");
}

#[test]
fn no_value_makes_the_reader_panic() {
    let keys = FULL.lines().filter_map(|line| line.split_once(" = "));
    let values =
        ["nan", "-inf", "1e400", "-9223372036854775808", "99999999999999999999999", "{}", "[]", "[[]]", "\"\""];
    let more = ["\"18446744073709551615ms\"", "\"18446744073709551615/s\"", "\"é\"", "\"..\"", "1979-05-27T07:32:00Z"];
    for (key, value) in keys {
        for wrong in values.iter().chain(&more) {
            let text = FULL.replacen(&format!("{key} = {value}"), &format!("{key} = {wrong}"), 1);
            match read("x", &text, SUBJECTS) {
                // An empty list or table leaves everything to its default; a title and a path may be any text.
                Ok(_) if ["[]", "{}"].contains(wrong) => {}
                Ok(_) => assert!(["title", "path"].contains(&key) && wrong.starts_with('"'), "{key} = {wrong}"),
                Err(refusal) => assert!(render(&refusal).contains("help: "), "{key} = {wrong}"),
            }
        }
    }
}

#[test]
fn messages_that_nobody_publishes_are_refused() {
    let text = "title = \"t\"\nduration = \"20m\"\n[cast]\npublishers = 0\n[promise]\nverdict = \"pass\"\n";
    let refusal = read("silent", text, SUBJECTS).expect_err("nobody publishes").to_string();
    assert_eq!(refusal, "read sim `silent`, line 4: `cast.publishers` is 0, and the workload has messages");
    let quiet = format!("{text}[workload]\nkind = \"quiet\"\n");
    assert!(read("silent", &quiet, SUBJECTS).is_ok());
}

#[test]
fn a_sim_may_name_its_seed_in_both_forms() {
    let seed = |line: &str| read("seeded", &format!("{line}{SMALL}"), SUBJECTS).map(|sim| sim.seed);
    assert_eq!(seed("").expect("a good sim"), None);
    assert_eq!(seed("seed = 0x2a\n").expect("a good sim"), Some(42));
    assert_eq!(seed("seed = 18446744073709551615\n").expect("a good sim"), Some(u64::MAX));
    for bad in ["-1", "18446744073709551616", "\"seven\"", "1.5"] {
        let refusal = seed(&format!("seed = {bad}\n")).expect_err("no seed");
        let text = render(&refusal);
        assert!(text.contains("line 1") && text.contains("such as 42 or 0x2a"), "{text}");
    }
}

#[test]
fn a_gateway_is_shared_by_identities_that_share_topics() {
    let text =
        format!("{SMALL}[cast]\ngateways = 2\n[workload]\ntopics = 3\n[gateway]\nidentities = 4\ntopics-each = 2\n");
    let file = read("shared", &text, SUBJECTS).expect("a good sim");
    let names: Vec<&str> = file.cast().of_role("gateway").into_iter().map(|name| &**name).collect();
    assert_eq!(names, ["gateway-1", "gateway-2"]);
    let told = |(name, topics): (HostName, Vec<Topic>)| {
        format!("{name}: {}", topics.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    let second: Vec<String> = settings(&file).identities_of(2).into_iter().map(told).collect();
    let shared = ["group:topic-3 group:topic-1", "group:topic-1 group:topic-2", "group:topic-2 group:topic-3"];
    let expected: Vec<String> =
        (5..).zip(shared.iter().chain(&shared[..1])).map(|(n, t)| format!("identity-{n}: {t}")).collect();
    assert_eq!(second, expected);
    let refusal =
        read("alone", &text.replace("gateways = 2", "clients = 1"), SUBJECTS).expect_err("nobody has identities");
    let keys: Vec<&str> = refusal.problems().map(|problem| problem.key()).collect();
    assert_eq!(keys, ["gateway.identities", "gateway.topics-each"]);
}
