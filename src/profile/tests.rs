//! What every profile is held to, and which texts are none.

use proptest::collection::vec;
use proptest::sample::select;
use proptest::{prop_assert, proptest};
use toml::de::DeTable;

use super::*;
use crate::grammar::refusal::Notes;
use crate::grammar::{Problem, Refusal, Section};
use crate::lie::Reaction;
use crate::profile::shipped::TEXTS;

/// A profile that inherits what it does not say.
const GOOD: &str = "title = \"one\"\nproxy = \"two\"\nversion = \"3\"\n\
    inherits = { from = \"nginx\", source = \"a guess\", evidence = \"issue\" }\n\
    read-timeout = { is = \"10m\", source = \"a page\", evidence = \"documented\" }\n";

fn read(text: &str) -> Profile {
    Profile::read("mine", text).unwrap_or_else(|refusal| panic!("{refusal}: {text}"))
}

fn refused(text: &str) -> Refusal {
    Profile::read("mine", text).expect_err(text)
}

#[test]
fn every_profile_reads_and_says_something_of_every_key() {
    assert_eq!(Profile::all().len(), 16);
    for profile in Profile::all() {
        for key in Conduct::KEYS {
            let ground = profile.ground(key.name).unwrap_or_else(|| panic!("{}: {}", profile.name(), key.name));
            assert!(ground.source.len() > 5, "{}: {} has no source", profile.name(), key.name);
            assert_ne!(ground.backing, Backing::Configured, "{}: {}", profile.name(), key.name);
        }
        assert!(profile.title().len() < 120 && !profile.proxy().is_empty() && !profile.version().is_empty());
    }
}

#[test]
fn every_key_says_what_it_means_and_takes_its_example() {
    let plain = Profile::named("plain").expect("it is there");
    for key in Conduct::KEYS {
        assert!(key.means.len() > 10 && key.means.ends_with('.'), "{key:?}");
        let other = plain.with(&[(key.name, key.example)]);
        // Two make no sense alone.
        let is_lone = ["ping-interval", "retries"].contains(&key.name);
        assert!(other.is_ok() || is_lone, "{}: {:?}", key.name, other.err());
    }
}

#[test]
fn what_is_written_reads_back_as_the_same() {
    for profile in Profile::all() {
        let again = Profile::read(profile.name(), &profile.toml());
        assert_eq!(again.unwrap_or_else(|refusal| panic!("{}: {refusal}", profile.name())), *profile);
    }
}

#[test]
fn the_files_have_one_form() {
    for (name, text) in Profile::names().iter().zip(TEXTS) {
        assert!(text.lines().any(|line| line.starts_with("title = ")), "{name}");
        let keys: Vec<usize> = text
            .lines()
            .filter_map(|line| line.split_once(" = { is = "))
            .map(|(key, _)| Conduct::KEYS.iter().position(|known| known.name == key).expect("a key"))
            .collect();
        assert!(keys.is_sorted(), "{name}: the keys are not in the order of the table");
        // What a vendor's file says is told without the folder of a machine.
        assert!(!text.contains("faults.md"), "{name}");
    }
}

#[test]
fn silence_ends_when_the_experiments_say() {
    let told =
        |half| Profile::all().into_iter().map(|profile| (profile.name(), profile.learning(half))).collect::<Vec<_>>();
    let after = |half, name: &str| {
        let found = told(half).into_iter().find(|(known, _)| *known == name).expect("a profile");
        (found.1.after.to_string(), found.1.sees.iter().map(Reaction::to_string).collect::<Vec<_>>().join(", "))
    };
    let expect = |half, name: &str, time: &str, sees: &str| {
        assert_eq!(after(half, name), (time.to_owned(), sees.to_owned()), "{name}, {half:?}");
    };
    for (name, time, sees) in [
        ("nginx", "1m", "reset INTERNAL_ERROR"),
        ("haproxy-2.6", "50s", "end-stream, reset CANCEL if open"),
        ("haproxy-3", "50s", "reset CANCEL"),
        ("envoy", "5m", "reset INTERNAL_ERROR"),
        ("nghttpx", "1m", "reset INTERNAL_ERROR"),
        ("apache", "never", ""),
        ("pingora", "never", ""),
        ("istio-sidecar", "never", ""),
        ("traefik", "1m", "reset INTERNAL_ERROR"),
        ("aws-alb", "1m", "reset PROTOCOL_ERROR"),
        ("plain", "never", ""),
    ] {
        expect(ClientHalf::Open, name, time, sees);
    }
    expect(ClientHalf::Ended, "envoy", "15s", "reset INTERNAL_ERROR");
    expect(ClientHalf::Ended, "apache", "1m", "html end-stream");
    expect(ClientHalf::Ended, "traefik", "never", "");
}

