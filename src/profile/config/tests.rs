//! Configurations as people write them, and texts that are none.

use proptest::collection::vec;
use proptest::sample::select;
use proptest::{prop_assert, proptest};

use super::*;
use crate::profile::Profile;

/// No other file, or those that are listed.
struct Listed(&'static [(&'static str, &'static str)]);

impl ConfigFiles for Listed {
    fn included(&self, pattern: &str) -> Result<Vec<(String, String)>, String> {
        let found = self.0.iter().filter(|(name, _)| *name == pattern);
        let found: Vec<_> = found.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        if found.is_empty() { Err("it cannot be read".to_owned()) } else { Ok(found) }
    }
}

fn read(kind: ConfigKind, text: &str) -> Borrowed {
    Borrowed::read(kind, "FILE", text, &Listed(&[])).unwrap_or_else(|bad| panic!("{bad}"))
}

/// What was taken, as lines of key, value and source.
fn taken(borrowed: &Borrowed) -> Vec<String> {
    borrowed.taken().iter().map(|taken| format!("{} = {} # {}", taken.key, taken.is, taken.source())).collect()
}

/// What was ignored, as lines of number, text and reason.
fn ignored(borrowed: &Borrowed) -> Vec<String> {
    borrowed.ignored().iter().map(|line| format!("{} {}: {}", line.place.line, line.directive, line.why)).collect()
}

#[track_caller]
fn has(lines: &[String], expected: &[&str]) {
    for line in expected {
        assert!(lines.iter().any(|found| found == line), "no `{line}` in {lines:#?}");
    }
}

fn bad(kind: ConfigKind, text: &str) -> String {
    Borrowed::read(kind, "FILE", text, &Listed(&[("x", "include x;")])).expect_err(text).to_string()
}

const NGINX: &str = r#"
worker_processes auto;
worker_shutdown_timeout 10s;
events { worker_connections 1024; }
http {
    include mime.types;
    include extra;
    keepalive_timeout 2m;
    upstream node { server 10.0.0.1:5556; server 10.0.0.2:5556; keepalive 16; zone z 64k; }
    upstream other { server 10.0.0.3:80; }
    server {
        listen 80;
        location / { proxy_pass http://other; proxy_read_timeout 5m; }
    }
    server {
        listen 443 ssl http2;
        grpc_read_timeout 5m;
        large_client_header_buffers 4 16k;
        location /metrics { return 200 "a; { b }"; }
        location /xmtp { # the stream
            grpc_read_timeout '1h 30m';
            grpc_socket_keepalive on;
            proxy_read_timeout 9h;
            grpc_next_upstream error timeout http_502 http_404;
            grpc_set_header Host "${host}";
            grpc_pass grpc://node;
            content_by_lua_block { if a then { b = "}" } end }
        }
    }
}
"#;

#[test]
fn nginx_takes_what_holds_at_the_first_grpc_pass() {
    let files = Listed(&[("extra", "client_body_timeout 30m;\nsend_timeout 1m;")]);
    let borrowed = Borrowed::read(ConfigKind::Nginx, "FILE", NGINX, &files).unwrap_or_else(|bad| panic!("{bad}"));
    has(
        &taken(&borrowed),
        &[
            "read-timeout = \"1h30m\" # FILE:21: grpc_read_timeout 1h 30m",
            "body-timeout = \"30m\" # extra:1: client_body_timeout 30m",
            "connection-idle = \"2m\" # FILE:8: keepalive_timeout 2m",
            "tcp-keepalive-after = \"2h\" # FILE:22: grpc_socket_keepalive on",
            "node-connections = \"shared\" # FILE:9: keepalive 16",
            "retries = 1 # FILE:9: upstream node of 2 servers",
            "retry-on = [\"connect-failure\", \"timeout\", \"http-5xx\"] # FILE:24: grpc_next_upstream error timeout http_502 http_404",
            "drain-grace = \"10s\" # FILE:3: worker_shutdown_timeout 10s",
            "request-headers = \"16KiB\" # FILE:18: large_client_header_buffers 4 16k",
        ],
    );
    assert_eq!(borrowed.taken().len(), 9, "{:#?}", taken(&borrowed));
    has(
        &ignored(&borrowed),
        &[
            "2 worker_processes auto: it has no part in a long-lived stream",
            "4 events: this stream does not go there",
            "6 include mime.types: it cannot be read",
            "10 upstream other: this stream does not go there",
            "13 proxy_read_timeout 5m: it stands in `location /`, where this stream does not go",
            "23 proxy_read_timeout 9h: it holds for proxy_pass, and a stream of gRPC goes through grpc_pass",
            "24 http_404: a profile has no such reason to try again",
            "2 send_timeout 1m: a profile has no time for a client that reads nothing",
        ],
    );
}

#[test]
fn a_part_of_an_nginx_conf_is_read_as_a_whole() {
    let borrowed = read(ConfigKind::Nginx, "server {\nlisten 80 http2;\ngrpc_send_timeout 90;\n}");
    assert_eq!(taken(&borrowed), ["write-timeout = \"1m30s\" # FILE:3: grpc_send_timeout 90"]);
    let borrowed = read(ConfigKind::Nginx, "grpc_read_timeout 1d;");
    assert_eq!(taken(&borrowed), ["read-timeout = \"24h\" # FILE:1: grpc_read_timeout 1d"]);
}

#[test]
fn a_wrong_nginx_conf_is_refused_with_the_line() {
    for (text, told) in [
        ("\ngrpc_read_timeout 1x;", "read FILE:2: `grpc_read_timeout 1x` has a wrong value; write a time such as 60s"),
        ("grpc_read_timeout;", "`grpc_read_timeout` has a wrong value"),
        ("keepalive_requests -1;", "write a number from 0"),
        ("grpc_buffer_size 4kb;", "write a size such as 8k"),
        ("grpc_socket_keepalive maybe;", "write on or off"),
        ("grpc_next_upstream luck;", "write error, timeout"),
        ("http {\n  server {\n", "read FILE:2: the block of `server` is not closed; is the file cut off?"),
        ("http { }\n}", "read FILE:2: `}` closes nothing"),
        ("grpc_read_timeout 1h", "`grpc_read_timeout 1h` has no end; is the file cut off?"),
        ("a 'b;", "read FILE:1: a quote is not closed"),
        ("; a;", "a directive has no name"),
        ("# nothing\n", "it has no directive"),
        ("include x;", "files include each other 16 deep; does a file include itself?"),
        ("lua_block_by_lua_block { {", "a program is not closed"),
        ("", "it is empty"),
        ("a\0;", "it is not text"),
    ] {
        assert!(bad(ConfigKind::Nginx, text).contains(told), "no `{told}` in {}", bad(ConfigKind::Nginx, text));
    }
    assert!(bad(ConfigKind::Nginx, &"a {".repeat(100)).contains("a block is too deep"));
}

const HAPROXY: &str = r#"
global
    daemon
    hard-stop-after 30s
    tune.h2.max-concurrent-streams 50
    tune.bufsize 32768
defaults
    mode http
    timeout connect 5000
    timeout client 50s
    timeout server 50s
    retries 2
    option srvtcpka
defaults long
    mode http
    timeout client 1h
frontend plain
    bind :80
    default_backend web
frontend grpc from long
    bind :443 ssl crt /etc/x.pem alpn h2,http/1.1
    timeout client-fin 15s
    timeout http-keep-alive 10s
    default_backend nodes
backend web
    server w1 10.0.0.1:80
backend nodes
    timeout connect 2s
    timeout tunnel 1h
    retry-on conn-failure empty-response 425
    http-reuse always
    server n1 10.0.0.2:5556 proto h2 tcp-ut 20s check
"#;

#[test]
fn haproxy_takes_the_first_frontend_of_http2_and_its_backend() {
    // The unnamed defaults are those of web; nodes, below the named ones, has theirs, which say nothing of servers.
    let borrowed = read(ConfigKind::Haproxy, HAPROXY);
    has(
        &taken(&borrowed),
        &[
            "connect-timeout = \"2s\" # FILE:28: timeout connect 2s",
            "idle-timeout = \"never\" # FILE: no `timeout server`, for which HAProxy has no default",
            "body-timeout = \"1h\" # FILE:16: timeout client 1h",
            "connection-idle = \"10s\" # FILE:23: timeout http-keep-alive 10s",
            "tcp-unacknowledged = \"20s\" # FILE:32: tcp-ut 20s",
            "node-connections = \"shared\" # FILE:31: http-reuse always",
            "retry-on = [\"connect-failure\", \"reset\"] # FILE:30: retry-on conn-failure empty-response 425",
            "drain-grace = \"30s\" # FILE:4: hard-stop-after 30s",
            "max-streams = 50 # FILE:5: tune.h2.max-concurrent-streams 50",
            "request-headers = \"32KiB\" # FILE:6: tune.bufsize 32768",
        ],
    );
    has(
        &ignored(&borrowed),
        &[
            "3 daemon: it has no part in a long-lived stream",
            "7 defaults: no section of this stream builds on it",
            "17 frontend plain: this stream does not go there",
            "22 timeout client-fin 15s: it begins once a side has ended, and a profile has no such time",
            "29 timeout tunnel 1h: it holds for CONNECT and WebSocket, and not for a stream of gRPC",
            "30 425: a profile has no such reason to try again",
        ],
    );
}

#[test]
fn haproxy_takes_defaults_for_both_sides_and_0_as_never() {
    let text = "defaults\n timeout client 1m\n timeout server 0\n option srvtcpka\n srvtcpka-idle 30\nlisten x\n bind :1 proto h2\n retries 0\n";
    let borrowed = read(ConfigKind::Haproxy, text);
    has(
        &taken(&borrowed),
        &[
            "idle-timeout = \"never\" # FILE:3: timeout server 0",
            "body-timeout = \"1m\" # FILE:2: timeout client 1m",
            "connection-idle = \"1m\" # FILE:2: timeout client 1m",
            "tcp-keepalive-after = \"30s\" # FILE:5: srvtcpka-idle 30",
            "retries = 0 # FILE:8: retries 0",
        ],
    );
    assert!(ignored(&borrowed).is_empty(), "{:?}", ignored(&borrowed));
}

#[test]
fn haproxy_in_mode_tcp_passes_bytes() {
    let text = "listen x\n mode tcp\n bind :1\n timeout client 1m\n timeout server 40s\n server s 10.0.0.1:1\n";
    let borrowed = read(ConfigKind::Haproxy, text);
    has(
        &taken(&borrowed),
        &["layer = \"tcp\" # FILE:2: mode tcp", "connection-idle = \"40s\" # FILE:5: timeout server 40s"],
    );
}

#[test]
fn a_wrong_haproxy_cfg_is_refused_with_the_line() {
    for (text, told) in [
        ("listen x\n timeout client 1x", "read FILE:2: `timeout client 1x` has a wrong value, or none"),
        ("listen x\n timeout server", "`timeout server` has a wrong value, or none"),
        ("listen x\n retries many", "write a number from 0"),
        ("listen x\n server s 1.1.1.1:1 tcp-ut", "write a time such as tcp-ut 30s"),
        ("listen x\n bind 'a", "read FILE:2: a quote is not closed"),
        ("timeout client 1m\n", "read FILE:1: `timeout client 1m` stands in no section"),
        ("global\n daemon\n", "it has neither a frontend nor a listen"),
        ("frontend x from y\n", "there is no section `defaults y` above"),
        ("# nothing\n", "it has neither a frontend nor a listen"),
        ("global\n tune.bufsize big\nlisten x\n", "write a size such as 16384"),
    ] {
        assert!(bad(ConfigKind::Haproxy, text).contains(told), "no `{told}` in {}", bad(ConfigKind::Haproxy, text));
    }
}

const ENVOY: &str = r#"
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 9901 } } }
static_resources:
  listeners:
  - name: main
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
          stream_idle_timeout: 0s
          drain_timeout: 30s
          common_http_protocol_options: { idle_timeout: 900s, max_connection_duration: 3600s }
          http2_protocol_options:
            max_concurrent_streams: 100
            initial_stream_window_size: 65536
            connection_keepalive: { interval: 30s, timeout: 5s }
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                route:
                  cluster: node
                  timeout: 0s
                  idle_timeout: 7200.5s
                  retry_policy: { retry_on: "connect-failure,reset,retriable-status-codes", num_retries: 3 }
              - match: { prefix: "/x" }
                route: { cluster: other, timeout: 5s }
  clusters:
  - name: other
    connect_timeout: 9s
  - name: node
    connect_timeout: 0.25s
    lb_policy: ROUND_ROBIN
    upstream_connection_options: { tcp_keepalive: { keepalive_time: 60 } }
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        explicit_http_config:
          http2_protocol_options:
            connection_keepalive: { interval: 10s, timeout: 3s }
