//! One proxy of the fleet: its name, where it listens and leads to, its toxics, and whether it runs.
//!
//! Refuses to know the other proxies.
//!
//! ```text
//! closed --open--> running --close--> closed          (its toxics and its numbers stay)
//!                     '--drain--> draining --its streams have ended--> closed
//! ```

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::admin::bounds::TOXICS_MAX;
use crate::admin::draft::{ProxyDraft, ProxyExtras, ProxyPlan};
use crate::admin::error::AdminError;
use crate::admin::fleet::EnvOfHost;
use crate::admin::ledger::ProxyLedger;
use crate::admin::toxic::{Toxic, ToxicDraft};
use crate::env::Address;
use crate::grammar::refusal::listed;
use crate::lie::{Lie, Rule};
use crate::profile::ProxyLayer;
use crate::proxy::{Control, DrainSwitch, ProxyConfig, ProxyError, ProxyServer};

/// A proxy, as the API shows it and as a file of proxies has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyJson {
    /// Its name.
    pub name: String,
    /// Where it listens, as `host:port`.
    pub listen: String,
    /// Where it leads to.
    pub upstream: String,
    /// Whether it listens now.
    pub enabled: bool,
    /// Its toxics.
    #[schemars(with = "Vec<Toxic>")]
    pub toxics: Vec<serde_json::Value>,
    /// Our keys.
    #[serde(flatten)]
    pub extras: ProxyExtras,
}

/// One proxy.
pub(crate) struct ManagedProxy {
    /// As it was asked for.
    plan: ProxyPlan,
    /// Where it listens, as it was had.
    listen: Address,
    control: Control,
    toxics: Vec<(u32, Toxic)>,
    /// The number of the next rule: none has that of another, so that what one drew is not drawn again.
    next_rule: u32,
    ledger: Arc<ProxyLedger>,
    running: Option<RunningProxy>,
}

/// Dropping it ends the proxy with its connections.
struct RunningProxy {
    /// The one task that serves.
    task: JoinSet<()>,
    drain: DrainSwitch,
}

