//! What happens to clients of an old node: the milestones of the fallback (C6).
//!
//! Refuses to judge. An attempt on the older calls opens no Subscribe stream, and what it commits came by them.

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::Milestone;
use crate::history::{Event, History};

/// A client followed the older calls.
pub(crate) const FELL_BACK: Milestone = Milestone {
    name: "fell-back",
    sentence: "A client committed messages that came by the two older calls.",
    happened: |history| Fallbacks::read(history).fell_back,
};
/// A client that had followed the older calls had a Subscribe stream later.
pub(crate) const SUBSCRIBED_AGAIN: Milestone = Milestone {
    name: "subscribed-again",
    sentence: "A client that had followed the two older calls was welcomed on a Subscribe stream later.",
    happened: |history| Fallbacks::read(history).subscribed_again,
};

/// What the clients of a trial have done so far.
#[derive(Default)]
struct Fallbacks<'h> {
    /// The attempt of each client that has opened a Subscribe stream last.
    subscribing: BTreeMap<&'h str, u64>,
    fallen: BTreeSet<&'h str>,
    fell_back: bool,
    subscribed_again: bool,
}

impl<'h> Fallbacks<'h> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a milestone looks at what concerns it")]
    fn read(history: &'h History) -> Self {
        let mut read = Fallbacks::default();
        for record in history.records() {
            let host = &*record.host;
            match &record.event {
                Event::ProcessBegan { .. } => drop(read.subscribing.remove(host)),
                Event::Opened { attempt, .. } => drop(read.subscribing.insert(host, *attempt)),
                Event::Delivered { attempt, .. } if !read.is_subscribe(host, *attempt) => {
                    read.fell_back = true;
                    read.fallen.insert(host);
                }
                Event::Started { attempt } if read.is_subscribe(host, *attempt) => {
                    read.subscribed_again |= read.fallen.contains(host);
                }
                _ => {}
            }
        }
        read
    }

    fn is_subscribe(&self, host: &str, attempt: u64) -> bool {
        self.subscribing.get(host) == Some(&attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{Script, alpha};

    fn happened(script: Script) -> Vec<&'static str> {
        let history = script.history();
        let all = [&FELL_BACK, &SUBSCRIBED_AGAIN];
        all.iter().filter(|milestone| (milestone.happened)(&history)).map(|milestone| milestone.name).collect()
    }

    #[test]
    fn what_a_subscribe_stream_brought_is_no_fallback() {
        assert_eq!(happened(Script::new().opened(1).started(1).committed(1, &[(alpha(), 1)])), [""; 0]);
    }

    #[test]
    fn a_client_falls_back_with_its_first_commit_and_is_back_with_its_welcome() {
        let fallen = || Script::new().opened(1).started(2).committed(2, &[(alpha(), 1)]);
        assert_eq!(happened(Script::new().opened(1).started(2)), [""; 0]);
        assert_eq!(happened(fallen()), [FELL_BACK.name]);
        assert_eq!(happened(fallen().opened(3)), [FELL_BACK.name]);
        assert_eq!(happened(fallen().opened(3).started(3)), [FELL_BACK.name, SUBSCRIBED_AGAIN.name]);
        assert_eq!(happened(fallen().started(3)), [FELL_BACK.name], "it went on with the older calls");
    }
}
