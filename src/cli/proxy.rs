//! `pulseless proxy`: the proxy on real TCP, which falls silent on schedule.
//!
//! Refuses to know what is behind it: any gRPC server will do.
//!
//! ```text
//!   truthful --silence-after--> silent --silence-for--> truthful, for ever
//! ```

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::cli::Exit;
use crate::cli::arguments::ProxyArguments;
use crate::cli::foreground::{Announced, Ended, run};
use crate::cli::output::{complain, print};
use crate::cli::profile::find_with;
use crate::env::TcpOptions;
use crate::grammar::spell;
use crate::lie::Rule;
use crate::os::Os;
use crate::proxy::{self, Control, ProxyConfig, ProxyError, ProxyFate, ProxyHabits, ProxyNotice, ProxyObserver};

/// The name of the one rule that this proxy follows.
const RULE: u32 = 1;

pub(crate) fn proxy(arguments: &ProxyArguments) -> Exit {
    let ProxyArguments { listen, upstream, profile, settings, silence_after, silence_for } = arguments;
    let profile = match find_with(profile, settings) {
        Ok(profile) => profile,
        Err(exit) => return exit,
    };
    let env = Arc::new(Announced { who: "proxy", os: Os::default().listening_on(&listen.host) });
    let (control, tally) = (Control::default(), Arc::new(SilenceTally::default()));
    let config = ProxyConfig {
        port: listen.port,
        upstream: upstream.clone(),
        tcp: TcpOptions::default(),
        control: control.clone(),
        habits: ProxyHabits::of(profile.conduct()),
    };
    let serving = async {
        tokio::select! {
            biased;
            // Both only end in failure, so neither can starve the other.
            served = proxy::serve(env, config, tally.clone()) => match served {
                Ok(()) => Exit::Pass,
                Err(error) => refuse(&error),
            },
            never = keep_schedule(&control, &tally, *silence_after, *silence_for) => match never {},
        }
    };
    match run(serving) {
        Ended::Alone(exit) => exit,
        Ended::Interrupted => Exit::Pass,
    }
}

fn refuse(error: &ProxyError) -> Exit {
    match error {
        ProxyError::Listen { source, .. } => complain(&format!("failed to {error}: {source}")),
    }
    Exit::Usage
}

/// Falls silent and speaks again, and says so.
async fn keep_schedule(
    control: &Control,
    tally: &SilenceTally,
    after: Option<Duration>,
    length: Option<Duration>,
) -> Infallible {
    let Some(after) = after else { return pending().await };
    sleep(after).await;
    control.add(RULE, Rule::silence(None));
    let (pings, swallowed) = tally.read();
    print("proxy is silent: it answers PING and keeps streams open, and nothing passes\n");
    let Some(length) = length else { return pending().await };
    sleep(length).await;
    control.remove(RULE);
    let (pings, swallowed) = (tally.read().0 - pings, tally.read().1 - swallowed);
    print(&format!(
        "proxy passes new streams again: in {} of silence it answered {pings} PINGs and swallowed {swallowed} bytes\n",
        spell(length)
    ));
    pending().await
}

/// Counts what shows that a silence is one.
#[derive(Default)]
struct SilenceTally {
    pings: AtomicU64,
    swallowed_bytes: AtomicU64,
}

impl SilenceTally {
    fn read(&self) -> (u64, u64) {
        (self.pings.load(Ordering::Relaxed), self.swallowed_bytes.load(Ordering::Relaxed))
    }
}

impl ProxyObserver for SilenceTally {
    fn notice(&self, notice: ProxyNotice) {
        match &notice {
            ProxyNotice::PingAnswered { .. } => {
                self.pings.fetch_add(1, Ordering::Relaxed);
            }
            ProxyNotice::Data { data, fate: ProxyFate::Swallowed, .. } => {
                self.swallowed_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
            ProxyNotice::ConnectionOpened { .. }
            | ProxyNotice::ConnectionClosed { .. }
            | ProxyNotice::StreamOpened { .. }
            | ProxyNotice::Headers { .. }
            | ProxyNotice::Data { fate: ProxyFate::Passed, .. }
            | ProxyNotice::Trailers { .. }
            | ProxyNotice::Reset { .. }
            | ProxyNotice::StreamClosed { .. } => {}
        }
        tracing::trace!(?notice);
    }
}
