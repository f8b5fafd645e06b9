//! A proxy of ours between the hosts of a test's trial.

/// One of our proxies, which ends HTTP/2 on both sides, answers PING by itself and can lie; or passes bytes, with
/// `.set("layer", "tcp")`.
///
/// Its errors come when the trial is run: it refuses a profile or a key that it does not know, with the nearest one.
#[derive(Clone, Debug)]
pub struct Proxy {
    to: String,
    settings: Vec<(String, String)>,
}

impl Proxy {
    /// A proxy that leads to that host and port, such as `server:50051`. It listens on the same port.
    #[must_use]
    pub fn to(upstream: &str) -> Self {
        Proxy { to: upstream.to_owned(), settings: Vec::new() }
    }

    /// It behaves as that real proxy does: `nginx`, `envoy`, `haproxy-3`, `aws-alb` and others, each with sources
    /// (`pulseless profile list`). Without one it does nothing of its own accord.
    #[must_use]
    pub fn profile(self, name: &str) -> Self {
        self.set("profile", name)
    }

    /// It listens there.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.set("port", port)
    }

    /// Any key of a proxy in a sim file, such as `("idle-timeout", "60s")`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// Its keys, with their values.
    pub(crate) fn keys(self) -> impl Iterator<Item = (String, String)> {
        std::iter::once(("proxy-to".to_owned(), self.to)).chain(self.settings)
    }
}
