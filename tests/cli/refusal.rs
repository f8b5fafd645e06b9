//! What is refused with exit 64, and whether the refusal says where, what and what instead.

use crate::bench::{GOOD, Scratch, change, line_of};

/// Runs the sim after one change of its text; the refusal names the line of that change.
fn refuse(old: &str, new: &str, parts: &[&str]) {
    let scratch = Scratch::new();
    let text = change(GOOD, old, new);
    scratch.write("sim.toml", &text);
    let place = ["sim.toml", &line_of(&text, new)];
    scratch.pulseless(&["run", "sim.toml"]).exits(64).refuses(&[&place, parts].concat());
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_one() {
    let parts = ["unknown key `wacthdog` in `client`", "did you mean `watchdog`?"];
    refuse("watchdog = 3", "wacthdog = 3", &parts);
    refuse("calm = \"40s\"", "clam = \"40s\"", &["unknown key `clam`", "did you mean `calm`?"]);
}

#[test]
fn an_unknown_kind_of_fault_is_refused_with_the_nearest_one() {
    let parts = ["`fault.1.kind`", "`proxy-silense-upstream`", "did you mean `proxy-silence-upstream`?"];
    refuse("proxy-silence-upstream", "proxy-silense-upstream", &parts);
}

#[test]
fn a_wrong_unit_is_refused_with_the_right_one() {
    let parts = ["`fault.1.for`", "unknown unit `sec`", "did you mean `s`?"];
    refuse("for = \"13s\"", "for = \"13 sec\"", &parts);
    refuse("at = \"15s\"", "at = \"15\"", &["`fault.1.at`", "`15` has no unit", "such as"]);
}

#[test]
fn a_fault_after_the_end_is_refused_with_the_last_possible_time() {
    let parts = ["`fault.1` begins at 3m, and the trial ends at 2m", "1m20s"];
    refuse("at = \"15s\"", "at = \"3m\"", &parts);
}

/// The fault of the good sim, with other keys.
const FAULT: &str = "kind = \"proxy-silence-upstream\"\non = \"client-*\"";

/// Runs the sim with another fault; the refusal names the line of `key` within it.
fn refuse_fault(keys: &str, key: &str, parts: &[&str]) {
    let scratch = Scratch::new();
    let text = change(GOOD, FAULT, keys);
    scratch.write("sim.toml", &text);
    let place = ["sim.toml", &line_of(&text, key)];
    scratch.pulseless(&["run", "sim.toml"]).exits(64).refuses(&[&place, parts].concat());
}

#[test]
fn a_partition_of_unknown_hosts_is_refused_with_the_hosts() {
    let parts = ["`fault.1.from`: `nodes` matches no host", "the hosts are node, proxy, client-1, publisher-1"];
    refuse_fault("kind = \"partition\"\nfrom = \"nodes\"", "from", &parts);
    let same = ["`fault.1` is from node to node, and a host has no link to itself", "leave `to` out for all others"];
    refuse_fault("kind = \"partition\"\nfrom = \"node\"\nto = \"node\"", "to = \"node\"", &same);
}

#[test]
fn harm_out_of_its_range_is_refused_with_what_would_be_right() {
    let latency = ["`fault.1.latency`: `-5ms` is negative", "such as \"5ms\", \"1ms..20ms\""];
    refuse_fault("kind = \"latency\"\nfrom = \"node\"\nlatency = \"-5ms\"", "latency = ", &latency);
    let loss = ["`fault.1.rate` is 0%", "write something from 0.01% to 100%"];
    refuse_fault("kind = \"loss\"\nfrom = \"node\"\nrate = \"0%\"", "rate = \"0%", &loss);
    let disk = ["matches no host that this fault may fall on", "the hosts with a disk are node, client-1"];
    refuse_fault("kind = \"disk-full\"\non = \"proxy\"", "on = \"proxy\"", &disk);
    let restored = ["`fault.1` restores the disk of 15s, and begins at 15s", "name a time before 15s"];
    refuse_fault("kind = \"disk-restored\"\non = \"node\"\nfrom = \"15s\"", "from = ", &restored);
}

#[test]
fn faults_that_contradict_each_other_are_refused_where_the_second_begins() {
    let second = |kind: &str, rest: &str| {
        format!(
            "{FAULT}\n\n[[fault]]\nat = \"1m\"\nfor = \"10s\"\nkind = {kind:?}\n{rest}\n\n[[fault]]\nat = \"1m1s\"\nfor = \"5s\"\n"
        )
    };
    let dead = format!("{}kind = \"pause\"\non = \"node\"", second("power-off", "on = \"node\""));
    let parts =
        ["`fault.3` pauses node at 1m1s, where it is dead until 1m10s by `fault.2`", "begin it at 1m10s or later"];
    refuse_fault(&dead, "at = \"1m1s\"", &parts);
    let hidden =
        format!("{}kind = \"syn-loss\"\nfrom = \"node\"\nrate = \"9%\"", second("partition", "from = \"node\""));
    let parts =
        ["`fault.3` can never be felt: nothing passes there until 1m10s by `fault.2`", "let it end after 1m10s"];
    refuse_fault(&hidden, "at = \"1m1s\"", &parts);
}

#[test]
fn a_storm_without_room_is_refused() {
    let parts = ["the storm begins at 30s, and the calm at 1m20s, which leaves it no room", "end 2m before the calm"];
    refuse("[promise]", "[storm]\nfamilies = \"all\"\n\n[promise]", &parts);
    let family = ["`storm.families.1`: there is no family `lost`", "did you mean `loss`?"];
    refuse("[client]", "[storm]\nfamilies = [\"lost\"]\n\n[client]", &family);
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    refuse("rate = \"1/s\"", "rate = 1/s", &["a sim is a TOML file"]);
    refuse("[node]", "[node", &["a sim is a TOML file"]);
}

#[test]
fn every_problem_is_told_at_once() {
    let scratch = Scratch::new();
    let twice = change(&change(GOOD, "watchdog = 3", "wacthdog = 3"), "\"1/s\"", "\"1/day\"");
    scratch.write("sim.toml", &twice);
    let said = scratch.pulseless(&["run", "sim.toml"]).exits(64);
    let places = [line_of(&twice, "wacthdog"), line_of(&twice, "rate")];
    let said = said.refuses(&["(and 1 more problem)", "unknown key `wacthdog`", "unknown unit `day`"]);
    said.refuses(&places.each_ref().map(String::as_str));
}

#[test]
fn a_missing_file_is_refused_by_name() {
    let scratch = Scratch::new();
    for command in ["run", "explain", "sweep", "list"] {
        let said = scratch.pulseless(&[command, "missing.toml"]).exits(64);
        said.refuses(&["failed to read missing.toml: No such file"]);
    }
}

#[test]
fn a_folder_given_to_run_is_refused_with_the_command_that_takes_it() {
    let scratch = Scratch::new();
    scratch.make_folder("folder");
    let parts = ["failed to read folder: it is a folder", "`pulseless sweep folder`"];
    scratch.pulseless(&["run", "folder"]).exits(64).refuses(&parts);
    scratch.pulseless(&["explain", "folder"]).exits(64).refuses(&parts);
}

#[test]
fn a_binary_file_is_refused() {
    let scratch = Scratch::new();
    let garbage: Vec<u8> = (0..=255_u8).rev().cycle().take(3_000).collect();
    scratch.write("garbage.toml", garbage);
    let said = scratch.pulseless(&["run", "garbage.toml"]).exits(64);
    said.refuses(&["failed to read garbage.toml: it is not text, and a sim is a TOML file"]);
    scratch.write("zeros.toml", [0; 64]);
    scratch.pulseless(&["run", "zeros.toml"]).exits(64).refuses(&["zeros.toml", "line 1", "a sim is a TOML file"]);
}

#[test]
fn an_empty_file_is_refused_with_what_it_needs() {
    let scratch = Scratch::new();
    scratch.write("empty.toml", "");
    let parts = ["line 1", "key `title` is missing", "key `duration` is missing", "table `promise` is missing"];
    scratch.pulseless(&["run", "empty.toml"]).exits(64).refuses(&parts);
}

#[test]
fn a_bad_setting_is_refused_with_its_flag() {
    let scratch = Scratch::new();
    let refuse = |setting: &str, parts: &[&str]| {
        scratch.pulseless(&["run", "good.toml", "--set", setting]).exits(64).refuses(parts);
    };
    refuse(
        "client.wacthdog=off",
        &["setting `client.wacthdog=off`", "unknown key `wacthdog`", "did you mean `watchdog`?"],
    );
    refuse("client.watchdog=of", &["setting `client.watchdog=of`", "\"off\""]);
    refuse("fault.2.at=1m", &["setting `fault.2.at=1m`", "`fault` has the elements 1 to 1"]);
    refuse("nonsense", &["`nonsense` sets nothing", "write key=value, such as client.watchdog=off"]);
}

#[test]
fn what_is_refused_is_refused_by_every_command() {
    let scratch = Scratch::new();
    let text = change(GOOD, "watchdog = 3", "wacthdog = 3");
    scratch.write("sim.toml", &text);
    for command in ["run", "explain", "sweep"] {
        scratch
            .pulseless(&[command, "sim.toml"])
            .exits(64)
            .refuses(&[&line_of(&text, "wacthdog"), "did you mean `watchdog`?"]);
    }
    assert!(!scratch.path("reports").exists(), "a refused sweep leaves no report folder");
}
