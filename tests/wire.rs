//! The committed code of the wire is what `proto/` compiles to, one file for each package.
//!
//! After a change of `proto/`: `PULSELESS_BLESS=1 cargo test --test wire` writes it anew.

use std::path::Path;

const COMMITTED: &str = "src/subject/xmtp/wire/generated";
/// Where the messages of a package are in the library, for those that use them: nothing is compiled twice.
type Seen = &'static [(&'static str, &'static str)];
const V1: (&str, &str) = (".xmtp.mls.api.v1", "crate::subject::xmtp::wire::proto");
const ENVELOPES: (&str, &str) = (".xmtp.xmtpv4.envelopes", "crate::subject::xmtp::wire::envelopes_proto");
/// Each package, the name of its file, and what it uses of others.
const PACKAGES: [(&str, &str, Seen); 4] = [
    ("xmtp.mls.api.v1", "mls", &[]),
    ("xmtp.mls.api.draft", "mls", &[V1]),
    ("xmtp.xmtpv4.envelopes", "envelopes", &[V1]),
    ("xmtp.xmtpv4.message_api", "query_api", &[V1, ENVELOPES]),
];

fn generate(package: &str, name: &str, seen: Seen) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = format!("{}/{name}.proto", package.replace('.', "/"));
    let descriptors = protox::compile([file], [root.join("proto")]).expect("proto/ compiles");
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let mut config = tonic_prost_build::configure().bytes(".").btree_map(".").out_dir(scratch.path());
    for (of, at) in seen {
        config = config.extern_path(*of, *at);
    }
    config.compile_fds(descriptors).expect("the descriptors are complete");
    std::fs::read_to_string(scratch.path().join(format!("{package}.rs"))).expect("the generated file")
}

#[test]
fn the_committed_code_is_fresh() {
    for (package, name, seen) in PACKAGES {
        let path = format!("{COMMITTED}/{package}.rs");
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        let generated = generate(package, name, seen);
        if std::env::var_os("PULSELESS_BLESS").is_some() {
            std::fs::write(&committed, &generated).expect("the committed file is writable");
        }
        let held = std::fs::read_to_string(&committed).unwrap_or_default();
        assert!(held == generated, "{path} is stale; run PULSELESS_BLESS=1 cargo test --test wire");
    }
}
