//! TLS with the server.

use pulseless::env::Surroundings;
use pulseless::os::Os;
use pulseless::proxy::{Control, NodeTls, NodeTrust, ProxyEdge};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use tokio_rustls::rustls::ServerConfig;

use crate::bench::{Authority, Stage, answered, call, dial, folder, host, serve, serve_bytes, unavailable};
use crate::process::free_address;

/// A proxy that leads there by TLS, and trusts that authority.
async fn stage(authority: &Authority, server: &str, arguments: &[&str], variables: &[&str]) -> Stage {
    let flags = ["--listen", "127.0.0.1:0", "--upstream", server, "--upstream-tls"];
    Stage::start_in(folder(&[("ca.pem", &authority.pem())]), &[&flags, arguments].concat(), variables).await
}

#[tokio::test]
async fn a_server_that_is_trusted_is_asked_for_by_its_name_over_https() {
    let authority = Authority::new();
    let server = serve(Some(authority.certify("localhost").server(&["h2"]))).await;
    let by_name = server.replace("127.0.0.1", "localhost");
    for (address, flags, variables, name) in [
        (&by_name, &["--upstream-ca", "ca.pem"][..], &[][..], "localhost"),
        // What the machine trusts, by OpenSSL's own word for it.
        (&by_name, &[], &["SSL_CERT_FILE=ca.pem"], "localhost"),
        (&server, &["--upstream-ca", "ca.pem", "--upstream-name", "localhost"], &[], "localhost"),
        // No name is asked for at an IP address (RFC 6066 section 3).
        (&server, &["--upstream-insecure"], &["SSL_CERT_FILE=/dev/null"], "none"),
    ] {
        let stage = stage(&authority, address, flags, variables).await;
        let answer = answered(call(dial(&stage.listens()).await).await);
        assert_eq!(
            (&answer["x-scheme"], &answer["x-sni"]),
            (&"https".parse().expect("text"), &name.parse().expect("text"))
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_told_to_the_client_and_the_log_with_side_and_address() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = |config: ServerConfig| serve(Some(config));
    // A fatal alert of handshake_failure (RFC 8446 section 6), and of internal_error.
    let alerts: [&[u8]; 2] = [&[0x15, 3, 3, 0, 2, 2, 40], &[0x15, 3, 3, 0, 2, 2, 80]];
    for (address, part) in [
        (server(other.certify("127.0.0.1").server(&["h2"])).await, "its certificate is of nobody who is trusted"),
        (server(authority.certify_expired("127.0.0.1").server(&["h2"])).await, "its certificate has expired"),
        (server(authority.certify("localhost").server(&["h2"])).await, "its certificate has another name"),
        (
            server(authority.certify("localhost").server(&["h2"])).await,
            "its certificate has another name: it is for localhost, and 127.0.0.1 is asked for",
        ),
        (
            server(
                authority
                    .certify_as("127.0.0.1", |params| params.not_before = date_time_ymd(2200, 1, 1))
                    .server(&["h2"]),
            )
            .await,
            "its certificate is not valid yet, but in ",
        ),
        (
            server(
                authority
                    .certify_as("127.0.0.1", |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
                    .server(&["h2"]),
            )
            .await,
            "its certificate is that of a CA, which no server may show",
        ),
        (
            server(
                authority
                    .certify_as("127.0.0.1", |params| {
                        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
                    })
                    .server(&["h2"]),
            )
            .await,
            "its certificate is for another purpose; have it made with extendedKeyUsage serverAuth",
        ),
        (
            server(authority.made_anew().certify("127.0.0.1").server(&["h2"])).await,
            "its certificate is not signed by the CA that is trusted",
        ),
        (
            server(authority.certify_by_no_ca("127.0.0.1").server(&["h2"])).await,
            "its certificate is signed by one who is no CA",
        ),
        (server(authority.certify("127.0.0.1").server(&[])).await, "no h2 in ALPN: it chose none"),
        (
            server(authority.certify("127.0.0.1").server(&["http/1.1"])).await,
            "no h2 in ALPN: it sent the alert no_application_protocol",
        ),
        (serve_bytes(alerts[0]).await, "it sent the alert handshake_failure"),
        (serve_bytes(alerts[1]).await, "it sent the alert internal_error"),
        (serve(None).await, "what it sends is not TLS"),
        (serve_bytes(b"").await, "it closed the connection in the handshake"),
    ] {
        let mut stage = stage(&authority, &address, &["--upstream-ca", "ca.pem"], &[]).await;
        let told = unavailable(&call(dial(&stage.listens()).await).await.expect("an answer of the proxy's own"));
        let begin = format!("failed to speak TLS with the server {address}: ");
        assert!(told.strip_prefix(&begin).is_some_and(|why| why.starts_with(part)), "{part}: {told}");
        stage.logs(&told).await;
    }
}

/// Time stands still but for what is waited for.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_to_tls_is_told_from_one_that_cannot_be_reached() {
    let mute = Os::default().listen(0).await.expect("a free port");
    let address = mute.local().to_string();
    let node_tls = Some(NodeTls { trust: NodeTrust::Anybody, name: None });
    let edge = ProxyEdge { node_tls, ..ProxyEdge::default() };
    let proxy = host(&address, Control::default(), edge).await;
    let told = unavailable(&call(dial(&proxy).await).await.expect("an answer of the proxy's own"));
    assert_eq!(told, format!("failed to speak TLS with the server {address} within 5s: it says nothing"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_by_its_address_before_any_tls() {
    let address = free_address().await;
    let mut stage = stage(&Authority::new(), &address, &["--upstream-ca", "ca.pem"], &[]).await;
    let told = unavailable(&call(dial(&stage.listens()).await).await.expect("an answer of the proxy's own"));
    assert!(told.starts_with(&format!("failed to connect to {address}: ")), "{told}");
    stage.logs(&told).await;
}

#[tokio::test]
async fn a_machine_that_trusts_nobody_opens_no_such_proxy() {
    let folder = folder(&[]);
    let output = std::process::Command::new(crate::process::BINARY)
        .args(["proxy", "--listen", "127.0.0.1:0", "--upstream-tls"])
        .env("SSL_CERT_FILE", "/dev/null")
        .env_remove("SSL_CERT_DIR")
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert!(told.contains("speak TLS with the server"), "{told}");
}
