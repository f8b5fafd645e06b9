//! `pulseless schema`: what is written and what is read fits its schema, and what is wrong does not.
//!
//! Refuses to know a schema: it asks the binary.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::bench::{GOOD, Scratch, bad, change, sims};

/// What the schemas are of, with the first words that the list has for each.
const SCHEMAS: [(&str, &str); 21] = [
    ("sim", "A sim: a TOML file"),
    ("case", "A case file"),
    ("summary", "summary.json"),
    ("coverage", "coverage.json"),
    ("nights", "nights.json"),
    ("times", "times.json"),
    ("journal", "A line of journal.jsonl"),
    ("event", "A line of a timeline"),
    ("sweep", "What `sweep --format json`"),
    ("grid", "The points of a grid"),
    ("across", "What `run --across-profiles"),
    ("shrink", "What `shrink --format json`"),
    ("replay", "What `replay --format json`"),
    ("list", "The sims"),
    ("profiles", "The profiles that `profile list"),
    ("profile", "The profile that `profile show"),
    ("conform", "What `conform`"),
    ("message", "A line of `tail --json`"),
    ("proxies", "The proxies that `proxy list"),
    ("inspect", "The connections that `proxy inspect"),
    ("lie", "The lie that `proxy lie"),
];

/// Sims that together show most kinds of events; the first alone shows three of four.
const EVENTFUL: [&str; 6] = [
    "busy-storm.toml",
    "corpus/lost-fin.toml",
    "flapping-lid.toml",
    "bit-rot.toml",
    "node-loses-power.toml",
    "negative/spins-without-inbox.toml",
];

/// Sims of `tests/golden/refusals/` that are wrong in a way that a schema can see.
const SEEN_BY_THE_SCHEMA: [&str; 45] = [
    "array-for-a-table",
    "bandwidth-without-period",
    "checker-unknown",
    "clients-none",
    "direction-unknown",
    "drift-too-far",
    "duration-missing",
    "duration-negative",
    "duration-out-of-order",
    "duration-with-a-fraction",
    "fault-kind-unknown",
    "fault-without-at",
    "fault-without-for",
    "fault-without-host",
    "fault-without-kind",
    "idle-fate-unknown",
    "latency-without-unit",
    "link-without-from",
    "milestone-unknown",
    "number-for-a-duration",
    "number-for-a-pattern",
    "number-for-a-yes",
    "percent-too-fine",
    "percent-without-sign",
    "promise-missing",
    "publishers-negative",
    "quirk-of-a-client-unknown",
    "quirk-of-a-node-unknown",
    "rate-without-period",
    "requirement-unknown",
    "size-unit",
    "step-without-sign",
    "storm-family-unknown",
    "storm-without-families",
    "text-for-a-number",
    "text-for-a-table",
    "title-missing",
    "unit-unknown",
    "unknown-key",
    "unknown-key-deep",
    "unknown-key-of-a-fault",
    "unsynced-unknown",
    "verdict-unknown",
    "watchdog-out-of-range",
    "workload-unknown",
];

fn schema(what: &str) -> Value {
    Scratch::new().pulseless(&["schema", what]).exits(0).json()
}

fn validator(what: &str) -> Validator {
    jsonschema::validator_for(&schema(what)).unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// It fits; where it does not, every reason is told.
#[track_caller]
fn assert_fits(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {}", errors.join("\n"));
}

/// After `wrong` has been done to it, it does not fit any more.
#[track_caller]
fn assert_refused(validator: &Validator, value: &Value, what: &str, wrong: impl FnOnce(&mut Value)) {
    let mut changed = value.clone();
    wrong(&mut changed);
    assert_ne!(&changed, value, "nothing was changed: {what}");
    assert!(!validator.is_valid(&changed), "it fits in spite of {what}: {changed:#}");
}

/// Gives a key another name.
fn rename(value: &mut Value, key: &str, name: &str) {
    let object = value.as_object_mut().expect("an object");
    let old = object.remove(key).unwrap_or_else(|| panic!("no `{key}` in {object:?}"));
    object.insert(name.to_owned(), old);
}

/// The lines of a text, each a value of JSON.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a value on a line")).collect()
}

/// A sim as JSON, as editors look at it.
fn sim(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    serde_json::to_value(table).expect("a sim has no dates")
}

