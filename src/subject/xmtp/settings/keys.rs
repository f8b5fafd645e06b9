//! The keys of this subject in words.

use crate::grammar::{KeyTable, key};
use crate::subject::proxy_keys::PROXY_KEYS;
use crate::subject::tls_keys::TLS_KEYS;
use crate::subject::xmtp::settings::limit_keys::LIMIT_KEYS;

/// The tables that a sim of this subject has besides those of every sim.
pub(crate) const TABLES: &[KeyTable] = &[
    KeyTable {
        name: "cast",
        keys: &[
            key("nodes", "1 to 100, at most `proxies`", "1", "how many nodes serve; each holds its own topics"),
            key("proxies", "1 to 100", "1", "how many proxies stand before them"),
            key("clients", "1 to 1,000", "1", "how many clients subscribe"),
            key(
                "publishers",
                "0 to 100, one for each node at least if there are messages",
                "1",
                "how many hosts publish",
            ),
            key("visitors", "0 to 100", "0", "how many hosts change their topics in mid-stream, and keep nothing"),
            key("examiners", "0 to 100", "0", "how many hosts put a node to the rows of the conformance suite"),
            key("gateways", "0 to 10", "0", "how many hosts share one stream among many identities"),
            key("proxy", "table", "", "how each proxy behaves"),
        ],
    },
    KeyTable { name: "cast.proxy", keys: &PROXY_KEYS },
    KeyTable { name: "cast.proxy.tls", keys: TLS_KEYS },
    KeyTable {
        name: "node",
        keys: &[
            key("keepalive", "1s to 1h, or `\"off\"`", "30s", "it pings after so long without a frame (S6)"),
            key(
                "pong-deadline",
                "1ms to 1h, at most `keepalive`",
                "as `keepalive`",
                "how long it waits for the Pong (S6)",
            ),
            key(
                "serves",
                "`everything`, `older-calls` or `older-calls-late`",
                "`everything`",
                "an old node answers Subscribe with UNIMPLEMENTED: at once, or in trailers after the headers (C6)",
            ),
            key(
                "upgraded-at",
                "1ms to 168h, only with `serves`",
                "never",
                "its processes that begin from then on serve everything",
            ),
            key(
                "dialect",
                "`v1` or `draft`, or an array of them, or `decentralized`",
                "`v1`",
                "what it speaks on Subscribe, the ones beside the others; any other is UNIMPLEMENTED",
            ),
            key(
                "denies",
                "pattern over topics such as `group:topic-1`, or an array of them",
                "none",
                "topics that nobody may follow: whoever adds one loses the stream (S7)",
            ),
            key(
                "tls",
                "true, false or a table",
                "false",
                "it speaks TLS with proxies, by a certificate of a CA of the trial",
            ),
            key("limits", "table", "", "what it grants to one stream or one call"),
            key("quirk", "a quirk of a node", "none", "a planted bug"),
        ],
    },
    KeyTable { name: "node.tls", keys: TLS_KEYS },
    KeyTable { name: "node.limits", keys: LIMIT_KEYS },
    KeyTable {
        name: "client",
        keys: &[
            key("watchdog", "2 to 10, or `\"off\"`", "3", "after so many silent intervals the stream is given up (C2)"),
            key("http2-keepalive", "table, or `\"off\"`", "on", "PING of HTTP/2 itself, while idle too"),
            key(
                "stream-window",
                "1B to 2147483647B",
                "2MiB",
                "how many bytes a stream may send ahead of what it has read (RFC 9113 section 5.2)",
            ),
            key(
                "connection-window",
                "65535B to 2147483647B",
                "2147483647B",
                "the same of all streams of a connection together; HTTP/2 knows no smaller one",
            ),
            key("tcp-keepalive", "table, or `\"off\"`", "off", "TCP keepalive on its connection to the proxy"),
            key("tcp-user-timeout", "1s to 1h, or `\"off\"`", "off", "how long sent data may stay unacknowledged"),
            key("connect-timeout", "1ms to 1h", "10s", "how long dialing may take, the HTTP/2 handshake included"),
            key(
                "backoff",
                "a range from 1ms to 1h",
                "100ms..30s",
                "the first step between two attempts, and the longest: each wait is drawn from zero to a step that doubles (C5)",
            ),
            key("consume", "0s to 1h", "0s", "how long its application takes for each batch of messages"),
            key(
                "topics-per-mutate",
                "1 to 1,000",
                "1,000",
                "how many topics one Mutate adds; more are split over several waves",
            ),
            key(
                "windows",
                "1s to 1h, or `\"off\"`",
                "off",
                "it does not follow: so often it catches up with what is there, and hangs up (C4, S11); cast a visitor too, \
                    or nothing is ever live and `latency` cannot tell",
            ),
            key(
                "dialect",
                "`v1`, `draft` or `decentralized`, one of the nodes'",
                "`v1`",
                "what it and the visitors speak with the node; gateways and examiners speak v1",
            ),
            key("quirk", "a quirk of a client", "none", "a planted bug"),
        ],
    },
    KeyTable {
        name: "client.http2-keepalive",
        keys: &[
            key("interval", "1s to 1h", "10s", "a PING after so long without a frame"),
            key("timeout", "1s to 1h", "5s", "the connection is dead if nothing answers for so long"),
        ],
    },
    KeyTable {
        name: "client.tcp-keepalive",
        keys: &[
            key("idle", "whole seconds from 1s to 9h6m7s", "2h", "the first probe after so long without traffic"),
            key("interval", "whole seconds from 1s to 9h6m7s", "1m15s", "from one probe to the next"),
            key("count", "1 to 127", "9", "the connection is dead after so many"),
        ],
    },
    KeyTable {
        name: "visitor",
        keys: &[
            key(
                "every",
                "100ms to 1h, only with `visitors`",
                "5s",
                "how often it changes its topics, asks, half-closes or hangs up, on average",
            ),
            key(
                "returns",
                "true or false, only with `visitors`",
                "true",
                "whether it adds again what it has removed from the same stream, of which the first draft loses messages",
            ),
            key(
                "cancels",
                "0 to 10,000, only with `visitors`",
                "0",
                "how many calls it cancels at once, on a connection of their own, before each of its streams",
            ),
        ],
    },
    KeyTable {
        name: "gateway",
        keys: &[
            key("identities", "1 to 1,000, only with `gateways`", "10", "how many identities share it"),
            key(
                "topics-each",
                "1 to 1,000, only with `gateways`",
                "4",
                "how many topics each of them leases; all, where there are fewer",
            ),
            key(
                "every",
                "100ms to 1h, only with `gateways`",
                "30s",
                "how often each of them hangs up, gives a topic up or begins one anew, on average",
            ),
            key(
                "rests",
                "0s to 1h, only with `gateways`",
                "0s",
                "how long an identity takes nothing, about as often as it changes anything; 0s is never",
            ),
            key(
                "lease-events",
                "1 to 1,000,000, only with `gateways`",
                "16,384",
                "how many events may wait for an identity, before its lease lags",
            ),
            key("quirk", "a quirk of a gateway, only with `gateways`", "none", "a planted bug"),
        ],
    },
    KeyTable {
        name: "workload",
        keys: &[
            key("kind", "`steady`, `burst` or `quiet`", "`steady`", "one message at a time, many at once, or none"),
            key("topics", "1 to 1,000, one for each node at least", "1", "how many topics there are"),
            key("welcomes", "0 to `topics`", "0", "how many of them are welcome topics; the others are groups"),
            key(
                "originators",
                "1 to 100, only with `node.dialect = \"decentralized\"`",
                "1",
                "how many originators number the messages of each kind",
            ),
            key("rate", "1 to 100,000 per s, m or h", "1/s", "how often something is published"),
            key("burst", "1 to 1,000,000, only with `kind = \"burst\"`", "100", "how many messages each time"),
            key("size", "1B to 1MiB", "200B", "the size of a payload"),
            key("size-to", "`size` to 1MiB", "`size`", "payloads have from `size` up to this, by chance"),
            key("history", "0 to 1,000,000", "0", "how many messages are stored before the clients come"),
        ],
    },
];
