//! What was noticed of a trial besides its history: of no record and no digest, for people who ask why it went as it did.
//!
//! Refuses to know who judges: no checker may go by it.

use std::time::Duration;

use crate::grammar::count;
use crate::history::HostName;

/// Something that a host did, however often, or that became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// When it was so for the first time.
    pub at: Duration,
    /// Of which host.
    pub host: HostName,
    /// How often.
    pub count: u64,
    /// When it is told.
    pub kind: AsideKind,
    /// What it did, such as "looked up `egde`".
    pub did: String,
    /// What is to be said of that; nothing where the deed speaks for itself.
    pub so: String,
}

/// When an [`Aside`] is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsideKind {
    /// Where a trial has not kept its promise: it may be why.
    Clue,
    /// Always, where the subject's hosts are programs that may end.
    End,
}

impl Aside {
    /// All of it but the host, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let Aside { did, so, .. } = self;
        let often = if self.count > 1 { format!(" {}", count(self.count, "time")) } else { String::new() };
        if so.is_empty() { format!("{did}{often}") } else { format!("{did}{often}: {so}") }
    }

    /// Whether the other is of the same.
    fn is_like(&self, other: &Self) -> bool {
        (self.kind, &self.host, &self.did) == (other.kind, &other.host, &other.did)
    }

    /// Adds it to others; what is there already is counted.
    pub(crate) fn add_to(self, asides: &mut Vec<Aside>) {
        match asides.iter_mut().find(|known| known.kind == AsideKind::Clue && known.is_like(&self)) {
            Some(known) => known.count += self.count,
            None => asides.push(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aside(kind: AsideKind, did: &str, so: &str) -> Aside {
        let at = Duration::from_secs(1);
        Aside { at, host: "client".into(), count: 1, kind, did: did.to_owned(), so: so.to_owned() }
    }

    #[test]
    fn clues_are_counted_and_ends_are_not() {
        let mut asides = Vec::new();
        for _ in 0..1_200 {
            aside(AsideKind::Clue, "looked up `egde`", "no host is called so").add_to(&mut asides);
        }
        for _ in 0..2 {
            aside(AsideKind::End, "ends", "").add_to(&mut asides);
        }
        let words: Vec<String> = asides.iter().map(Aside::words).collect();
        assert_eq!(words, ["looked up `egde` 1200 times: no host is called so", "ends", "ends"]);
    }
}
