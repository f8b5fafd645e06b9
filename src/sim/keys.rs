//! The keys that every sim has, in words.

use crate::grammar::{KeyTable, key};
use crate::subject::Subject;

/// What a key without a default has in its column.
const REQUIRED: &str = "required";

const TABLES: &[KeyTable] = &[
    KeyTable {
        name: "",
        keys: &[
            key("title", "text", REQUIRED, "what happens, in one sentence"),
            key(
                "subject",
                "a subject's name",
                "`xmtp`",
                "the protocol that is played; it brings the tables `cast` and below",
            ),
            key("cites", "array of requirements", "none", "what the sim is about; `explain` spells them out"),
            key("seed", "whole number, decimal or 0x", "none", "played where nobody names another seed"),
            key("duration", "duration, up to 168h", REQUIRED, "how long the trial lasts"),
            key("calm", "duration", "`3m`", "the last part: faults have healed, the workload has ended"),
            key("cast", "table", "one of each role", "who takes part"),
            key("node", "table", "its defaults", "how each node behaves"),
            key("client", "table", "its defaults", "how each client behaves"),
            key("workload", "table", "its defaults", "what the applications do"),
            key("link", "table", "its defaults", "what every link is like"),
            key("promise", "table", REQUIRED, "how the trial ends"),
            key("fault", "array of tables", "none", "what goes wrong; see the page on faults"),
            key("storm", "table", "none", "what the seed may draw besides"),
        ],
    },
    KeyTable {
        name: "link",
        keys: &[
            key(
                "latency",
                "duration or range, up to 10s",
                "`1ms..20ms`",
                "how long bytes travel, one way; `long-tailed` after a range draws from a Pareto tail",
            ),
            key(
                "bandwidth",
                "bandwidth, 256B/s to 1GiB/s",
                "none",
                "what passes, on all connections of a link and direction together",
            ),
            key("loss", "percentage, 0.01% to 50%", "none", "segments that are lost; TCP repairs it"),
        ],
    },
    KeyTable {
        name: "storm",
        keys: &[
            key("families", "`\"all\"` or an array of families", REQUIRED, "of which the seed draws some"),
            key("intensity", "1 to 10", "3", "how many faults a family brings, in the mean, where it is drawn"),
            key("begins", "duration", "`30s`", "when the first fault may begin"),
        ],
    },
    KeyTable {
        name: "promise",
        keys: &[
            key("verdict", "`\"pass\"` or `\"fail\"`", REQUIRED, "every checker passes, or one fails as it must"),
            key("checker", "a checker", "none", "which must speak first; with `fail` only"),
            key("within", "duration", "`1m`", "after the calm began, everybody has everything within this time"),
            key("sometimes", "array of milestones", "none", "must happen at least once, or the trial is unknown"),
        ],
    },
];

/// Every table of a sim of that subject, the file as a whole first.
pub fn tables(subject: &dyn Subject) -> impl Iterator<Item = &'static KeyTable> {
    TABLES.iter().chain(subject.tables())
}
