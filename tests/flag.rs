//! What somebody is told whose crate lacks tokio's flag: it compiles us, and its first trial is refused with what to write where.
//!
//! Builds such a crate, which takes minutes: PULSELESS_LONG asks for it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const MANIFEST: &str = "\
[package]
name = \"without-the-flag\"
version = \"0.1.0\"
edition = \"2024\"

[dependencies]
pulseless = { path = \"ROOT\", default-features = false }

[workspace]
";

const MAIN: &str = r#"
use std::time::Duration;

use pulseless::grammar::Latency;
use pulseless::world::{Engine, Leap, on_trial_thread};

fn main() {
    let played = on_trial_thread(7, || {
        let minute = Duration::from_secs(60);
        let mut world = Leap::new(7, Latency::uniform(Duration::ZERO, Duration::ZERO));
        let host = world.add_host("server", Box::new(|_| Box::pin(async { Ok(()) })));
        world.start(host);
        world.run_until(minute)
    });
    match played.expect("nothing panics") {
        Ok(()) => println!("played"),
        Err(error) => println!("{error}"),
    }
}
"#;

/// Builds and runs the crate in `folder`, with those flags in the environment and none of this checkout's.
fn run(folder: &Path, flags: &str) -> Output {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("without-the-flag");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline"]).current_dir(folder);
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", flags).env("CARGO_TARGET_DIR", target);
    cargo.output().expect("cargo runs")
}

#[test]
fn a_crate_without_the_flag_is_told_by_its_first_trial() {
    if std::env::var_os("PULSELESS_LONG").is_none() {
        return;
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    fs::create_dir(folder.path().join("src")).expect("made");
    write("Cargo.toml", &MANIFEST.replace("ROOT", root));
    write("src/main.rs", MAIN);
    fs::copy(Path::new(root).join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("copied");
    let told = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let without = run(folder.path(), "");
    assert!(without.status.success(), "{}", String::from_utf8_lossy(&without.stderr));
    for part in
        [".cargo/config.toml", "[build]\nrustflags = [\"--cfg\", \"tokio_unstable\"]", "RUSTFLAGS in the environment"]
    {
        assert!(told(&without).contains(part), "no `{part}` in {}", told(&without));
    }
    assert_eq!(told(&run(folder.path(), "--cfg tokio_unstable")), "played\n");
}
