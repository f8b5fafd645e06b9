//! The timelines that a night's page folds in: of each cause, the smallest case, played again.
//!
//! Refuses to know what a page looks like.

use std::collections::BTreeMap;
use std::path::Path;

use crate::campaign::{FailureGroup, NightReport};
use crate::cli::program::subjects;
use crate::report::{self, ReportHead, reproduce_line};
use crate::runner::Case;
use crate::trial::play_on;

/// So many causes have their timeline in the page.
const TIMELINES_MAX: usize = 20;
/// And so many bytes do all of them together.
const BYTES_MAX: usize = 24 << 20;

/// The page of the smallest case of each of the first groups, by the group's id. A case that cannot be read or played any more has
/// none.
pub(crate) fn timelines(night: &NightReport, folder: &Path) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut bytes = 0;
    for group in night.summary.groups.iter().take(TIMELINES_MAX) {
        let Some(page) = timeline(group, folder) else { continue };
        bytes += page.len();
        if bytes > BYTES_MAX {
            break;
        }
        pages.insert(group.id.clone(), page);
    }
    pages
}

fn timeline(group: &FailureGroup, folder: &Path) -> Option<String> {
    let case = Case::read(&folder.join(group.smallest_case()?)).ok()?;
    let sim = case.sim(subjects()).ok()?;
    let outcome = play_on(&sim, case.seed, case.engine).ok()?;
    let again = reproduce_line(group, &folder.display().to_string())?;
    Some(report::html(&outcome, &ReportHead { again, caveat: None }))
}
