//! The committed code of the wire is what `proto/` compiles to, one file for each package.
//!
//! After a change of `proto/`: `PULSELESS_BLESS=1 cargo test --test wire` writes it anew.

use std::path::Path;

const COMMITTED: &str = "src/subject/xmtp/wire/generated";
const V1: &str = "xmtp.mls.api.v1";
/// A package that uses messages of v1, which is not compiled a second time for it.
const DRAFT: &str = "xmtp.mls.api.draft";

fn generate(package: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = format!("{}/mls.proto", package.replace('.', "/"));
    let descriptors = protox::compile([file], [root.join("proto")]).expect("proto/ compiles");
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let config = tonic_prost_build::configure().bytes(".").out_dir(scratch.path());
    let config = match package {
        V1 => config,
        _ => config.extern_path(format!(".{V1}"), "crate::subject::xmtp::wire::proto"),
    };
    config.compile_fds(descriptors).expect("the descriptors are complete");
    std::fs::read_to_string(scratch.path().join(format!("{package}.rs"))).expect("the generated file")
}

#[test]
fn the_committed_code_is_fresh() {
    for package in [V1, DRAFT] {
        let path = format!("{COMMITTED}/{package}.rs");
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        let generated = generate(package);
        if std::env::var_os("PULSELESS_BLESS").is_some() {
            std::fs::write(&committed, &generated).expect("the committed file is writable");
        }
        let held = std::fs::read_to_string(&committed).unwrap_or_default();
        assert!(held == generated, "{path} is stale; run PULSELESS_BLESS=1 cargo test --test wire");
    }
}
