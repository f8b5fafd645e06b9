//! The proxy on real TCP against raw frames: RFC 9113 case by case, and clients that abuse it.
//!
//! The cases are in Python, with nothing between them and the bytes but a decoder of header blocks. They need a Python with the
//! package of `requirements.txt` in the target folder, where `.ci/run` puts it. Without it a test is skipped, and says so;
//! where `CI` is set, it fails.

use std::io::Write;
use std::path::Path;
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_pulseless");

/// Lets a script of this folder judge the proxy, and shows what it says if it does not like what it sees.
fn judge(script: &str) {
    // Beside the binary's profile: wherever cargo was told to build.
    let python = Path::new(BINARY).ancestors().nth(2).expect("a binary is in a folder of a profile");
    let python = python.join("h2-venv/bin/python");
    if !python.exists() {
        let told = format!("tests/h2: there is no {}; .ci/run makes it", python.display());
        assert!(std::env::var_os("CI").is_none(), "{told}");
        writeln!(std::io::stderr(), "SKIPPED {told}").expect("standard error is open");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/h2").join(script);
    // It leaves no compiled files in the source tree.
    let judged = Command::new(python).arg("-B").arg(script).arg(BINARY).output().expect("Python runs");
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
