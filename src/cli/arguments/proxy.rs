//! The arguments of `pulseless proxy`: the proxy itself, and the verbs that command one that runs.
//!
//! Refuses to know what a verb does.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::arguments::Format;
use crate::cli::values;
use crate::env::Address;
use crate::grammar::Seed;
use crate::proxy::{Alpn, NodeName};

#[derive(Debug, Args)]
pub(crate) struct ProxyArguments {
    #[command(flatten)]
    pub(crate) serve: ProxyServeArguments,
    #[command(subcommand)]
    pub(crate) verb: Option<ProxyVerb>,
}

#[derive(Debug, Args)]
pub(crate) struct ProxyServeArguments {
    /// Where it listens, such as 127.0.0.1:5555; with port 0 it takes a free port, and says which [default:
    /// 127.0.0.1:5555]
    #[arg(long, value_name = "HOST:PORT", value_parser = values::listening)]
    pub(crate) listen: Option<Address>,
    /// The gRPC server that it leads to [default: 127.0.0.1:5556]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) upstream: Option<Address>,
    #[command(flatten)]
    pub(crate) edge: EdgeArguments,
    /// Write the certificate of this run's CA, which clients are to trust where the proxy made its own
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_write: Option<PathBuf>,
    /// Whose habits it has: a profile's name, or the path of a file of your own that ends in .toml
    #[arg(long, value_name = "PROFILE", default_value = "plain")]
    pub(crate) profile: String,
    /// Change a value of that profile, such as read-timeout=10m
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = values::profile_setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// Fall silent so long after the start: answer HTTP/2 PING, keep streams open, let nothing pass
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(crate) silence_after: Option<Duration>,
    /// Speak again after so long; for ever silent unless given. Streams that lost something stay silent
    #[arg(long, value_name = "DURATION", value_parser = values::duration, requires = "silence_after")]
    pub(crate) silence_for: Option<Duration>,
    /// Serve Toxiproxy's API, there or on 127.0.0.1:8474. Without --listen and --upstream it starts with no proxy
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:8474",
        value_parser = values::listening)]
    pub(crate) admin: Option<Address>,
    /// Let the API listen elsewhere than on loopback: whoever reaches it commands all proxies
    #[arg(long, requires = "admin")]
    pub(crate) admin_open: bool,
    /// Start the proxies of a file in Toxiproxy's form: [{"name": ..., "listen": ..., "upstream": ..., "enabled": true}],
    /// with our keys beside them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "upstream", "silence_after", "silence_for", "tls",
        "tls_cert", "tls_key", "tls_alpn", "upstream_tls", "proxy_protocol"])]
    pub(crate) config: Option<PathBuf>,
    /// What lies draw by: which connections a toxicity below 1 meets, jitter, sizes of slices
    #[arg(long, value_name = "SEED", default_value = "0", allow_negative_numbers = true)]
    pub(crate) seed: Seed,
    /// At Ctrl-C or SIGTERM wait so long for open streams, after GOAWAY; a second one ends it at once
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::grace)]
    pub(crate) grace: Duration,
}

/// What lies between TCP and HTTP/2.
#[derive(Debug, Args)]
pub(crate) struct EdgeArguments {
    /// Speak TLS with clients: with a certificate made for this run, unless one is given
    #[arg(long)]
    pub(crate) tls: bool,
    /// Speak TLS with clients, with this certificate: PEM, with those above it after it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of that certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// What is offered in ALPN, the dearest first, such as h2,http/1.1, or none; only HTTP/2 is spoken [default: h2]
    #[arg(long, value_name = "LIST")]
    pub(crate) tls_alpn: Option<Alpn>,
    /// Speak TLS with the server that it leads to, which must be trusted by this machine
    #[arg(long)]
    pub(crate) upstream_tls: bool,
    /// Trust the owners of these certificates (PEM), and nobody else, to be the server
    #[arg(long, value_name = "FILE", requires = "upstream_tls", conflicts_with = "upstream_insecure")]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// The name that the server must prove, and is asked for (SNI); its host unless given
    #[arg(long, value_name = "NAME", requires = "upstream_tls")]
    pub(crate) upstream_name: Option<NodeName>,
    /// Take anybody for the server
    #[arg(long, requires = "upstream_tls")]
    pub(crate) upstream_insecure: bool,
    /// Each connection begins with a header of the PROXY protocol, version 1 or 2, which tells the client's address
    #[arg(long)]
    pub(crate) proxy_protocol: bool,
}

/// Where the admin API is, and how its answers are printed.
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    /// The admin API of the running proxy
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8474")]
    pub(crate) admin: Address,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct AddProxyArguments {
    /// Its name
    pub(crate) name: String,
    /// Where it listens; a free port of this machine alone unless given
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0", value_parser = values::listening)]
    pub(crate) listen: Address,
    /// The gRPC server that it leads to
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) upstream: Address,
    #[command(flatten)]
    pub(crate) edge: EdgeArguments,
    /// Whose habits it has: the name of a profile that comes with pulseless; those that `pulseless proxy` was started with unless given
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Change a value of that profile, such as read-timeout=10m
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = values::profile_setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// Do not open it yet
    #[arg(long)]
    pub(crate) disabled: bool,
    #[command(flatten)]
    pub(crate) at: AdminArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProxyVerb {
    /// List the proxies, and which lies they tell
    List {
        #[command(flatten)]
        at: AdminArguments,
    },
    /// Add a proxy
    Add(Box<AddProxyArguments>),
    /// Tell a proxy to lie, such as: lie PROXY end-streams with=reset code=NO_ERROR when=60s
    Lie {
        /// The proxy's name
        proxy: String,
        /// The kind of lie: one of Toxiproxy's toxics, such as latency, or of ours, such as silence
        #[arg(value_name = "TYPE")]
        kind: String,
        /// Its attributes
        #[arg(value_name = "KEY=VALUE", value_parser = values::attribute)]
        attributes: Vec<(String, serde_json::Value)>,
        /// The lie's name; its type and stream unless given
        #[arg(long)]
        name: Option<String>,
        /// Which way: from the client to the server, or back
        #[arg(long, value_name = "upstream|downstream")]
        stream: Option<String>,
        /// The part of the connections that it meets, from 0 to 1
        #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
        toxicity: f64,
        #[command(flatten)]
        at: AdminArguments,
    },
    /// Take back a lie, all lies of a proxy, or all lies of all proxies
    TellTruth {
        /// The proxy's name; all unless given
        proxy: Option<String>,
        /// The lie's name; all unless given
        lie: Option<String>,
        #[command(flatten)]
        at: AdminArguments,
    },
    /// Show live connections and streams: peer, id, path, state, age, idle time, bytes, and what windows have left
    Inspect {
        /// The proxy's name; all unless given
        proxy: Option<String>,
        #[command(flatten)]
        at: AdminArguments,
    },
}
