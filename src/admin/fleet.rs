//! All proxies of one process, by their names.
//!
//! Refuses to know who asks: the admin API, or the command line at the start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::admin::bounds::PROXIES_MAX;
use crate::admin::error::AdminError;
use crate::admin::managed::{ManagedProxy, ProxyJson};
use crate::admin::toxic::check_name;
use crate::env::{Address, Env};
use crate::grammar::refusal::listed;
use crate::proxy::{Control, ProxyHabits};

/// The surroundings of whoever listens on a host's address.
pub type EnvOfHost = Arc<dyn Fn(&str) -> Env + Send + Sync>;

/// Where a proxy listens that does not say: on any free port, reachable from this machine alone.
const LISTEN: &str = "127.0.0.1:0";

/// What a request, or a file, says of a proxy.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ProxyDraft {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    listen: Option<String>,
    #[serde(default)]
    upstream: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
}

/// The proxies.
pub struct ProxyFleet {
    ground: EnvOfHost,
    habits: ProxyHabits,
    seed: u64,
    proxies: BTreeMap<String, ManagedProxy>,
}

/// A draft whose every part is there and right.
struct ProxyPlan {
    name: String,
    listen: Address,
    upstream: Address,
    enabled: bool,
}

impl ProxyDraft {
    /// `which` is said of what is missing, as Toxiproxy does.
    fn check(self, which: &str) -> Result<ProxyPlan, AdminError> {
        let missing = |key: &str| AdminError::Missing(format!("{key}{which}"));
        let name = self.name.filter(|name| !name.is_empty()).ok_or_else(|| missing("name"))?;
        let upstream = self.upstream.filter(|text| !text.is_empty()).ok_or_else(|| missing("upstream"))?;
        check_name(&name)?;
        let listen = self.listen.filter(|text| !text.is_empty()).unwrap_or_else(|| LISTEN.into());
        let (listen, upstream) = (listening(&listen)?, leading(&upstream)?);
        Ok(ProxyPlan { name, listen, upstream, enabled: self.enabled.unwrap_or(true) })
    }
}

fn listening(text: &str) -> Result<Address, AdminError> {
    Address::listening(text).map_err(|bad| AdminError::Body(format!("`listen`: {bad}")))
}

fn leading(text: &str) -> Result<Address, AdminError> {
    text.parse().map_err(|bad| AdminError::Body(format!("`upstream`: {bad}")))
}

impl ProxyFleet {
    /// No proxies yet. All will have these habits. What lies draw, they draw by the seed and the name of their proxy.
    #[must_use]
    pub fn new(ground: EnvOfHost, habits: ProxyHabits, seed: u64) -> Self {
        ProxyFleet { ground, habits, seed, proxies: BTreeMap::new() }
    }

    /// Makes and opens a proxy that listens there and leads there.
    ///
    /// # Errors
    /// The name is taken or none, or the port cannot be had.
    pub async fn open(&mut self, name: &str, listen: Address, upstream: Address) -> Result<ProxyJson, AdminError> {
        self.add(ProxyPlan { name: name.to_owned(), listen, upstream, enabled: true }).await
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

    /// Makes the proxies of a file in Toxiproxy's form, `[{"name", "listen", "upstream", "enabled"}]`.
    ///
    /// # Errors
    /// What of the text is wrong, or the port that cannot be had.
    pub async fn load(&mut self, text: &[u8]) -> Result<Vec<ProxyJson>, AdminError> {
        let drafts: Vec<ProxyDraft> =
            crate::grammar::read_json(text).map_err(|bad| AdminError::Body(bad.to_string()))?;
        match self.populate(drafts).await {
            (proxies, None) => Ok(proxies),
            (_, Some(error)) => Err(error),
        }
    }

    /// Takes nobody new, tells clients to go (GOAWAY), waits for their streams so long, and closes all proxies.
    pub async fn drain(&mut self, grace: Duration) {
        self.proxies.values().for_each(ManagedProxy::begin_drain);
        let drained = async {
            for proxy in self.proxies.values_mut() {
                proxy.drained().await;
            }
        };
        if timeout(grace, drained).await.is_err() {
            tracing::info!(?grace, "streams are still open, and are cut off");
        }
        for proxy in self.proxies.values_mut() {
            proxy.close().await;
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
        self.add(draft.check("")?).await
    }

    /// Makes each proxy that is not there, and replaces each that is elsewhere; those that were made, up to an error.
    pub(crate) async fn populate(&mut self, drafts: Vec<ProxyDraft>) -> (Vec<ProxyJson>, Option<AdminError>) {
        let numbered = drafts.into_iter().enumerate();
        let checked = numbered.map(|(index, draft)| draft.check(&format!(" at proxy {}", index + 1)));
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
        let ground = self.ground.clone();
        let proxy = self.proxy_mut(name)?;
        let now = proxy.json();
        let listen = listening(draft.listen.as_deref().filter(|text| !text.is_empty()).unwrap_or(&now.listen))?;
        let upstream = leading(draft.upstream.as_deref().filter(|text| !text.is_empty()).unwrap_or(&now.upstream))?;
        proxy.move_to(listen, upstream).await;
        match draft.enabled.unwrap_or(now.enabled) {
            true => proxy.open(&ground).await?,
            false => proxy.close().await,
        }
        Ok(proxy.json())
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
            if there.is_at(&plan.listen, &plan.upstream) {
                return Ok(there.json());
            }
            self.delete(&plan.name).await?;
        }
        self.add(plan).await
    }

    async fn add(&mut self, plan: ProxyPlan) -> Result<ProxyJson, AdminError> {
        let ProxyPlan { name, listen, upstream, enabled } = plan;
        if self.proxies.contains_key(&name) {
            return Err(AdminError::ProxyExists(name));
        }
        if self.proxies.len() >= PROXIES_MAX {
            return Err(AdminError::TooMany(format!("there are {PROXIES_MAX} proxies; delete one first")));
        }
        let seed = xxh3_64_with_seed(name.as_bytes(), self.seed);
        let mut proxy = ManagedProxy::new(name.clone(), listen, upstream, (self.habits.clone(), seed));
        if enabled {
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
