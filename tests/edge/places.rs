//! IPv6.

use crate::bench::{Stage, answered, call, dial, run, serve_on, shake, trusting};

#[tokio::test]
async fn listener_server_and_api_may_be_on_ipv6() {
    let server = serve_on("::1", None).await;
    assert!(server.starts_with("[::1]:"), "{server}");
    let flags = ["--listen", "[::1]:0", "--upstream", &server, "--tls", "--tls-write", "ca.pem", "--admin", "[::1]:0"];
    let folder = tempfile::tempdir().expect("a scratch folder");
    let arguments = [&["proxy"], &flags[..]].concat();
    let proxy = crate::process::Running::start(
        folder.path(),
        "proxy",
        crate::process::BINARY,
        &arguments,
        std::process::Stdio::null(),
    );
    let mut stage = Stage { folder, proxy };
    stage.proxy.says("admin API listens on [::1]:").await;
    assert!(stage.listens().starts_with("[::1]:"), "{}", stage.listens());
    let config = trusting(&stage.read("ca.pem"), &["h2"]);
    let stream = shake(config, "::1", dial(&stage.listens()).await).await.expect("its certificate has that name");
    answered(call(stream).await);
    assert!(
        stage
            .done(&["add", "second", "--listen", "[::1]:0", "--upstream", &server])
            .starts_with("second listens on [::1]:")
    );
    let listed = stage.done(&["list"]);
    assert!(listed.contains(&stage.listens()) && listed.contains(&server), "{listed}");
    let told = run(stage.folder.path(), &["proxy", "--listen", "::1", "--upstream", "[::1]:1"]);
    assert_eq!(told.status.code(), Some(64), "{told:?}");
}