/// Every file of a folder, and of the folders in it, that ends so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found = Vec::new();
    for path in entries {
        match path.is_dir() {
            true => found.extend(files(&path, ending)),
            false if path.to_string_lossy().ends_with(ending) => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

/// A report folder of two nights with a failure and a sim that is skipped: turmoil cannot change a latency.
fn night() -> Scratch {
    let scratch = Scratch::new();
    let slow =
        change(GOOD, "proxy-silence-upstream\"\non = \"client-*\"", "latency\"\nfrom = \"node\"\nlatency = \"1s\"");
    scratch.write("sims/good.toml", GOOD);
    scratch.write("sims/deaf.toml", bad());
    scratch.write("sims/slow.toml", slow);
    for seeds in ["1", "2"] {
        scratch.pulseless(&["sweep", "sims", "--engine", "turmoil", "--seeds", seeds]).exits(1);
    }
    scratch
}

#[test]
fn every_schema_is_one_and_says_what_each_key_means() {
    let list = Scratch::new().pulseless(&["schema"]).exits(0);
    assert_eq!(list.out.lines().count(), SCHEMAS.len(), "{list}");
    for (what, title) in SCHEMAS {
        list.line(&format!("{what:<8} {title}"));
        let schema = schema(what);
        if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
            panic!("{what}: {error}");
        }
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{what}");
        assert!(schema["title"].as_str().is_some_and(|told| told.starts_with(title)), "{what}: {}", schema["title"]);
        let mut unsaid = Vec::new();
        let described = count_described(&schema, &mut unsaid);
        assert!(described > 2 && unsaid.is_empty(), "{what}: nothing is said of {unsaid:?}");
    }
}

/// How many keys are described, and which are not.
fn count_described(schema: &Value, unsaid: &mut Vec<String>) -> usize {
    let mut described = 0;
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        match property["description"].is_string() {
            true => described += 1,
            // A duration's, which the key that has the duration tells.
            false if name == "secs" || name == "nanos" => {}
            false => unsaid.push(name.clone()),
        }
    }
    // One of several, which has a name of its own and is told as a whole.
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        let mut keys = Vec::new();
        described += count_described(choice, &mut keys);
        if !choice["description"].is_string() {
            unsaid.extend(keys);
        }
    }
    let within: Vec<&Value> = match schema {
        Value::Object(object) => {
            object.iter().filter(|(key, _)| *key != "oneOf" && *key != "if").map(|(_, value)| value).collect()
        }
        Value::Array(array) => array.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    described + within.into_iter().map(|inner| count_described(inner, unsaid)).sum::<usize>()
}

#[test]
fn a_wrong_word_is_told_the_right_ones() {
    let said = Scratch::new().pulseless(&["schema", "sumary"]).exits(64);
    said.refuses(&[
        "invalid value 'sumary'",
        "sim, case, summary, coverage, nights, times, journal, event, sweep, grid, across, shrink, replay, list, profiles, profile, conform, message",
        "'summary'",
    ]);
}

#[test]
fn the_files_of_a_report_folder_fit_and_wrong_ones_do_not() {
    let scratch = night();
    let read = |name: &str| scratch.read_json(&format!("reports/latest/{name}"));
    let (validator, summary) = (validator("summary"), read("summary.json"));
    assert!(
        summary["tally"]["skipped"].as_u64() > Some(0) && summary["groups"][0]["cases"][0].is_string(),
        "{summary:#}"
    );
    assert_fits(&validator, &summary, "summary.json");
    assert_refused(&validator, &summary, "another format", |summary| summary["format"] = 1.into());
    assert_refused(&validator, &summary, "a misspelt key", |summary| rename(summary, "tally", "taly"));
    assert_refused(&validator, &summary, "text for a count", |summary| summary["tally"]["fail"] = "2".into());
    assert_refused(&validator, &summary, "an unknown end", |summary| summary["stopped"] = "bored".into());
    let mut newer = summary.clone();
    newer["a-new-key"] = json!({ "of": "a later version" });
    assert_fits(&validator, &newer, "a new key, which readers ignore");
    let mut older = summary;
    older.as_object_mut().expect("an object").remove("skipped").expect("it was there");
    assert_fits(&validator, &older, "a key that is left out where there is nothing to say");
    nights_and_times_fit(&read("nights.json"), &read("times.json"));
    coverage_fits(&read("coverage.json"));
    journal_fits(&lines(&scratch.read("reports/latest/journal.jsonl")));
    cases_fit(&scratch);
}

