//! The verbs that command a running proxy through its admin API.
//!
//! Refuses to know HTTP, and how an answer is laid out.

use std::future::Future;

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::cli::Exit;
use crate::cli::arguments::{AddProxyArguments, AdminArguments, Format, ProxyVerb};
use crate::cli::foreground::{self, Ended};
use crate::cli::output::{misused, print};
use crate::cli::proxy::call::Call;
use crate::cli::proxy::edge;
use crate::cli::proxy::table;

/// Does what the verb says.
pub(super) fn run(verb: &ProxyVerb) -> Exit {
    let (at, call) = match verb {
        ProxyVerb::List { at } => (at, get(["proxies"])),
        ProxyVerb::Add(asked) => match added(asked) {
            Ok(body) => (&asked.at, post(["proxies"], Some(body))),
            Err(why) => return misused(&why),
        },
        ProxyVerb::Lie { proxy, kind, attributes, name, stream, toxicity, at } => {
            let attributes: Map<String, Value> = attributes.iter().cloned().collect();
            let mut body = json!({ "type": kind, "toxicity": toxicity, "attributes": attributes });
            let named = [("name", name), ("stream", stream)];
            for (key, text) in named.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?))) {
                body[key] = text.as_str().into();
            }
            (at, post(["proxies", proxy, "toxics"], Some(body)))
        }
        ProxyVerb::TellTruth { proxy, lie, at } => return tell_truth(at, proxy.as_deref(), lie.as_deref()),
        ProxyVerb::Inspect { proxy: Some(proxy), at } => (at, get(["proxies", proxy, "connections"])),
        ProxyVerb::Inspect { proxy: None, at } => (at, get(["connections"])),
    };
    ask(at, async move { call.send(&at.admin).await }, |answer| match verb {
        ProxyVerb::List { .. } => table::proxies(answer),
        ProxyVerb::Add(_) => table::added(answer),
        ProxyVerb::Lie { .. } => table::lie(answer),
        ProxyVerb::Inspect { proxy, .. } => table::connections(answer, proxy.as_deref()),
        ProxyVerb::TellTruth { .. } => String::new(),
    })
}

/// What `add` asks for.
fn added(asked: &AddProxyArguments) -> Result<Value, String> {
    let AddProxyArguments { name, listen, upstream, edge, profile, settings, disabled, at: _ } = asked;
    let (listen, upstream) = (listen.to_string(), upstream.to_string());
    let mut body = json!({ "name": name, "listen": listen, "upstream": upstream, "enabled": !disabled });
    edge::keys(edge)?.into_iter().for_each(|(key, value)| body[key] = value);
    if let Some(profile) = profile {
        body["profile"] = profile.as_str().into();
    }
    if !settings.is_empty() {
        body["set"] = settings.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    }
    Ok(body)
}

fn get<const N: usize>(path: [&str; N]) -> Call {
    Call { method: Method::GET, path: path.map(str::to_owned).into(), body: None }
}

fn post<const N: usize>(path: [&str; N], body: Option<Value>) -> Call {
    Call { method: Method::POST, path: path.map(str::to_owned).into(), body }
}

/// Asks, and prints the answer as it is wanted.
fn ask(
    at: &AdminArguments,
    asking: impl Future<Output = Result<Value, String>>,
    told: impl FnOnce(&Value) -> String,
) -> Exit {
    let asking = async {
        match asking.await {
            Ok(answer) => {
                match at.format {
                    Format::Text => print(&told(&answer)),
                    Format::Json => print(&format!("{answer:#}\n")),
                }
                Exit::Pass
            }
            Err(why) => misused(&why),
        }
    };
    match foreground::run(asking) {
        Ended::Alone(exit) => exit,
        Ended::Interrupted => Exit::Pass,
    }
}

/// Takes back lies, one by one: the API's reset would also open what was closed on purpose.
fn tell_truth(at: &AdminArguments, proxy: Option<&str>, lie: Option<&str>) -> Exit {
    let asking = async {
        let mut taken_back = Vec::new();
        for (proxy, lie) in lies(at, proxy, lie).await? {
            let path = vec!["proxies".to_owned(), proxy.clone(), "toxics".to_owned(), lie.clone()];
            Call { method: Method::DELETE, path, body: None }.send(&at.admin).await?;
            taken_back.push(json!({ "proxy": proxy, "lie": lie }));
        }
        Ok(Value::Array(taken_back))
    };
    ask(at, asking, table::taken_back)
}

/// The lies that are meant, each with its proxy.
async fn lies(at: &AdminArguments, proxy: Option<&str>, lie: Option<&str>) -> Result<Vec<(String, String)>, String> {
    if let (Some(proxy), Some(lie)) = (proxy, lie) {
        return Ok(vec![(proxy.to_owned(), lie.to_owned())]);
    }
    let proxies = match proxy {
        Some(proxy) => vec![get(["proxies", proxy]).send(&at.admin).await?],
        None => table::values(&get(["proxies"]).send(&at.admin).await?),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_proxy = |proxy: &Value| -> Vec<(String, String)> {
        let toxics = proxy["toxics"].as_array().cloned().unwrap_or_default();
        toxics.iter().map(|toxic| (text(&proxy["name"]), text(&toxic["name"]))).collect()
    };
    Ok(proxies.iter().flat_map(of_proxy).collect())
}
