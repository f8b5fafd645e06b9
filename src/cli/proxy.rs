//! `pulseless proxy`: proxies on real TCP, which lie on schedule or when the admin API says so.
//!
//! Refuses to know what is behind them: any gRPC server will do.
//!
//! ```text
//!   truthful --silence-after--> silent --silence-for--> truthful, for ever
//!   serving --Ctrl-C, SIGTERM--> draining --no stream left, or the grace is over, or a second one--> ended
//! ```

mod call;
mod edge;
mod table;
mod verb;

use std::convert::Infallible;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, Notify};
use tokio::time::sleep;

use crate::admin::{AdminServer, BadAdmin, EnvOfHost, ProxyFleet, ProxyJson, UsualProfile};
use crate::cli::Exit;
use crate::cli::arguments::{ProxyArguments, ProxyServeArguments};
use crate::cli::foreground::run_to_end;
use crate::cli::output::{complain, misused, print};
use crate::cli::profile::find_with;
use crate::cli::texts::{read_pem, read_text};
use crate::env::{Address, Env};
use crate::grammar::spell;
use crate::lie::Rule;
use crate::os::Os;
use crate::profile::{Profile, ProxyLayer};

/// The name of the proxy that the command line makes.
const NAME: &str = "proxy";
/// The number of the rule that makes it silent: toxics are numbered from 1 on.
const RULE: u32 = u32::MAX;

pub(crate) fn proxy(arguments: &ProxyArguments) -> Exit {
    match &arguments.verb {
        Some(verb) => verb::run(verb),
        None => serve(&arguments.serve),
    }
}

