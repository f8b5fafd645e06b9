//! The builder of a trial: each call writes a line of the sim that it stands for.

use std::fmt::Display;
use std::ops::Range;
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value};

use crate::checker::Checker;
use crate::grammar::{Problem, spell};
use crate::harness::again::TestName;
use crate::harness::{Proxy, SweptTrials, TrialOutcome, Trouble, outcome, sweep};
use crate::sim::{self, BadSetting, Setting, SimFile};
use crate::subject::Subjects;
use crate::subject::stranger::{HostEnding, HostSeat, Strangers};

/// The calm of a trial whose test does not say: as long as a sim's, or half of a short trial.
const CALM_MAX: Duration = Duration::from_secs(180);
/// How soon everybody is to have everything, likewise.
const WITHIN_MAX: Duration = Duration::from_secs(60);

/// A trial out of a test: somebody's own hosts, with proxies of ours between them, and what goes wrong.
///
/// ```no_run
/// # async fn my_server(_: &str) {}
/// # async fn my_client(_: &str) {}
/// use pulseless::{Durations, Proxy, Trial, Trouble};
///
/// let outcome = Trial::new(7)
///     .host("server", || my_server("0.0.0.0:50051"))
///     .proxy("edge", Proxy::to("server:50051").profile("nginx"))
///     .host("client", || my_client("http://edge:50051"))
///     .fault(Trouble::silence("edge").at(2.minutes()).lasting(10.minutes()))
///     .run(30.minutes());
/// outcome.assert_delivered("orders");
/// ```
///
/// Hosts enter in the order in which they are named, and look each other up by those names. Each call stands for a line of a
/// [sim](crate::sim) of the subject `stranger`; what that does not take is refused by [`Trial::run`], with what would be right.
#[derive(Clone, Debug)]
pub struct Trial {
    seed: u64,
    strangers: Strangers,
    title: Option<String>,
    /// The cast, the faults, and whatever else is no setting.
    document: DocumentMut,
    calm: Option<Duration>,
    within: Option<Duration>,
    settings: Vec<(String, String)>,
}

