//! The keys of this subject in words.

use crate::grammar::{KeyTable, key};

/// The tables that a sim of this subject has besides those of every sim.
pub(crate) const TABLES: &[KeyTable] = &[
    KeyTable {
        name: "cast",
        keys: &[
            key("nodes", "1 to 100", "1", "how many nodes serve; topics are dealt to them in turn"),
            key("proxies", "1 to 100", "1", "how many proxies stand before them, at least as many as nodes"),
            key("clients", "1 to 1000", "1", "how many hosts subscribe"),
            key("publishers", "0 to 100", "1", "how many hosts publish, at least as many as nodes"),
            key("proxy", "table", "its defaults", "how each proxy behaves"),
        ],
    },
    KeyTable {
        name: "cast.proxy",
        keys: &[
            key(
                "tcp-keepalive",
                "table `idle`, `interval`, `count`, or `\"off\"`",
                "off",
                "probes of idle connections to the nodes (tcp(7))",
            ),
            key(
                "tcp-user-timeout",
                "duration, 1s to 1h, or `\"off\"`",
                "off",
                "how long sent bytes may stay unacknowledged (tcp(7))",
            ),
        ],
    },
    KeyTable {
        name: "node",
        keys: &[
            key("keepalive", "duration, 1s to 1h", "`30s`", "the idle interval after which it pings (S6)"),
            key("pong-deadline", "duration, up to `keepalive`", "`keepalive`", "how long it waits for the Pong (S6)"),
            key("quirk", "a quirk of a node", "none", "the planted bug"),
        ],
    },
    KeyTable {
        name: "client",
        keys: &[
            key("watchdog", "2 to 10, or `\"off\"`", "3", "after so many silent intervals a stream is dead (C2)"),
            key(
                "http2-keepalive",
                "table `interval`, `timeout`, or `\"off\"`",
                "10s, 5s",
                "HTTP/2 PINGs of its connections",
            ),
            key(
                "tcp-keepalive",
                "table `idle`, `interval`, `count`, or `\"off\"`",
                "off",
                "probes of idle connections (tcp(7))",
            ),
            key(
                "tcp-user-timeout",
                "duration, 1s to 1h, or `\"off\"`",
                "off",
                "how long sent bytes may stay unacknowledged (tcp(7))",
            ),
            key("consume", "duration, up to 1h", "`0s`", "how long the application takes for each batch"),
            key("topics-per-mutate", "1 to 1000", "1000", "how many topics one Mutate adds at most"),
            key("quirk", "a quirk of a client", "none", "the planted bug"),
        ],
    },
    KeyTable {
        name: "workload",
        keys: &[
            key(
                "kind",
                "`\"steady\"`, `\"quiet\"` or `\"burst\"`",
                "`steady`",
                "one message after the other, none, or many at once",
            ),
            key("topics", "1 to 1000", "1", "how many topics there are, of both kinds"),
            key("welcomes", "0 to `topics`", "0", "how many of them are welcome topics"),
            key("rate", "rate, up to 100000 a period", "`1/s`", "messages, or bursts, over all publishers"),
            key("burst", "1 to 1000000", "100", "how many messages make a burst"),
            key("size", "size, 1B to 1MiB", "`200B`", "the size of a payload"),
            key("history", "0 to 1000000", "0", "how many messages are stored before the clients come"),
        ],
    },
];
