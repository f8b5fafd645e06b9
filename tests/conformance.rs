//! The conformance suite judges our node and our client: in trials, on real TCP, and with each of their planted bugs.

#[path = "conformance/bench.rs"]
mod bench;
#[path = "conformance/clients.rs"]
mod clients;
#[path = "served/listening.rs"]
mod served;

use std::collections::BTreeSet;

use bench::{DENIED, bounded, command, in_trial, on_tcp, start, verdicts};
use pulseless::subject::xmtp::conformance::{Conformance, RowResult, requirements};
use pulseless::subject::xmtp::node::{NodeConfig, NodeQuirk};
use pulseless::subject::xmtp::spec;

/// Which requirements' rows find a planted bug; none where no raw peer can see it, and why.
const FOUND_BY: &[(NodeQuirk, Result<&[&str], &str>)] = &[
    (NodeQuirk::LiveBeforeCatchup, Ok(&["T18"])),
    (NodeQuirk::MixedTags, Ok(&["T15"])),
    (NodeQuirk::SkipsMidWave, Ok(&["T18"])),
    (NodeQuirk::UnsortedReplay, Ok(&["T16"])),
    (NodeQuirk::CompletesTwice, Ok(&["T9"])),
    (NodeQuirk::AcksUnstored, Ok(&["S4"])),
    (NodeQuirk::AcksUnsynced, Err("it shows only in a crash of the node")),
    (NodeQuirk::ReusesIds, Err("it shows only in a crash of the node")),
    (NodeQuirk::NeverPings, Ok(&["T2"])),
    (NodeQuirk::PingsInSpiteOfTraffic, Ok(&["T3"])),
    (NodeQuirk::PongUnheard, Ok(&["S6"])),
    // In mid-wave and when live: each has a row.
    (NodeQuirk::KeepsRemovedTopics, Ok(&["T7", "T12", "S5"])),
    (NodeQuirk::ResetIgnored, Ok(&["S5"])),
    (NodeQuirk::StaysInWave, Ok(&["T12", "S5"])),
    (NodeQuirk::BoundedGoesLive, Ok(&["S11"])),
    (NodeQuirk::AdvertisesAnotherInterval, Ok(&["T3"])),
    (NodeQuirk::SkipsStarted, Ok(&["T1"])),
    (NodeQuirk::ForgetsWave, Ok(&["T9", "S8"])),
    (NodeQuirk::MisnamesBounds, Ok(&["S8"])),
    // Whatever is published and read again shows it, and what waits for a live message shows the next.
    (NodeQuirk::StoresTwice, Ok(&["T3", "T7", "T9", "T10", "T16", "T17", "T18", "T19", "S4", "S5", "S11"])),
    (NodeQuirk::HoldsBackLive, Ok(&["T3", "T7", "T17", "S5", "S11"])),
    (NodeQuirk::KeepsDeadStreams, Err("no peer sees what a node keeps of it")),
    (NodeQuirk::DeniesOnlyAtOpen, Ok(&["S7"])),
    (NodeQuirk::ReplayBlocksLive, Ok(&["T18"])),
    (NodeQuirk::StartsAtFurthestOriginator, Err("the suite speaks v1, whose cursors have no originators")),
    (NodeQuirk::LeavesTasks, Err("no peer sees what a node keeps of it")),
    (NodeQuirk::IgnoresStop, Err("the suite asks no node to stop")),
    // Whatever is replayed shows it.
    (NodeQuirk::ReplaysWithoutHmac, Ok(&["T6", "T9", "T10", "T12", "T13", "T16", "T18", "T19", "S4", "S5", "S11"])),
    (NodeQuirk::EndsStreamsWhenFull, Err("the suite fills no disk")),
    (NodeQuirk::WaitsAnIntervalForPongs, Err("the deadline is not advertised, and may be the interval")),
    (NodeQuirk::OlderCallsIgnoreCursors, Err("the suite subscribes, and makes no older call")),
];