fn coverage_fits(coverage: &Value) {
    let validator = validator("coverage");
    assert!(coverage["trials"].as_u64().is_some_and(|trials| trials > 0), "{coverage:#}");
    assert_fits(&validator, coverage, "coverage.json");
    assert_refused(&validator, coverage, "text for a count", |coverage| coverage["trials"] = "2".into());
    assert_refused(&validator, coverage, "another format", |coverage| coverage["format"] = 2.into());
}

fn nights_and_times_fit(nights: &Value, times: &Value) {
    let validator_of_nights = validator("nights");
    assert!(nights["against"].is_string() && nights["format"] == 1, "{nights:#}");
    assert_fits(&validator_of_nights, nights, "nights.json");
    assert_refused(&validator_of_nights, nights, "another format", |nights| nights["format"] = 2.into());
    assert_refused(&validator_of_nights, nights, "a misspelt key", |nights| rename(nights, "ages", "age"));
    let mut older = nights.clone();
    older.as_object_mut().expect("an object").remove("format").expect("it was there");
    assert_fits(&validator_of_nights, &older, "nights.json without a format, as it once was");
    let validator = validator("times");
    assert_fits(&validator, times, "times.json");
    assert_refused(&validator, times, "text for seconds", |times| times["seconds"] = "1s".into());
}

fn journal_fits(lines: &[Value]) {
    let validator = validator("journal");
    assert!(lines.iter().any(|line| line["skipped"].is_array()) && lines.iter().any(|line| line["fail"].is_object()));
    for line in lines {
        assert_fits(&validator, line, "a line of the journal");
    }
    assert_refused(&validator, &lines[0], "another format", |head| head["format"] = 9.into());
    assert_refused(&validator, &lines[0], "a key that no head has", |head| head["seed"] = 1.into());
    let passed = lines.iter().find(|line| line["pass"].is_string()).expect("one passed");
    assert_refused(&validator, passed, "a trial without an end", |line| rename(line, "pass", "pas"));
    assert_refused(&validator, passed, "what is no digest", |line| line["pass"] = "0".into());
}

fn cases_fit(scratch: &Scratch) {
    let validator = validator("case");
    let cases = scratch.cases("reports/latest");
    assert!(!cases.is_empty());
    let case = scratch.read_json(&format!("reports/latest/{}", cases[0]));
    assert_fits(&validator, &case, &cases[0]);
    assert_refused(&validator, &case, "a format that is not read any more", |case| case["format"] = 2.into());
    assert_refused(&validator, &case, "a format to come", |case| case["format"] = 5.into());
    assert_refused(&validator, &case, "a key that no case has", |case| case["seeds"] = 1.into());
    assert_refused(&validator, &case, "a misspelt key", |case| rename(case, "plan", "plans"));
    assert_refused(&validator, &case, "text for a seed", |case| case["seed"] = "7".into());
    assert_refused(&validator, &case, "what is no digest", |case| case["digest"] = "0x12".into());
    for old in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases"), ".case.json") {
        let is_read = Scratch::new().pulseless(&["explain", &old.display().to_string()]).code == Some(0);
        let text = fs::read_to_string(&old).expect("a case");
        let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
        assert!(!is_read || validator.is_valid(&value), "{} is read, and does not fit", old.display());
    }
}

