//! What the API answers, as Toxiproxy 2.12 does.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use pulseless::admin::{AdminServer, BadAdmin, EnvOfHost, ProxyFleet, UsualProfile};
use pulseless::env::{Address, Env, Surroundings};
use pulseless::os::Os;
use pulseless::profile::Profile;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// An API on a free port.
struct Api(Address);

impl Api {
    async fn start() -> Api {
        let server = bind("127.0.0.1:0", false).await.expect("a free port");
        let address = server.local().to_string().parse().expect("an address");
        tokio::spawn(server.run());
        Api(address)
    }

    async fn ask_as(&self, agent: &str, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        let socket = Os::default().dial(&self.0).await.expect("it listens");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "a").header("user-agent", agent);
        let request = request.body(Full::new(bytes::Bytes::from(body.to_owned()))).expect("a request");
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a whole answer").to_bytes();
        (head.status, String::from_utf8(body.into()).expect("text"))
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let (status, text) = self.ask_as("a test", method, path, body).await;
        let value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
        (status.as_u16(), value)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, "").await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, &body.to_string()).await
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        self.ask(Method::DELETE, path, "").await
    }

    /// A refusal, whose body has its status, and what it says.
    async fn refused(&self, path: &str, body: Value) -> (u16, String) {
        let (status, told) = self.post(path, body).await;
        assert_eq!(told["status"], status, "{told}");
        (status, told["error"].as_str().expect("a text").to_owned())
    }

    async fn create(&self, name: &str) -> Value {
        let (status, proxy) = self.post("/proxies", json!({"name": name, "upstream": "127.0.0.1:9"})).await;
        assert_eq!(status, 201, "{proxy}");
        proxy
    }
}

async fn bind(address: &str, is_open: bool) -> Result<AdminServer, BadAdmin> {
    let ground: EnvOfHost = Arc::new(|host: &str| -> Env { Arc::new(Os::default().listening_on(host)) });
    let plain = UsualProfile { profile: Profile::named("plain").expect("a profile").clone(), settings: Vec::new() };
    let fleet = Arc::new(Mutex::new(ProxyFleet::new(ground.clone(), plain, 0).expect("randomness")));
    let address = Address::listening(address).expect("an address");
    AdminServer::bind(&ground, &address, is_open, fleet).await
}

/// A PEM text of what is no certificate.
const OF_NOTHING: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

async fn is_listening(proxy: &Value) -> bool {
    let address = proxy["listen"].as_str().expect("a text").parse().expect("an address");
    Os::default().dial(&address).await.is_ok()
}

#[tokio::test]
async fn a_proxy_is_made_shown_closed_opened_moved_and_deleted() {
    let api = Api::start().await;
    assert_eq!(api.get("/proxies").await, (200, json!({})));
    let made = api.create("a").await;
    assert!(made["enabled"] == true && made["upstream"] == "127.0.0.1:9" && made["toxics"] == json!([]), "{made}");
    assert!(is_listening(&made).await, "port 0 is answered with the real one: {made}");
    assert_eq!(api.get("/proxies").await, (200, json!({ "a": made })));
    assert_eq!(api.get("/proxies/a").await, (200, made.clone()));
    let (status, closed) = api.post("/proxies/a", json!({"enabled": false})).await;
    assert!(status == 200 && closed["enabled"] == false && closed["listen"] == made["listen"], "{closed}");
    assert!(!is_listening(&made).await);
    let body = r#"{"enabled": true, "upstream": "127.0.0.1:10"}"#;
    let (status, moved) = api.ask(Method::PATCH, "/proxies/a", body).await;
    assert!(status == 200 && moved["upstream"] == "127.0.0.1:10" && moved["listen"] == made["listen"], "{moved}");
    assert!(is_listening(&made).await);
    assert_eq!(api.delete("/proxies/a").await, (204, Value::Null));
    assert!(!is_listening(&made).await);
    assert_eq!(api.get("/proxies/a").await.0, 404);
}