#[test]
fn what_is_inherited_is_no_better_known_than_the_likeness() {
    let mine = read(GOOD);
    assert_eq!(mine.conduct().read_timeout.to_string(), "10m");
    assert_eq!(mine.ground("read-timeout").expect("a key").backing, Backing::Documented);
    let body = mine.ground("body-timeout").expect("a key");
    assert_eq!(body.backing, Backing::Issue, "measured of nginx, and not of this one");
    assert!(body.source.starts_with("a guess: on loopback"), "{}", body.source);
    let unverified = mine.ground("idle-timeout-after-headers").expect("a key");
    assert_eq!(unverified.backing, Backing::Unverified);
}

#[test]
fn an_unknown_name_is_told_the_nearest_one_and_all() {
    let unknown = Profile::named("ngnix").expect_err("a slip").to_string();
    assert!(unknown.contains("did you mean `nginx`?") && unknown.contains("aws-alb"), "{unknown}");
}

/// Each mistake, the line that it is told with, and a part of what is said.
const MISTAKES: &[(&str, &str, usize, &str)] = &[
    ("is = \"10m\"", "is = \"10\"", 5, "`read-timeout.is`: `10` has no unit"),
    ("is = \"10m\"", "is = \"10 min\"", 5, "did you mean `m`?"),
    ("is = \"10m\"", "is = 10", 5, "`read-timeout.is` is an integer"),
    ("is = \"10m\"", "is = \"9000h\"", 5, "`read-timeout.is` is 9000h"),
    ("is = \"10m\", ", "", 5, "the required key `is` is missing in `read-timeout`"),
    ("source = \"a page\", ", "", 5, "the required key `source` is missing in `read-timeout`"),
    ("source = \"a page\"", "source = \" \"", 5, "`read-timeout.source` is empty"),
    (", evidence = \"documented\"", "", 5, "the required key `evidence` is missing"),
    ("\"documented\"", "\"mesured\"", 5, "there is no kind of evidence `mesured`"),
    ("{ is = \"10m\"", "{ was = \"1m\", is = \"10m\"", 5, "unknown key `was` in `read-timeout`"),
    ("read-timeout", "raed-timeout", 5, "unknown key `raed-timeout`"),
    ("read-timeout = {", "read-timeout = [] #", 5, "`read-timeout` is an array"),
    ("\"nginx\"", "\"ngnix\"", 4, "there is no profile `ngnix`"),
    ("title = \"one\"\n", "", 1, "the required key `title` is missing"),
    ("version = \"3\"", "version = 3", 3, "`version` is an integer"),
    ("proxy = \"two\"", "proxy = two", 2, "read profile `mine`, line 2"),
    (
        "read-timeout = { is = \"10m\"",
        "ping-interval = { is = \"10m\"",
        5,
        "`ping-interval` and `ping-timeout`: the node is asked, and may be silent for ever",
    ),
];

#[test]
fn each_mistake_is_refused_with_its_line() {
    for (right, wrong, line, part) in MISTAKES {
        assert_eq!(GOOD.matches(right).count(), 1, "`{right}` is to be replaced");
        let refusal = refused(&GOOD.replace(right, wrong));
        let told: Vec<String> = refusal.problems().map(|problem| format!("{problem} {}", problem.advised())).collect();
        let told = format!("{refusal} {}", told.join(" "));
        assert_eq!(refusal.problems().next().and_then(Problem::line), Some(*line), "{wrong}: {told}");
        assert!(told.contains(part), "no `{part}` in {told}");
    }
}

/// A value of a key, and a part of why it is none.
const BAD_VALUES: &[(&str, &str, &str)] = &[
    (
        "read-timeout-after-headers",
        "[\"status 504 html\"]",
        "`status 504 html` cannot be done to a stream with response headers",
    ),
    (
        "read-timeout-before-headers",
        "[\"end-stream\"]",
        "`end-stream` cannot be done to a stream without response headers",
    ),
    ("read-timeout-before-headers", "[\"reset CANSEL\"]", "HTTP/2 has no error code `CANSEL`"),
    ("read-timeout-before-headers", "[\"status 99 html\"]", "`status 99 html` is no response"),
    ("read-timeout-before-headers", "[\"status +504 html\"]", "`status +504 html` is no response"),
    ("read-timeout-before-headers", "[\"grpc-status 17\"]", "`grpc-status 17` is no status of gRPC"),
    ("read-timeout-before-headers", "[\"vanish\"]", "a proxy cannot `vanish`"),
    ("read-timeout-before-headers", "[]", "has 0 elements"),
    ("read-timeout-before-headers", "[\"nothing\", \"reset CANCEL\"]", "`nothing` stands alone"),
    ("read-timeout-before-headers", "[\"close\", \"reset CANCEL\"]", "`close` ends a list"),
    ("read-timeout-after-headers", "[\"await-client-end\"]", "`await-client-end` begins a list"),
    ("node-sees-cancel", "[\"trailers\"]", "cannot be done to the node's side"),
    ("max-streams", "-1", "`max-streams` is -1"),
    ("max-streams", "many", "`max-streams` is a string"),
    ("stream-window", "64KB", "unknown unit `KB`"),
    ("node-connections", "pooled", "there is no kind of pool `pooled`"),
    ("retries", "2", "requests are tried again, and for no reason"),
    ("retry-on", "[\"bad-luck\"]", "there is no reason to try again `bad-luck`"),
    ("ping-interval", "10s", "the node is asked, and may be silent for ever"),
    ("layer", "quic", "there is no layer `quic`"),
];

