//! `pulseless report`: the trial of a case file, played again, or a night, in a form for other eyes and other tools.
//!
//! Refuses to know what a form looks like: a renderer makes it, and this writes it whole or not at all.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::campaign::{NightReport, Times};
use crate::cli::Exit;
use crate::cli::arguments::{ReportArguments, ReportForm};
use crate::cli::campaign::NIGHT_PAGE;
use crate::cli::output::{complain, print, print_bytes};
use crate::cli::program::subjects;
use crate::cli::replay::{open_case, refuse_case};
use crate::cli::run::break_down;
use crate::cli::timelines::timelines;
use crate::grammar::spell;
use crate::history::HostName;
use crate::report::{self, PacketStretch, ReportHead, describe_stretch, program_name, shell_word};
use crate::runner::{Case, Stretch, Trace, write_whole};
use crate::sim::SimFile;
use crate::trial::{self, EngineKind, Outcome};
use crate::world::Kept;

/// What a case file's name ends with, as sweeps write it.
const CASE_ENDING: &str = ".case.json";
/// The name of standard output.
const STANDARD_OUTPUT: &str = "-";

/// A form of the report of one trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CaseForm {
    Html,
    Pcapng,
    Perfetto,
    Mermaid,
}

/// A form of the report of a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NightForm {
    Html,
    Markdown,
    Junit,
    Github,
    Csv,
}

pub(crate) fn report(arguments: &ReportArguments) -> Exit {
    match (arguments.path.is_dir(), forms(arguments.to)) {
        (true, (_, Some(form))) => report_night(arguments, form),
        (false, (Some(form), _)) => report_case(arguments, form),
        (true, (_, None)) => {
            complain(&format!(
                "{} is a folder, and that form is of one trial: name one of the case files in it, such as \
                 {0}/<sim>-seed-<seed>{CASE_ENDING}",
                arguments.path.display()
            ));
            Exit::Usage
        }
        (false, (None, _)) => {
            complain(&format!(
                "{} is no folder, and that form is of a night: name the report folder of a `pulseless sweep`",
                arguments.path.display()
            ));
            Exit::Usage
        }
    }
}

/// What a form is of a trial, and of a night.
fn forms(form: ReportForm) -> (Option<CaseForm>, Option<NightForm>) {
    match form {
        ReportForm::Html => (Some(CaseForm::Html), Some(NightForm::Html)),
        ReportForm::Pcapng => (Some(CaseForm::Pcapng), None),
        ReportForm::Perfetto => (Some(CaseForm::Perfetto), None),
        ReportForm::Mermaid => (Some(CaseForm::Mermaid), None),
        ReportForm::Markdown => (None, Some(NightForm::Markdown)),
        ReportForm::Junit => (None, Some(NightForm::Junit)),
        ReportForm::Github => (None, Some(NightForm::Github)),
        ReportForm::Csv => (None, Some(NightForm::Csv)),
    }
}

/// A night again, as its report folder tells it.
fn report_night(arguments: &ReportArguments, form: NightForm) -> Exit {
    if arguments.from.is_some() || arguments.until.is_some() || !arguments.hosts.is_empty() {
        complain("--from, --until and --host choose packets of one trial, and this is a night");
        return Exit::Usage;
    }
    let folder = &arguments.path;
    let night = match NightReport::read(folder) {
        Ok(night) => night,
        Err(error) => {
            complain(&error.to_string());
            return Exit::Usage;
        }
    };
    let told = folder.display().to_string();
    let (text, name) = match form {
        NightForm::Html => (report::night_page(&night, &told, &timelines(&night, folder)), NIGHT_PAGE),
        NightForm::Markdown => (report::markdown(&night, &told), "night.md"),
        NightForm::Junit => (report::junit(&night, &told), "junit.xml"),
        NightForm::Github => (report::github(&night, &told), "annotations.txt"),
        NightForm::Csv => (report::csv(&night), "night.csv"),
    };
    match deliver(arguments, &folder.join(name), text.as_bytes()) {
        Ok(()) => judge_age(&night.times, arguments.newer_than),
        Err(exit) => exit,
    }
}

