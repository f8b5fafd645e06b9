//! An Envoy's bootstrap: of the first HTTP connection manager, the first of its routes and the cluster behind it, what
//! holds there.
//!
//! Refuses to know YAML's syntax.

use std::time::Duration;

use crate::profile::config::taking::{BadConfig, ConfigPlace, Taking};
use crate::profile::config::units::{plain_number, protobuf_time};
use crate::profile::config::yaml::{YamlNode, YamlValue, read_yaml};
use crate::profile::spoken::{Spelled, Timeout};

/// What a value says.
#[derive(Clone, Copy)]
enum EnvoyMeaning {
    /// A time, of that key; 0 is none.
    Time(&'static str),
    /// A time that is never none.
    Pause(&'static str),
    /// A whole number of seconds.
    Seconds(&'static str),
    /// A number, of that key.
    Count(&'static str),
    /// A number of bytes.
    Size(&'static str),
    /// A number of KiB.
    KibiBytes(&'static str),
    /// Read by itself.
    Inner,
    /// Nothing that a profile has, and why.
    Ignored(&'static str),
}

type EnvoyKeys = &'static [(&'static str, EnvoyMeaning)];

const NO_PART: &str = "it has no part in a long-lived stream";
const ELSEWHERE: &str = "this stream does not go there";
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Of an HTTP connection manager.
const MANAGER: EnvoyKeys = &[
    ("stream_idle_timeout", EnvoyMeaning::Time("idle-timeout")),
    ("request_timeout", EnvoyMeaning::Time("request-age")),
    ("drain_timeout", EnvoyMeaning::Pause("drain-goaway-gap")),
    ("max_request_headers_kb", EnvoyMeaning::KibiBytes("request-headers")),
    ("request_headers_timeout", EnvoyMeaning::Ignored("it ends with the request's headers")),
    ("delayed_close_timeout", EnvoyMeaning::Ignored("it begins once a stream has ended")),
    ("common_http_protocol_options", EnvoyMeaning::Inner),
    ("http2_protocol_options", EnvoyMeaning::Inner),
    ("route_config", EnvoyMeaning::Inner),
];
/// Of its options for any HTTP.
const OPTIONS: EnvoyKeys = &[
    ("idle_timeout", EnvoyMeaning::Time("connection-idle")),
    ("max_connection_duration", EnvoyMeaning::Time("connection-age")),
    ("max_stream_duration", EnvoyMeaning::Time("stream-age")),
    ("max_requests_per_connection", EnvoyMeaning::Count("connection-requests")),
];
/// Of its options for HTTP/2.
const HTTP2: EnvoyKeys = &[
    ("max_concurrent_streams", EnvoyMeaning::Count("max-streams")),
    ("initial_stream_window_size", EnvoyMeaning::Size("stream-window")),
    ("initial_connection_window_size", EnvoyMeaning::Size("connection-window")),
    ("max_outbound_control_frames", EnvoyMeaning::Count("ping-flood")),
    ("connection_keepalive", EnvoyMeaning::Ignored("it asks the client, and a profile asks the node alone")),
];
/// Of a route's action.
const ROUTE: EnvoyKeys = &[
    ("timeout", EnvoyMeaning::Time("request-timeout")),
    ("idle_timeout", EnvoyMeaning::Time("idle-timeout")),
    ("max_stream_duration", EnvoyMeaning::Inner),
    ("retry_policy", EnvoyMeaning::Inner),
    ("cluster", EnvoyMeaning::Inner),
    ("max_grpc_timeout", EnvoyMeaning::Ignored("it bounds what a client asks for, and a profile has no such key")),
];
/// Of a cluster.
const CLUSTER: EnvoyKeys = &[
    ("connect_timeout", EnvoyMeaning::Time("connect-timeout")),
    ("name", EnvoyMeaning::Inner),
    ("upstream_connection_options", EnvoyMeaning::Inner),
    ("typed_extension_protocol_options", EnvoyMeaning::Inner),
    ("http2_protocol_options", EnvoyMeaning::Inner),
    ("circuit_breakers", EnvoyMeaning::Ignored("a profile has one node, and no limit on all its streams")),
    ("health_checks", EnvoyMeaning::Ignored("a profile has one node, and no other to choose")),
    ("outlier_detection", EnvoyMeaning::Ignored("a profile has one node, and no other to choose")),
];
/// Of the options for HTTP/2 towards the node.
const NODE_HTTP2: EnvoyKeys = &[
    ("max_concurrent_streams", EnvoyMeaning::Count("node-connection-streams")),
    ("connection_keepalive", EnvoyMeaning::Inner),
];
/// Of a keepalive of HTTP/2.
const KEEPALIVE: EnvoyKeys =
    &[("interval", EnvoyMeaning::Time("ping-interval")), ("timeout", EnvoyMeaning::Time("ping-timeout"))];
/// Of a keepalive of TCP.
const TCP_KEEPALIVE: EnvoyKeys = &[
    ("keepalive_time", EnvoyMeaning::Seconds("tcp-keepalive-after")),
    ("keepalive_interval", EnvoyMeaning::Seconds("tcp-keepalive-interval")),
    ("keepalive_probes", EnvoyMeaning::Count("tcp-keepalive-count")),
];
/// Envoy's words for reasons to try again, and ours.
const CAUSES: &[(&str, &str)] = &[
    ("connect-failure", "connect-failure"),
    ("refused-stream", "refused-stream"),
    ("reset", "reset"),
    ("reset-before-request", "reset"),
    ("5xx", "http-5xx"),
    ("gateway-error", "http-5xx"),
    ("unavailable", "unavailable"),
    ("cancelled", "cancelled"),
    ("resource-exhausted", "resource-exhausted"),
    ("deadline-exceeded", "deadline-exceeded"),
    ("internal", "internal"),
];

/// Reads a bootstrap.
pub(crate) fn read_envoy(file: &str, text: &str, taking: &mut Taking) -> Result<(), BadConfig> {
    let whole = read_yaml(file, text)?;
    let mut reading = EnvoyReading { file, taking };
    let Some(resources) = whole.get("static_resources") else {
        let advice = "name an Envoy's bootstrap; what a control plane sends cannot be read";
        return Err(BadConfig::new(
            &reading.place(&whole),
            "it has no `static_resources`; is the file cut off?",
            advice,
        ));
    };
    for (key, node) in whole.entries().iter().filter(|(key, _)| key != "static_resources") {
        reading.ignore(node, key, NO_PART);
    }
    let managers = reading.managers(resources);
    let Some((manager, others)) = managers.split_first() else {
        let advice = "a listener needs the filter envoy.filters.network.http_connection_manager";
        return Err(BadConfig::new(&reading.place(resources), "no listener speaks HTTP", advice));
    };
    for other in others {
        reading.ignore(other, "another HTTP connection manager", ELSEWHERE);
    }
    reading.options(manager)?;
    let cluster = reading.routes(manager)?;
    reading.clusters(resources, cluster.as_deref())
}

struct EnvoyReading<'a> {
    file: &'a str,
    taking: &'a mut Taking,
}

impl EnvoyReading<'_> {
    fn place(&self, node: &YamlNode) -> ConfigPlace {
        ConfigPlace { file: self.file.to_owned(), line: node.line }
    }

    fn ignore(&mut self, node: &YamlNode, told: &str, why: &str) {
        let place = self.place(node);
        self.taking.ignore(&place, told, why);
    }

    /// The settings of every HTTP connection manager.
    fn managers<'n>(&mut self, resources: &'n YamlNode) -> Vec<&'n YamlNode> {
        let mut managers = Vec::new();
        for listener in resources.get("listeners").map(YamlNode::elements).unwrap_or_default() {
            let chains = listener.get("filter_chains").map(YamlNode::elements).unwrap_or_default();
            let chains = chains.iter().chain(listener.get("default_filter_chain"));
            for filter in chains.flat_map(|chain| chain.get("filters").map(YamlNode::elements).unwrap_or_default()) {
                let settings = filter.get("typed_config");
                let kind = settings.and_then(|settings| settings.get("@type")).map(YamlNode::text).unwrap_or_default();
                match settings {
                    Some(settings) if kind.ends_with(".HttpConnectionManager") => managers.push(settings),
                    Some(_) | None => {
                        let name = filter.get("name").map(YamlNode::text).unwrap_or_default();
                        self.ignore(filter, &format!("filter {name}"), "it is no HTTP connection manager");
                    }
                }
            }
        }
        managers
    }

    fn options(&mut self, manager: &YamlNode) -> Result<(), BadConfig> {
        self.table(manager, MANAGER)?;
        if let Some(options) = manager.get("common_http_protocol_options") {
            self.table(options, OPTIONS)?;
        }
        match manager.get("http2_protocol_options") {
            Some(options) => self.table(options, HTTP2),
            None => Ok(()),
        }
    }

    /// Takes the first route that leads to a cluster, and says which one.
    fn routes(&mut self, manager: &YamlNode) -> Result<Option<String>, BadConfig> {
        let Some(config) = manager.get("route_config") else {
            let why = "its routes come from elsewhere, and so do their times";
            self.ignore(manager, "no route_config", why);
            return Ok(None);
        };
        let mut cluster = None;
        for host in config.get("virtual_hosts").map(YamlNode::elements).unwrap_or_default() {
            for route in host.get("routes").map(YamlNode::elements).unwrap_or_default() {
                let Some(action) = route.get("route") else { continue };
                if cluster.is_some() {
                    self.ignore(action, "another route", ELSEWHERE);
                    continue;
                }
                let name = action.get("cluster").map(YamlNode::text).unwrap_or_default();
                cluster = Some(name.to_owned());
                self.table(action, ROUTE)?;
                if let Some(duration) = action.at(&["max_stream_duration", "max_stream_duration"]) {
                    self.value(duration, "max_stream_duration", EnvoyMeaning::Time("stream-age"))?;
                }
                let policies = [action, host, config].into_iter().find_map(|holder| holder.get("retry_policy"));
                if let Some(policy) = policies {
                    self.retries(policy)?;
                }
            }
        }
        Ok(cluster)
    }

    fn retries(&mut self, policy: &YamlNode) -> Result<(), BadConfig> {
        // A policy that says no number tries once more (route_components.proto).
        let place = self.place(policy);
        self.taking.take("retries", Spelled::Number(1), &place, "retry_policy without num_retries");
        if let Some(number) = policy.get("num_retries") {
            self.value(number, "num_retries", EnvoyMeaning::Count("retries"))?;
        }
        if let Some(pause) = policy.at(&["retry_back_off", "base_interval"]) {
            self.value(pause, "base_interval", EnvoyMeaning::Pause("retry-pause"))?;
        }
        let said = policy.get("retry_on");
        let mut causes: Vec<String> = Vec::new();
        for word in
            said.map(YamlNode::text).unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty())
        {
            match CAUSES.iter().find(|(theirs, _)| *theirs == word) {
                Some((_, ours)) if !causes.iter().any(|cause| cause == ours) => causes.push((*ours).to_owned()),
                Some(_) => {}
                None => self.ignore(said.unwrap_or(policy), word, "a profile has no such reason to try again"),
            }
        }
        let place = self.place(said.unwrap_or(policy));
        if causes.is_empty() {
            self.taking.take("retries", Spelled::Number(0), &place, "retry_policy without a reason");
        }
        let told = format!("retry_on: {}", said.map(YamlNode::text).unwrap_or_default());
        self.taking.take("retry-on", Spelled::List(causes), &place, &told);
        Ok(())
    }