impl Trial {
    /// A trial of that seed. The variable `PULSELESS_SEED` of the environment beats it.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Trial {
            seed,
            strangers: Strangers::new(),
            title: None,
            document: DocumentMut::new(),
            calm: None,
            within: None,
            settings: Vec::new(),
        }
    }

    /// What happens, in one sentence; the name of the test says it otherwise.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        self.title = Some(title.to_owned());
        self
    }

    /// A host: `run` is called anew for each of its processes. Whatever it comes to as an error, a panic or a loop without
    /// waiting is a failure of the trial. One of that name that was there before is replaced, and what it followed is forgotten.
    #[must_use]
    pub fn host<Run>(mut self, name: &str, run: impl Fn() -> Run + Send + Sync + 'static) -> Self
    where
        Run: Future<Output: HostEnding> + Send + 'static,
    {
        self.strangers = self.strangers.host(name, run);
        self.cast(name, Table::new())
    }

    /// The same, and `run` is given its [seat](HostSeat): its surroundings, for those who want no magic, its name, and its
    /// settings, a `T` out of what [`Trial::set`] says of `cast.NAME.settings`.
    #[must_use]
    pub fn host_with<T, Run>(mut self, name: &str, run: impl Fn(HostSeat<T>) -> Run + Send + Sync + 'static) -> Self
    where
        T: DeserializeOwned + Clone + Send + Sync + 'static,
        Run: Future<Output: HostEnding> + Send + 'static,
    {
        self.strangers = self.strangers.host_with(name, run);
        self.cast(name, Table::new())
    }

    /// A proxy of ours, of that name.
    #[must_use]
    pub fn proxy(self, name: &str, proxy: Proxy) -> Self {
        let mut table = Table::new();
        proxy.keys().for_each(|(key, text)| drop(table.insert(&key, Item::Value(value(&text)))));
        self.cast(name, table)
    }

    fn cast(mut self, name: &str, table: Table) -> Self {
        let cast = self.document.entry("cast").or_insert_with(|| {
            let mut cast = Table::new();
            cast.set_implicit(true);
            Item::Table(cast)
        });
        if let Some(cast) = cast.as_table_mut() {
            cast.insert(name, Item::Table(table));
        }
        self
    }

    /// There are so many of a host, and they are called `NAME-1`, `NAME-2` and so on.
    #[must_use]
    pub fn count(self, host: &str, count: u32) -> Self {
        self.set(&format!("cast.{host}.count"), count)
    }

    /// That host follows that stream: it is owed all of it, from the beginning, even if it never gets any.
    #[must_use]
    pub fn follows(mut self, host: &str, stream: &str) -> Self {
        let cast = self.document.get_mut("cast").and_then(|cast| cast.get_mut(host)).and_then(Item::as_table_mut);
        match cast {
            Some(table) => {
                let follows = table.entry("follows").or_insert_with(|| Item::Value(Value::Array(Array::new())));
                follows.as_array_mut().into_iter().for_each(|streams| streams.push(stream));
                self
            }
            // Nobody of that name was named before: the reader says so.
            None => self.set(&format!("cast.{host}.follows"), Value::Array([stream].into_iter().collect())),
        }
    }

    /// The program of that host is begun again so long after a failure, by a supervisor; otherwise a failure ends the trial.
    /// `.set("cast.HOST.restart", "always")` begins it again after any end.
    #[must_use]
    pub fn restart(self, host: &str, after: Duration) -> Self {
        let restarting = self.set(&format!("cast.{host}.restart"), "on-failure");
        restarting.set(&format!("cast.{host}.restart-after"), spell(after))
    }

    /// Something goes wrong.
    #[must_use]
    pub fn fault(mut self, trouble: Trouble) -> Self {
        let faults = self.document.entry("fault").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let mut table = Table::new();
        trouble.keys().for_each(|(key, text)| drop(table.insert(&key, Item::Value(value(&text)))));
        if let Some(faults) = faults.as_array_of_tables_mut() {
            faults.push(table);
        }
        self
    }

    /// The seed draws what goes wrong, from these families of faults, or from `all`.
    #[must_use]
    pub fn storm(self, families: &[&str]) -> Self {
        match families {
            ["all"] => self.set("storm.families", "all"),
            _ => self.set("storm.families", Value::Array(families.iter().copied().collect())),
        }
    }

    /// The last part of the trial, in which nothing goes wrong: 3 minutes, or half of a shorter trial, unless it says.
    #[must_use]
    pub fn calm(mut self, calm: Duration) -> Self {
        self.calm = Some(calm);
        self
    }

    /// How soon after the calm has begun everybody must have everything, and how soon anything must come while nothing is
    /// wrong: a minute, unless it says.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// That checker does not judge, such as `duplicates` where a stream promises "at least once".
    #[must_use]
    pub fn waive(mut self, checker: &str) -> Self {
        let waived = self.document.entry("waive").or_insert_with(|| Item::Value(Value::Array(Array::new())));
        if let Some(waived) = waived.as_array_mut() {
            waived.push(checker);
        }
        self
    }

    /// A judge of one's own.
    #[must_use]
    pub fn checker(mut self, checker: impl Checker + 'static) -> Self {
        self.strangers = self.strangers.checker(checker);
        self
    }

    /// The trial is to fail, and that checker is to see it first: a planted bug is found.
    #[must_use]
    pub fn fails(self, checker: &str) -> Self {
        self.set("promise.verdict", "fail").set("promise.checker", checker)
    }

    /// Any key of a sim file, such as `("link.latency", "5ms..50ms")`. A value is TOML where it is TOML, and a text otherwise.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Display) -> Self {
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// Plays it for so long, in its own time.
    ///
    /// # Panics
    /// The sim that it stands for is refused, `PULSELESS_SEED` is no seed, or the trial cannot be played: the message says
    /// what would be right.
    #[must_use]
    #[track_caller]
    pub fn run(self, duration: Duration) -> TrialOutcome {
        let test = TestName::of_this_thread();
        match self.read(&test, duration).and_then(|read| outcome::play(read, test)) {
            Ok(outcome) => outcome,
            // Not within a closure, so that the panic is told of the test's own line.
            Err(why) => panic!("{why}"),
        }
    }

    /// Plays it for so long with each of these seeds. The seed of [`Trial::new`] is not asked.
    ///
    /// # Panics
    /// As [`Trial::run`] does; or what was found cannot be written.
    #[must_use]
    #[track_caller]
    pub fn sweep(self, duration: Duration, seeds: Range<u64>) -> SweptTrials {
        let test = TestName::of_this_thread();
        match self.read(&test, duration).and_then(|read| sweep::play(read, test, seeds)) {
            Ok(swept) => swept,
            // As above.
            Err(why) => panic!("{why}"),
        }
    }

    /// The text of the sim that it stands for, if it lasts so long.
    ///
    /// # Errors
    /// A setting has no place: why.
    pub fn text(&self, duration: Duration) -> Result<String, String> {
        self.text_of(&TestName::of_this_thread(), duration)
    }

    fn text_of(&self, test: &TestName, duration: Duration) -> Result<String, String> {
        let calm = self.calm.unwrap_or_else(|| CALM_MAX.min(duration / 2));
        let within = self.within.unwrap_or_else(|| WITHIN_MAX.min(calm));
        let mut head = DocumentMut::new();
        let mut say = |key: &str, value: Value| drop(head.insert(key, Item::Value(value)));
        say("title", self.title.clone().unwrap_or_else(|| test.sentence()).into());
        say("subject", "stranger".into());
        say("duration", told(duration).into());
        say("calm", told(calm).into());
        let mut promise = Table::new();
        promise.insert("verdict", Item::Value("pass".into()));
        promise.insert("within", Item::Value(told(within).into()));
        for (key, item) in self.document.iter() {
            head.insert(key, item.clone());
        }
        head.insert("promise", Item::Table(promise));
        let settings: Result<Vec<Setting>, BadSetting> =
            self.settings.iter().map(|(key, value)| format!("{key}={value}").parse()).collect();
        let settings = settings.map_err(|bad| bad.to_string())?;
        sim::apply(&head.to_string(), &settings).map_err(|problem| problem.to_string())
    }

    fn read(self, test: &TestName, duration: Duration) -> Result<ReadTrial, String> {
        let text = self.text_of(test, duration).map_err(|why| format!("the trial is refused: {why}"))?;
        let subjects = self.strangers.into_subjects();
        let sim = sim::read(&test.file_stem(), &text, subjects).map_err(|refusal| {
            let problems: String = refusal.problems().map(tell).collect();
            format!("the trial is refused:\n{problems}the sim that it stands for:\n{}", numbered(&text))
        })?;
        Ok(ReadTrial { seed: self.seed, subjects, sim })
    }
}

/// A trial whose sim was read.
pub(crate) struct ReadTrial {
    pub(crate) seed: u64,
    pub(crate) subjects: Subjects,
    pub(crate) sim: SimFile,
}

/// The keys of a fault that the builder says by a method: what is missing without it, and the call.
const CALLS: [(&str, &str, &str); 2] =
    [("at", "when it begins", ".at(2.minutes())"), ("for", "how long it lasts", ".lasting(10.minutes())")];

/// What is wrong and what would be right, in the words of the builder where it has its own.
fn tell(problem: &Problem) -> String {
    let of_fault = |(key, _, _): &&(&str, &str, &str)| {
        problem.key().starts_with("fault.") && problem.message().contains(&format!("required key `{key}` is missing"))
    };
    if let Some((_, what, call)) = CALLS.iter().find(of_fault) {
        let number = problem.key().trim_start_matches("fault.");
        return format!("  fault {number}: the `Trouble` does not say {what}\n    add `{call}`\n");
    }
    let written = CALLS.iter().find(|(key, _, _)| problem.advised().contains(&format!("`{key}`")));
    let called = written.map(|(key, _, call)| format!(" (`{key}` is `{call}` of the `Trouble`)")).unwrap_or_default();
    format!("  {problem}\n    {}{called}\n", problem.advised())
}

/// A value: TOML where it is TOML, else a text.
fn value(text: &str) -> Value {
    text.parse().unwrap_or_else(|_| Value::from(text))
}

/// A sim counts in milliseconds.
fn told(duration: Duration) -> String {
    spell(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}

/// A text with its lines' numbers.
fn numbered(text: &str) -> String {
    text.lines().zip(1..).map(|(line, number)| format!("{number:>4}  {line}\n")).collect()
}
