//! `partition`: nothing passes between some hosts, both ways or one.

use std::time::Duration;

use crate::fault::kind::{About, At, Drawn, Excuse, Hold, Kind};
use crate::fault::links::AnyLink;
use crate::fault::{Between, Family, Harm, LinkHarm};

/// A partition that lasts as long ends a connection: TCP retransmits 15 times, 924.6 s in all (tcp(7), `tcp_retries2`).
const TCP_GIVES_UP: Duration = Duration::from_secs(924);

/// TCP retransmits until it heals or gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition;

impl Kind for Partition {
    type Place = Between;

    const ABOUT: About<Self> = About {
        example: "from = \"node\"\nto = \"proxy\"\none-way = true",
        falls_on: |_| AnyLink,
        read: |_, _| Some(Partition),
        keys: |_| vec![],
        told: |_, links| format!("nothing passes {links}"),
        harm: |_, between| Harm::Link { between, harm: LinkHarm::Partition },
        excuse: |_| Excuse::Late { after: Duration::ZERO },
        hold: |_| Hold::Link,
        obstacle,
        drawn: Some(Drawn {
            family: Family::Partitions,
            lasts_ms: (1_000, 240_000),
            fault: |draw| Partition.on(Between::draw(draw)),
        }),
    };
}

fn obstacle(cut: &At<Partition>, lasts: Duration) -> Option<&'static str> {
    if cut.place.one_way {
        Some("turmoil 0.7 has no retransmission: what a one-way partition drops is lost, and it leaves streams hung")
    } else if lasts >= TCP_GIVES_UP {
        Some("turmoil 0.7 holds messages for ever, where TCP gives a connection up after 924 s")
    } else {
        None
    }
}