    /// Takes the cluster of that name, else the first one.
    fn clusters(&mut self, resources: &YamlNode, name: Option<&str>) -> Result<(), BadConfig> {
        let clusters = resources.get("clusters").map(YamlNode::elements).unwrap_or_default();
        let named = |cluster: &&YamlNode| cluster.get("name").map(YamlNode::text) == name;
        let Some(meant) = clusters.iter().find(named).or_else(|| clusters.first()) else { return Ok(()) };
        for other in clusters.iter().filter(|other| !std::ptr::eq(*other, meant)) {
            let name = other.get("name").map(YamlNode::text).unwrap_or_default();
            self.ignore(other, &format!("cluster {name}"), ELSEWHERE);
        }
        self.table(meant, CLUSTER)?;
        if let Some(keepalive) = meant.at(&["upstream_connection_options", "tcp_keepalive"]) {
            let place = self.place(keepalive);
            // Linux's own number, tcp(7), unless another is said.
            self.taking.take_time(
                "tcp-keepalive-after",
                Timeout::After(Duration::from_secs(7_200)),
                &place,
                "tcp_keepalive",
            );
            self.table(keepalive, TCP_KEEPALIVE)?;
        }
        let options = meant.at(&["typed_extension_protocol_options", HTTP_OPTIONS]);
        let ways = [
            options.and_then(|options| options.at(&["explicit_http_config", "http2_protocol_options"])),
            options.and_then(|options| options.at(&["auto_config", "http2_protocol_options"])),
            options.and_then(|options| options.at(&["use_downstream_protocol_config", "http2_protocol_options"])),
            meant.get("http2_protocol_options"),
        ];
        let Some(http2) = ways.into_iter().flatten().next() else { return Ok(()) };
        self.table(http2, NODE_HTTP2)?;
        match http2.get("connection_keepalive") {
            Some(keepalive) => self.table(keepalive, KEEPALIVE),
            None => Ok(()),
        }
    }

