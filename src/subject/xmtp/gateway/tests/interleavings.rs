//! The ledger against the simplest model that could be right, over whatever leases, waves, live frames, flaps and
//! leaves chance puts in a row.
//!
//! The same rows in every run: the generator has a fixed seed, and no file of past failures is kept. A failure is
//! shrunk, and printed as the steps that show it.

use std::collections::{BTreeSet, VecDeque};

use proptest::collection::vec;
use proptest::prop_oneof;
use proptest::strategy::{Just, Strategy};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::subject::xmtp::client::tests::{add, topic};
use crate::subject::xmtp::gateway::ledger::{Handouts, LeaseLedger};
use crate::subject::xmtp::gateway::tests::right_node::{PublishedLog, RightNode};
use crate::subject::xmtp::gateway::tests::simple_model::SimpleModel;
use crate::subject::xmtp::gateway::{GatewayQuirk, LeaseId};
use crate::subject::xmtp::wire::{Add, Mutate, Response, Topic};

/// Few topics, so that leases meet on them.
const TOPICS: [&str; 4] = ["a", "b", "c", "d"];
/// Rows of steps in each run, and the longest row: two seconds of a debug build, and a hundred times what it takes to find
/// a wrong line of the ledger.
const ROWS: u32 = 2_000;
const STEPS_MAX: usize = 120;
const HISTORY_MAX: usize = 40;

#[derive(Clone, Debug)]
enum Step {
    /// Topics, and by how much each cursor lies behind the end of the log; below 0 it lies ahead.
    Lease(Vec<(usize, i64)>),
    /// A lease changes its topics: adds as above, and topics that it removes.
    Mutate(usize, Vec<(usize, i64)>, Vec<usize>),
    Leave(usize),
    Publish(usize),
    /// The gateway sends a Mutate.
    Ask,
    /// The node reads one.
    Apply,
    Replay {
        which: usize,
        page: usize,
    },
    Flow(usize),
    /// The gateway reads a frame.
    Hear,
    Flap,
    Lag(usize),
    KeepUp(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let adds = || vec((0..TOPICS.len(), -2..12_i64), 0..4);
    let step = prop_oneof![
        3 => adds().prop_map(Step::Lease),
        2 => (0..9_usize, adds(), vec(0..TOPICS.len(), 0..3)).prop_map(|(which, adds, removes)| Step::Mutate(which, adds, removes)),
        2 => (0..9_usize).prop_map(Step::Leave),
        5 => (0..TOPICS.len()).prop_map(Step::Publish),
        4 => Just(Step::Ask),
        4 => Just(Step::Apply),
        5 => (0..4_usize, 1..3_usize).prop_map(|(which, page)| Step::Replay { which, page }),
        4 => (1..4_usize).prop_map(Step::Flow),
        8 => Just(Step::Hear),
        1 => Just(Step::Flap),
        2 => (0..9_usize).prop_map(Step::Lag),
        2 => (0..9_usize).prop_map(Step::KeepUp),
    ];
    // With a history, so that waves take several steps and meet.
    let history = vec((0..TOPICS.len()).prop_map(Step::Publish), 0..HISTORY_MAX);
    (history, vec(step, 0..STEPS_MAX)).prop_map(|(history, steps)| [history, steps].concat())
}

/// Ledger, node and model, and what is on its way to the node.
struct Play {
    ledger: LeaseLedger,
    node: RightNode,
    model: SimpleModel,
    log: PublishedLog,
    asked: VecDeque<Mutate>,
    leases: u64,
    lagging: BTreeSet<LeaseId>,
}

impl Play {
    fn new(quirk: Option<GatewayQuirk>) -> Self {
        Play {
            ledger: LeaseLedger::new(quirk),
            node: RightNode::default(),
            model: SimpleModel::default(),
            log: PublishedLog::default(),
            asked: VecDeque::new(),
            leases: 0,
            lagging: BTreeSet::new(),
        }
    }

    fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Lease(topics) => return self.lease(&topics),
            Step::Mutate(which, adds, removes) => return self.mutate(which, &adds, &removes),
            Step::Leave(which) => {
                let Some(id) = self.model.nth(which) else { return Ok(()) };
                self.model.leave(id);
                self.lagging.remove(&id);
                self.ledger.leave(id);
            }
            Step::Lag(which) => {
                let Some(id) = self.model.nth(which) else { return Ok(()) };
                self.lagging.insert(id);
                self.ledger.lag(id);
            }
            Step::KeepUp(which) => {
                let Some(id) = self.lagging.iter().nth(which % self.lagging.len().max(1)).copied() else {
                    return Ok(());
                };
                return self.keep_up(id);
            }
            Step::Publish(which) => {
                let id = self.log.publish(TOPICS[which]);
                self.node.announce(id);
            }
            Step::Ask => self.asked.extend(self.ledger.take_mutate()),
            Step::Apply => {
                let Some(mutate) = self.asked.pop_front() else { return Ok(()) };
                self.node.apply(mutate, &self.log)?;
            }
            Step::Replay { which, page } => self.node.replay(which, page, &self.log),
            Step::Flow(most) => self.node.flow(most, &self.log),
            Step::Hear => return self.hear(),
            Step::Flap => {
                self.asked.clear();
                self.node = RightNode::default();
                self.ledger.disconnect();
            }
        }
        Ok(())
    }

    fn lease(&mut self, topics: &[(usize, i64)]) -> Result<(), String> {
        self.leases += 1;
        let id = LeaseId(self.leases);
        let adds = self.adds(topics);
        self.model.lease(id, &adds, &self.log);
        let handouts = self.ledger.lease(id, adds);
        self.hand_out(handouts)
    }

    fn mutate(&mut self, which: usize, adds: &[(usize, i64)], removes: &[usize]) -> Result<(), String> {
        let Some(id) = self.model.nth(which) else { return Ok(()) };
        let removes: Vec<Topic> = removes.iter().map(|which| topic(TOPICS[*which])).collect();
        let adds = self.adds(adds);
        self.model.mutate(id, &adds, &removes, &self.log);
        let handouts = self.ledger.mutate(id, adds, &removes);
        self.hand_out(handouts)
    }

    fn adds(&self, topics: &[(usize, i64)]) -> Vec<Add> {
        let cursor = |behind: i64| self.log.len().saturating_add_signed(-behind);
        topics.iter().map(|(which, behind)| add(TOPICS[*which], cursor(*behind))).collect()
    }

    fn hear(&mut self) -> Result<(), String> {
        let handouts = match self.node.sent.pop_front() {
            Some(Response::Delivery(delivery)) => self.ledger.deliver(delivery.tag, delivery.messages),
            Some(Response::CatchupComplete(id)) => self.ledger.complete(id),
            Some(_) | None => return Ok(()), // the node of the model sends besides only TopicsLive
        };
        self.hand_out(handouts)
    }

    fn keep_up(&mut self, id: LeaseId) -> Result<(), String> {
        self.lagging.remove(&id);
        let handouts = self.ledger.keep_up(id);
        self.hand_out(handouts)
    }

    fn hand_out(&mut self, handouts: Handouts) -> Result<(), String> {
        if let Some((id, event)) = handouts.iter().find(|(id, _)| self.lagging.contains(id)) {
            return Err(format!("{id} lags, and gets {event:?}"));
        }
        handouts.iter().try_for_each(|(id, event)| self.model.take(*id, event, &self.log))
    }

    /// Lets everything that is on its way arrive, and asks what is missing or left over.
    fn settle(mut self) -> Result<(), String> {
        while let Some(id) = self.lagging.first().copied() {
            self.keep_up(id)?;
        }
        loop {
            while let Some(mutate) = self.ledger.take_mutate() {
                self.asked.push_back(mutate);
            }
            if self.asked.is_empty() && self.node.is_done() {
                break;
            }
            for step in [Step::Apply, Step::Replay { which: 0, page: 3 }, Step::Flow(3), Step::Hear] {
                self.take(step)?;
            }
        }
        let on_wire: BTreeSet<&Topic> = self.node.topics().collect();
        if on_wire != self.model.topics() {
            return Err(format!("on the wire: {on_wire:?}, leased: {:?}", self.model.topics()));
        }
        self.model.close(&self.log)
    }
}

fn play(steps: Vec<Step>, quirk: Option<GatewayQuirk>) -> Result<(), TestCaseError> {
    let mut play = Play::new(quirk);
    let played = steps.into_iter().try_for_each(|step| play.take(step));
    played.and_then(|()| play.settle()).map_err(TestCaseError::fail)
}

fn run(quirk: Option<GatewayQuirk>) -> Result<(), String> {
    let config = Config { cases: ROWS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(&steps(), |steps| play(steps, quirk)).map_err(|failure| failure.to_string())
}

#[test]
fn each_lease_gets_what_it_would_get_alone() {
    if let Err(failure) = run(None) {
        panic!("{failure}");
    }
}

#[test]
fn every_planted_bug_of_the_ledger_is_found() {
    // A full buffer is not the ledger's to wait for.
    for quirk in GatewayQuirk::ALL.iter().filter(|quirk| **quirk != GatewayQuirk::WaitsForFullLease) {
        let failure = run(Some(*quirk)).err().unwrap_or_else(|| panic!("`{quirk}` is not found"));
        assert!(!failure.is_empty(), "{quirk}");
    }
}
