//! A worker: a process that plays the trials of a campaign, so that one that aborts, hangs or eats memory costs itself alone.
//!
//! Refuses to know how a process is started, and what a trial is for. The worker is told a brief, then a task for each
//! trial and for each case that it is to make small, a line of JSON each on its standard input; it answers each with a line on its standard output. Where its
//! input ends, so does it, whatever it was doing: nobody listens any more.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::campaign::player::{play_task, shrink_case};
use crate::campaign::shrink::Shrunk;
use crate::campaign::{Header, PlayedSim, Player, Task, TaskAnswer, TrialEnd};
use crate::grammar::Readable;
use crate::runner::Case;
use crate::sim;
use crate::subject::Subjects;
use crate::trial::EngineKind;

/// How often a waiting campaign looks whether it is to be cut off.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// Making a case small may take as long as so many trials.
const SHRINK_LIMITS: u32 = 4;
/// So many of a worker's last words are kept, to be told when it dies.
const LAST_WORDS: usize = 4;
/// A longer line of them is cut.
const LAST_WORD_BYTES_MAX: u64 = 400;

/// What a worker is told first.
#[derive(Serialize, Deserialize)]
struct Brief {
    engine: EngineKind,
    sims: Vec<PlayedSim>,
}

/// What a worker is to do.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Order {
    Play(Task),
    Shrink { case: Box<Case>, plays: u32 },
}

/// A worker, as the campaign sees it: started when it is first needed, and again after each that died.
pub struct WorkerProcess<Start> {
    start: Start,
    brief: String,
    limit: Duration,
    running: Option<RunningWorker>,
}

/// A process that does not outlive who listens to it.
struct RunningWorker {
    child: Child,
    tasks: ChildStdin,
    answers: Receiver<io::Result<String>>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// Ends when the process has, and all it said was heard.
    listener: Option<JoinHandle<()>>,
}

impl Drop for RunningWorker {
    fn drop(&mut self) {
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            // It has ended and was waited for already, or the system will not say.
        }
    }
}

/// How waiting for an answer ended without one.
enum Lost {
    CutOff,
    TooLong,
    Gone,
}

impl<Start: Fn() -> Command> WorkerProcess<Start> {
    /// A worker that `start` starts, for the campaign of that head; a trial may take it so long.
    #[must_use]
    pub fn new(start: Start, header: &Header, limit: Duration) -> Self {
        let brief = Brief { engine: header.engine, sims: header.sims.clone() };
        let brief = serde_json::to_string(&brief).expect("a brief is plain data") + "\n";
        WorkerProcess { start, brief, limit, running: None }
    }

    /// What went wrong is said of the trial: it may be the machine's fault, and nobody can tell.
    fn lose(&mut self, lost: &Lost) -> String {
        let Some(mut running) = self.running.take() else { return "its process did not start".to_owned() };
        match lost {
            Lost::CutOff => "cut off".to_owned(),
            Lost::TooLong => format!("its process was still at it after {}, and was killed", Readable(self.limit)),
            Lost::Gone => {
                let status = running.child.wait();
                if running.listener.take().is_some_and(|listener| listener.join().is_err()) {
                    // What it had heard until then is there.
                }
                let words = running.last_words.lock().unwrap_or_else(PoisonError::into_inner);
                let words: String = words.iter().map(|line| format!("; {line}")).collect();
                match status {
                    Ok(status) => format!("its process died: {}{words}", describe(status)),
                    Err(error) => format!("its process died, and the system does not say how: {error}{words}"),
                }
            }
        }
    }

    fn start(&mut self) -> io::Result<&mut RunningWorker> {
        if self.running.is_none() {
            self.running = Some(launch((self.start)(), &self.brief)?);
        }
        Ok(self.running.as_mut().expect("it was just launched"))
    }
}

/// Why there is no answer.
enum Unanswered {
    CutOff,
    /// No process could be started: why.
    NotStarted(String),
    /// In words.
    Broken(String),
}

impl<Start: Fn() -> Command> WorkerProcess<Start> {
    /// Has the worker do something, in so long at most.
    fn ask<Answer: DeserializeOwned>(
        &mut self,
        order: &Order,
        limit: Duration,
        is_cut_off: &dyn Fn() -> bool,
    ) -> Result<Answer, Unanswered> {
        let running =
            self.start().map_err(|error| Unanswered::NotStarted(format!("its process did not start: {error}")))?;
        let line = serde_json::to_string(order).expect("an order is plain data") + "\n";
        if running.tasks.write_all(line.as_bytes()).is_err() {
            // It has died, and its answer, which does not come, says how.
        }
        match wait(&running.answers, limit, is_cut_off) {
            Ok(line) => serde_json::from_str(&line).map_err(|error| {
                self.running = None;
                Unanswered::Broken(format!("its process said what is no answer: {error}"))
            }),
            Err(Lost::CutOff) => {
                self.running = None;
                Err(Unanswered::CutOff)
            }
            Err(lost @ (Lost::TooLong | Lost::Gone)) => Err(Unanswered::Broken(self.lose(&lost))),
        }
    }
}