/// Requirements of a node that have no row of their own, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("T8", "it is about a client"),
    ("T11", "it is about a client"),
    ("S3", "T15 and T19 judge it"),
    ("S10", "T14 judges it"),
];

/// The rows with that result, by their requirements.
fn with(judged: &Conformance, result: RowResult) -> BTreeSet<&'static str> {
    judged.rows.iter().filter(|row| row.result == result).map(|row| row.requirement).collect()
}

fn assert_conforms(judged: &Conformance) {
    let (broken, open) = (with(judged, RowResult::Violation), with(judged, RowResult::NotJudged));
    assert_eq!((broken, open), (BTreeSet::new(), BTreeSet::new()), "{}", verdicts(judged));
}

#[test]
fn our_node_conforms_in_a_trial() {
    assert_conforms(&in_trial(bounded(None)));
}

#[tokio::test]
async fn our_node_conforms_on_real_tcp() {
    assert_conforms(&on_tcp(bounded(None)).await);
}

/// What a suite printed for machines has the form that `pulseless schema` publishes.
async fn assert_fits_its_schema(told: &str) {
    let (schema, _) = command(&["schema", "conform"]).await;
    let schema = serde_json::from_str(&schema).expect("a schema");
    // Behind it stands what people are told.
    let printed = serde_json::Deserializer::from_str(told).into_iter().next().expect("an object").expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    validator.validate(&printed).unwrap_or_else(|error| panic!("{error} in {told}"));
}

