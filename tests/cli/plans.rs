//! Plans in case files: what a sim refuses is refused there too, with the line and the reason.

use serde_json::Value;

use crate::bench::Scratch;

/// Twenty minutes with a calm of three; two clients.
const SIM: &str = "title = \"x\"\nduration = \"20m\"\n[cast]\nclients = 2\n[promise]\nverdict = \"pass\"\n";
const CASE: &str = "plan.case.json";

/// The case of a good trial, which no plan below is played in.
fn case(scratch: &Scratch) -> Value {
    scratch.write("x.toml", SIM);
    scratch.pulseless(&["run", "x.toml", "--seed", "7", "--format", "json"]).exits(0).json()
}

fn with_plan(scratch: &Scratch, case: &Value, plan: &str) {
    let mut edited = case.clone();
    edited["plan"] = plan.lines().map(str::to_owned).collect::<Vec<_>>().into();
    scratch.write(CASE, edited.to_string());
}

fn fault(at: &str, lasts: &str, kind: &str, rest: &str) -> String {
    format!("[[fault]]\nat = \"{at}\"\nfor = \"{lasts}\"\nkind = \"{kind}\"\n{rest}\n")
}

/// One fault in the midst of the trial.
fn one(kind: &str, rest: &str) -> String {
    fault("5m", "1m", kind, rest)
}

/// Plans that make no sense, and what is said of each.
fn nonsense() -> Vec<(String, &'static str)> {
    vec![
        (one("loss", "from = \"node\"\nrate = \"400000%\""), "`fault.1.rate` is 400000%"),
        (one("clock-drift", "on = \"node\"\nppm = -2000000"), "`fault.1.ppm` is -2000000"),
        (one("clock-step", "on = \"node\"\nby = \"-90000h\""), "`fault.1.by` is -90000h"),
        (
            fault("1m", "1139s999ms", "pause", "on = \"node\""),
            "`fault.1` ends at 19m59s999ms, and the calm begins at 17m",
        ),
        (one("slow-sync", "on = \"node\"\ntakes = \"8760h\""), "`fault.1.takes` is 8760h"),
        (one("disk-full", "on = \"publisher-1\""), "`publisher-1` matches no host that this fault may fall on"),
        (one("latency", "from = \"node\"\nlatency = \"1h\""), "`fault.1.latency` is 1h"),
        (one("bandwidth", "from = \"node\"\nrate = \"0B/s\""), "`fault.1.rate` is 0B/s"),
        (one("mtu-black-hole", "from = \"node\"\nlargest = \"0B\""), "`fault.1.largest` is 0B"),
        (one("restart-loop", "on = \"node\"\nup = \"0s\"\ndown = \"0s\""), "`fault.1.up` is 0s"),
        (one("disk-restored", "on = \"node\"\nfrom = \"6m\""), "`fault.1` restores the disk of 6m, and begins at 5m"),
        (one("pause", "on = \"client-9\""), "`client-9` matches no host that this fault may fall on"),
        (
            one("pause", "on = \"node\"") + &one("process-kill", "on = \"node\""),
            "`fault.2` kills node at 5m, where it is paused until 6m",
        ),
        (one("proxy-silence-upstream", "on = \"client-1\"\npath = \"{a\""), "`fault.1.path`"),
        (
            one("pause", "on = \"node\"\nnumber = 2") + &one("disk-full", "on = \"node\"\nnumber = 2"),
            "`fault.2` has the number 2, as another fault has",
        ),
        ("[storm]\nfamilies = \"all\"\n".to_owned(), "unknown key `storm`"),
        ("[[fault]\n".to_owned(), "unclosed array table"),
    ]
}

