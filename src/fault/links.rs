//! The links that a fault names: `from`, `to` and `one-way`.
//!
//! Refuses to know what is done to them.

use std::collections::BTreeSet;

use crate::cast::HostName;
use crate::fault::Between;
use crate::fault::draw::Draw;
use crate::fault::hosts::{EVERYBODY, match_hosts, read_hosts};
use crate::fault::kind::{Key, Place, Target};
use crate::fault::scene::Scene;
use crate::fault::write;
use crate::grammar::{Entry, Naming, Section};

/// Every link.
pub struct AnyLink;

/// The keys `from`, `to` and `one-way`.
impl Place for Between {
    type Reach = AnyLink;

    fn read(section: &mut Section<'_>, scene: &Scene<'_>, _reach: &AnyLink) -> Option<Self> {
        read_between(section, scene)
    }

    fn keys(&self) -> Vec<Key> {
        let ends = [("from", write::hosts(&self.from)), ("to", write::hosts(&self.to))];
        let one_way = self.one_way.then(|| ("one-way", true.into()));
        ends.into_iter().chain(one_way).collect()
    }

    fn told(&self, naming: Naming) -> String {
        match naming {
            Naming::Few => format!("{self}"),
            Naming::All => format!("{self:#}"),
        }
    }

    fn target(&self) -> Target<'_> {
        Target::Links(self)
    }
}

fn read_between(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Between> {
    let from = read_hosts(section, "from", scene, &EVERYBODY);
    let named = section.entry("to");
    let one_way = section.optional("one-way", false, Entry::boolean);
    let from = from?;
    let to = match &named {
        Some(entry) => match_hosts(section, entry, scene, &EVERYBODY)?,
        None => scene.frame.cast.as_ref().map(|cast| cast.others(&from)).unwrap_or_default(),
    };
    // Without a cast nobody is at either end yet.
    if scene.frame.cast.is_some() && !from.is_empty() {
        note_no_link(section, named.as_ref(), &from, &to);
    }
    Some(Between { from, to, one_way: one_way?.value })
}

/// Notes ends between which there is no link: a host has none to itself.
fn note_no_link(section: &Section<'_>, named: Option<&Entry<'_>>, from: &BTreeSet<HostName>, to: &BTreeSet<HostName>) {
    let key = section.key();
    match named {
        Some(entry) if from.len() == 1 && from == to => {
            let host = from.first().map(|host| &**host).unwrap_or_default();
            let problem = entry.problem(format!("`{key}` is from {host} to {host}, and a host has no link to itself"));
            section.note(problem.label("the same host").advice("name another host, or leave `to` out for all others"));
        }
        None if to.is_empty() => {
            let problem = section.problem(format!("`{key}.from` names every host, and leaves none for the other end"));
            section.note(problem.label("has no other end").advice("name fewer hosts, or say `to` whom"));
        }
        Some(_) | None => {}
    }
}

impl Between {
    /// Draws some hosts' links to all others.
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let from = draw.hosts(|_| true);
        let to = draw.cast.others(&from);
        let one_way = draw.one_in(3);
        Between { from, to, one_way }
    }
}
