//! Several proxies from one file, and the same keys in the admin API.

use serde_json::{Value, json};

use crate::bench::{Authority, Stage, answered, call, dial, folder, refusal, serve, shake, trusting, unavailable};

#[tokio::test]
async fn a_file_has_listeners_of_all_kinds() {
    let authority = Authority::new();
    let own = authority.certify("api.example");
    let (clear, safe) = (serve(None).await, serve(Some(authority.certify("127.0.0.1").server(&["h2"]))).await);
    let file = json!([
        {"name": "plain", "listen": "127.0.0.1:0", "upstream": clear},
        {"name": "session", "upstream": clear, "tls": true, "profile": "nginx", "set": {"read-timeout": "20s"}},
        {"name": "own", "upstream": safe, "tls": {"certificate_file": "own.pem", "key_file": "own.key", "alpn": ["h2"]},
         "upstream_tls": {"ca_file": "ca.pem"}},
        {"name": "bare", "upstream": clear, "tls": {"alpn": []}, "upstream_tls": false},
        {"name": "behind", "upstream": clear, "proxy_protocol": true, "enabled": true},
    ]);
    let files = [
        ("own.pem", own.certificate.as_str()),
        ("own.key", &own.key),
        ("ca.pem", &authority.pem()),
        ("proxies.json", &file.to_string()),
    ];
    let stage = Stage::start_in(folder(&files), &["--config", "proxies.json", "--tls-write", "run.pem"], &[]).await;
    let listens = |name: &str| stage.told(&format!("proxy {name} listens on "));
    answered(call(dial(&listens("plain")).await).await);
    let run_ca = stage.read("run.pem");
    let stream = shake(trusting(&run_ca, &["h2"]), "localhost", dial(&listens("session")).await).await;
    answered(call(stream.expect("it is of the run's CA")).await);
    let stream = shake(trusting(&authority.pem(), &["h2"]), "api.example", dial(&listens("own")).await).await;
    assert_eq!(answered(call(stream.expect("it is of the own CA")).await)["x-scheme"], "https");
    let stream = shake(trusting(&run_ca, &["h2"]), "localhost", dial(&listens("bare")).await).await;
    assert_eq!(stream.expect("without ALPN").get_ref().1.alpn_protocol(), None);
    call(dial(&listens("behind")).await).await.expect_err("a header comes first");
    let shown: Value = serde_json::from_str(&stage.done(&["list", "--format", "json"])).expect("JSON");
    assert_eq!(shown["session"]["set"], json!({"read-timeout": "20s"}));
    assert_eq!(shown["session"]["profile"], "nginx");
    assert_eq!(shown["session"]["tls"], json!({"alpn": ["h2"], "ca": run_ca}));
    assert_eq!(shown["own"]["tls"], json!({"alpn": ["h2"], "certificate": own.certificate}));
    assert_eq!(shown["own"]["upstream_tls"], json!({"ca": authority.pem(), "insecure": false}));
    assert_eq!(shown["behind"]["proxy_protocol"], true);
    assert!(!shown.to_string().contains("PRIVATE KEY"), "a key is shown to nobody");
    let listed = stage.done(&["list"]);
    assert!(listed.contains("nginx") && listed.contains("TLS"), "{listed}");
}

