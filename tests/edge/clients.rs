//! TLS with clients.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use pulseless::env::Surroundings;
use pulseless::os::Os;
use pulseless::proxy::{Alpn, Control, ProxyEdge, SessionCa};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use crate::bench::{
    Authority, Stage, answered, call, dial, folder, host, refusal, serve, shake, trusting, trusting_by,
};
use crate::process::Running;

/// A proxy with a certificate of its own, before a server in the clear.
async fn stage(arguments: &[&str]) -> (Stage, String) {
    let server = serve(None).await;
    let flags = ["--listen", "127.0.0.1:0", "--upstream", &server, "--tls", "--tls-write", "ca.pem"];
    let stage = Stage::start(&[&flags, arguments].concat()).await;
    let ca = stage.read("ca.pem");
    (stage, ca)
}

fn tls_error(error: &io::Error) -> &rustls::Error {
    error.get_ref().and_then(|inner| inner.downcast_ref()).unwrap_or_else(|| panic!("not TLS: {error}"))
}

#[tokio::test]
async fn a_client_that_trusts_the_ca_of_the_run_speaks_http2_by_either_version_of_tls_and_any_name_of_loopback() {
    let (stage, ca) = stage(&[]).await;
    let told = stage.told("proxy speaks TLS ");
    assert!(told.starts_with("(ALPN: h2), clients are to trust ca.pem, as by curl --cacert ca.pem https://"), "{told}");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for name in ["localhost", "127.0.0.1", "::1"] {
            let config = trusting_by(&ca, &["h2", "http/1.1"], &[version]);
            let stream = shake(config, name, dial(&stage.listens()).await).await.expect("it is trusted");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            assert_eq!(answered(call(stream).await)["x-scheme"], "http", "the way to the server is in the clear");
        }
    }
}

