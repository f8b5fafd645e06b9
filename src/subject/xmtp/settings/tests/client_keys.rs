//! What the reader promises about a client's own keys.

use super::*;

#[test]
fn how_a_client_dials_is_read_and_bounded() {
    let with = |keys: &str| FULL.replace("[client]", &format!("[client]\n{keys}"));
    let keys =
        "stream-window = \"64KiB\"\nconnection-window = \"1MiB\"\nconnect-timeout = \"2s\"\nbackoff = \"1s..1m\"";
    let file = read("full", &with(keys), SUBJECTS).expect("a good sim");
    let client = &settings(&file).client;
    assert_eq!(client.http2_windows, Http2Windows { stream: 65_536, connection: 1 << 20 });
    assert_eq!((client.connect_timeout, client.backoff.floor, client.backoff.ceiling), (secs(2), secs(1), secs(60)));
    let refused_key = |key: &str, parts: &[&str]| refused("[client]", &format!("[client]\n{key}"), parts);
    refused_key("backoff = \"1m\"", &["`client.backoff`: `1m` is no range", "such as \"100ms..30s\""]);
    refused_key("backoff = \"1m..1s\"", &["`1m..1s` runs backwards"]);
    refused_key("backoff = \"0s..1m\"", &["`client.backoff` is 0s..1m", "from 1ms to 1h"]);
    refused_key("stream-window = \"0B\"", &["`client.stream-window` is 0B", "from 1B to 2147483647B"]);
    refused_key("connection-window = \"1KiB\"", &["`client.connection-window` is 1KiB", "from 65535B to 2147483647B"]);
    refused_key("connection-window = \"4096MiB\"", &["`client.connection-window` is 4096MiB"]);
    refused_key("connect-timeout = \"2h\"", &["`client.connect-timeout` is 2h", "from 1ms to 1h"]);
}

#[test]
fn off_leaves_a_protection_out() {
    let text = format!("{SMALL}[client]\nwatchdog = \"off\"\nhttp2-keepalive = \"off\"\n");
    let file = read("off", &text, SUBJECTS).expect("a good sim");
    let client = &settings(&file).client;
    assert_eq!((client.watchdog, client.http2_keepalive), (None, None));
}
