//! A grid: one sim under every combination of some settings, each measured over the same seeds.
//!
//! Refuses to know which setting is good: it marks those that no other beats in everything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::campaign::{Measures, Stop};
use crate::sim::SimFile;
use crate::trial::{PlayError, play};

/// What is to be measured.
pub struct Grid {
    /// The sim under each combination, and the settings in words.
    pub points: Vec<(Vec<String>, SimFile)>,
    /// The seeds, each with every point.
    pub seeds: std::ops::Range<u64>,
    /// So many trials at a time.
    pub jobs: usize,
}

/// One combination of settings, measured.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GridPoint {
    /// The settings, such as `node.keepalive=10s`.
    pub settings: Vec<String>,
    /// What they cost and buy.
    pub measures: Measures,
    /// No other point beats it in everything.
    pub is_best: bool,
}

impl Grid {
    /// How many trials it takes.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.points.len() as u64 * (self.seeds.end - self.seeds.start)
    }

    /// Plays all, or as many as there are until it is stopped; every point is then measured over the seeds that were
    /// played with all of them. `on_play` is told how many trials have ended.
    ///
    /// # Errors
    /// A trial cannot be played: our bug.
    pub fn run(&self, stop: &Stop, on_play: impl Fn(u64) + Sync) -> Result<Vec<GridPoint>, PlayError> {
        let measured = Mutex::new((vec![Measures::default(); self.points.len()], 0));
        share_out(self.jobs, self.trials(), stop, |number| {
            let points = self.points.len() as u64;
            let point = usize::try_from(number % points).expect("an index of points");
            let outcome = play(&self.points[point].1, self.seeds.start + number / points)?;
            let mut measures = Measures::default();
            measures.add(&outcome);
            let mut measured = measured.lock().unwrap_or_else(PoisonError::into_inner);
            measured.0[point].merge(&measures);
            measured.1 += 1;
            on_play(measured.1);
            Ok(())
        })?;
        let (measures, _) = measured.into_inner().unwrap_or_else(PoisonError::into_inner);
        let settings = self.points.iter().map(|(settings, _)| settings.clone());
        Ok(mark(
            settings
                .zip(measures)
                .map(|(settings, measures)| GridPoint { settings, measures, is_best: false })
                .collect(),
        ))
    }
}

/// Does `play` with each number below `trials`, so many at a time, until it fails or is to stop.
///
/// # Errors
/// The first failure of one of the threads.
#[expect(clippy::disallowed_methods, reason = "between trials, threads share out whole trials")]
pub(crate) fn share_out(
    jobs: usize,
    trials: u64,
    stop: &Stop,
    play: impl Fn(u64) -> Result<(), PlayError> + Sync,
) -> Result<(), PlayError> {
    let next = AtomicU64::new(0);
    let work = || -> Result<(), PlayError> {
        // Ends: each turn takes a number of its own.
        while !stop.is_asked() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= trials {
                break;
            }
            play(number)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a trial's panic is an error"))
    })
}

/// What a point costs: the less of each, the better.
fn costs(point: &GridPoint) -> [f64; 4] {
    let measures = &point.measures;
    // A dead stream that nobody notices is the worst.
    let detection = measures.detection(99).unwrap_or(Duration::MAX).as_secs_f64();
    let rate = |number| measures.per_client_hour(number);
    [detection, rate(measures.false_trips), rate(measures.reconnects), rate(measures.pings + measures.http2_pings)]
}

/// Marks the points that no other beats: as good in everything, and better in something.
fn mark(mut points: Vec<GridPoint>) -> Vec<GridPoint> {
    let costs: Vec<[f64; 4]> = points.iter().map(costs).collect();
    let beats = |one: &[f64; 4], other: &[f64; 4]| {
        one.iter().zip(other).all(|(one, other)| one <= other) && one.iter().zip(other).any(|(one, other)| one < other)
    };
    for (point, cost) in points.iter_mut().zip(&costs) {
        point.is_best = point.measures.trials > 0 && !costs.iter().any(|other| beats(other, cost));
    }
    points
}

/// Splits what stands behind `key=` into the values of an axis: at commas that are in no brackets and no quotes.
#[must_use]
pub fn values(text: &str) -> Vec<String> {
    let (mut values, mut depth, mut quote) = (vec![String::new()], 0_u32, None);
    for letter in text.chars() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                values.push(String::new());
                continue;
            }
            (Some(_) | None, _) => {}
        }
        values.last_mut().expect("there is one from the start").push(letter);
    }
    values.into_iter().map(|value| value.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(detection_s: u64, reconnects: u64, pings: u64) -> GridPoint {
        let mut measures =
            Measures { trials: 1, client_time: Duration::from_secs(3_600), reconnects, pings, ..Measures::default() };
        measures.ladder.let_go.add(Duration::from_secs(detection_s));
        GridPoint { settings: Vec::new(), measures, is_best: false }
    }

    #[test]
    fn a_point_that_another_beats_in_everything_is_not_marked() {
        let points = mark(vec![point(30, 1, 100), point(10, 9, 300), point(31, 1, 100), point(30, 1, 100)]);
        let best: Vec<bool> = points.iter().map(|point| point.is_best).collect();
        assert_eq!(best, [true, true, false, true], "equals do not beat each other");
    }

    #[test]
    fn a_stream_that_nobody_finds_dead_is_the_worst() {
        let mut blind = point(1, 0, 0);
        blind.measures.ladder.let_go = crate::ladder::Delays::default();
        let points = mark(vec![blind, point(3_600, 0, 0)]);
        assert_eq!([points[0].is_best, points[1].is_best], [false, true]);
    }

    #[test]
    fn values_are_split_at_commas_of_their_own() {
        assert_eq!(values("10s, 20s,30s"), ["10s", "20s", "30s"]);
        assert_eq!(values("off"), ["off"]);
        assert_eq!(values("{ a = 1, b = [2, 3] },\"x,y\""), ["{ a = 1, b = [2, 3] }", "\"x,y\""]);
        assert_eq!(values("1,,2"), ["1", "", "2"]);
    }
}
