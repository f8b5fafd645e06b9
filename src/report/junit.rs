//! A night as JUnit XML, in the form that GitLab, Jenkins and GitHub read: a test case for each sim and for each group of failures.
//!
//! Refuses to know where the report is; it is told its folder.

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use crate::campaign::{FailureGroup, NightReport, Summary, Tally};
use crate::report::campaign::{describe_cause, reproduce_line, tell_age};

/// GitLab and Jenkins grow slow beyond some hundreds of test cases.
const CASES_MAX: usize = 500;

/// The XML of a night whose report is in `folder`.
#[must_use]
pub fn junit(night: &NightReport, folder: &str) -> String {
    let summary = &night.summary;
    let mut report = Report::new("pulseless");
    let groups = summary.groups.iter().take(CASES_MAX);
    let room = CASES_MAX - groups.len();
    let mut of_groups = TestSuite::new("groups");
    of_groups.add_test_cases(groups.map(|group| group_case(group, night, folder)));
    // Those that did not pass come first: they are the ones that must not be cut.
    let mut sims: Vec<(&String, &Tally)> = summary.sims.iter().collect();
    sims.sort_by_key(|(_, tally)| tally.bad() == 0);
    let mut of_sims = TestSuite::new("sims");
    of_sims.add_test_cases(sims.into_iter().take(room).map(|(sim, tally)| sim_case(sim, tally, summary)));
    report.add_test_suites([of_sims, of_groups]);
    report.to_string().expect("a report is plain text")
}

fn sim_case(sim: &str, tally: &Tally, summary: &Summary) -> TestCase {
    let played = format!("{} of {} trials pass", tally.pass, tally.played());
    let status = match tally {
        Tally { broken: 1.., .. } => non_success(NonSuccessKind::Error, "broken", &played),
        Tally { fail: 1.., .. } => non_success(NonSuccessKind::Failure, "fail", &played),
        Tally { unknown: 1.., .. } => non_success(NonSuccessKind::Failure, "unknown", &played),
        Tally { pass: 0, .. } => TestCaseStatus::skipped(),
        Tally { .. } => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(sim, status);
    case.set_classname("pulseless.sims");
    let of_sim = summary.groups.iter().filter(|group| group.sims.contains_key(sim));
    let groups: Vec<&str> = of_sim.map(|group| group.id.as_str()).collect();
    case.add_property(property("trials", &tally.played().to_string()));
    if !groups.is_empty() {
        case.add_property(property("groups", &groups.join(" ")));
    }
    case
}

fn group_case(group: &FailureGroup, night: &NightReport, folder: &str) -> TestCase {
    let kind = if group.ended == "broken" { NonSuccessKind::Error } else { NonSuccessKind::Failure };
    let mut case = TestCase::new(group.id.as_str(), non_success(kind, &group.ended, &group.why));
    case.set_classname("pulseless.groups");
    case.add_property(property("cause", &describe_cause(group)));
    case.add_property(property("requirement", &group.cause.requirement));
    case.add_property(property("trials", &group.count.to_string()));
    case.add_property(property("age", &tell_age(group, &night.nights)));
    for (sim, seeds) in &group.sims {
        case.add_property(property(&format!("seeds of {sim}"), &seeds.all));
    }
    if let Some(line) = reproduce_line(group, folder) {
        case.add_property(property("reproduce", &line));
        // Not every reader shows properties.
        case.set_system_out(format!("{}\n{line}\n", group.why));
    }
    case
}

fn non_success(kind: NonSuccessKind, word: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(word).set_message(message);
    status
}

fn property(name: &str, value: &str) -> Property {
    Property::new(XmlString::new(name), XmlString::new(value))
}