    /// Takes what is known of a map, and says what is not.
    fn table(&mut self, node: &YamlNode, keys: EnvoyKeys) -> Result<(), BadConfig> {
        for (key, value) in node.entries() {
            match keys.iter().find(|(known, _)| known == key) {
                Some((name, meaning)) => self.value(value, name, *meaning)?,
                None => self.ignore(value, key, NO_PART),
            }
        }
        Ok(())
    }

    fn value(&mut self, node: &YamlNode, name: &str, meaning: EnvoyMeaning) -> Result<(), BadConfig> {
        let place = self.place(node);
        let told = format!("{name}: {}", node.text());
        match meaning {
            EnvoyMeaning::Time(key) => {
                let time = self.time(node, name)?;
                let timeout = if time.is_zero() { Timeout::Never } else { Timeout::After(time) };
                self.taking.take_time(key, timeout, &place, &told);
            }
            EnvoyMeaning::Pause(key) => {
                let time = self.time(node, name)?;
                self.taking.take_time(key, Timeout::After(time), &place, &told);
            }
            EnvoyMeaning::Seconds(key) => {
                let seconds = Duration::from_secs(u64::from(self.number(node, name)?));
                self.taking.take_time(key, Timeout::After(seconds), &place, &told);
            }
            EnvoyMeaning::Count(key) => {
                let number = self.number(node, name)?;
                self.taking.take(key, Spelled::Number(number), &place, &told);
            }
            EnvoyMeaning::Size(key) => {
                let bytes = u64::from(self.number(node, name)?);
                self.taking.take_size(key, bytes, &place, &told);
            }
            EnvoyMeaning::KibiBytes(key) => {
                let bytes = u64::from(self.number(node, name)?) << 10;
                self.taking.take_size(key, bytes, &place, &told);
            }
            EnvoyMeaning::Inner => {}
            EnvoyMeaning::Ignored(why) => self.taking.ignore(&place, name, why),
        }
        Ok(())
    }

    fn time(&self, node: &YamlNode, name: &str) -> Result<Duration, BadConfig> {
        protobuf_time(node.text()).ok_or_else(|| self.wrong(node, name, "a duration such as 15s or 0.25s"))
    }

    fn number(&self, node: &YamlNode, name: &str) -> Result<u32, BadConfig> {
        let number = plain_number(node.text()).and_then(|number| u32::try_from(number).ok());
        number.filter(|number| *number < 1 << 31).ok_or_else(|| self.wrong(node, name, "a number from 0 to 2147483647"))
    }

    fn wrong(&self, node: &YamlNode, name: &str, right: &str) -> BadConfig {
        let found = match &node.value {
            YamlValue::Text(text) => format!("`{name}: {text}` has a wrong value"),
            YamlValue::List(_) => format!("`{name}` is a list"),
            YamlValue::Map(_) => format!("`{name}` is a map"),
        };
        BadConfig::new(&self.place(node), found, format!("write {right}"))
    }
}
