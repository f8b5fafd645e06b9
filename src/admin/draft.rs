//! What a request, or a file, says of a proxy: Toxiproxy's four keys, and ours beside them; and the plan that it makes.
//!
//! Refuses to know which proxies there are.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::admin::edge::{ReadFile, Switched, TlsDraft, TlsJson, UpstreamTlsDraft, UpstreamTlsJson};
use crate::admin::error::AdminError;
use crate::admin::toxic::{self, check_name};
use crate::env::Address;
use crate::grammar::read_json;
use crate::grammar::refusal::nearest;
use crate::profile::{BadOverride, Profile, ProxyLayer};
use crate::proxy::{ProxyEdge, ProxyHabits, SessionCa};

/// Where a proxy listens that does not say: on any free port, reachable from this machine alone.
const LISTEN: &str = "127.0.0.1:0";

/// The profile of a proxy that has no habits but its own.
const PLAIN: &str = "plain";

/// The keys that we add to Toxiproxy's. Others that nobody knows are passed over, as Toxiproxy does, but not those that were
/// meant to be one of these.
const OUR_KEYS: [&str; 5] = ["profile", "set", "tls", "upstream_tls", "proxy_protocol"];

/// Those of Toxiproxy; the last is what it shows, and is passed over.
const TOXIPROXYS_KEYS: [&str; 5] = ["name", "listen", "upstream", "enabled", "toxics"];

/// What a request, or a file, says of a proxy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProxyDraft {
    name: Option<String>,
    listen: Option<String>,
    upstream: Option<String>,
    enabled: Option<bool>,
    profile: Option<String>,
    set: Option<Map<String, Value>>,
    tls: Option<Switched<TlsDraft>>,
    upstream_tls: Option<Switched<UpstreamTlsDraft>>,
    proxy_protocol: Option<bool>,
}

/// Our keys of a proxy, as the API shows them: those that were given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyExtras {
    /// The name of its profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Values of the profile that are changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Map<String, Value>>,
    /// TLS with clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsJson>,
    /// TLS with the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_tls: Option<UpstreamTlsJson>,
    /// Whether each client's connection begins with a header of the PROXY protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<bool>,
}

/// Why a proxy of bytes has no TLS of its own.
const PASSES_BYTES: &str = "`profile`: with `layer` tcp it passes bytes, and speaks no TLS: leave `tls` and `upstream_tls` out, \
                            or set `layer` to http2";

/// A draft whose every part is there and right.
pub(crate) struct ProxyPlan {
    pub(crate) draft: ProxyDraft,
    pub(crate) name: String,
    pub(crate) listen: Address,
    pub(crate) upstream: Address,
    pub(crate) enabled: bool,
    pub(crate) habits: ProxyHabits,
    pub(crate) edge: ProxyEdge,
    pub(crate) extras: ProxyExtras,
}

/// The habits of a proxy that names no profile.
#[derive(Clone, Debug)]
pub struct UsualProfile {
    /// Whose they are.
    pub profile: Profile,
    /// Values of it that are changed, which it takes.
    pub settings: Vec<(String, String)>,
}

/// What plans are made with, beside their drafts.
#[derive(Clone, Copy)]
pub(crate) struct PlanGround<'g> {
    pub(crate) usual: &'g UsualProfile,
    pub(crate) ca: &'g SessionCa,
}

/// Reads a draft.
pub(crate) fn read_draft(text: &[u8]) -> Result<ProxyDraft, AdminError> {
    check_keys(&read(text)?)?;
    read(text)
}

/// Reads a list of drafts.
pub(crate) fn read_drafts(text: &[u8]) -> Result<Vec<ProxyDraft>, AdminError> {
    let keys: Vec<BTreeMap<String, IgnoredAny>> = read(text)?;
    keys.iter().try_for_each(check_keys)?;
    let drafts: Vec<ProxyDraft> = read(text)?;
    let mut names = BTreeSet::new();
    let twice = drafts.iter().filter_map(|draft| draft.name.as_ref()).find(|name| !names.insert(*name));
    match twice {
        Some(name) => Err(AdminError::Body(format!("two proxies are named `{name}`"))),
        None => Ok(drafts),
    }
}

fn read<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, AdminError> {
    read_json(text).map_err(|bad| AdminError::Body(bad.to_string()))
}

fn check_keys(keys: &BTreeMap<String, IgnoredAny>) -> Result<(), AdminError> {
    let is_known = |key: &str| OUR_KEYS.contains(&key) || TOXIPROXYS_KEYS.contains(&key);
    let unknown = keys.keys().filter(|key| !is_known(key));
    let dashed = OUR_KEYS.map(|key| key.replace('_', "-"));
    let dashed = dashed.each_ref().map(String::as_str);
    for key in unknown {
        if let Some(near) = nearest(key, &dashed) {
            return Err(AdminError::Body(format!("unknown key `{key}`; did you mean `{}`?", near.replace('-', "_"))));
        }
    }
    Ok(())
}