#[test]
fn every_sim_fits_and_so_does_every_value_that_its_reader_takes() {
    let validator = validator("sim");
    let paths = files(&sims(), ".toml");
    assert!(paths.iter().any(|path| path.ends_with("negative/watchdog-off.toml")), "{paths:?}");
    for path in &paths {
        let text = fs::read_to_string(path).expect("a sim");
        assert_fits(&validator, &sim(&text), &path.display().to_string());
    }
    let (scratch, good) = (Scratch::new(), sim(GOOD));
    for setting in [
        "client.watchdog=off",
        "client.http2-keepalive=off",
        "client.http2-keepalive={ interval = \"3s\" }",
        "client.tcp-keepalive={ idle = \"5s\", count = 2 }",
        "client.backoff=1s..1m",
        "cast.proxy.tls=true",
        "node.tls={ alpn = \"none\" }",
        "cast.proxy.tls={ alpn = [\"http/1.1\"] }",
        "client.stream-window=1B",
        "client.connection-window=65535B",
        "client.connect-timeout=1h",
        "node.dialect=[\"v1\", \"draft\"]",
        "node.denies=[\"welcome:*\", \"group:topic-1\"]",
        "link={ latency = \"1ms..2s long-tailed\", loss = \"0.5%\", bandwidth = \"1MiB/s\" }",
        "storm={ families = [\"loss\", \"deaths\"], begins = \"1s\" }",
        "seed=0xff",
        "fault.1.on=[\"client-1\"]",
        "fault.1.drawn=true",
        "calm=39s 500ms",
    ] {
        let explained = scratch.pulseless(&["explain", "good.toml", "--set", setting]);
        // Some of these would need another cast; what is wrong with them is never their form.
        assert!(
            !explained.err.contains("unknown key") && !explained.err.contains("does not belong here"),
            "{explained}"
        );
        let (key, value) = setting.split_once('=').expect("a setting");
        let mut changed = good.clone();
        let mut at = &mut changed;
        for name in key.split('.') {
            at = match name.parse::<usize>() {
                Ok(number) => &mut at[number - 1],
                Err(_) => &mut at[name],
            };
        }
        let parsed = toml::from_str::<toml::Table>(&format!("it = {value}"));
        *at = parsed.map_or_else(|_| value.into(), |table| serde_json::to_value(&table["it"]).expect("no date"));
        assert_fits(&validator, &changed, setting);
    }
}

#[test]
fn a_sim_that_is_wrong_in_its_form_does_not_fit() {
    let validator = validator("sim");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refusals");
    for name in SEEN_BY_THE_SCHEMA {
        let text =
            fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!validator.is_valid(&sim(&text)), "{name} fits");
    }
    let good = sim(GOOD);
    assert_fits(&validator, &good, "the good one");
    assert_refused(&validator, &good, "a key of another fault", |sim| sim["fault"][0]["latency"] = "1s".into());
    assert_refused(&validator, &good, "an unknown checker", |sim| sim["promise"]["checker"] = "delivry".into());
    assert_refused(&validator, &good, "a duration that is none", |sim| sim["duration"] = "2 minutes".into());
}

#[test]
fn the_words_of_a_sim_are_listed() {
    let sim = schema("sim");
    let words = |place: &Value| -> BTreeSet<String> {
        let words = place["enum"].as_array().unwrap_or_else(|| panic!("no words in {place}"));
        words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
    };
    let properties = &sim["properties"];
    let kinds = words(&properties["fault"]["items"]["properties"]["kind"]);
    assert!(kinds.len() > 20 && kinds.contains("proxy-silence-upstream"), "{kinds:?}");
    assert_eq!(properties["fault"]["items"]["allOf"].as_array().map(Vec::len), Some(kinds.len()));
    assert!(words(&properties["promise"]["properties"]["checker"]).contains("liveness"));
    assert!(words(&properties["promise"]["properties"]["sometimes"]["items"]).contains("reconnect-by-watchdog"));
    assert!(words(&properties["node"]["properties"]["quirk"]).contains("mixed-tags"));
    assert!(words(&properties["cites"]["items"]).contains("C2"));
}

#[test]
fn the_timelines_of_sims_fit_and_show_most_kinds_of_events() {
    let (schema, validator) = (schema("event"), validator("event"));
    let known = schema["properties"]["event"]["enum"].as_array().expect("the kinds of events").len();
    let mut seen = BTreeSet::new();
    let mut first = None;
    for name in EVENTFUL {
        let path = sims().join(name).display().to_string();
        let said = Scratch::new().pulseless(&["run", &path, "--seed", "7", "--format", "jsonl"]).exits(0);
        for line in lines(&said.out) {
            assert_fits(&validator, &line, name);
            seen.insert(line["event"].as_str().expect("a kind").to_owned());
            first.get_or_insert(line);
        }
    }
    assert!(seen.len() * 10 >= known * 8, "{} of {known} kinds of events: {seen:?}", seen.len());
    let line = first.expect("there are events");
    assert_refused(&validator, &line, "an unknown kind", |line| line["event"] = "herd".into());
    assert_refused(&validator, &line, "a misspelt key", |line| rename(line, "until", "til"));
    assert_refused(&validator, &line, "a time with a unit", |line| line["at"] = "1s".into());
}

