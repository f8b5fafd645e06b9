//! Every `[[fault]]` of a text, by its kind: one reader for sims, cases and plans edited by hand.
//!
//! Refuses to know the keys of a kind.

use std::collections::BTreeSet;

use toml::de::DeTable;

use crate::fault::contradiction::note_contradictions;
use crate::fault::plan::{DraftClause, FAULTS_MAX};
use crate::fault::scene::{ClauseTimes, PlanFrame, Scene};
use crate::fault::{Clause, KINDS, Origin, Plan};
use crate::grammar::refusal::{Notes, Problem, Refusal};
use crate::grammar::{Entry, Section};

/// Reads the plan `name` from a text of `[[fault]]` tables and nothing else.
///
/// # Errors
/// Every independent problem, with its line and what would be right.
pub(crate) fn read_plan_text(name: &str, text: &str, frame: &PlanFrame) -> Result<Plan, Refusal> {
    let parsed = DeTable::parse(text).map_err(|error| {
        let problem = Problem::new("", error.span().unwrap_or_default(), error.message());
        let problem = problem.advice("a plan is written as the `[[fault]]` tables of a sim");
        Refusal::new(name, text, problem, Vec::new()).of_plan()
    })?;
    let notes = Notes::default();
    let mut root = Section::root(parsed.get_ref(), &notes);
    let plan = read_plan(&mut root, frame);
    root.finish();
    let mut problems = notes.into_problems().into_iter();
    match problems.next() {
        Some(first) => Err(Refusal::new(name, text, first, problems.collect()).of_plan()),
        None => Ok(plan),
    }
}

/// Reads every fault of a text; a wrong one is noted and left out.
pub(crate) fn read_plan(root: &mut Section<'_>, frame: &PlanFrame) -> Plan {
    let Some(entry) = root.entry("fault") else { return Plan::default() };
    let elements = root.keep(entry.elements("one table `[[fault]]` for each fault")).unwrap_or_default();
    if elements.len() > FAULTS_MAX as usize {
        let problem = entry.problem(format!("there are {} faults", elements.len()));
        root.note(problem.label("too many").advice(format!("write at most {FAULTS_MAX} faults")));
        return Plan::default();
    }
    let mut drafts: Vec<DraftClause> = Vec::with_capacity(elements.len());
    for element in &elements {
        let section = root.keep(element.section());
        drafts.extend(section.and_then(|section| read_fault(section, frame)));
    }
    // Stable: faults that begin together keep the order of the text.
    drafts.sort_by_key(|draft| draft.clause.at);
    note_contradictions(root, &drafts);
    number(root, &mut drafts);
    Plan { clauses: drafts.into_iter().map(|draft| draft.clause).collect() }
}

/// Numbers the clauses that have no number of their own by the time at which they begin, and notes numbers that two
/// have. A clause keeps its number when others are taken out, and with it its dice.
fn number(root: &Section<'_>, drafts: &mut [DraftClause]) {
    let mut taken = BTreeSet::new();
    for draft in drafts.iter().filter(|draft| draft.clause.number > 0) {
        if !taken.insert(draft.clause.number) {
            let message = format!("`{}` has the number {}, as another fault has", draft.key, draft.clause.number);
            let problem = Problem::new(format!("{}.number", draft.key), draft.span.clone(), message);
            root.note(problem.label("not its own").advice("give each fault a number of its own, or none"));
        }
    }
    let mut free = (1..).filter(|number| !taken.contains(number));
    for draft in drafts.iter_mut().filter(|draft| draft.clause.number == 0) {
        draft.clause.number = free.next().expect("there are more numbers than faults");
    }
}

/// Reads one fault.
fn read_fault(mut section: Section<'_>, frame: &PlanFrame) -> Option<DraftClause> {
    let times = ClauseTimes::read(&mut section, frame);
    let names: Vec<_> = KINDS.iter().map(|row| (row.name, row)).collect();
    let kind = section.required("kind", "kind = \"process-kill\"", |entry| entry.choice("kind of fault", &names));
    // Without a kind nobody can say which of the other keys are wrong.
    let fault = (kind?.value.read)(&mut section, &Scene { frame, times: &times });
    let number = section.optional("number", 0, |entry| entry.number(1..=FAULTS_MAX));
    let drawn = section.optional("drawn", false, Entry::boolean);
    let key = section.key().to_string();
    section.finish();
    let (at, lasts) = (times.at?, times.lasts?);
    let origin = if drawn?.value { Origin::Storm } else { Origin::File };
    let clause = Clause { number: number?.value, at: at.value, lasts: lasts.value, fault: fault?, origin };
    Some(DraftClause { key, span: at.span.unwrap_or_default(), clause })
}