/// An empty text says nothing, as with Toxiproxy.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl ProxyDraft {
    /// With the text of the files that it names.
    pub(crate) fn with_files(mut self, read: ReadFile<'_>) -> Result<Self, AdminError> {
        self.tls.iter_mut().try_for_each(|tls| tls.read_files(read))?;
        self.upstream_tls.iter_mut().try_for_each(|tls| tls.read_files(read))?;
        Ok(self)
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// With the key of a certificate that it sends back.
    pub(crate) fn with_key_of(mut self, before: &ProxyDraft) -> Self {
        let before = before.tls.as_ref().and_then(Switched::on);
        if let Some((tls, before)) = self.tls.as_mut().and_then(Switched::on_mut).zip(before) {
            tls.keep_key(before);
        }
        self
    }

    /// What this leaves out is as before, of a proxy that listens there now, or not.
    pub(crate) fn over(self, before: ProxyDraft, listen: &Address, is_enabled: bool) -> Self {
        let this = self.with_key_of(&before);
        ProxyDraft {
            // A proxy keeps its name.
            name: before.name,
            listen: said(this.listen).or_else(|| Some(listen.to_string())),
            upstream: said(this.upstream).or(before.upstream),
            enabled: Some(this.enabled.unwrap_or(is_enabled)),
            profile: this.profile.or(before.profile),
            set: this.set.or(before.set),
            tls: this.tls.or(before.tls),
            upstream_tls: this.upstream_tls.or(before.upstream_tls),
            proxy_protocol: this.proxy_protocol.or(before.proxy_protocol),
        }
    }

    /// `which` is said of what is missing, as Toxiproxy does.
    pub(crate) fn plan(self, which: &str, ground: PlanGround<'_>) -> Result<ProxyPlan, AdminError> {
        let missing = |key: &str| AdminError::Missing(format!("{key}{which}"));
        let name = said(self.name.clone()).ok_or_else(|| missing("name"))?;
        let upstream = said(self.upstream.clone()).ok_or_else(|| missing("upstream"))?;
        check_name(&name)?;
        let listen = said(self.listen.clone()).unwrap_or_else(|| LISTEN.into());
        let listen = Address::listening(&listen).map_err(|bad| AdminError::Body(format!("`listen`: {bad}")))?;
        let upstream: Address = upstream.parse().map_err(|bad| AdminError::Body(format!("`upstream`: {bad}")))?;
        let (profile, set) = self.habits(ground.usual);
        let habits = ProxyHabits::of(self.profile(ground.usual, &set)?.conduct());
        let speaks_tls = self.tls.as_ref().and_then(Switched::on).is_some()
            || self.upstream_tls.as_ref().and_then(Switched::on).is_some();
        if habits.layer == ProxyLayer::Tcp && speaks_tls {
            return Err(AdminError::Body(PASSES_BYTES.into()));
        }
        let tls = self.tls.as_ref().and_then(Switched::on).map(|tls| tls.make(&listen.host, ground.ca)).transpose()?;
        let upstream_tls = self.upstream_tls.as_ref().and_then(Switched::on).map(UpstreamTlsDraft::make).transpose()?;
        let (client_tls, tls) = tls.unzip();
        let (node_tls, upstream_tls) = upstream_tls.unzip();
        let edge = ProxyEdge { client_tls, node_tls, takes_proxy_header: self.proxy_protocol.unwrap_or_default() };
        let set = (!set.is_empty()).then_some(set);
        let proxy_protocol = self.proxy_protocol;
        let extras = ProxyExtras { profile, set, tls, upstream_tls, proxy_protocol };
        let enabled = self.enabled.unwrap_or(true);
        Ok(ProxyPlan { draft: self, name, listen, upstream, enabled, habits, edge, extras })
    }

    /// The name of its profile, where that is not `plain`, which nobody may have named; and the values of it that are changed.
    fn habits(&self, usual: &UsualProfile) -> (Option<String>, Map<String, Value>) {
        let set = self.set.clone().unwrap_or_default();
        if self.profile.is_some() {
            return (self.profile.clone(), set);
        }
        let mut all: Map<String, Value> =
            usual.settings.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        all.extend(set);
        let name = usual.profile.name();
        ((name != PLAIN).then(|| name.to_owned()), all)
    }

    fn profile(&self, usual: &UsualProfile, set: &Map<String, Value>) -> Result<Profile, AdminError> {
        let base = match &self.profile {
            // It may be one of a file, which is known here alone.
            Some(name) if name != usual.profile.name() => {
                Profile::named(name).map_err(|why| AdminError::Body(format!("`profile`: {why}")))?
            }
            Some(_) | None => &usual.profile,
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let settings: Vec<(&str, String)> = set.iter().map(|(key, value)| (key.as_str(), text(value))).collect();
        let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        base.with(&settings).map_err(|bad| AdminError::Body(format!("`set`: {}", told(&bad))))
    }
}

/// What is wrong and what would be right.
fn told(bad: &BadOverride) -> String {
    match bad {
        BadOverride::UnknownKey { .. } | BadOverride::OfStreams { .. } => bad.to_string(),
        BadOverride::BadValue(refusal) => refusal.problems().map(toxic::told).collect::<Vec<_>>().join("; "),
    }
}