fn serve(arguments: &ProxyServeArguments) -> Exit {
    let config = match arguments.config.as_deref().map(read_text).transpose() {
        Ok(config) => config,
        Err(why) => return misused(&why),
    };
    let settings = &arguments.settings;
    let found =
        find_with(&arguments.profile, &[]).and_then(|base| Ok((base, find_with(&arguments.profile, settings)?)));
    let (base, profile) = match found {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let edge = match edge::keys(&arguments.edge) {
        Ok(keys) => keys,
        Err(why) => return misused(&why),
    };
    if let Err(why) = check(arguments, &profile, &edge) {
        return misused(&why);
    }
    let served = run_to_end(|interrupted| async move {
        let ground: EnvOfHost = Arc::new(|host: &str| -> Env { Arc::new(Os::default().listening_on(host)) });
        let usual = UsualProfile { profile: base, settings: settings.clone() };
        let fleet = match ProxyFleet::new(ground.clone(), usual, arguments.seed.0) {
            Ok(fleet) => Arc::new(Mutex::new(fleet)),
            Err(why) => return misused(&why.to_string()),
        };
        match start(arguments, config, edge, &ground, &fleet).await {
            Ok(admin) => {
                let ended = serve_until(&interrupted, arguments, admin, &fleet).await;
                drain(&interrupted, arguments.grace, &fleet).await;
                ended
            }
            Err(why) => misused(&why),
        }
    });
    served.unwrap_or_else(|exit| exit)
}

/// What does not go together.
fn check(arguments: &ProxyServeArguments, profile: &Profile, edge: &Map<String, Value>) -> Result<(), String> {
    let makes_certificate = edge.get("tls").is_some_and(|tls| tls.get("certificate").is_none());
    let may_come = arguments.config.is_some() || arguments.admin.is_some();
    if arguments.tls_write.is_some() && !makes_certificate && !may_come {
        return Err(
            "--tls-write writes the CA of a certificate made for this run: write --tls with it, and no --tls-cert"
                .into(),
        );
    }
    let has = |key| edge.contains_key(key);
    let above_bytes = [
        ("--silence-after", arguments.silence_after.is_some()),
        ("--tls", has("tls")),
        ("--upstream-tls", has("upstream_tls")),
    ];
    let above_bytes = above_bytes.into_iter().find_map(|(flag, is_there)| is_there.then_some(flag));
    let of_a_proxy = above_bytes.or_else(|| has("proxy_protocol").then_some("--proxy-protocol"));
    let is_started = arguments.admin.is_none() || arguments.listen.is_some() || arguments.upstream.is_some();
    if let Some(flag) = of_a_proxy.filter(|_| !is_started) {
        return Err(format!(
            "{flag} is about a proxy, and --admin alone starts none: write --listen or --upstream with it, or add one by \
             `pulseless proxy add`"
        ));
    }
    match above_bytes {
        Some(flag) if profile.conduct().layer == ProxyLayer::Tcp => Err(format!(
            "{flag}: {} passes bytes, speaks no TLS and tells no lies of HTTP/2: take another --profile",
            profile.name()
        )),
        Some(_) | None => Ok(()),
    }
}

/// Opens the proxies and the API, and says where.
async fn start(
    arguments: &ProxyServeArguments,
    config: Option<String>,
    edge: Map<String, Value>,
    ground: &EnvOfHost,
    fleet: &Arc<Mutex<ProxyFleet>>,
) -> Result<Option<AdminServer>, String> {
    let ProxyServeArguments { listen, upstream, admin, admin_open, tls_write, .. } = arguments;
    let is_asked_for = listen.is_some() || upstream.is_some();
    if let Some(file) = tls_write {
        let ca = fleet.lock().await.ca_pem();
        std::fs::write(file, ca).map_err(|error| format!("failed to write --tls-write {}: {error}", file.display()))?;
    }
    let tls_write = tls_write.as_deref();
    if let Some(config) = config {
        let loaded = fleet.lock().await.load(config.as_bytes(), &|file| read_pem(Path::new(file))).await;
        let path = arguments.config.as_deref().unwrap_or(Path::new(""));
        let proxies =
            loaded.map_err(|error| format!("failed to start the proxies of {}: {}", path.display(), error.words()))?;
        proxies.iter().for_each(|proxy| announce(&format!("proxy {}", proxy.name), proxy, tls_write));
    } else if is_asked_for || admin.is_none() {
        let here = |address: &Option<Address>, port| address.clone().unwrap_or_else(|| Address::new("127.0.0.1", port));
        let (listen, upstream) = (here(listen, 5555).to_string(), here(upstream, 5556).to_string());
        let mut proxy = json!({ "name": NAME, "listen": listen, "upstream": upstream });
        edge.into_iter().for_each(|(key, value)| proxy[key] = value);
        let opened = fleet.lock().await.open(&proxy).await;
        let opened = opened.map_err(|error| error.words())?;
        announce(NAME, &opened, tls_write);
    }
    let Some(address) = admin else { return Ok(None) };
    let bound = AdminServer::bind(ground, address, *admin_open, fleet.clone()).await;
    let server = bound.map_err(|error| match &error {
        BadAdmin::Open(_) => format!("failed to {error}, by --admin-open"),
        BadAdmin::Listen { .. } => format!("failed to {error}"),
    })?;
    print(&format!("admin API listens on {}\n", server.local()));
    Ok(Some(server))
}

/// Says where a proxy listens, and how clients come to trust it.
fn announce(who: &str, proxy: &ProxyJson, tls_write: Option<&Path>) {
    let ProxyJson { listen, enabled, extras, .. } = proxy;
    if !enabled {
        return print(&format!("{who} is disabled\n"));
    }
    print(&format!("{who} listens on {listen}\n"));
    let Some(tls) = &extras.tls else { return };
    let alpn = if tls.alpn.is_empty() { "none".into() } else { tls.alpn.join(", ") };
    let told = match (&tls.ca, tls_write) {
        (None, _) => "with the certificate that was given".into(),
        (Some(_), None) => "with a certificate that nobody trusts: --tls-write FILE writes its CA for clients".into(),
        (Some(_), Some(file)) => {
            let file = file.display();
            format!("clients are to trust {file}, as by curl --cacert {file} https://{listen}")
        }
    };
    print(&format!("{who} speaks TLS (ALPN: {alpn}), {told}\n"));
}

/// Serves until it is interrupted.
async fn serve_until(
    interrupted: &Notify,
    arguments: &ProxyServeArguments,
    admin: Option<AdminServer>,
    fleet: &Mutex<ProxyFleet>,
) -> Exit {
    let admin = async {
        let Some(admin) = admin else { return pending().await };
        match admin.run().await {
            Ok(()) => "the admin API ended".to_owned(),
            Err(error) => format!("the admin API failed: {error}"),
        }
    };
    tokio::select! {
        biased;
        // First, and it starves nobody: it is ready once.
        () = interrupted.notified() => Exit::Pass,
        why = admin => {
            complain(&why);
            Exit::OurBug
        }
        never = keep_schedule(fleet, arguments.silence_after, arguments.silence_for) => match never {},
    }
}

/// Waits for the streams, but not for ever, and not past a second interrupt.
async fn drain(interrupted: &Notify, grace: Duration, fleet: &Mutex<ProxyFleet>) {
    let mut fleet = fleet.lock().await;
    tokio::select! {
        biased;
        // First, and it starves nobody: it is ready once.
        () = interrupted.notified() => {}
        () = fleet.drain(grace) => {}
    }
}

/// Falls silent and speaks again, and says so.
async fn keep_schedule(fleet: &Mutex<ProxyFleet>, after: Option<Duration>, length: Option<Duration>) -> Infallible {
    let Some(after) = after else { return pending().await };
    sleep(after).await;
    let Some(control) = fleet.lock().await.control(NAME) else { return pending().await };
    control.add(RULE, Rule::silence(None));
    let before = fleet.lock().await.tally(NAME);
    print("proxy is silent: it answers PING and keeps streams open, and nothing passes\n");
    let Some(length) = length else { return pending().await };
    sleep(length).await;
    control.remove(RULE);
    let after = fleet.lock().await.tally(NAME);
    // Less than before, where the admin API has made the proxy anew.
    let (pings, swallowed) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    print(&format!(
        "proxy passes new streams again: in {} of silence it answered {pings} PINGs and swallowed {swallowed} bytes\n",
        spell(length)
    ));
    pending().await
}
