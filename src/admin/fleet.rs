//! All proxies of one process, by their names.
//!
//! Refuses to know who asks: the admin API, or the command line at the start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::admin::bounds::{GOODBYE_MAX, PROXIES_MAX};
use crate::admin::draft::{PlanGround, ProxyDraft, ProxyPlan, UsualProfile, read_draft, read_drafts};
use crate::admin::edge::ReadFile;
use crate::admin::error::AdminError;
use crate::admin::managed::{ManagedProxy, ProxyJson};
use crate::env::Env;
use crate::grammar::refusal::listed;
use crate::proxy::{Control, SessionCa};

/// The surroundings of whoever listens on a host's address.
pub type EnvOfHost = Arc<dyn Fn(&str) -> Env + Send + Sync>;

/// The proxies.
pub struct ProxyFleet {
    ground: EnvOfHost,
    usual: UsualProfile,
    /// Who certifies proxies that have no certificate of their own.
    ca: SessionCa,
    seed: u64,
    proxies: BTreeMap<String, ManagedProxy>,
}

impl ProxyFleet {
    /// No proxies yet. They will have the habits of that profile, unless they name one. What lies draw, they draw by the
    /// seed and the name of their proxy.
    ///
    /// # Errors
    /// The system has no randomness for the key of a CA.
    pub fn new(ground: EnvOfHost, usual: UsualProfile, seed: u64) -> Result<Self, AdminError> {
        let ca = SessionCa::new().map_err(|why| AdminError::System(why.to_string()))?;
        Ok(ProxyFleet { ground, usual, ca, seed, proxies: BTreeMap::new() })
    }

    /// The certificate of the CA of this run, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// Makes and opens a proxy, as `POST /proxies` does.
    ///
    /// # Errors
    /// What of it is wrong, or the port that cannot be had.
    pub async fn open(&mut self, proxy: &Value) -> Result<ProxyJson, AdminError> {
        self.create(read_draft(proxy.to_string().as_bytes())?).await
    }

    /// What tells that proxy to lie, beside its toxics; rules of high numbers are nobody else's.
    #[must_use]
    pub fn control(&self, name: &str) -> Option<Control> {
        self.proxies.get(name).map(|proxy| proxy.control().clone())
    }

    /// Answered PINGs and swallowed bytes of a proxy.
    #[must_use]
    pub fn tally(&self, name: &str) -> (u64, u64) {
        let totals = self.proxies.get(name).map(|proxy| proxy.ledger().totals()).unwrap_or_default();
        (totals.pings_answered, totals.to_node.swallowed_bytes + totals.to_client.swallowed_bytes)
    }

    /// Makes the proxies of a file in Toxiproxy's form, `[{"name", "listen", "upstream", "enabled"}]`, with our keys beside
    /// them.
    ///
    /// # Errors
    /// What of the text is wrong, or the file that cannot be read, or the port that cannot be had.
    pub async fn load(&mut self, text: &[u8], read: ReadFile<'_>) -> Result<Vec<ProxyJson>, AdminError> {
        let drafts = read_drafts(text)?.into_iter().enumerate().map(|(index, draft)| {
            let name = draft.name().to_owned();
            draft.with_files(read).map_err(|error| error.of_proxy(index + 1, &name))
        });
        match self.populate(drafts.collect::<Result<_, _>>()?).await {
            (proxies, None) => Ok(proxies),
            (_, Some(error)) => Err(error),
        }
    }

    /// Takes nobody new, tells clients to go (GOAWAY), waits for their streams so long, and closes all proxies.
    pub async fn drain(&mut self, grace: Duration) {
        self.proxies.values().for_each(ManagedProxy::begin_drain);
        if timeout(grace, self.drained()).await.is_err() {
            tracing::info!(?grace, "streams are still open, and are cut off");
            self.proxies.values().for_each(ManagedProxy::end_drain);
            // Who does not even read is not waited for.
            let _ = timeout(GOODBYE_MAX, self.drained()).await;
        }
        for proxy in self.proxies.values_mut() {
            proxy.close().await;
        }
    }