/// Whether a night is as new as it has to be: who looks at one every morning must not take an old one for the last.
#[expect(clippy::disallowed_methods, reason = "outside of any trial time is real")]
fn judge_age(times: &Times, newer_than: Option<Duration>) -> Exit {
    let Some(limit) = newer_than else { return Exit::Pass };
    let began: Timestamp = match times.begun.parse() {
        Ok(began) => began,
        Err(error) => {
            complain(&format!("nobody knows how old the night is: it began at `{}` ({error})", times.begun));
            return Exit::Unknown;
        }
    };
    // A clock that was set back makes no night old.
    let age = Duration::try_from(Timestamp::now().duration_since(began)).unwrap_or_default();
    if age <= limit {
        return Exit::Pass;
    }
    let (age, limit) = (spell(Duration::from_secs(age.as_secs())), spell(limit));
    complain(&format!(
        "the night is an old one: it began at {}, {age} ago, and --newer-than says {limit}",
        times.begun
    ));
    Exit::Unknown
}

fn report_case(arguments: &ReportArguments, form: CaseForm) -> Exit {
    if arguments.newer_than.is_some() {
        complain("--newer-than is of a night, and this is one trial, which is played now");
        return Exit::Usage;
    }
    let (case, sim) = match open_case(&arguments.path) {
        Ok(read) => read,
        Err(error) => return refuse_case(&arguments.path, &error),
    };
    let again = format!("{} replay {}", program_name(), shell_word(&arguments.path.to_string_lossy()));
    let stretch = match stretch(arguments, form, &case, &sim) {
        Ok(stretch) => stretch,
        Err(why) => {
            complain(&why);
            return Exit::Usage;
        }
    };
    let played = match form {
        CaseForm::Pcapng => trial::play_captured(&sim, case.seed),
        CaseForm::Html | CaseForm::Perfetto | CaseForm::Mermaid => {
            trial::play_on(&sim, case.seed, case.engine).map(|outcome| (outcome, Kept::default()))
        }
    };
    let (outcome, kept) = match played {
        Ok(played) => played,
        Err(error) => return break_down(&case.sim, &error, &again),
    };
    let (difference, caveat) = compare(&case, &outcome);
    if difference == Comparison::Other {
        caveat.iter().for_each(|caveat| complain(caveat));
    }
    let head = ReportHead { again, caveat };
    let rendered = match form {
        CaseForm::Html => Some(report::html(&outcome, &head).into_bytes()),
        CaseForm::Pcapng => report::pcapng(&outcome, &kept, &head, &stretch),
        CaseForm::Perfetto => Some(report::perfetto(&outcome, &head)),
        CaseForm::Mermaid => Some(report::mermaid(&outcome, &head).into_bytes()),
    };
    let Some(bytes) = rendered else {
        complain(&format!("nothing was sent there: {}; a longer stretch or other hosts may show more", told(&stretch)));
        return Exit::Usage;
    };
    if let Some(at) = kept.full_at {
        complain(&format!("nothing is captured after {}: it was too much", spell(at)));
    }
    match deliver(arguments, &beside(&arguments.path, ending(form)), &bytes) {
        Err(exit) => exit,
        Ok(()) if difference == Comparison::Other => Exit::NotReproducible,
        Ok(()) => Exit::Pass,
    }
}

/// What a play is to its case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Same,
    /// Somebody has edited the plan: nothing is compared.
    Edited,
    Other,
}

/// What the play is to the case, and what a reader must know of it.
fn compare(case: &Case, outcome: &Outcome) -> (Comparison, Option<String>) {
    if case.is_edited(subjects()) {
        let told = "the plan in the case file was edited: this is what the edited plan plays, compared with nothing";
        return (Comparison::Edited, Some(told.to_owned()));
    }
    let Some(parting) = Stretch::between(&case.trace(), &Trace::of(&outcome.history)) else {
        return (Comparison::Same, None);
    };
    let told = format!(
        "not reproducible: the case has digest {}, by pulseless {}, and this play has {}; {}; this is what was played now",
        case.digest,
        case.pulseless,
        outcome.digest(),
        describe_stretch(&parting)
    );
    (Comparison::Other, Some(told))
}

