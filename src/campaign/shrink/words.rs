//! A small trial as a person would write it: a title that says what happens, and no key that says what holds anyway.
//!
//! Refuses to change the trial: each step is taken only where the reader makes the same sim of it.

use toml_edit::Table;

use crate::campaign::shrink::draft::SimDraft;
use crate::campaign::shrink::plays::FailureMode;
use crate::campaign::shrink::reduce::{alike, put};
use crate::cast::Cast;
use crate::grammar::Naming;
use crate::sim::{SimFile, tables};
use crate::subject::Subjects;

/// A longer title is no title.
const TITLE_MAX: usize = 120;
/// The keys of a fault that say which it is.
const NAMING: [&str; 3] = ["at", "for", "kind"];

/// A draft in fewer words, and the sim that it is.
pub(crate) struct Wording {
    pub(crate) draft: SimDraft,
    pub(crate) sim: SimFile,
    name: String,
    subjects: Subjects,
}

impl Wording {
    pub(crate) fn of(draft: SimDraft, sim: SimFile, subjects: Subjects) -> Self {
        Wording { draft, name: sim.name.clone(), sim, subjects }
    }

    /// Takes a draft that is the same trial.
    fn take(&mut self, draft: SimDraft) {
        if let Some(sim) = draft.read(&self.name, self.subjects).filter(|sim| alike(sim, &self.sim)) {
            (self.draft, self.sim) = (draft, sim);
        }
    }

    /// Leaves out what holds without being said.
    #[must_use]
    pub(crate) fn without_defaults(mut self) -> Self {
        for (table, keys) in self.draft.settings() {
            for key in keys {
                self.leave_out(&[&table, &key]);
                let value = self.draft.value(&[&table, &key]).and_then(|value| value.as_inline_table());
                let parts: Vec<String> =
                    value.map(|table| table.iter().map(|(part, _)| part.to_owned()).collect()).unwrap_or_default();
                parts.iter().for_each(|part| self.leave_out(&[&table, &key, part]));
            }
        }
        let root = tables(self.sim.subject).find(|table| table.name.is_empty());
        let keys = root.map(|root| root.keys).unwrap_or_default().iter().map(|key| key.name);
        // What names the trial is no default, although the trial is the same without it.
        keys.filter(|key| ["subject", "calm"].contains(key)).for_each(|key| self.leave_out(&[key]));
        self.leave_out(&["promise", "within"]);
        self
    }

    fn leave_out(&mut self, path: &[&str]) {
        if self.draft.value(path).is_some() {
            self.take(self.draft.without(path));
        }
    }

    /// Writes the plan as people do: patterns, no numbers where the order says them, no key that says the default.
    #[must_use]
    pub(crate) fn plain_faults(mut self) -> Self {
        for index in 0..self.draft.faults().len() {
            let Some(fault) = self.draft.faults().into_iter().nth(index) else { continue };
            for (key, _) in fault.iter().filter(|(key, _)| !NAMING.contains(key)) {
                self.take(self.draft.with_fault(index, |fault| _ = fault.remove(key)));
                let cast = self.sim.cast().clone();
                self.take(self.draft.with_fault(index, |fault| pattern(fault, key, &cast)));
            }
        }
        // A number alone may be wrong where the order of all says them.
        let mut faults = self.draft.faults();
        faults.iter_mut().for_each(|fault| _ = fault.remove("number"));
        self.take(self.draft.with_faults(faults));
        self
    }

    /// Gives it the title that says what happens, and the requirement that is broken.
    #[must_use]
    pub(crate) fn titled(mut self, mode: &FailureMode) -> Self {
        let cited = self.sim.subject.requirements().iter().find(|known| known.number == mode.requirement);
        if let Some(cited) = cited {
            self.take(self.draft.titled(&title(&self.sim), cited.number));
        }
        self
    }
}

/// What happens, in one sentence.
fn title(sim: &SimFile) -> String {
    let faults: Vec<String> =
        sim.plan.clauses.iter().map(|clause| sim.setup.tell_fault(&clause.fault, Naming::Few)).collect();
    let Some(first) = faults.first() else { return "It fails without any fault".to_owned() };
    let all = faults.join("; ");
    let told = match faults.len() {
        2.. if all.chars().count() > TITLE_MAX => format!("{first}, and {} more", faults.len() - 1),
        _ => all,
    };
    let mut letters = told.chars();
    letters.next().map(|letter| letter.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Names the hosts of a fault with one word, where they are one, or all of a role.
fn pattern(fault: &mut Table, key: &str, cast: &Cast) {
    let Some(hosts) = fault.get(key).and_then(|hosts| hosts.as_array()) else { return };
    let hosts: Vec<&str> = hosts.iter().filter_map(|host| host.as_str()).collect();
    let word = match hosts.as_slice() {
        [] => return,
        [host] => (*host).to_owned(),
        [first, ..] => match cast.find(first) {
            Some(host) if cast.of_role(host.name.role()).len() == hosts.len() => format!("{}-*", host.name.role()),
            Some(_) | None => return,
        },
    };
    put(fault, key, word.into());
}
