//! The hosts that a fault names: patterns over names, and whom a fault may fall on.
//!
//! Refuses to know which fault they belong to.

use crate::cast::{HostName, Member};
use crate::fault::kind::{Hosts, Key, Place, Target};
use crate::fault::scene::Scene;
use crate::fault::words::told_hosts;
use crate::fault::write;
use crate::grammar::refusal::{Problem, did_you_mean, listed};
use crate::grammar::section::{Entry, Section};
use crate::grammar::{Naming, pattern};

/// Whom a fault may fall on.
pub struct Reach {
    pub(crate) can: fn(&Member) -> bool,
    /// How a help begins that lists them.
    told: &'static str,
}

/// Every host runs a process, and has a clock and a network.
pub(crate) const EVERYBODY: Reach = Reach { can: |_| true, told: "the hosts are" };
/// Nodes have a log, clients an inbox.
pub(crate) const WITH_DISK: Reach = Reach { can: |host| host.abilities.stores, told: "the hosts with a disk are" };
/// Nodes end their streams before they stop.
pub(crate) const DRAINING: Reach = Reach {
    can: |host| host.abilities.stores && host.abilities.carries,
    told: "the hosts that end their streams before they stop are",
};
/// Clients and publishers dial proxies, and proxies dial nodes.
pub(crate) const ACCEPTING: Reach =
    Reach { can: |host| host.abilities.accepts, told: "the hosts that accept connections are" };
/// Who dials looks a name up.
pub(crate) const DIALING: Reach = Reach { can: Member::is_dialing, told: "the hosts that look names up are" };
/// Whose streams pass a proxy.
pub(crate) const STREAMING: Reach =
    Reach { can: |host| host.abilities.streams, told: "the hosts whose streams pass a proxy are" };

/// Who has a connection with a proxy, at either side of it.
pub(crate) const CONNECTED: Reach = Reach {
    can: |host| host.abilities.streams || (host.abilities.stores && host.abilities.carries),
    told: "the hosts that are connected with a proxy are",
};

/// Reads the required key `name`, one pattern or several, into the hosts that it matches; it needs no cast to tell
/// other mistakes.
pub(crate) fn read_hosts(
    section: &mut Section<'_>,
    name: &'static str,
    scene: &Scene<'_>,
    reach: &Reach,
) -> Option<Hosts> {
    let entry = section.required(name, &format!("{name} = \"client-*\""), |entry| Ok(entry.clone()))?.value;
    match_hosts(section, &entry, scene, reach)
}

/// The key `on`.
impl Place for Hosts {
    type Reach = Reach;

    fn read(section: &mut Section<'_>, scene: &Scene<'_>, reach: &Reach) -> Option<Self> {
        read_hosts(section, "on", scene, reach)
    }

    fn keys(&self) -> Vec<Key> {
        vec![("on", write::hosts(self))]
    }

    fn told(&self, naming: Naming) -> String {
        told_hosts(self, naming)
    }

    fn target(&self) -> Target<'_> {
        Target::Hosts(self)
    }
}

/// The hosts that a key's patterns match.
pub(crate) fn match_hosts(section: &Section<'_>, entry: &Entry<'_>, scene: &Scene<'_>, reach: &Reach) -> Option<Hosts> {
    const FORM: &str = "a pattern over host names or an array of them: \"client-*\", or [\"node\", \"client-1\"]";
    let entries = match entry.is_string() {
        true => vec![entry.clone()],
        false => section.keep(entry.elements(FORM))?,
    };
    if entries.is_empty() {
        let problem = entry.problem(format!("`{}` names no host", entry.key())).label("empty");
        section.note(problem.advice(format!("write {FORM}")));
        return None;
    }
    let hosts = scene.frame.cast.as_ref().map(|cast| names(cast.those(reach.can)));
    let mut matched = Hosts::new();
    for entry in entries {
        let text = section.keep(entry.text(FORM))?;
        let matcher = section.keep(pattern(&entry, text))?;
        // Without a cast nobody can say whom a pattern misses.
        let Some(hosts) = &hosts else { continue };
        let mut found = hosts.iter().filter(|host| matcher.is_match(&***host)).peekable();
        if found.peek().is_none() {
            section.note(no_host(&entry, text, hosts, reach));
        }
        matched.extend(found.cloned());
    }
    Some(matched)
}

/// The problem of a pattern that matches nobody.
fn no_host(entry: &Entry<'_>, text: &str, hosts: &[HostName], reach: &Reach) -> Problem {
    let problem = entry.problem(format!("`{}`: `{text}` matches no host that this fault may fall on", entry.key()));
    let help = match hosts.is_empty() {
        true => "the cast has none".to_string(),
        false => {
            let names: Vec<&str> = hosts.iter().map(|host| &**host).collect();
            format!("{}{} {}", did_you_mean(text, &names), reach.told, listed(hosts))
        }
    };
    problem.label("matches no host").advice(help)
}

fn names<'m>(members: impl Iterator<Item = &'m Member>) -> Vec<HostName> {
    members.map(|member| member.name.clone()).collect()
}

/// A host by its name, not by a pattern; only hosts of whom `can` holds are right.
pub(crate) fn host_named(entry: &Entry<'_>, scene: &Scene<'_>, can: fn(&Member) -> bool) -> Result<HostName, Problem> {
    let text = entry.text("the name of a host, such as \"proxy\"")?;
    let Some(cast) = &scene.frame.cast else { return Ok(text.into()) };
    let hosts = names(cast.those(can));
    if let Some(host) = hosts.iter().find(|host| ***host == *text) {
        return Ok(host.clone());
    }
    let problem = entry.problem(format!("`{}`: there is no such host as `{text}` here", entry.key()));
    let names: Vec<&str> = hosts.iter().map(|host| &**host).collect();
    let help = format!("{}write one of {}", did_you_mean(text, &names), listed(&hosts));
    Err(problem.label("unknown host").advice(help))
}