#[test]
fn a_wrong_value_is_refused_with_the_reason() {
    let plain = Profile::named("plain").expect("it is there");
    for (key, value, part) in BAD_VALUES {
        let told = plain.with(&[(key, value)]).expect_err(value).to_string();
        assert!(told.contains(part) && told.contains(&format!("setting `{key}={value}`")), "no `{part}` in {told}");
    }
    let unknown = plain.with(&[("read-timeuot", "1s")]).expect_err("a slip").to_string();
    assert_eq!(unknown, "`read-timeuot` is no key of a profile; did you mean `read-timeout`?");
}

#[test]
fn a_value_that_is_set_says_who_set_it_and_leaves_the_others() {
    let nginx = Profile::named("nginx").expect("it is there");
    let mine = nginx.with(&[("read-timeout", "10m")]).expect("a duration");
    assert_eq!(mine.conduct().read_timeout.to_string(), "10m");
    let ground = mine.ground("read-timeout").expect("a key");
    assert_eq!((ground.backing, ground.source.as_str()), (Backing::Configured, "`read-timeout` in a flag"));
    assert_eq!(mine.ground("body-timeout"), nginx.ground("body-timeout"));
    let asks = nginx.with(&[("ping-interval", "1s"), ("ping-timeout", "never"), ("ping-timeout", "2s")]);
    assert_eq!(asks.expect("both together").conduct().ping_timeout.to_string(), "2s");
    assert_eq!(mine.with(&[("read-timeout", "60s")]).expect("a duration").conduct(), nginx.conduct());
}

#[test]
fn a_table_of_a_sim_overrides_single_values() {
    let text = "[proxy]\nprofile = \"envoy\"\nread-timeout = \"10m\"\nmax-streams = 0\nbogus = 1\n";
    let table = DeTable::parse(text).expect("TOML");
    let notes = Notes::default();
    let mut root = Section::root(table.get_ref(), &notes);
    let mut section = root.section("proxy");
    let name = section.entry("profile").expect("a key").text("a profile").expect("a text");
    let profile = Profile::named(name).expect("it is there").overridden(&mut section, "the sim").expect("values");
    section.finish();
    assert_eq!(profile.conduct().read_timeout.to_string(), "10m");
    assert_eq!(profile.ground("max-streams").expect("a key").source, "`proxy.max-streams` in the sim");
    let problems: Vec<String> = notes.into_problems().iter().map(|problem| problem.message().to_owned()).collect();
    assert_eq!(problems, ["unknown key `bogus` in `proxy`"]);
}

/// What texts of profiles, and what is nearly one, are made of.
const PIECES: [&str; 24] = [
    "title = \"x\"\n",
    "proxy = \"x\"\nversion = \"x\"\n",
    "inherits = { from = \"nginx\", source = \"x\", evidence = \"issue\" }\n",
    "inherits = { from = \"\", source = 1 }\n",
    "read-timeout = ",
    "node-trailers = ",
    "retries = ",
    "{ is = \"1s\", source = \"x\", evidence = \"issue\" }\n",
    "{ is = [\"trailers\", \"reset NO_ERROR if open\"], source = \"x\", evidence = \"issue\" }\n",
    "{ is = [[], 1, \"reset \", \"status \", \"grpc-status \", \"goaway \"], source = \"x\", evidence = \"issue\" }\n",
    "{ is = 4294967295, source = \"\\u0000\", evidence = \"issue\" }\n",
    "{ is = -9223372036854775808, source = \"é\", evidence = 1 }\n",
    "[",
    "]",
    "[[read-timeout]]\n",
    "[inherits]\n",
    "{",
    "}",
    "\"",
    "\"\"\"\n",
    "=",
    "1979-05-27T07:32:00Z\n",
    "\u{0}",
    "\n",
];

proptest! {
    #[test]
    fn fuzz_no_text_panics_and_a_refusal_has_a_line(pieces in vec(select(&PIECES[..]), 0..12)) {
        let text = pieces.concat();
        if let Err(refusal) = Profile::read("mine", &text) {
            prop_assert!(refusal.problems().all(|problem| problem.line().is_some()), "{}", refusal);
        }
    }

    #[test]
    fn fuzz_no_value_panics(key in select(Conduct::KEYS), value in ".{0,40}") {
        let plain = Profile::named("plain").expect("it is there");
        let _ = plain.with(&[(key.name, &value)]);
    }
}