#[tokio::test]
async fn toxics_are_added_shown_changed_and_removed() {
    let api = Api::start().await;
    api.create("a").await;
    let made = json!({"name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1.0,
        "attributes": {"latency": 100, "jitter": 0}});
    let asked = json!({"type": "latency", "attributes": {"latency": 100}});
    assert_eq!(api.post("/proxies/a/toxics", asked.clone()).await, (200, made.clone()));
    assert_eq!(api.get("/proxies/a/toxics").await, (200, json!([made])));
    assert_eq!(api.get("/proxies/a").await.1["toxics"], json!([made]));
    assert_eq!(api.refused("/proxies/a/toxics", asked).await.0, 409);
    let change = json!({"toxicity": 0.5, "attributes": {"jitter": 5}});
    let (status, changed) = api.post("/proxies/a/toxics/latency_downstream", change).await;
    assert_eq!((status, &changed["attributes"]), (200, &json!({"latency": 100, "jitter": 5})));
    assert_eq!(api.get("/proxies/a/toxics/latency_downstream").await, (200, changed));
    assert_eq!(api.delete("/proxies/a/toxics/latency_downstream").await, (204, Value::Null));
    assert_eq!(api.delete("/proxies/a/toxics/latency_downstream").await.0, 404);
    assert_eq!(api.get("/proxies/a/toxics").await, (200, json!([])));
}

#[tokio::test]
async fn refusals_have_toxiproxys_status_and_name_what_is_wrong() {
    let api = Api::start().await;
    api.create("a").await;
    let taken = api.get("/proxies/a").await.1["listen"].clone();
    for (path, body, status, parts) in [
        ("/proxies", json!({"upstream": "b:1"}), 400, ["missing required field: name", ""]),
        ("/proxies", json!({"name": "b"}), 400, ["missing required field: upstream", ""]),
        ("/proxies", json!({"name": "a", "upstream": "b:1"}), 409, ["proxy already exists", "`a`"]),
        ("/proxies", json!({"name": "b", "upstream": "b"}), 400, ["bad request body: `upstream`", "host:port"]),
        ("/proxies", json!({"name": "b", "upstream": 7}), 400, ["bad request body", "upstream"]),
        ("/proxies", json!({"name": "b", "upstream": "b:1", "listen": taken}), 500, ["failed to listen", "in use"]),
        ("/proxies/b", json!({"enabled": false}), 404, ["proxy not found", "the proxies are a"]),
        ("/proxies/a/toxics", json!({"type": "slow"}), 400, ["invalid toxic type", "latency"]),
        ("/proxies/a/toxics/b", json!({}), 404, ["toxic not found", "it has none"]),
        (
            "/proxies",
            json!({"name": "b", "upstream": "b:1", "upstream_tls": {"ca": OF_NOTHING}}),
            400,
            ["bad request body: `upstream_tls.ca`: certificate 1 in it is no X.509", ""],
        ),
        (
            "/populate",
            json!([{"name": "a", "upstream": "b:1"}, {"name": "b", "upstream": "me:secret@b:1"}]),
            400,
            ["bad request body: proxy 2 `b`: `upstream`: a user or a password has no place", ""],
        ),
        (
            "/proxies",
            json!({"name": "b", "upstream": "b:1", "tls": {"alpn": ["h2", "h2"]}}),
            400,
            ["`tls.alpn`", "once"],
        ),
        (
            "/proxies",
            json!({"name": "b", "upstream": "b:1", "profile": "aws-nlb", "set": {"read-timeout": "1m"}}),
            400,
            ["`set`: `read-timeout` is about HTTP/2, of which `aws-nlb` knows nothing", "connection-idle"],
        ),
        ("/populate", json!([{"name": "b"}]), 400, ["missing required field: upstream at proxy 1", ""]),
        ("/nothing", json!({}), 404, ["no such path", "/proxies"]),
        ("/version", json!({}), 405, ["method not allowed", "POST /version"]),
    ] {
        let (answered, told) = api.refused(path, body.clone()).await;
        assert_eq!(answered, status, "{path} {body}: {told}");
        assert!(parts.iter().all(|part| told.contains(part)), "{path} {body}: {told}");
    }
    let (status, told) = api.ask(Method::POST, "/proxies", "{\"name\"").await;
    assert!(status == 400 && told["error"].as_str().is_some_and(|error| error.contains("line 1")), "{told}");
    let long = format!("{{\"name\": \"{}\"}}", "a".repeat(300 << 10));
    assert_eq!(api.ask(Method::POST, "/proxies", &long).await.0, 400);
    assert_eq!(api.get("/proxies").await.1.as_object().map(serde_json::Map::len), Some(1));
}

