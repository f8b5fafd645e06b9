//! The keys that every sim has, in words.

use crate::grammar::{KeyTable, key};
use crate::subject::Subject;

/// What a key without a default has in its column.
pub(crate) const REQUIRED: &str = "required";

const TABLES: &[KeyTable] = &[
    KeyTable {
        name: "",
        keys: &[
            key("title", "text", REQUIRED, "what happens, in one sentence"),
            key("subject", "`xmtp`", "`xmtp`", "the protocol under test"),
            key(
                "cites",
                "array of [requirements](protocol.md#requirements-of-the-node)",
                "none",
                "what the sim is about",
            ),
            key("seed", "0 to 18446744073709551615, decimal or 0x", "none", "the seed where nobody names another"),
            key(
                "once",
                "true or false",
                "false",
                "a sweep plays it once, with its own `seed`, whichever seeds it plays others with",
            ),
            key("duration", "1ms to 168h", REQUIRED, "how long the trial lasts, in its own time"),
            key("calm", "1ms to 168h, shorter than `duration`", "3m", "the last part, in which nothing goes wrong"),
            key("cast", "table", "", "who takes part"),
            key("link", "table", "", "every link of the world"),
            key("node", "table", "", "how each node behaves"),
            key("client", "table", "", "how each client behaves"),
            key("visitor", "table", "", "how each visitor behaves"),
            key("gateway", "table", "", "how each gateway and its identities behave"),
            key("workload", "table", "", "what the applications do"),
            key("fault", "array of tables", "none", "what goes wrong: at most 1,000 faults"),
            key("storm", "table", "none", "what the seed draws besides"),
            key("promise", "table", REQUIRED, "what must come of it"),
        ],
    },
    KeyTable {
        name: "link",
        keys: &[
            key("latency", "latency up to 10s", "1ms..20ms", "how long bytes travel one way"),
            key("bandwidth", "256B/s to 1024MiB/s", "no limit", "what passes per second, all connections together"),
            key("loss", "0.01% to 50%", "none", "how many segments are lost"),
        ],
    },
    KeyTable {
        name: "fault",
        keys: &[
            key("at", "0s to 168h", REQUIRED, "when it begins, since the trial's start"),
            key("for", "1ms to 168h", REQUIRED, "how long it lasts"),
            key("kind", "a [kind](faults.md)", REQUIRED, "what happens"),
            key(
                "number",
                "1 to 1,000, each once",
                "the lowest that no other has",
                "how a trial names it; its dice follow from it, so it stays when others are taken out",
            ),
            key("drawn", "true or false", "false", "a storm drew it: it may miss"),
        ],
    },
    KeyTable {
        name: "storm",
        keys: &[
            key(
                "families",
                "`\"all\"`, or an array of families",
                REQUIRED,
                "what may be drawn ([storms](faults.md#storms))",
            ),
            key("intensity", "1 to 10", "3", "how many faults a family brings, in the mean, where it is drawn"),
            key(
                "begins",
                "1s to 168h",
                "30s",
                "when the first may begin; a minute at least is left before the storm's end",
            ),
        ],
    },
    KeyTable {
        name: "promise",
        keys: &[
            key("verdict", "`pass` or `fail`", REQUIRED, "what must come of the trial"),
            key(
                "checker",
                "a [checker](checkers.md)",
                "required with `fail`, else none",
                "who must see the planted bug, before all others",
            ),
            key("within", "1ms to the calm", "1m", "how soon after the calm began everybody has everything"),
            key("sometimes", "array of milestones", "none", "what must happen at least once, or the trial is unknown"),
        ],
    },
];

/// Every table of a sim of that subject, the file as a whole first.
pub fn tables(subject: &dyn Subject) -> impl Iterator<Item = &'static KeyTable> {
    TABLES.iter().chain(subject.tables())
}