#[tokio::test]
async fn the_command_tells_a_good_node_from_a_bad_one_and_from_none() {
    let good = start(bounded(None)).await;
    let url = format!("http://{}", good.address);
    let (told, exit) = command(&["conform", &url, "--only", "T1,t9", "--bound", "adds=40"]).await;
    assert_eq!(exit, Some(0), "{told}");
    assert!(told.contains("T9  pass") && told.contains("2 rows: 2 pass"), "{told}");
    let (told, exit) = command(&["conform", &url, "--only", "T1,S7", "--format", "json"]).await;
    assert_eq!(exit, Some(2), "{told}");
    assert!(told.contains(r#""result": "not-judged""#), "{told}");
    assert_fits_its_schema(&told).await;
    let (told, exit) = command(&["conform", &url, "--only", "S7", "--refused-topic", &format!("group:{DENIED}")]).await;
    assert_eq!(exit, Some(0), "{told}");
    let bad = start(bounded(Some(NodeQuirk::CompletesTwice))).await;
    let (told, exit) = command(&["conform", &bad.address.to_string(), "--only", "T9"]).await;
    assert_eq!(exit, Some(1), "{told}");
    assert!(told.contains("1 row: 0 pass, 1 violated (T9)"), "{told}");
    drop(bad);
    for (arguments, exit, part) in [
        (["127.0.0.1:1", "--only", "T1"], 2, "failed to judge 127.0.0.1:1: failed to dial"),
        (["https://127.0.0.1:1", "--only", "T1"], 64, "write http://HOST:PORT"),
        ([&url, "--only", "T8"], 64, "`T8` is about a client"),
        ([&url, "--bound", "adds"], 64, "write NAME=N"),
    ] {
        let (told, code) = command(&[&["conform"][..], &arguments].concat()).await;
        assert_eq!(code, Some(exit), "{arguments:?}: {told}");
        assert!(told.contains(part), "{arguments:?}: {told}");
    }
}

#[test]
fn a_trial_of_the_suite_finds_the_same_twice() {
    assert_eq!(in_trial(bounded(None)), in_trial(bounded(None)));
}

/// Each with a test of its own, so that one failure hides no other.
macro_rules! each_is_found {
    ($($test:ident: $quirk:ident,)+) => {
        $(
            #[test]
            fn $test() {
                assert_found(NodeQuirk::$quirk);
            }
        )+

        const TESTED: &[NodeQuirk] = &[$(NodeQuirk::$quirk),+];
    };
}

each_is_found! {
    live_before_catchup_is_found_by_its_row_alone: LiveBeforeCatchup,
    mixed_tags_are_found_by_their_row_alone: MixedTags,
    what_is_skipped_in_mid_wave_is_found_by_its_row_alone: SkipsMidWave,
    an_unsorted_replay_is_found_by_its_row_alone: UnsortedReplay,
    a_second_acknowledgment_is_found_by_its_row_alone: CompletesTwice,
    what_is_acknowledged_and_not_stored_is_found_by_its_row_alone: AcksUnstored,
    missing_pings_are_found_by_their_row_alone: NeverPings,
    pings_in_spite_of_traffic_are_found_by_their_row_alone: PingsInSpiteOfTraffic,
    an_unheard_pong_is_found_by_its_row_alone: PongUnheard,
    a_remove_that_removes_nothing_is_found_by_its_rows_alone: KeepsRemovedTopics,
    a_reset_that_resets_nothing_is_found_by_its_row_alone: ResetIgnored,
    a_topic_that_stays_in_its_wave_is_found_by_its_rows_alone: StaysInWave,
    a_bounded_catch_up_that_goes_live_is_found_by_its_row_alone: BoundedGoesLive,
    another_interval_than_the_one_kept_is_found_by_its_row_alone: AdvertisesAnotherInterval,
    a_stream_without_started_is_found_by_its_row_alone: SkipsStarted,
    a_forgotten_wave_is_found_by_its_rows_alone: ForgetsWave,
    a_bound_that_is_named_a_rule_is_found_by_its_rows_alone: MisnamesBounds,
    what_is_stored_twice_is_found_by_its_rows_alone: StoresTwice,
    a_live_message_that_is_held_back_is_found_by_its_rows_alone: HoldsBackLive,
    a_hook_that_is_forgotten_in_mid_stream_is_found_by_its_row_alone: DeniesOnlyAtOpen,
    a_replay_that_blocks_live_topics_is_found: ReplayBlocksLive,
    what_a_replay_leaves_out_of_a_message_is_found: ReplaysWithoutHmac,
}

fn assert_found(quirk: NodeQuirk) {
    let judged = in_trial(bounded(Some(quirk)));
    let (_, row) = FOUND_BY.iter().find(|(one, _)| *one == quirk).expect("the table has every quirk");
    let expected = BTreeSet::from_iter(row.expect("a raw peer sees it").iter().copied());
    assert_eq!(with(&judged, RowResult::Violation), expected, "{quirk}:\n{}", verdicts(&judged));
}

#[test]
fn every_quirk_of_a_node_has_its_row_or_its_reason() {
    let listed: Vec<NodeQuirk> = FOUND_BY.iter().map(|(quirk, _)| *quirk).collect();
    assert_eq!(listed, NodeQuirk::ALL);
    let visible: Vec<NodeQuirk> = FOUND_BY.iter().filter(|(_, row)| row.is_ok()).map(|(quirk, _)| *quirk).collect();
    assert_eq!(visible, TESTED);
}

#[test]
fn every_requirement_of_a_node_has_a_row() {
    let numbers = spec::ALL.iter().map(|requirement| requirement.number);
    let of_nodes: BTreeSet<&str> = numbers.filter(|number| !number.starts_with('C')).collect();
    let judged: BTreeSet<&str> =
        requirements().into_iter().chain(ELSEWHERE.iter().map(|(number, _)| *number)).collect();
    assert_eq!(judged, of_nodes);
}

#[test]
fn a_node_without_an_interval_is_not_judged_by_it() {
    let config = NodeConfig { keepalive: std::time::Duration::ZERO, ..bounded(None) };
    let judged = in_trial(config);
    assert_eq!(with(&judged, RowResult::Violation), BTreeSet::new(), "{}", verdicts(&judged));
    let open = with(&judged, RowResult::NotJudged);
    assert_eq!(open, BTreeSet::from(["T2", "T3", "T4", "S1", "S6", "S11"]), "{}", verdicts(&judged));
}