#[tokio::test]
async fn populate_makes_what_is_missing_and_replaces_what_is_elsewhere() {
    let api = Api::start().await;
    let before = api.create("a").await;
    api.create("b").await;
    api.post("/proxies/a/toxics", json!({"type": "latency"})).await;
    let wanted = json!([
        {"name": "a", "listen": before["listen"], "upstream": "127.0.0.1:9"},
        {"name": "b", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:10"},
        {"name": "c", "upstream": "127.0.0.1:11", "enabled": false, "toxics": null},
    ]);
    let (status, made) = api.post("/populate", wanted).await;
    assert_eq!(status, 201, "{made}");
    let proxies = &made["proxies"];
    assert_eq!(proxies[0]["toxics"].as_array().map(Vec::len), Some(1), "{made}");
    assert!(proxies[1]["upstream"] == "127.0.0.1:10" && proxies[2]["enabled"] == false, "{made}");
    assert_eq!(api.post("/reset", json!({})).await, (204, Value::Null));
    let all = api.get("/proxies").await.1;
    assert!(all["a"]["toxics"] == json!([]) && all["c"]["enabled"] == true, "{all}");
}

#[tokio::test]
async fn metrics_name_proxies_and_toxics() {
    let api = Api::start().await;
    api.create("say \"a\"").await;
    api.post("/proxies/say%20%22a%22/toxics", json!({"type": "silence"})).await;
    let (status, text) = api.ask_as("a test", Method::GET, "/metrics", "").await;
    assert_eq!(status, 200);
    for line in [
        "# TYPE pulseless_proxy_bytes_total counter",
        "pulseless_proxy_enabled{proxy=\"say \\\"a\\\"\"} 1",
        "pulseless_proxy_bytes_total{proxy=\"say \\\"a\\\"\",direction=\"upstream\"} 0",
        "pulseless_toxic_felt{proxy=\"say \\\"a\\\"\",toxic=\"silence_downstream\",type=\"silence\",stream=\"downstream\"} 0",
    ] {
        assert!(text.lines().any(|each| each == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn browsers_are_refused_and_nobody_else_on_the_network_is_served() {
    let api = Api::start().await;
    let (status, told) = api.ask_as("Mozilla/5.0", Method::POST, "/reset", "").await;
    assert!(status == 403 && told.contains("user agent not allowed"), "{told}");
    assert_eq!(api.get("/version").await.1["version"], "2.12.0");
    let refused = bind("0.0.0.0:0", false).await.err().expect("it is no loopback").to_string();
    assert!(refused.contains("0.0.0.0") && refused.contains("unless it is told otherwise"), "{refused}");
    assert!(bind("0.0.0.0:0", true).await.is_ok());
}

#[tokio::test]
async fn proxies_and_toxics_have_a_limit() {
    let api = Api::start().await;
    api.create("a").await;
    for number in 0..64 {
        let toxic = json!({"type": "latency", "name": number.to_string()});
        assert_eq!(api.post("/proxies/a/toxics", toxic).await.0, 200);
    }
    let (status, told) = api.refused("/proxies/a/toxics", json!({"type": "latency"})).await;
    assert!(status == 400 && told.contains("64"), "{told}");
    for number in 1..256 {
        let proxy = json!({"name": number.to_string(), "upstream": "127.0.0.1:9", "enabled": false});
        assert_eq!(api.post("/proxies", proxy).await.0, 201, "{number}");
    }
    let (status, told) = api.refused("/proxies", json!({"name": "last", "upstream": "127.0.0.1:9"})).await;
    assert!(status == 400 && told.contains("256"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn connections_that_say_nothing_keep_nobody_out_for_long() {
    let api = Api::start().await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(Os::default().dial(&api.0).await.expect("it listens"));
    }
    let asked = tokio::time::Instant::now();
    assert_eq!(api.get("/proxies").await, (200, json!({})));
    assert!(asked.elapsed() <= std::time::Duration::from_secs(61), "{:?}", asked.elapsed());
}