"#;

#[test]
fn envoy_takes_the_first_manager_its_first_route_and_that_cluster() {
    let borrowed = read(ConfigKind::Envoy, ENVOY);
    has(
        &taken(&borrowed),
        &[
            "connect-timeout = \"250ms\" # FILE:36: connect_timeout: 0.25s",
            "idle-timeout = \"2h500ms\" # FILE:28: idle_timeout: 7200.5s",
            "request-timeout = \"never\" # FILE:27: timeout: 0s",
            "connection-idle = \"15m\" # FILE:14: idle_timeout: 900s",
            "connection-age = \"1h\" # FILE:14: max_connection_duration: 3600s",
            "ping-interval = \"10s\" # FILE:43: interval: 10s",
            "ping-timeout = \"3s\" # FILE:43: timeout: 3s",
            "tcp-keepalive-after = \"1m\" # FILE:38: keepalive_time: 60",
            "retries = 3 # FILE:29: num_retries: 3",
            "retry-on = [\"connect-failure\", \"reset\"] # FILE:29: retry_on: connect-failure,reset,retriable-status-codes",
            "drain-goaway-gap = \"30s\" # FILE:13: drain_timeout: 30s",
            "max-streams = 100 # FILE:16: max_concurrent_streams: 100",
            "stream-window = \"64KiB\" # FILE:17: initial_stream_window_size: 65536",
        ],
    );
    assert_eq!(borrowed.taken().len(), 13, "{:#?}", taken(&borrowed));
    has(
        &ignored(&borrowed),
        &[
            "2 admin: it has no part in a long-lived stream",
            "18 connection_keepalive: it asks the client, and a profile asks the node alone",
            "29 retriable-status-codes: a profile has no such reason to try again",
            "31 another route: this stream does not go there",
            "33 cluster other: this stream does not go there",
            "37 lb_policy: it has no part in a long-lived stream",
        ],
    );
}