impl<Start: Fn() -> Command> Player for WorkerProcess<Start> {
    fn play(&mut self, task: &Task, is_cut_off: &dyn Fn() -> bool) -> Option<TaskAnswer> {
        match self.ask(&Order::Play(task.clone()), self.limit, is_cut_off) {
            Ok(answer) => Some(answer),
            Err(Unanswered::CutOff) => None,
            Err(Unanswered::NotStarted(why)) => Some(TaskAnswer::without_outcome(TrialEnd::NoRoom(why))),
            Err(Unanswered::Broken(why)) => Some(TaskAnswer::without_outcome(TrialEnd::Broken(why))),
        }
    }

    /// All its plays together have the time of a few trials: none of them is longer than the case's own.
    fn shrink(&mut self, case: &Case, plays: u32, is_cut_off: &dyn Fn() -> bool) -> Option<Result<Shrunk, String>> {
        let order = Order::Shrink { case: Box::new(case.clone()), plays };
        match self.ask(&order, self.limit.saturating_mul(SHRINK_LIMITS), is_cut_off) {
            Ok(answer) => Some(answer),
            Err(Unanswered::CutOff) => None,
            Err(Unanswered::NotStarted(why) | Unanswered::Broken(why)) => Some(Err(why)),
        }
    }
}

/// Waits for one answer, for so long at most.
#[expect(clippy::disallowed_methods, reason = "between trials time is real")]
fn wait(
    answers: &Receiver<io::Result<String>>,
    limit: Duration,
    is_cut_off: &dyn Fn() -> bool,
) -> Result<String, Lost> {
    let begun = Instant::now();
    loop {
        match answers.recv_timeout(LOOKS_EVERY) {
            Ok(Ok(line)) => return Ok(line),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(Lost::Gone),
            Err(RecvTimeoutError::Timeout) if is_cut_off() => return Err(Lost::CutOff),
            Err(RecvTimeoutError::Timeout) if begun.elapsed() >= limit => return Err(Lost::TooLong),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Starts a worker and briefs it.
#[expect(clippy::disallowed_methods, reason = "the threads listen to a process, outside of any trial")]
fn launch(mut command: Command, brief: &str) -> io::Result<RunningWorker> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut tasks = child.stdin.take().expect("it is piped");
    let out = child.stdout.take().expect("it is piped");
    let mut err = BufReader::new(child.stderr.take().expect("it is piped"));
    let (tell, answers) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    let last_words = Arc::new(Mutex::new(VecDeque::new()));
    let words = Arc::clone(&last_words);
    let listener = std::thread::spawn(move || {
        let mut line = Vec::new();
        while let Ok(1..) = err.by_ref().take(LAST_WORD_BYTES_MAX).read_until(b'\n', &mut line) {
            let said = String::from_utf8_lossy(&line).trim().to_owned();
            line.clear();
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            if words.len() == LAST_WORDS {
                words.pop_front();
            }
            words.push_back(said);
        }
    });
    if tasks.write_all(brief.as_bytes()).is_err() {
        // It has died already, and its first answer, which does not come, says how.
    }
    Ok(RunningWorker { child, tasks, answers, last_words, listener: Some(listener) })
}

/// How a process ended, in words.
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(6) => "aborted (signal 6, SIGABRT)".to_owned(),
        Some(9) => "killed (signal 9, SIGKILL), as the system does where memory runs out".to_owned(),
        Some(11) => "it touched what is not its own (signal 11, SIGSEGV)".to_owned(),
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

/// Plays what standard input asks for, and says each answer; ends with the input.
///
/// # Errors
/// The brief or a task is none: this process was not started by a campaign.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread listens, so that the end of the input ends the process at once"
)]
pub fn work(subjects: Subjects, say: impl Fn(&str) -> io::Result<()>) -> Result<(), String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
        // Nobody listens any more, and nobody misses the trial under way.
        std::process::exit(0);
    });
    let Ok(brief) = lines.recv() else { return Ok(()) };
    let brief: Brief = serde_json::from_str(&brief).map_err(|error| format!("no brief: {error}"))?;
    let read = |played: &PlayedSim| sim::read(&played.name, &played.text, subjects);
    let sims: Result<Vec<_>, _> = brief.sims.iter().map(read).collect();
    let sims = sims.map_err(|refusal| format!("no brief: {refusal}"))?;
    for line in lines {
        let order: Order = serde_json::from_str(&line).map_err(|error| format!("no task: {error}"))?;
        let answer = match &order {
            Order::Play(task) => {
                let sim = sims.get(task.sim).ok_or_else(|| format!("no task: there is no sim {}", task.sim))?;
                serde_json::to_string(&play_task(sim, task, brief.engine, None))
            }
            Order::Shrink { case, plays } => serde_json::to_string(&shrink_case(case, *plays, subjects)),
        };
        let answer = answer.expect("an answer is plain data") + "\n";
        if say(&answer).is_err() {
            return Ok(());
        }
    }
    Ok(())
}
