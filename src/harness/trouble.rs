//! What goes wrong in a test's trial: a fault of a sim file, by its kind and its keys.

use std::time::Duration;

use crate::grammar::spell;

/// One thing that goes wrong, from [`at`](Trouble::at) on and for [`lasting`](Trouble::lasting) so long. It is over when
/// the calm begins, at the latest.
///
/// Each constructor stands for one of the kinds of faults that a sim file has (docs/faults.md), with its usual keys; [`Trouble::kind`]
/// is any of them. What a kind does not know is refused when the trial is run, with what would be right.
#[derive(Clone, Debug)]
pub struct Trouble {
    keys: Vec<(String, String)>,
}

impl Trouble {
    /// Any kind of fault, by the name that a sim file uses, such as `proxy-drops-messages`; its keys follow
    /// with [`Trouble::set`].
    #[must_use]
    pub fn kind(name: &str) -> Self {
        Trouble { keys: Vec::new() }.set("kind", name)
    }

    /// The proxy answers HTTP/2 PING and keeps connections open, and passes nothing: for everybody, where `of` is the proxy;
    /// for that host's streams, where it is a host.
    ///
    /// A sim says `kind = "proxy-silence-upstream"`.
    #[must_use]
    pub fn silence(of: &str) -> Self {
        Trouble::kind("proxy-silence-upstream").set("on", of)
    }

    /// The proxy resets the streams of that host, or of everybody where it is the proxy, as they open; with
    /// `.set("when", "60s")` at that age.
    ///
    /// A sim says `kind = "proxy-ends-streams"`.
    #[must_use]
    pub fn reset(of: &str) -> Self {
        Trouble::kind("proxy-ends-streams").set("on", of).set("with", "reset")
    }

    /// The process is killed, and a new one begins when it is over.
    ///
    /// A sim says `kind = "process-kill"`.
    #[must_use]
    pub fn kill(host: &str) -> Self {
        Trouble::kind("process-kill").set("on", host)
    }

    /// The process stands still (SIGSTOP), and its kernel goes on acknowledging.
    ///
    /// A sim says `kind = "pause"`.
    #[must_use]
    pub fn pause(host: &str) -> Self {
        Trouble::kind("pause").set("on", host)
    }

    /// The host sleeps, as a laptop does: its clocks but the boot clock stand still, and nothing answers.
    ///
    /// A sim says `kind = "suspend"`.
    #[must_use]
    pub fn suspend(host: &str) -> Self {
        Trouble::kind("suspend").set("on", host)
    }

    /// The host is gone without a word, so that connections to it are half-open; it boots when it is over.
    ///
    /// A sim says `kind = "power-off"`.
    #[must_use]
    pub fn power_off(host: &str) -> Self {
        Trouble::kind("power-off").set("on", host)
    }

    /// Nothing passes between these two, and nobody is told.
    ///
    /// A sim says `kind = "partition"`.
    #[must_use]
    pub fn partition(one: &str, other: &str) -> Self {
        Trouble::kind("partition").set("from", one).set("to", other)
    }

    /// Whoever dials `name` from `host` is led to another host.
    ///
    /// A sim says `kind = "name-moves"`.
    #[must_use]
    pub fn name_moves(host: &str, name: &str, to: &str) -> Self {
        Trouble::kind("name-moves").set("on", host).set("name", name).set("to", to)
    }

    /// Connections between these two that are idle for so long are forgotten in between, as a NAT or a firewall does, and
    /// nobody is told: half-open.
    ///
    /// A sim says `kind = "idle-drop"`.
    #[must_use]
    pub fn forget_idle(one: &str, other: &str, after: Duration) -> Self {
        let link = Trouble::kind("idle-drop").set("from", one).set("to", other);
        link.set("after", spell(after)).set("then", "drop")
    }

    /// When it begins, since the trial's start.
    #[must_use]
    pub fn at(self, at: Duration) -> Self {
        self.set("at", spell(at))
    }

    /// How long it lasts.
    #[must_use]
    pub fn lasting(self, lasts: Duration) -> Self {
        self.set("for", spell(lasts))
    }

    /// Any key of its kind in a sim file. A value is TOML where it is TOML, and a text otherwise.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.keys.retain(|(known, _)| known != key);
        self.keys.push((key.to_owned(), value.to_string()));
        self
    }

    /// Its keys, with their values.
    pub(crate) fn keys(self) -> impl Iterator<Item = (String, String)> {
        self.keys.into_iter()
    }
}