impl ManagedProxy {
    /// A proxy that is closed, and whose lies draw by that seed.
    pub(crate) fn new(plan: ProxyPlan, seed: u64) -> Self {
        let ledger = Arc::new(ProxyLedger::new(&plan.name));
        let (listen, control) = (plan.listen.clone(), Control::seeded(seed));
        ManagedProxy { plan, listen, control, toxics: Vec::new(), next_rule: 1, ledger, running: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.plan.name
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    pub(crate) fn ledger(&self) -> &Arc<ProxyLedger> {
        &self.ledger
    }

    pub(crate) fn toxics(&self) -> impl Iterator<Item = &Toxic> {
        self.toxics.iter().map(|(_, toxic)| toxic)
    }

    /// Its toxics, and whether each has had an effect.
    pub(crate) fn felt(&self) -> impl Iterator<Item = (&Toxic, bool)> {
        self.toxics.iter().map(|(rule, toxic)| (toxic, self.control.is_felt(*rule)))
    }

    /// Whether it is as a plan wants it, whether it runs or not.
    pub(crate) fn is_as(&self, plan: &ProxyPlan) -> bool {
        [&self.plan.listen, &self.listen].contains(&&plan.listen)
            && self.plan.upstream == plan.upstream
            && self.plan.extras == plan.extras
    }

    /// With the key of its certificate, where that is sent back.
    pub(crate) fn lend_key(&self, draft: ProxyDraft) -> ProxyDraft {
        draft.with_key_of(&self.plan.draft)
    }

    /// What a request makes of it.
    pub(crate) fn changed(&self, draft: ProxyDraft) -> ProxyDraft {
        draft.over(self.plan.draft.clone(), &self.listen, self.running.is_some())
    }

    /// As the API shows it.
    pub(crate) fn json(&self) -> ProxyJson {
        ProxyJson {
            name: self.plan.name.clone(),
            listen: self.listen.to_string(),
            upstream: self.plan.upstream.to_string(),
            enabled: self.running.is_some(),
            toxics: self.toxics().map(|toxic| serde_json::to_value(toxic).unwrap_or_default()).collect(),
            extras: self.plan.extras.clone(),
        }
    }

    /// Listens, where it does not.
    pub(crate) async fn open(&mut self, ground: &EnvOfHost) -> Result<(), AdminError> {
        if self.running.is_some() {
            return Ok(());
        }
        let env = ground(&self.listen.host);
        let config = ProxyConfig {
            port: self.listen.port,
            upstream: self.plan.upstream.clone(),
            tcp: self.plan.habits.tcp,
            control: self.control.clone(),
            habits: self.plan.habits.clone(),
            edge: self.plan.edge.clone(),
        };
        let bound = ProxyServer::bind(env, config, self.ledger.clone()).await;
        let server = bound.map_err(|error| match &error {
            ProxyError::Listen { source, .. } | ProxyError::Trust { source } => {
                AdminError::System(format!("{error}: {source}"))
            }
        })?;
        let local = server.local();
        self.listen = Address::new(local.ip().to_string(), local.port());
        let (switch, drain) = DrainSwitch::new();
        let mut task = JoinSet::new();
        task.spawn(server.run(drain));
        tracing::info!(proxy = self.plan.name, listen = %self.listen, upstream = %self.plan.upstream, "proxy opened");
        self.running = Some(RunningProxy { task, drain: switch });
        Ok(())
    }

    /// Closes its listener and its connections.
    pub(crate) async fn close(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.task.shutdown().await;
        self.ledger.clear();
        tracing::info!(proxy = self.plan.name, "proxy closed");
    }

    /// Becomes as the plan wants it, which closes it first.
    pub(crate) async fn follow(&mut self, plan: ProxyPlan) {
        if self.is_as(&plan) {
            return;
        }
        self.close().await;
        if plan.listen != self.plan.listen && plan.listen != self.listen {
            self.listen = plan.listen.clone();
        }
        self.plan = plan;
    }

    /// Asks it to take nobody new, and its clients to go.
    pub(crate) fn begin_drain(&self) {
        self.running.iter().for_each(|running| running.drain.throw());
    }

    /// Asks it to end its connections, whatever runs on them.
    pub(crate) fn end_drain(&self) {
        self.running.iter().for_each(|running| running.drain.end());
    }

    /// Waits for the end of its last client.
    pub(crate) async fn drained(&mut self) {
        if let Some(running) = &mut self.running {
            // Its error is a panic, which tokio has told.
            while running.task.join_next().await.is_some() {}
        }
    }

    /// A proxy that passes bytes tells lies of bytes alone.
    fn check_layer(&self, toxic: &Toxic, rule: &Rule) -> Result<(), AdminError> {
        match (self.plan.habits.layer, &rule.lie) {
            (ProxyLayer::Http2, _) | (ProxyLayer::Tcp, Lie::Bytes(_)) => Ok(()),
            (ProxyLayer::Tcp, Lie::Stream(_) | Lie::Connection(_)) => Err(AdminError::Type(format!(
                "`{}` is a lie of HTTP/2, and `{}` passes bytes (`layer` is tcp): it takes Toxiproxy's own types alone",
                toxic.kind, self.plan.name
            ))),
        }
    }

    /// Adds a toxic.
    pub(crate) fn add(&mut self, draft: ToxicDraft) -> Result<&Toxic, AdminError> {
        if self.toxics.len() >= TOXICS_MAX {
            return Err(AdminError::TooMany(format!("`{}` has {TOXICS_MAX} toxics; remove one first", self.plan.name)));
        }
        let (toxic, rule) = draft.make()?;
        self.check_layer(&toxic, &rule)?;
        if self.toxics().any(|other| other.name == toxic.name) {
            return Err(AdminError::ToxicExists(toxic.name));
        }
        let number = self.next_rule;
        self.next_rule = self.next_rule.saturating_add(1);
        self.tell(number, rule, &toxic);
        Ok(&self.toxics.push_mut((number, toxic)).1)
    }

    /// Changes a toxic.
    pub(crate) fn change(&mut self, name: &str, draft: ToxicDraft) -> Result<&Toxic, AdminError> {
        let index = self.place(name)?;
        let (number, before) = &self.toxics[index];
        let (toxic, rule) = draft.change(before)?;
        self.check_layer(&toxic, &rule)?;
        self.tell(*number, rule, &toxic);
        self.toxics[index].1 = toxic;
        Ok(&self.toxics[index].1)
    }

    /// A toxic by its name.
    pub(crate) fn toxic(&self, name: &str) -> Result<&Toxic, AdminError> {
        self.place(name).map(|index| &self.toxics[index].1)
    }

    /// Removes a toxic.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), AdminError> {
        let (number, toxic) = self.toxics.remove(self.place(name)?);
        self.control.remove(number);
        tracing::info!(proxy = self.plan.name, toxic = toxic.name, "toxic removed");
        Ok(())
    }

    /// Removes all toxics.
    pub(crate) fn tell_truth(&mut self) {
        self.toxics.drain(..).for_each(|(number, _)| self.control.remove(number));
    }

    fn tell(&self, number: u32, rule: Rule, toxic: &Toxic) {
        self.control.add(number, rule);
        tracing::info!(proxy = self.plan.name, toxic = toxic.name, kind = toxic.kind, "toxic in force");
    }

    fn place(&self, name: &str) -> Result<usize, AdminError> {
        self.toxics().position(|toxic| toxic.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.toxics().map(|toxic| toxic.name.as_str()).collect();
            let there = if names.is_empty() { "it has none".into() } else { format!("it has {}", listed(&names)) };
            AdminError::NoToxic { proxy: self.plan.name.clone(), name: name.to_owned(), there }
        })
    }
}
