//! A guest's own program with the whole command line: sims cast its hosts, and every command plays them.
//!
//! The program is the example `feed_cast` (tests/feed/cast.rs), which `cargo test` and `cargo nextest run` build with the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pulseless::sim::{read, tables};
use pulseless::stranger::{HostSeat, Strangers};
use pulseless::subject::Subjects;

const SIM: &str = include_str!("feed/feed.toml");
const PAGE: &str = include_str!("../docs/strangers.md");

/// The kinds of hosts of the page.
fn subjects() -> Subjects {
    #[derive(Clone, serde::Deserialize)]
    #[expect(dead_code, reason = "only that it is read matters")]
    struct Settings {
        patience: u64,
    }
    let strangers = Strangers::new().host("server", || async {});
    strangers.host_with("client", |_: HostSeat<Settings>| async {}).into_subjects()
}

/// The example, beside the folder of the tests' programs.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a program");
    let profile = test.parent().and_then(Path::parent).expect("it lies in the folder of its profile");
    let program = profile.join("examples/feed_cast");
    assert!(program.is_file(), "{} is not built; `cargo build --example feed_cast` builds it", program.display());
    program
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .env_remove("PULSELESS_SEED")
        .output()
        .expect("the program starts")
}

/// What it prints, after it has ended with that code.
fn told(arguments: &[&str], folder: &Path, code: i32) -> String {
    let output = run(arguments, folder);
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    told
}

fn folder(sims: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for (name, text) in sims {
        std::fs::write(folder.path().join(name), text).expect("the folder takes files");
    }
    folder
}

fn with_bug() -> String {
    SIM.replace("patience = 20", "patience = 20, bug = \"skips\"")
}

#[test]
fn a_sim_casts_a_guests_hosts_and_the_line_that_plays_it_again_names_its_program() {
    let folder = folder(&[("feed.toml", SIM.to_owned())]);
    let story = told(&["run", "feed.toml", "--seed", "7"], folder.path(), 0);
    for part in ["1 server, 1 edge, 2 clients, 20m simulated, about G5 G6", "verdict  pass: the promise was kept"] {
        assert!(story.contains(part), "no `{part}` in {story}");
    }
    let again = story.lines().last().unwrap_or_default();
    assert!(again.starts_with("again    ") && again.ends_with("feed_cast run feed.toml --seed 7"), "{again}");
    assert_eq!(story, told(&["run", "feed.toml", "--seed", "7"], folder.path(), 0), "a second time it went otherwise");
}

#[test]
fn a_bug_is_swept_grouped_replayed_made_small_and_reported() {
    let folder = folder(&[("feed.toml", with_bug())]);
    let swept =
        told(&["sweep", "feed.toml", "--seeds", "6", "--shrink", "0", "--reports", "reports"], folder.path(), 1);
    assert!(swept.contains("fail gaps G1 at client") && swept.contains("feed seeds 1-6"), "{swept}");
    let reports = std::fs::read_dir(folder.path().join("reports")).expect("a report").flatten();
    let night = reports.map(|entry| entry.path()).find(|path| path.is_dir() && !path.is_symlink()).expect("a night");
    let files = std::fs::read_dir(&night).expect("files").flatten().map(|entry| entry.path());
    let case = files.into_iter().find(|path| path.to_string_lossy().ends_with(".case.json")).expect("a case");
    let case = case.to_string_lossy().into_owned();
    let replayed = told(&["replay", &case], folder.path(), 1);
    assert!(replayed.contains("reproduced bit for bit"), "{replayed}");
    let small = told(&["shrink", &case, "--into", "small"], folder.path(), 0);
    assert!(small.contains("fail (G1)") && small.contains("left: "), "{small}");
    let page = told(&["report", &case, "--to", "html"], folder.path(), 0);
    assert!(page.contains("<html") || page.contains(".html"), "{page}");
}

#[test]
fn a_grid_sets_a_guests_own_settings() {
    let folder = folder(&[("feed.toml", SIM.to_owned())]);
    let grid = ["grid", "feed.toml", "--seeds", "1", "--set", "cast.client.settings.patience=10,30"];
    let told = told(&grid, folder.path(), 0);
    assert!(told.contains("cast.client.settings.patience") && told.contains("2 points"), "{told}");
}

#[test]
fn what_a_sim_says_wrong_is_refused_with_its_line_and_the_nearest_word() {
    let wrong = [
        ("[cast.client]", "[cast.clinet]", "there is no kind of host `clinet`", "did you mean `client`?"),
        ("patience = 20", "patiense = 20", "`client` has no setting `patiense`", "did you mean `patience`?"),
        ("server:7000", "sever:7000", "there is no other host `sever`", "did you mean `server`?"),
        ("server:7000", "server", "`server` is no host with a port", "write the name of a host and its port"),
        ("count = 2", "cuont = 2", "unknown key `cuont` in `cast.client`", "did you mean `count`?"),
        ("on = \"edge\"", "on = \"egde\"", "`egde` matches no host", "the hosts whose streams pass a proxy are"),
        ("[cast.client]", "[cast.client-1]", "a name with a number at its end", "`count` says how many"),
        ("\"G6\"", "\"G9\"", "there is no requirement `G9`", "write one of"),
        ("layer = \"tcp\"", "tls = true", "a proxy between strangers speaks no TLS", "leave it out"),
    ];
    for (right, bad, message, help) in wrong {
        assert!(SIM.contains(right), "{right}");
        let folder = folder(&[("feed.toml", SIM.replace(right, bad))]);
        let said = told(&["run", "feed.toml"], folder.path(), 64).replace("\n  \u{2502}", "").replace('\n', " ");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(message) && said.contains(help) && said.contains("line "), "{bad}: {said}");
    }
}

#[test]
fn judges_are_waived_by_name() {
    let waive = |names: &str| SIM.replace("duration", &format!("waive = [{names}]\nduration"));
    let repeats = |names: &str| waive(names).replace("patience = 20", "patience = 20, bug = \"repeats\"");
    let folder = folder(&[
        ("a.toml", repeats("\"leaks\"")),
        ("b.toml", repeats("\"duplicates\"")),
        ("c.toml", waive("\"leeks\"")),
    ]);
    let caught = told(&["run", "a.toml", "--seed", "7"], folder.path(), 1);
    assert!(caught.contains("duplicates  fail") && !caught.contains("leaks"), "{caught}");
    told(&["run", "b.toml", "--seed", "7"], folder.path(), 0);
    let refused = told(&["run", "c.toml", "--seed", "7"], folder.path(), 64);
    assert!(refused.contains("there is no checker `leeks`"), "{refused}");
}

#[test]
fn the_page_has_every_key_and_every_judge_and_its_sim_is_one() {
    let subject = subjects().first();
    for table in tables(subject).filter(|table| table.name.starts_with("cast.")) {
        // What a proxy has in every subject is told elsewhere.
        for key in table.keys.iter().filter(|key| key.name != "profile") {
            let row = format!("| `{}` | {} | {} | {} |", key.name, key.takes, key.default, key.means);
            assert!(PAGE.contains(&row), "no `{row}`");
        }
    }
    for judge in subject.checkers() {
        let number = judge.cites().first().expect("it judges something").number;
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{}` | ", judge.name())));
        assert!(row.is_some_and(|row| row.ends_with(&format!(" | {number} |"))), "no row of {}", judge.name());
    }
    let sim = PAGE.split("```toml\n").find(|block| block.starts_with("# feed.toml")).expect("a sim");
    let sim = sim.split("```").next().expect("it ends");
    read("feed", sim, subjects()).unwrap_or_else(|refusal| panic!("{refusal}"));
}
