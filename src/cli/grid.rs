//! `pulseless grid`: one sim under every combination of some settings.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use crate::campaign::{Grid, GridPoint, Stop, values};
use crate::cli::Exit;
use crate::cli::arguments::{GridArguments, GridFormat};
use crate::cli::campaign::{catch_interrupts, jobs};
use crate::cli::output::{complain, misused, print};
use crate::cli::program::subjects;
use crate::cli::run::refuse;
use crate::cli::seed::SeedCount;
use crate::grammar::Seed;
use crate::grammar::quantity::count;
use crate::report;
use crate::runner::{read_sim, write_whole};
use crate::sim::{Setting, SimFile};

/// More points than anybody reads.
const POINTS_MAX: usize = 1_000;

pub(crate) fn grid(arguments: &GridArguments) -> Exit {
    let points = match points(arguments) {
        Ok(points) => points,
        Err(exit) => return exit,
    };
    let seeds = match (arguments.seeds, arguments.from) {
        (SeedCount::Many(many), from) => {
            let Seed(first) = from.unwrap_or(Seed(1));
            first..first.saturating_add(many)
        }
        (SeedCount::Range(first, end), None) => first..end,
        (SeedCount::Range(..), Some(_)) => {
            return misused("--seeds A..B says where seeds begin, and so does --from: drop one");
        }
    };
    let (jobs, _) = jobs(arguments.jobs, None);
    let grid = Grid { points, seeds, jobs };
    if arguments.format == GridFormat::Text {
        let (from, to) = (grid.seeds.start, grid.seeds.end - 1);
        print(&format!("seeds {from} to {to} of {}, {jobs} at a time\n", count(grid.points.len() as u64, "point")));
    }
    let stop = Arc::new(Stop::default());
    catch_interrupts(&stop);
    let bar = progress_bar(grid.trials());
    let measured = grid.run(&stop, |plays| bar.set_position(plays));
    bar.finish_and_clear();
    match measured {
        Ok(points) => tell(&points, &grid, stop.is_asked(), arguments),
        Err(error) => {
            complain(&format!("failed to play {}: {error}\nthis is a bug of pulseless", arguments.sim.display()));
            Exit::OurBug
        }
    }
}

/// The sim under each combination of the settings, which are read before anything is played.
fn points(arguments: &GridArguments) -> Result<Vec<(Vec<String>, SimFile)>, Exit> {
    let mut combinations: Vec<Vec<String>> = vec![Vec::new()];
    let mut keys = BTreeSet::new();
    for axis in &arguments.settings {
        let Some((key, text)) = axis.split_once('=') else {
            return Err(misused(&format!(
                "`--set {axis}` has no value; write a key and its values, such as node.keepalive=10s,20s"
            )));
        };
        if !keys.insert(key) {
            return Err(misused(&format!("`{key}` is set twice: write all its values behind one --set")));
        }
        let values = values(text);
        if combinations.len() * values.len() > POINTS_MAX {
            return Err(misused(&format!("the values of --set make more than {POINTS_MAX} points; leave some out")));
        }
        let with = |one: &Vec<String>, value: &String| [&one[..], &[format!("{key}={value}")]].concat();
        combinations = combinations.iter().flat_map(|one| values.iter().map(move |value| with(one, value))).collect();
    }
    combinations.into_iter().map(|texts| Ok((texts.clone(), read(&arguments.sim, &texts)?))).collect()
}

fn read(path: &Path, texts: &[String]) -> Result<SimFile, Exit> {
    let settings: Result<Vec<Setting>, _> = texts.iter().map(|text| text.parse()).collect();
    let settings = settings.map_err(|error: <Setting as std::str::FromStr>::Err| misused(&error.to_string()))?;
    read_sim(subjects(), path, &settings).map_err(|error| refuse(&error))
}

/// The exit code tells whether all was measured: what trials come to is a measure here, and no verdict.
fn tell(points: &[GridPoint], grid: &Grid, interrupted: bool, arguments: &GridArguments) -> Exit {
    print(&match arguments.format {
        GridFormat::Text => report::grid(points),
        GridFormat::Csv => report::grid_csv(points),
        GridFormat::Json => serde_json::to_string_pretty(points).expect("points are plain data") + "\n",
    });
    if let Some(path) = &arguments.plot {
        let title = format!("{}, {}", grid.points[0].1.title, count(grid.seeds.end - grid.seeds.start, "seed"));
        if let Err(error) = write_whole(path, report::grid_svg(points, &title).as_bytes()) {
            complain(&format!("failed to write {}: {error}", path.display()));
            return Exit::Io;
        }
    }
    if interrupted { Exit::Unknown } else { Exit::Pass }
}

fn progress_bar(trials: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} trials, {per_sec}, {eta} left")
        .expect("the template is well formed");
    ProgressBar::new(trials).with_style(style)
}