    /// Waits for the end of the last client of each.
    async fn drained(&mut self) {
        for proxy in self.proxies.values_mut() {
            proxy.drained().await;
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &ManagedProxy> {
        self.proxies.values()
    }

    pub(crate) fn proxy(&self, name: &str) -> Result<&ManagedProxy, AdminError> {
        self.proxies.get(name).ok_or_else(|| self.unknown(name))
    }

    pub(crate) fn proxy_mut(&mut self, name: &str) -> Result<&mut ManagedProxy, AdminError> {
        let unknown = self.unknown(name);
        self.proxies.get_mut(name).ok_or(unknown)
    }

    pub(crate) async fn create(&mut self, draft: ProxyDraft) -> Result<ProxyJson, AdminError> {
        let plan = draft.plan("", self.plan_ground())?;
        self.add(plan).await
    }

    /// Makes each proxy that is not there, and replaces each that is elsewhere; those that were made, up to an error.
    pub(crate) async fn populate(&mut self, drafts: Vec<ProxyDraft>) -> (Vec<ProxyJson>, Option<AdminError>) {
        let numbered = drafts.into_iter().enumerate();
        let ground = self.plan_ground();
        let checked = numbered.map(|(index, draft)| {
            let (number, name) = (index + 1, draft.name().to_owned());
            let draft = match self.proxies.get(&name) {
                Some(there) => there.lend_key(draft),
                None => draft,
            };
            draft.plan(&format!(" at proxy {number}"), ground).map_err(|error| error.of_proxy(number, &name))
        });
        let plans = match checked.collect::<Result<Vec<_>, _>>() {
            Ok(plans) => plans,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let mut made = Vec::new();
        for plan in plans {
            match self.replace(plan).await {
                Ok(proxy) => made.push(proxy),
                Err(error) => return (made, Some(error)),
            }
        }
        (made, None)
    }

    /// Moves, opens or closes a proxy, as far as the draft says so.
    pub(crate) async fn update(&mut self, name: &str, draft: ProxyDraft) -> Result<ProxyJson, AdminError> {
        let plan = self.proxy(name)?.changed(draft).plan("", self.plan_ground())?;
        let ground = self.ground.clone();
        let proxy = self.proxy_mut(name)?;
        let is_to_run = plan.enabled;
        proxy.follow(plan).await;
        match is_to_run {
            true => proxy.open(&ground).await?,
            false => proxy.close().await,
        }
        Ok(proxy.json())
    }

    fn plan_ground(&self) -> PlanGround<'_> {
        PlanGround { usual: &self.usual, ca: &self.ca }
    }

    pub(crate) async fn delete(&mut self, name: &str) -> Result<(), AdminError> {
        self.proxy_mut(name)?.close().await;
        self.proxies.remove(name);
        Ok(())
    }

    /// Opens all proxies and removes all toxics.
    pub(crate) async fn reset(&mut self) -> Result<(), AdminError> {
        for proxy in self.proxies.values_mut() {
            proxy.tell_truth();
            proxy.open(&self.ground).await?;
        }
        Ok(())
    }

    async fn replace(&mut self, plan: ProxyPlan) -> Result<ProxyJson, AdminError> {
        if let Some(there) = self.proxies.get_mut(&plan.name) {
            if there.is_as(&plan) {
                return Ok(there.json());
            }
            self.delete(&plan.name).await?;
        }
        self.add(plan).await
    }

    async fn add(&mut self, plan: ProxyPlan) -> Result<ProxyJson, AdminError> {
        let (name, is_to_run) = (plan.name.clone(), plan.enabled);
        if self.proxies.contains_key(&name) {
            return Err(AdminError::ProxyExists(name));
        }
        if self.proxies.len() >= PROXIES_MAX {
            return Err(AdminError::TooMany(format!("there are {PROXIES_MAX} proxies; delete one first")));
        }
        let seed = xxh3_64_with_seed(name.as_bytes(), self.seed);
        let mut proxy = ManagedProxy::new(plan, seed);
        if is_to_run {
            proxy.open(&self.ground).await?;
        }
        let json = proxy.json();
        self.proxies.insert(name, proxy);
        Ok(json)
    }

    fn unknown(&self, name: &str) -> AdminError {
        let names: Vec<&str> = self.proxies.keys().map(String::as_str).collect();
        let there = match names.is_empty() {
            true => "there are none; create one with POST /proxies".into(),
            false => format!("the proxies are {}", listed(&names)),
        };
        AdminError::NoProxy { name: name.to_owned(), there }
    }
}