#[tokio::test]
async fn who_does_not_trust_the_certificate_says_so_by_an_alert_which_the_log_names() {
    let (mut stage, _) = stage(&[]).await;
    let stranger = trusting(&Authority::new().pem(), &["h2"]);
    let refused = shake(stranger, "localhost", dial(&stage.listens()).await).await.expect_err("nobody knows it");
    assert_eq!(tls_error(&refused), &rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
    stage.logs("turned away: TLS with the client failed: it sent the alert unknown_ca").await;
}

/// RFC 7301 section 3.2: where nothing is in common, the alert; where ALPN is not used at all, RFC 9113 section 3.3 leaves no
/// HTTP/2.
#[tokio::test]
async fn without_h2_in_alpn_no_http2_is_spoken_and_both_sides_are_told_why() {
    let alert = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    for (served, offered, chosen, log) in [
        (&[][..], &["http/1.1"][..], Err(&alert), "the client offers http/1.1, and this proxy h2"),
        (&[], &[], Ok(None), "the client offers none, and this proxy h2"),
        (&["--tls-alpn", "http/1.1"], &["h2"], Err(&alert), "the client offers h2, and this proxy http/1.1"),
        (
            &["--tls-alpn", "http/1.1"],
            &["h2", "http/1.1"],
            Ok(Some(&b"http/1.1"[..])),
            "the client offers h2, http/1.1, and this proxy http/1.1",
        ),
        (&["--tls-alpn", "none"], &["h2"], Ok(None), "the client offers h2, and this proxy none"),
    ] {
        let (mut stage, ca) = stage(served).await;
        let shaken = shake(trusting(&ca, offered), "localhost", dial(&stage.listens()).await).await;
        match (shaken, chosen) {
            (Err(error), Err(alert)) => assert_eq!(tls_error(&error), alert, "{served:?} {offered:?}"),
            (Ok(mut stream), Ok(chosen)) => {
                assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{served:?} {offered:?}");
                stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.expect("an answer, and close_notify");
                assert!(answer.starts_with("HTTP/1.1 505 ") && answer.contains("not agreed on by ALPN"), "{answer}");
            }
            (shaken, _) => panic!("{served:?} {offered:?}: {shaken:?}"),
        }
        stage.logs(&format!("turned away: no h2 in ALPN: {log}")).await;
    }
}

#[tokio::test]
async fn who_speaks_no_tls_is_turned_away_with_the_reason_in_the_log() {
    let (mut stage, _) = stage(&[]).await;
    call(dial(&stage.listens()).await).await.expect_err("it is closed");
    stage.logs("turned away: TLS with the client failed: what it sends is not TLS").await;
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_shown_and_a_wrong_one_is_refused_with_its_flag() {
    let authority = Authority::new();
    let (own, other) = (authority.certify("api.example"), authority.certify("api.example"));
    let files = [
        ("own.pem", own.certificate.as_str()),
        ("own.key", &own.key),
        ("other.key", &other.key),
        ("empty.pem", ""),
        ("of-nothing.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("ca.pem", &authority.pem()),
    ];
    let server = serve(None).await;
    let flags = ["--listen", "127.0.0.1:0", "--upstream", &server, "--tls-cert", "own.pem", "--tls-key", "own.key"];
    let folder = folder(&files);
    std::fs::write(folder.path().join("own.der"), [0x30, 0x82, 0xff]).expect("the scratch folder takes files");
    let stage = Stage::start_in(folder, &flags, &[]).await;
    assert_eq!(stage.told("proxy speaks TLS "), "(ALPN: h2), with the certificate that was given");
    let stream = shake(trusting(&authority.pem(), &["h2"]), "api.example", dial(&stage.listens()).await).await;
    answered(call(stream.expect("it is the right one")).await);
    for (flags, parts) in [
        (&["--tls-cert", "own.pem"][..], ["--tls-key", ""]),
        (&["--tls-cert", "none.pem", "--tls-key", "own.key"], ["--tls-cert: failed to read none.pem", ""]),
        (&["--tls-cert", "empty.pem", "--tls-key", "own.key"], ["--tls-cert empty.pem", "BEGIN CERTIFICATE"]),
        (&["--tls-cert", "own.pem", "--tls-key", "own.pem"], ["--tls-key own.pem", "BEGIN PRIVATE KEY"]),
        (&["--tls-cert", "of-nothing.pem", "--tls-key", "own.key"], ["--tls-cert of-nothing.pem", "is no X.509"]),
        (&["--tls-cert", "own.der", "--tls-key", "own.key"], ["--tls-cert", "openssl x509 -inform der -in own.der"]),
        (&["--tls-cert", "own.pem", "--tls-key", "own.der"], ["--tls-key", "openssl pkey -inform der -in own.der"]),
        (&["--upstream-tls", "--upstream-ca", "of-nothing.pem"], ["--upstream-ca of-nothing.pem", "is no X.509"]),
        (&["--tls-cert", "own.pem", "--tls-key", "other.key"], ["--tls-key other.key", "first certificate"]),
        (&["--tls-alpn", "h2"], ["--tls-alpn", "--tls or --tls-cert"]),
        (&["--tls", "--tls-alpn", "h2,,h3"], ["--tls-alpn", "h2,,h3"]),
        (&["--tls", "--tls-alpn", "h2,h2"], ["--tls-alpn", "each once"]),
        (&["--tls", "--tls-alpn", "none,h2"], ["--tls-alpn", "none alone"]),
        (&["--set", "drain=1s"], ["`drain` is no key of a profile", "drain-goaway-gap, drain-accepts"]),
        (&["--profile", "aws-nlb", "--set", "read-timeout=1s"], ["`read-timeout` is about HTTP/2", "connection-idle"]),
        (&["--tls", "--tls-write", "no/such/folder.pem"], ["--tls-write", "no/such/folder.pem"]),
        (&["--tls-write", "ca.pem"], ["--tls-write", "--tls with it"]),
        (&["--profile", "aws-nlb", "--tls"], ["passes bytes", "speaks no TLS"]),
        (&["--profile", "aws-nlb", "--upstream-tls"], ["passes bytes", "speaks no TLS"]),
        (&["--profile", "aws-nlb", "--silence-after", "1s"], ["--silence-after", "passes bytes"]),
        (&["--upstream-ca", "ca.pem"], ["--upstream-tls", ""]),
        (&["--upstream-tls", "--upstream-ca", "own.key"], ["--upstream-ca own.key", "BEGIN CERTIFICATE"]),
        (&["--upstream-tls", "--upstream-name", "a b"], ["--upstream-name", "`a b` is no name"]),
        (&["--upstream-tls", "--upstream-ca", "ca.pem", "--upstream-insecure"], ["--upstream-insecure", ""]),
    ] {
        let told = refusal(stage.folder.path(), &[&["proxy", "--listen", "127.0.0.1:0"], flags].concat());
        assert!(parts.iter().all(|part| told.contains(part)), "{flags:?}: {told}");
    }
}

#[tokio::test]
async fn the_api_alone_starts_no_proxy_and_takes_no_flag_about_one() {
    let folder = folder(&[]);
    for flag in [&["--tls"][..], &["--upstream-tls"], &["--proxy-protocol"], &["--silence-after", "1s"]] {
        let told = refusal(folder.path(), &[&["proxy", "--admin", "127.0.0.1:0"], flag].concat());
        assert!(told.starts_with(flag[0]) && told.contains("write --listen or --upstream"), "{flag:?}: {told}");
    }
}

/// Byte toxics harm what TCP carries, as Toxiproxy's do; lies in HTTP/2's words, what TLS carries.
#[tokio::test]
async fn toxics_about_bytes_lie_below_tls_and_the_others_above_it() {
    let (stage, ca) = stage(&[]).await;
    let config = || trusting(&ca, &["h2"]);
    stage.done(&["lie", "proxy", "limit_data", "bytes=100"]);
    let refused =
        shake(config(), "localhost", dial(&stage.listens()).await).await.expect_err("cut off in the handshake");
    assert_eq!(refused.kind(), io::ErrorKind::UnexpectedEof, "{refused}");
    stage.done(&["tell-truth"]);
    stage.done(&["lie", "proxy", "end-streams", "with=reset", "code=ENHANCE_YOUR_CALM"]);
    let stream = shake(config(), "localhost", dial(&stage.listens()).await).await.expect("TLS is well");
    let reset = call(stream).await.expect_err("the stream is reset");
    assert_eq!(reset.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM), "{reset}");
    stage.done(&["tell-truth"]);
    stage.done(&["lie", "proxy", "latency", "latency=30", "jitter=10"]);
    stage.done(&["lie", "proxy", "slicer", "average_size=50", "delay=100"]);
    let stream =
        shake(config(), "localhost", dial(&stage.listens()).await).await.expect("late and in pieces, but whole");
    answered(call(stream).await);
}

/// An edge whose ALPN changes while it runs: who has a connection keeps it, and whoever dials anew is told.
#[tokio::test]
async fn a_lie_about_alpn_turns_those_away_who_dial_anew() {
    let (stage, ca) = stage(&[]).await;
    let config = || trusting(&ca, &["h2"]);
    let before = shake(config(), "localhost", dial(&stage.listens()).await).await.expect("h2 is agreed on");
    stage.done(&["lie", "proxy", "alpn", "offers=[\"http/1.1\"]"]);
    let refused = shake(config(), "localhost", dial(&stage.listens()).await).await.expect_err("there is no h2");
    let alert = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    assert_eq!(tls_error(&refused), &alert);
    answered(call(before).await);
    stage.done(&["tell-truth"]);
    stage.done(&["lie", "proxy", "alpn", "offers=none"]);
    let unanswered = shake(config(), "localhost", dial(&stage.listens()).await).await.expect("TLS is well");
    assert_eq!(unanswered.get_ref().1.alpn_protocol(), None);
    stage.done(&["tell-truth"]);
    answered(call(shake(config(), "localhost", dial(&stage.listens()).await).await.expect("h2 is back")).await);
}

/// The one limit of time is for all that comes before HTTP/2.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_shake_hands_is_let_go_in_time() {
    let ca = SessionCa::new().expect("randomness");
    let client_tls = Some(ca.certify("localhost", Alpn::default()).expect("a name"));
    for takes_proxy_header in [false, true] {
        let edge = ProxyEdge { client_tls: client_tls.clone(), takes_proxy_header, ..ProxyEdge::default() };
        let address = host("127.0.0.1:9", Control::default(), edge).await;
        let mut socket = dial(&address).await;
        let begun = tokio::time::Instant::now();
        // A ClientHello that breaks off.
        socket.write_all(&[0x16, 0x03, 0x01]).await.expect("written");
        assert_eq!(socket.read(&mut [0; 64]).await.expect("closed in order"), 0);
        let took = begun.elapsed();
        assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn at_sigterm_a_client_behind_tls_is_sent_away_and_the_connection_ended_in_order() {
    let (mut stage, ca) = stage(&["--grace", "30s"]).await;
    let stream = shake(trusting(&ca, &["h2"]), "localhost", dial(&stage.listens()).await).await.expect("it is trusted");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let driven = tokio::spawn(connection);
    drop(sender.ready().await.expect("the proxy speaks HTTP/2"));
    stage.proxy.signal("TERM");
    driven.await.expect("no panic").expect("GOAWAY with NO_ERROR, and close_notify");
    stage.proxy.exits(0).await;
}

/// Where they are installed: curl speaks HTTP/2 by ALPN, and OpenSSL says what it sees.
/// A server that takes requests and answers none.
async fn serve_nothing() -> String {
    let mut listener = Os::default().listen(0).await.expect("a free port");
    let address = listener.local().to_string();
    tokio::spawn(async move {
        let socket = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(socket).await.expect("HTTP/2");
        let mut asked = Vec::new();
        while let Some(Ok(request)) = connection.accept().await {
            asked.push(request);
        }
    });
    address
}

/// RFC 8446 section 6.1: without close_notify the client could not tell it from an attack.
#[tokio::test]
async fn a_stream_that_outlasts_the_grace_is_cut_and_tls_is_ended_in_order() {
    let server = serve_nothing().await;
    let flags =
        ["--listen", "127.0.0.1:0", "--upstream", &server, "--tls", "--tls-write", "ca.pem", "--grace", "300ms"];
    let mut stage = Stage::start(&flags).await;
    let ca = stage.read("ca.pem");
    let mut stream =
        shake(trusting(&ca, &["h2"]), "localhost", dial(&stage.listens()).await).await.expect("it is trusted");
    // SETTINGS, and HEADERS of POST https://a/ that leave the stream open.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("written");
    stream.write_all(b"\0\0\x06\x01\x04\0\0\0\x01\x83\x87\x84\x41\x01a").await.expect("written");
    stage.proxy.says("connection opened").await;
    stage.proxy.signal("TERM");
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.expect("close_notify before the end");
    let goaway = [0x07, 0, 0, 0, 0, 0];
    assert!(said.windows(goaway.len()).any(|frame| frame == goaway), "no GOAWAY: {said:?}");
    stage.proxy.exits(0).await;
}

#[tokio::test]
async fn curl_and_openssl_agree() {
    let (stage, _) = stage(&[]).await;
    let address = stage.listens();
    let url = format!("https://{address}/a.B/C");
    let curl = ["-sS", "--http2", "--cacert", "ca.pem", "-o", "body", "-w", "%{http_code} %{http_version}", &url];
    let openssl = ["s_client", "-connect", &address, "-CAfile", "ca.pem", "-alpn", "h2", "-verify_return_error"];
    for (program, version, arguments, expected) in
        [("curl", "--version", &curl[..], "200 2"), ("openssl", "version", &openssl, "ALPN protocol: h2")]
    {
        if !Command::new(program).arg(version).output().is_ok_and(|output| output.status.success()) {
            continue;
        }
        let mut asked = Running::start(stage.folder.path(), program, program, arguments, Stdio::null());
        asked.exits(0).await;
        assert!(asked.out().contains(expected), "{program}: {}", asked.out());
    }
}