#[test]
fn a_wrong_bootstrap_is_refused_with_the_line() {
    let changed = |right: &str, wrong: &str| {
        assert_eq!(ENVOY.matches(right).count(), 1, "{right}");
        bad(ConfigKind::Envoy, &ENVOY.replace(right, wrong))
    };
    let told = changed("drain_timeout: 30s", "drain_timeout: 30");
    assert_eq!(told, "read FILE:13: `drain_timeout: 30` has a wrong value; write a duration such as 15s or 0.25s");
    assert!(
        changed("max_concurrent_streams: 100", "max_concurrent_streams: [1]")
            .contains("FILE:16: `max_concurrent_streams` is a list")
    );
    for (text, told) in [
        ("a: [b", "it is not YAML"),
        ("a: b", "it has no `static_resources`"),
        ("static_resources: {}", "no listener speaks HTTP"),
        ("static_resources: { listeners: [] }", "no listener speaks HTTP"),
        ("# nothing", "it says nothing"),
        ("? [a]\n: b", "a key is no text"),
        ("a: &x [*x]", "FILE:1"),
    ] {
        assert!(bad(ConfigKind::Envoy, text).contains(told), "no `{told}` in {}", bad(ConfigKind::Envoy, text));
    }
    let deep = format!("a: {}", "[".repeat(100_000));
    assert!(bad(ConfigKind::Envoy, &deep).contains("FILE:1"));
    let laughs: String = (1..30).map(|at| format!("k{at}: &k{at} [*k{0}, *k{0}, *k{0}]\n", at - 1)).collect();
    assert!(bad(ConfigKind::Envoy, &format!("k0: &k0 [x]\n{laughs}")).contains("it is too large"));
}

