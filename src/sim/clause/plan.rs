//! Every `[[fault]]` of a file, by its kind.
//!
//! Refuses to know the keys of a kind.

use std::ops::Range;
use std::time::Duration;

use crate::cast::Cast;
use crate::fault::{Clause, Fault, Origin, Plan};
use crate::grammar::section::Section;
use crate::sim::clause::overlap::note_contradictions;
use crate::sim::clause::times::Times;
use crate::sim::clause::{disk, host, link};

/// Far more faults than anybody can follow in a report.
const MOST_FAULTS: usize = 1_000;

/// Reads the keys that one kind of fault takes besides `at`, `for` and `kind`.
type ReadFault = fn(&mut Section<'_>, &Scene<'_>) -> Option<Fault>;

/// The kinds of fault, by the name that a sim file uses ([`Fault::kind`]).
pub(crate) const KINDS: [(&str, ReadFault); 25] = [
    ("proxy-silence-upstream", host::read_silence),
    ("process-kill", host::read_kill),
    ("power-off", host::read_power_off),
    ("disk-lost", host::read_disk_lost),
    ("disk-restored", host::read_disk_restored),
    ("restart-loop", host::read_restart_loop),
    ("pause", host::read_pause),
    ("suspend", host::read_suspend),
    ("clock-step", host::read_clock_step),
    ("clock-drift", host::read_clock_drift),
    ("backlog-full", host::read_backlog_full),
    ("name-fails", host::read_name_fails),
    ("name-moves", host::read_name_moves),
    ("name-dead", host::read_name_dead),
    ("partition", link::read_partition),
    ("latency", link::read_slow),
    ("bandwidth", link::read_narrow),
    ("loss", link::read_loss),
    ("syn-loss", link::read_syn_loss),
    ("mtu-black-hole", link::read_mtu_black_hole),
    ("idle-drop", link::read_idle_drop),
    ("sync-fails", disk::read_sync_fails),
    ("disk-full", disk::read_full),
    ("slow-sync", disk::read_slow_sync),
    ("bit-rot", disk::read_bit_rot),
];

/// What the rest of the file says that matters to faults; none where that part has a problem of its own.
pub(crate) struct Stage {
    /// Who takes part.
    pub(crate) cast: Option<Cast>,
    /// How long the trial lasts.
    pub(crate) duration: Option<Duration>,
    /// When the calm begins, since the trial's start.
    pub(crate) calm_begins: Option<Duration>,
    /// The longest duration that makes sense.
    pub(crate) longest: Duration,
}

/// What matters to one fault: the rest of the file, and the fault's times.
pub(crate) struct Scene<'s> {
    /// The rest of the file.
    pub(crate) stage: &'s Stage,
    /// The fault's times.
    pub(crate) times: &'s Times,
}

/// A clause that has no number yet, and where the file says when it begins.
pub(crate) struct Draft {
    /// The fault's name, such as `fault.2`.
    pub(crate) key: String,
    /// Where `at` stands.
    pub(crate) span: Range<usize>,
    /// The clause.
    pub(crate) clause: Clause,
}

/// Reads every fault of the file; a wrong one is noted and left out.
pub(crate) fn read_plan(root: &mut Section<'_>, stage: &Stage) -> Plan {
    let Some(entry) = root.entry("fault") else { return Plan::default() };
    let elements = root.keep(entry.elements("one table `[[fault]]` for each fault")).unwrap_or_default();
    if elements.len() > MOST_FAULTS {
        let problem = entry.problem(format!("there are {} faults", elements.len()));
        root.note(problem.label("too many").advice(format!("write at most {MOST_FAULTS} faults")));
        return Plan::default();
    }
    let mut drafts: Vec<Draft> = Vec::with_capacity(elements.len());
    for element in &elements {
        let section = root.keep(element.section());
        drafts.extend(section.and_then(|section| read_fault(section, stage)));
    }
    // Stable: faults that begin together keep the order of the file.
    drafts.sort_by_key(|draft| draft.clause.at);
    note_contradictions(root, &drafts);
    let numbered = (1..).zip(drafts).map(|(number, draft)| Clause { number, ..draft.clause });
    Plan { clauses: numbered.collect() }
}

/// Reads one fault.
fn read_fault(mut section: Section<'_>, stage: &Stage) -> Option<Draft> {
    let names = KINDS.map(|(name, _)| name);
    let times = Times::read(&mut section, stage);
    let kind = section.required("kind", "kind = \"process-kill\"", |entry| entry.word("kind of fault", &names));
    // Without a kind nobody can say which of the other keys are wrong.
    let kind = kind?.value;
    let (_, read) = KINDS.iter().find(|(name, _)| *name == kind).expect("the word is one of these names");
    let fault = read(&mut section, &Scene { stage, times: &times });
    let key = section.key().to_string();
    section.finish();
    let (at, lasts) = (times.at?, times.lasts?);
    let clause = Clause { number: 0, at: at.value, lasts: lasts.value, fault: fault?, origin: Origin::File };
    Some(Draft { key, span: at.span.unwrap_or_default(), clause })
}