#[tokio::test]
async fn a_wrong_value_in_a_file_is_refused_with_its_key_and_what_is_right() {
    let refused = |proxy: Value| {
        let mut whole = json!({"name": "a", "upstream": "127.0.0.1:9"});
        proxy.as_object().expect("keys").iter().for_each(|(key, value)| whole[key] = value.clone());
        let folder = folder(&[("proxies.json", &json!([whole]).to_string())]);
        refusal(folder.path(), &["proxy", "--config", "proxies.json"])
    };
    for (proxy, parts) in [
        (json!({"tls": "yes"}), ["`[0].tls`", "true, false, or an object"]),
        (json!({"tls": {"cert": "x"}}), ["unknown key `cert`", "`certificate`"]),
        (json!({"tls": {"alpn": "h2"}}), ["`[0].tls.alpn`", "write a list"]),
        (json!({"tls": {"alpn": [""]}}), ["`tls.alpn`", "1 to 255 bytes"]),
        (json!({"tls": {"certificate": "x"}}), ["`tls.key`", "missing"]),
        (json!({"tls": {"key": "x"}}), ["`tls.certificate`", "missing"]),
        (json!({"tls": {"certificate": "x", "key": "y"}}), ["proxy 1 `a`: `tls.certificate`", "BEGIN CERTIFICATE"]),
        (json!({"tls": {"certificate_file": "none.pem", "key": "y"}}), ["`tls.certificate_file`", "none.pem"]),
        (json!({"tls": {"key_file": "proxies.json", "key": "y"}}), ["`tls.key_file`", "write one of them"]),
        (json!({"upstream_tls": {"ca": "x"}}), ["`upstream_tls.ca`", "BEGIN CERTIFICATE"]),
        (json!({"upstream_tls": {"ca": "x", "insecure": true}}), ["`upstream_tls.insecure`", "write one of them"]),
        (json!({"upstream_tls": {"name": "a b"}}), ["`upstream_tls.name`", "DNS name"]),
        (json!({"proxy_protocol": "v2"}), ["`[0].proxy_protocol`", "true or false"]),
        (json!({"profile": "ngnix"}), ["`profile`", "nginx"]),
        (json!({"set": {"read-timout": "1s"}}), ["`set`", "read-timeout"]),
        (json!({"set": {"read-timeout": "soon"}}), ["`set`", "soon"]),
        (json!({"upstream-tls": true}), ["unknown key `upstream-tls`", "did you mean `upstream_tls`?"]),
        (json!({"proxyprotocol": true}), ["unknown key `proxyprotocol`", "`proxy_protocol`"]),
    ] {
        let told = refused(proxy.clone());
        assert!(told.contains("proxies.json") && parts.iter().all(|part| told.contains(part)), "{proxy}: {told}");
        assert!(!told.contains("request body"), "a file is no request: {told}");
    }
}

#[tokio::test]
async fn the_api_takes_the_same_keys_and_reads_no_file() {
    let authority = Authority::new();
    let safe = serve(Some(authority.certify("127.0.0.1").server(&["h2"]))).await;
    let stage = Stage::start_in(folder(&[("ca.pem", &authority.pem())]), &[], &[]).await;
    let admin = stage.told("admin API listens on ");
    let post = async |path: &str, body: Value| ask(&admin, "POST", path, &body.to_string()).await;
    let (status, made) = post("/proxies", json!({"name": "a", "upstream": safe, "tls": true, "unknown": 7})).await;
    assert_eq!(status, 201, "{made}");
    let ca = made["tls"]["ca"].as_str().expect("the CA of the run").to_owned();
    let listens = made["listen"].as_str().expect("a text").to_owned();
    let shaken = || async { shake(trusting(&ca, &["h2"]), "localhost", dial(&listens).await).await.expect("trusted") };
    let told = unavailable(&call(shaken().await).await.expect("an answer of the proxy's own"));
    assert!(told.contains("lost the node"), "the server wants TLS: {told}");
    // What is shown may be sent back, as clients that keep what they do not know do.
    let mut changed = made.clone();
    changed["upstream_tls"] = json!({"ca": authority.pem()});
    let (status, changed) = post("/proxies/a", changed).await;
    assert!(status == 200 && changed["tls"]["ca"] == ca.as_str() && changed["listen"] == made["listen"], "{changed}");
    answered(call(shaken().await).await);
    let (_, off) = post("/proxies/a", json!({"tls": false})).await;
    assert!(off.get("tls").is_none() && off["upstream_tls"]["insecure"] == false, "{off}");
    answered(call(dial(&listens).await).await);
    for (body, part) in [
        (json!({"name": "b", "upstream": safe, "upstream_tls": {"ca_file": "ca.pem"}}), "`upstream_tls.ca_file`"),
        (
            json!({"name": "b", "upstream": safe, "tls": {"certificate_file": "a", "key_file": "b"}}),
            "a request reads no file",
        ),
    ] {
        let (status, told) = post("/proxies", body).await;
        assert!(status == 400 && told["error"].as_str().is_some_and(|error| error.contains(part)), "{told}");
    }
    let added = stage.done(&[
        "add",
        "c",
        "--upstream",
        &safe,
        "--upstream-tls",
        "--upstream-ca",
        "ca.pem",
        "--profile",
        "envoy",
        "--set",
        "max-streams=7",
        "--tls",
    ]);
    assert!(added.starts_with("c listens on "), "{added}");
    let (_, shown) = ask(&admin, "GET", "/proxies/c", "").await;
    assert_eq!((&shown["profile"], &shown["set"]), (&json!("envoy"), &json!({"max-streams": "7"})));
    let stream =
        shake(trusting(&ca, &["h2"]), "localhost", dial(shown["listen"].as_str().expect("a text")).await).await;
    assert_eq!(answered(call(stream.expect("one CA for all")).await)["x-scheme"], "https");
}