#[test]
fn what_was_taken_makes_a_profile_that_reads() {
    for (kind, text) in [(ConfigKind::Nginx, NGINX), (ConfigKind::Haproxy, HAPROXY), (ConfigKind::Envoy, ENVOY)] {
        let base = Profile::named(kind.profile()).expect("it is there");
        let borrowed = read(kind, text);
        let toml = borrowed.toml(base).unwrap_or_else(|refusal| panic!("{refusal}"));
        let profile = Profile::read("mine", &toml).unwrap_or_else(|refusal| panic!("{refusal}"));
        for taken in borrowed.taken() {
            assert_eq!(profile.ground(taken.key).expect("a key").source, taken.source());
        }
        let unsaid = profile.ground("layer").expect("a key");
        assert_eq!(unsaid.backing, base.ground("layer").expect("a key").backing);
        assert!(unsaid.source.starts_with("not said in FILE: "), "{}", unsaid.source);
    }
}

#[test]
fn a_kind_is_guessed_by_name_and_then_by_content() {
    let guess = |name: &str, text: &str| ConfigKind::guess(name.as_ref(), text);
    assert_eq!(guess("a/nginx.conf", ""), Ok(ConfigKind::Nginx));
    assert_eq!(guess("haproxy.cfg.bak", ""), Ok(ConfigKind::Haproxy));
    assert_eq!(guess("x.yaml", ""), Ok(ConfigKind::Envoy));
    assert_eq!(guess("site.conf", NGINX), Ok(ConfigKind::Nginx));
    assert_eq!(guess("x", HAPROXY), Ok(ConfigKind::Haproxy));
    assert_eq!(guess("x", ENVOY), Ok(ConfigKind::Envoy));
    assert!(guess("x.txt", "hello").is_err());
}

