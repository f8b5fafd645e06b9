//! The proxy against raw frames: RFC 9113 case by case, on real TCP and in a trial, and clients that abuse it.
//!
//! The cases are in Python, with nothing between them and the bytes but a decoder of header blocks. They need a Python with the
//! package of `requirements.txt` in the target folder, where `.ci/run` puts it. Without it a test is skipped, and says so;
//! where `CI` is set, it fails.

mod trial;

use std::io::Write;
use std::path::Path;
use std::process::Command;

use pulseless::lie::{ConnectionLie, PingAnswer, Rule};
use pulseless::proxy::Control;

const BINARY: &str = env!("CARGO_BIN_EXE_pulseless");

/// A script of this folder; none, which is said, where nothing runs it.
fn script(name: &str) -> Option<Command> {
    // Beside the binary's profile: wherever cargo was told to build.
    let python = Path::new(BINARY).ancestors().nth(2).expect("a binary is in a folder of a profile");
    let python = python.join("h2-venv/bin/python");
    if !python.exists() {
        let told = format!("tests/h2: there is no {}; .ci/run makes it", python.display());
        assert!(std::env::var_os("CI").is_none(), "{told}");
        writeln!(std::io::stderr(), "SKIPPED {told}").expect("standard error is open");
        return None;
    }
    let mut command = Command::new(python);
    // It leaves no compiled files in the source tree.
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/h2").join(name));
    Some(command)
}

/// Lets a script of this folder judge the proxy, and shows what it says if it does not like what it sees.
fn judge(name: &str) {
    let Some(mut script) = script(name) else { return };
    let judged = script.arg(BINARY).output().expect("Python runs");
    let [out, err] = [judged.stdout, judged.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(judged.status.success(), "{out}\n{err}");
}

#[test]
fn the_proxy_keeps_to_rfc_9113_and_rfc_7541() {
    judge("conformance.py");
}

#[test]
fn the_proxy_bears_abuse_names_it_and_serves_the_others() {
    judge("abuse.py");
}

#[test]
fn the_proxy_of_a_trial_keeps_to_rfc_9113_and_rfc_7541() {
    let [first, again, other] = [7, 7, 8].map(|seed| {
        let told = trial::play(script("conformance.py")?.arg("trial"), seed, Control::default);
        assert!(told.is_content, "{}", told.verdict);
        let all = format!("{0} of {0} cases", told.worlds);
        assert!(told.worlds > 0 && told.verdict.starts_with(&all), "a case without a world: {}", told.verdict);
        Some(told.answers)
    });
    assert!(first == again, "one seed plays two trials");
    assert!(first.is_none() || first != other, "no seed makes a difference");
}

#[test]
fn the_cases_of_a_trial_catch_a_proxy_that_lies() {
    let lies = [
        (ConnectionLie::SettingsUnanswered, vec!["6.5 SETTINGS is acknowledged"]),
        (
            ConnectionLie::PingAnswers(PingAnswer::Wrong),
            vec!["6.7 PING is answered with its payload", "6.7 PING with ACK is not answered"],
        ),
    ];
    for (lie, caught) in lies {
        let Some(mut script) = script("conformance.py") else { return };
        let told = trial::play(script.arg("trial"), 7, || {
            let control = Control::default();
            control.add(1, Rule::new(lie.clone()));
            control
        });
        let wrong = told.verdict.lines().filter_map(|line| Some(line.split_once(": ")?.0));
        assert_eq!(wrong.collect::<Vec<_>>(), caught, "{}", told.verdict);
        assert!(!told.is_content);
    }
}
