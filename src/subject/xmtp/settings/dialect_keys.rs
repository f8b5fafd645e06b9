//! The keys that say which dialect is spoken: `node.dialect` and `client.dialect`.
//!
//! Refuses to know what a dialect can say.

use std::ops::Range;

use crate::grammar::Problem;
use crate::grammar::section::{Found, Section};
use crate::subject::xmtp::settings::Fleet;
use crate::subject::xmtp::wire::Dialect;

fn choices() -> [(&'static str, Dialect); Dialect::ALL.len()] {
    Dialect::ALL.map(|dialect| (dialect.name(), dialect))
}

/// Reads `dialect` of `[node]`: one word, or an array of them.
pub(crate) fn read_node_dialects(section: &mut Section<'_>) -> Option<Found<Vec<Dialect>>> {
    section.optional("dialect", vec![Dialect::default()], |entry| {
        if entry.is_string() {
            return Ok(vec![entry.choice("dialect", &choices())?]);
        }
        let mut dialects = entry.choices("dialect", &choices())?;
        dialects.sort_unstable();
        dialects.dedup();
        if dialects.is_empty() && entry.elements("")?.is_empty() {
            let problem = entry.problem(format!("`{}` is empty", entry.key())).label("nobody could subscribe");
            return Err(problem.advice("name one dialect at least, or write serves = \"older-calls\""));
        }
        Ok(dialects)
    })
}

/// Reads `dialect` of `[client]`.
pub(crate) fn read_client_dialect(section: &mut Section<'_>) -> Option<Found<Dialect>> {
    section.optional("dialect", Dialect::default(), |entry| entry.choice("dialect", &choices()))
}

/// Notes those who could not talk with the nodes.
pub(crate) fn note_strangers(
    root: &Section<'_>,
    fleet: Option<Fleet>,
    node: &Found<Vec<Dialect>>,
    client: &Found<Dialect>,
) {
    let spoken = node.value.iter().map(|dialect| dialect.name()).collect::<Vec<_>>().join(" and ");
    if node.value.is_empty() {
        return; // noted by itself
    }
    if node.value.len() > 1 && Dialect::any_counts_by_originator(&node.value) {
        let message = format!("the nodes speak {spoken}, of which one numbers messages by originator");
        let problem = Problem::new("node.dialect", node.span.clone().unwrap_or_default(), message);
        let advice = format!("write dialect = \"{}\" alone", Dialect::Decentralized);
        root.note(problem.label("a trial counts messages in one way").advice(advice));
    }
    let note = |place: Option<Range<usize>>, key: &str, who: &str, dialect: Dialect| {
        let message = format!("{who} {dialect}, and the nodes speak {spoken}");
        let problem = Problem::new(key, place.unwrap_or_default(), message).label("nobody there speaks it");
        let by_originator = dialect.counts_by_originator() || Dialect::any_counts_by_originator(&node.value);
        root.note(problem.advice(match by_originator {
            true => "let nodes and clients both speak it, or neither; gateways and examiners speak v1".to_owned(),
            false => "let the nodes speak it as well: node.dialect = [\"v1\", \"draft\"]".to_owned(),
        }));
    };
    if !node.value.contains(&client.value) {
        let place = client.span.clone().or_else(|| node.span.clone());
        note(place, "client.dialect", "the clients speak", client.value);
    }
    let Some(fleet) = fleet.filter(|_| !node.value.contains(&Dialect::V1)) else { return };
    for (count, who) in [(fleet.gateways, "gateways"), (fleet.examiners, "examiners")] {
        if count > 0 {
            note(node.span.clone(), "node.dialect", &format!("{who} speak nothing but"), Dialect::V1);
        }
    }
}