/// What configurations, and what is nearly one, are made of.
const PIECES: [&str; 34] = [
    "http {\n",
    "location / {\n",
    "grpc_pass x;\n",
    "grpc_read_timeout ",
    "upstream x { server a; keepalive 1; }\n",
    "include y;\n",
    "a_by_lua_block {",
    "global\n",
    "defaults\n",
    "frontend x\n bind :1 proto h2\n",
    "backend y\n",
    " timeout server ",
    " timeout client 1m\n",
    " retry-on ",
    "static_resources:\n",
    "  listeners: [{filter_chains: [{filters: [{typed_config: {\"@type\": x.HttpConnectionManager, stream_idle_timeout: ",
    "}}]}]}]\n",
    "  clusters:\n  - name: x\n",
    "&a ",
    "*a ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    ";",
    "'",
    "\"",
    "\\",
    "18446744073709551616",
    "1h",
    "é",
    "\n",
];

proptest! {
    #[test]
    fn fuzz_no_configuration_panics(pieces in vec(select(&PIECES[..]), 0..14)) {
        let text = pieces.concat();
        for kind in [ConfigKind::Nginx, ConfigKind::Haproxy, ConfigKind::Envoy] {
            match Borrowed::read(kind, "FILE", &text, &Listed(&[("y", "grpc_read_timeout 1h;")])) {
                Err(bad) => prop_assert!(bad.place.line > 0, "{}", bad),
                Ok(borrowed) => {
                    let base = Profile::named(kind.profile()).expect("it is there");
                    let toml = borrowed.toml(base);
                    prop_assert!(toml.is_ok(), "{:?} of {:?}", toml.err().map(|refusal| refusal.to_string()), text);
                }
            }
        }
    }
}