/// What `GET` shows may be sent back, though the key of a certificate is shown to nobody.
#[tokio::test]
async fn a_certificate_of_ones_own_may_be_sent_back_without_its_key() {
    let (authority, server) = (Authority::new(), serve(None).await);
    let own = authority.certify("api.example");
    let stage = Stage::start(&[]).await;
    let admin = stage.told("admin API listens on ");
    let proxy = json!({"name": "a", "upstream": server, "tls": {"certificate": own.certificate, "key": own.key}});
    let (status, made) = ask(&admin, "POST", "/proxies", &proxy.to_string()).await;
    assert_eq!(status, 201, "{made}");
    let (_, shown) = ask(&admin, "GET", "/proxies/a", "").await;
    let mut moved = shown.clone();
    moved["tls"]["alpn"] = json!(["h2", "http/1.1"]);
    for (path, body, part) in [
        ("/proxies/a", shown.clone(), shown.clone()),
        ("/populate", json!([shown]), json!({"proxies": [shown]})),
        ("/proxies/a", moved.clone(), moved),
    ] {
        let (status, answer) = ask(&admin, "POST", path, &body.to_string()).await;
        assert!(status < 300 && answer == part, "{path}: {answer}");
    }
    let listens = shown["listen"].as_str().expect("a text");
    let stream = shake(trusting(&authority.pem(), &["h2"]), "api.example", dial(listens).await).await;
    answered(call(stream.expect("it has the same certificate")).await);
    // Another certificate needs a key of its own.
    let other = json!({"tls": {"certificate": authority.certify("api.example").certificate}});
    let (status, told) = ask(&admin, "POST", "/proxies/a", &other.to_string()).await;
    assert!(status == 400 && told.to_string().contains("`tls.key`"), "{told}");
}

#[tokio::test]
async fn the_profile_that_all_have_is_shown_and_may_be_sent_back() {
    let mine = "title = \"mine\"\nproxy = \"nginx\"\nversion = \"1\"\n\
                inherits = { from = \"nginx\", source = \"us\", evidence = \"unverified\" }\n";
    for profile in ["nginx", "mine.toml"] {
        let folder = folder(&[("mine.toml", mine)]);
        let stage = Stage::start_in(folder, &["--profile", profile, "--set", "read-timeout=20s"], &[]).await;
        let admin = stage.told("admin API listens on ");
        stage.done(&["add", "a", "--upstream", "127.0.0.1:9", "--set", "max-streams=7"]);
        let (_, shown) = ask(&admin, "GET", "/proxies/a", "").await;
        assert_eq!(shown["profile"], profile.trim_end_matches(".toml"));
        assert_eq!(shown["set"], json!({"read-timeout": "20s", "max-streams": "7"}));
        let (status, again) = ask(&admin, "POST", "/proxies/a", &shown.to_string()).await;
        assert_eq!((status, &again), (200, &shown));
        stage.done(&["add", "b", "--upstream", "127.0.0.1:9", "--profile", "envoy"]);
        let (_, other) = ask(&admin, "GET", "/proxies/b", "").await;
        assert!(other["profile"] == "envoy" && other.get("set").is_none(), "{other}");
    }
}

/// One request to the API.
async fn ask(admin: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    use http_body_util::{BodyExt, Full};
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(dial(admin).await)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = http::Request::builder().method(method).uri(path).header("host", "a");
    let request = request.body(Full::new(bytes::Bytes::from(body.to_owned()))).expect("a request");
    let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}