/// Good keys of each kind, of which a mutation spoils one.
const GOOD: &[(&str, &str)] = &[
    (
        "proxy-silence-upstream",
        "on = \"client-1\"\ndirection = \"to-node\"\npath = \"*\"\nheader = \"te: *\"\nnth-stream = 2",
    ),
    ("proxy-drops-messages", "on = \"client-1\"\nlarger-than = \"1B\"\nsmaller-than = \"1KiB\"\nevery = 2"),
    ("proxy-ends-streams", "on = \"client-1\"\nwith = \"reset\"\ncode = \"CANCEL\"\nwhen = \"idle 100s\""),
    ("proxy-ends-streams", "on = \"client-1\"\nwith = \"html\"\nhttp-status = 502"),
    ("proxy-ends-streams", "on = \"client-1\"\nwith = \"status\"\ngrpc-status = 4"),
    ("proxy-slows-streams", "on = \"client-1\"\ndelay = \"1s\"\nrate = \"1B/s\""),
    ("proxy-buffers", "on = \"client-1\"\ndirection = \"to-node\"\nuntil = \"end\"\nbuffer = \"1KiB\""),
    ("proxy-withholds", "on = \"client-1\"\nwhat = \"end\""),
    ("proxy-alters-status", "on = \"client-1\"\ngrpc-status = 0"),
    ("proxy-repeats-requests", "on = \"client-1\"\ntimes = 2"),
    ("proxy-misroutes", "on = \"client-1\"\nto = \"node\""),
    (
        "proxy-goaway",
        "on = \"client-1\"\ncode = \"CANCEL\"\nlast-stream = \"seen\"\nage = \"1s\"\nagain-after = \"1s\"\ncloses-after = \"1s\"\nevery = \"1m\"",
    ),
    ("proxy-ping-answers", "on = \"client-1\"\nanswer = \"late\"\nby = \"1s\""),
    ("proxy-settings", "on = \"node\"\nmax-concurrent-streams = 0\ninitial-window = \"1B\""),
    ("proxy-withholds-windows", "on = \"node\"\nof = \"both\""),
    ("proxy-alpn", "on = \"client-1\"\noffers = [\"http/1.1\"]"),
    ("process-kill", "on = \"node\"\npoint = \"before durable-write 3\""),
    ("power-off", "on = \"node\"\nunsynced = \"torn\""),
    ("restart-loop", "on = \"node\"\nup = \"10s\"\ndown = \"1s\""),
    ("pause", "on = \"node\""),
    ("clock-step", "on = \"node\"\nby = \"+5m\""),
    ("clock-drift", "on = \"node\"\nppm = -200"),
    ("name-slow", "on = \"client-1\"\nname = \"proxy\"\ntakes = \"5s\""),
    ("name-moves", "on = \"client-1\"\nname = \"proxy\"\nto = \"node\""),
    ("latency", "from = \"node\"\nlatency = \"1ms..2s\""),
    ("bandwidth", "from = \"node\"\nrate = \"64KiB/s\""),
    ("loss", "from = \"node\"\nrate = \"2.5%\"\nburst = 4"),
    ("mtu-black-hole", "from = \"node\"\nlargest = \"1200B\""),
    ("idle-drop", "from = \"node\"\nafter = \"350s\"\nthen = \"drop\""),
    ("slow-sync", "on = \"node\"\ntakes = \"2s\""),
    ("disk-restored", "on = \"node\"\nfrom = \"2m\""),
    ("bit-rot", "on = \"node\"\nrate = \"0.05%\""),
];

/// Every good plan with each of its keys given a value that none of them takes.
fn mutated() -> Vec<(String, String)> {
    let mut spoilt = Vec::new();
    for (kind, keys) in GOOD {
        for (key, value) in keys.lines().filter_map(|line| line.split_once(" = ")) {
            let wrong = if value.starts_with('"') { "\"{{\"" } else { "-1000000000" };
            let rest = keys.replace(&format!("{key} = {value}"), &format!("{key} = {wrong}"));
            spoilt.push((one(kind, &rest), format!("`fault.1.{key}`")));
        }
    }
    spoilt
}

#[test]
fn nonsense_is_refused_with_its_line_and_the_reason() {
    let scratch = Scratch::new();
    let case = case(&scratch);
    let mutated = mutated();
    assert!(mutated.len() >= 30, "only {} mutations", mutated.len());
    let nonsense = nonsense().into_iter().map(|(plan, why)| (plan, why.to_owned()));
    for (plan, why) in nonsense.chain(mutated) {
        with_plan(&scratch, &case, &plan);
        for command in ["replay", "explain"] {
            let said = scratch.pulseless(&[command, CASE]).exits(64);
            said.refuses(&["the case in plan.case.json is refused", "read plan `x-seed-7.plan`, line ", &why]);
        }
    }
}

#[test]
fn a_good_plan_is_told_and_played() {
    let scratch = Scratch::new();
    let case = case(&scratch);
    for (kind, keys) in GOOD {
        with_plan(&scratch, &case, &one(kind, keys));
        let said = scratch.pulseless(&["explain", CASE]).exits(0);
        assert!(said.to_string().contains("  at 5m for 1m: "), "{said}");
    }
    with_plan(&scratch, &case, &one("pause", "on = \"node\""));
    let said = scratch.pulseless(&["replay", CASE]).exits(0);
    assert!(said.to_string().contains("the process of node is paused"), "{said}");
}