/// The stretch that is asked for, or why there is none.
fn stretch(arguments: &ReportArguments, form: CaseForm, case: &Case, sim: &SimFile) -> Result<PacketStretch, String> {
    let ReportArguments { from, until, hosts, .. } = arguments;
    let asked = [("--from", from.is_some()), ("--until", until.is_some()), ("--host", !hosts.is_empty())];
    match form {
        CaseForm::Html | CaseForm::Perfetto | CaseForm::Mermaid => {
            if let Some((flag, _)) = asked.into_iter().find(|(_, is_given)| *is_given) {
                return Err(format!("{flag} chooses packets: it goes with --to pcapng only"));
            }
        }
        CaseForm::Pcapng => {
            if case.engine != EngineKind::Leap {
                let leap = EngineKind::Leap;
                return Err(format!("{} played this case, and packets are captured on {leap} only", case.engine));
            }
        }
    }
    let from = from.unwrap_or_default();
    if let Some(until) = until.filter(|until| *until < from) {
        return Err(format!("--until {} lies before --from {}", spell(until), spell(from)));
    }
    if from > sim.duration {
        return Err(format!("--from {} lies behind the trial's end at {}", spell(from), spell(sim.duration)));
    }
    let cast = sim.cast();
    if let Some(unknown) = hosts.iter().find(|host| cast.find(host).is_none()) {
        let names: Vec<String> = cast.those(|_| true).map(|member| member.name.to_string()).collect();
        return Err(format!("there is no host {unknown}; the hosts are {}", names.join(", ")));
    }
    let hosts = hosts.iter().map(|host| HostName::from(host.as_str())).collect();
    Ok(PacketStretch { from, until: *until, hosts })
}

/// A stretch in words.
fn told(stretch: &PacketStretch) -> String {
    let until = stretch.until.map_or_else(|| "the end".to_owned(), spell);
    let hosts: Vec<&str> = stretch.hosts.iter().map(|host| &**host).collect();
    let whose = if hosts.is_empty() { String::new() } else { format!(", to or from {}", hosts.join(", ")) };
    format!("from {} to {until}{whose}", spell(stretch.from))
}

/// Writes a report where it is wanted: at its usual place unless the command line says where.
fn deliver(arguments: &ReportArguments, usual: &Path, bytes: &[u8]) -> Result<(), Exit> {
    let path = arguments.output.clone().unwrap_or_else(|| usual.to_owned());
    if path == Path::new(STANDARD_OUTPUT) {
        print_bytes(bytes);
        return Ok(());
    }
    let written = if is_stream(&path) { fs::write(&path, bytes) } else { write_whole(&path, bytes) };
    written.map_err(|error| {
        complain(&format!("failed to write the report {}: {error}; --output names another file", path.display()));
        Exit::Io
    })?;
    print(&format!("{}\n", path.display()));
    Ok(())
}

/// What the name of a report ends with.
fn ending(form: CaseForm) -> &'static str {
    match form {
        CaseForm::Html => ".html",
        CaseForm::Pcapng => ".pcapng",
        CaseForm::Perfetto => ".perfetto-trace",
        CaseForm::Mermaid => ".mmd",
    }
}

/// The case's name with another ending.
fn beside(case: &Path, ending: &str) -> PathBuf {
    let name = case.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(CASE_ENDING).or_else(|| name.strip_suffix(".json")).unwrap_or(&name);
    case.with_file_name(format!("{stem}{ending}"))
}

/// Whether it is a pipe, a terminal or another device: those are written into, and never replaced by a file.
fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| {
        let kind = found.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_stands_beside_its_case() {
        for (case, report) in [
            ("reports/a/storm-seed-7.case.json", "reports/a/storm-seed-7.html"),
            ("x.json", "x.html"),
            ("x", "x.html"),
            ("/dev/stdin", "/dev/stdin.html"),
        ] {
            assert_eq!(beside(Path::new(case), ".html"), Path::new(report));
        }
    }
}