#[test]
fn what_came_of_a_sim_behind_profiles_fits() {
    let scratch = Scratch::new();
    let across = ["run", "good.toml", "--seed", "7", "--across-profiles=plain,traefik", "--format", "json"];
    let met = scratch.pulseless(&across).exits(0).json();
    let validator = validator("across");
    assert_fits(&validator, &met, "two encounters");
    assert_refused(&validator, &met, "a misspelt key", |met| rename(&mut met[0], "reconnects", "reconects"));
    assert_refused(&validator, &met, "text for a count", |met| met[0]["delivered"] = "1".into());
}

#[test]
fn the_points_of_a_grid_fit() {
    let scratch = Scratch::new();
    let grid = ["grid", "good.toml", "--set", "client.watchdog=3,off", "--seeds", "1", "--format", "json"];
    let points = scratch.pulseless(&grid).exits(0).json();
    let validator = validator("grid");
    assert!(points.as_array().is_some_and(|points| points.len() == 2), "{points:#}");
    assert_fits(&validator, &points, "the points");
    assert_refused(&validator, &points, "a misspelt key", |points| rename(&mut points[0], "measures", "mesures"));
    assert_refused(&validator, &points, "text for a count", |points| points[0]["measures"]["pings"] = "1".into());
}

#[test]
fn what_a_sweep_a_shrinking_and_replays_print_fits() {
    let scratch = Scratch::new();
    scratch.write("sims/deaf.toml", bad());
    let swept =
        scratch.pulseless(&["sweep", "sims", "--seeds", "2", "--shrink", "0", "--format", "json"]).exits(1).json();
    let sweep = validator("sweep");
    assert_fits(&sweep, &swept, "a sweep");
    assert_refused(&sweep, &swept, "a misspelt key", |swept| rename(swept, "folder", "folders"));
    assert_refused(&sweep, &swept, "text for a count", |swept| swept["tally"]["fail"] = "2".into());
    let case = format!("reports/latest/{}", scratch.cases("reports/latest")[0]);

    let shrunk = scratch.pulseless(&["shrink", &case, "--plays", "5", "--format", "json"]).exits(0).json();
    let shrink = validator("shrink");
    assert_fits(&shrink, &shrunk, "a shrinking");
    assert_refused(&shrink, &shrunk, "a misspelt key", |shrunk| rename(shrunk, "proofs", "proof"));
    assert_refused(&shrink, &shrunk, "no path", |shrunk| shrunk["files"]["sim"] = 1.into());

    let replay = validator("replay");
    let plays = ["replay", &case, "--times", "2", "--processes", "1", "--format", "json"];
    let plays = scratch.pulseless(&plays).exits(0).json();
    assert_fits(&replay, &plays, "several plays");
    assert_refused(&replay, &plays, "text for a count", |plays| plays["digests"][0]["count"] = "2".into());
    let cases = scratch.pulseless(&["replay", &case, &case, "--format", "json"]).exits(1).json();
    assert_fits(&replay, &cases, "several cases");
    assert_refused(&replay, &cases, "what is no digest", |cases| cases[1]["digest"] = "0".into());

    let sims = scratch.pulseless(&["list", "sims", "--format", "json"]).exits(0).json();
    let list = validator("list");
    assert_fits(&list, &sims, "the list");
    assert_refused(&list, &sims, "a misspelt key", |sims| rename(&mut sims[0], "title", "titel"));
}

#[test]
fn what_profiles_print_fits() {
    let scratch = Scratch::new();
    let list = scratch.pulseless(&["profile", "list", "--format", "json"]).exits(0).json();
    assert_eq!(list.as_array().map(Vec::len), Some(16), "{list:#}");
    let profiles = validator("profiles");
    assert_fits(&profiles, &list, "the profiles");
    assert_refused(&profiles, &list, "a misspelt key", |list| rename(&mut list[0], "open", "opne"));
    assert_refused(&profiles, &list, "an unknown kind of evidence", |list| list[0]["evidence"] = "hearsay".into());
    let profile = validator("profile");
    for entry in list.as_array().expect("a list") {
        let name = entry["name"].as_str().expect("a name");
        let shown = scratch.pulseless(&["profile", "show", name, "--format", "json"]).exits(0).json();
        assert_fits(&profile, &shown, name);
        assert_refused(&profile, &shown, "no source", |shown| rename(&mut shown["values"]["layer"], "source", "sauce"));
    }
}
