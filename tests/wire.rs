//! The committed code of the wire is what `proto/` compiles to.
//!
//! After a change of `proto/`: `PULSELESS_BLESS=1 cargo test --test wire` writes it anew.

use std::path::Path;

const COMMITTED: &str = "src/subject/xmtp/wire/generated/xmtp.mls.api.v1.rs";

fn generate() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["xmtp/mls/api/v1/mls.proto"], [root.join("proto")]).expect("proto/ compiles");
    let scratch = tempfile::tempdir().expect("a scratch folder");
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(scratch.path())
        .compile_fds(descriptors)
        .expect("the descriptors are complete");
    std::fs::read_to_string(scratch.path().join("xmtp.mls.api.v1.rs")).expect("the generated file")
}

#[test]
fn the_committed_code_is_fresh() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(COMMITTED);
    let generated = generate();
    if std::env::var_os("PULSELESS_BLESS").is_some() {
        std::fs::write(&committed, &generated).expect("the committed file is writable");
    }
    let held = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(held == generated, "{COMMITTED} is stale; run PULSELESS_BLESS=1 cargo test --test wire");
}
