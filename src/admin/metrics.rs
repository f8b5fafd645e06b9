//! The numbers of all proxies in Prometheus' text format (version 0.0.4).
//!
//! Refuses to know how they are counted.

use std::fmt::Write;

use crate::admin::fleet::ProxyFleet;
use crate::admin::managed::ManagedProxy;

/// The type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A sample: its labels and its value.
type Sample = (Vec<(&'static str, String)>, u64);

/// What one family is taken from a proxy.
type Take = fn(&ManagedProxy) -> Vec<Sample>;

/// Name, type, help, and what it is taken from.
const FAMILIES: &[(&str, &str, &str, Take)] = &[
    ("pulseless_proxy_enabled", "gauge", "Whether the proxy listens.", |proxy| {
        one(proxy, u64::from(proxy.json().enabled))
    }),
    ("pulseless_proxy_connections", "gauge", "Connections of clients that are open.", |proxy| {
        one(proxy, proxy.ledger().live().0 as u64)
    }),
    ("pulseless_proxy_streams", "gauge", "Streams that are open.", |proxy| one(proxy, proxy.ledger().live().1 as u64)),
    ("pulseless_proxy_connections_total", "counter", "Connections of clients that were accepted.", |proxy| {
        one(proxy, proxy.ledger().totals().connections)
    }),
    ("pulseless_proxy_streams_total", "counter", "Streams that were opened.", |proxy| {
        one(proxy, proxy.ledger().totals().streams)
    }),
    ("pulseless_proxy_pings_answered_total", "counter", "HTTP/2 PINGs that the proxy itself answered.", |proxy| {
        one(proxy, proxy.ledger().totals().pings_answered)
    }),
    ("pulseless_proxy_resets_total", "counter", "Resets and losses of streams, by the way they travel.", |proxy| {
        let totals = proxy.ledger().totals();
        by_way(proxy, totals.to_node.resets, totals.to_client.resets)
    }),
    ("pulseless_proxy_bytes_total", "counter", "Bytes of DATA that were passed.", |proxy| {
        let totals = proxy.ledger().totals();
        by_way(proxy, totals.to_node.passed_bytes, totals.to_client.passed_bytes)
    }),
    ("pulseless_proxy_swallowed_bytes_total", "counter", "Bytes of DATA that were swallowed.", |proxy| {
        let totals = proxy.ledger().totals();
        by_way(proxy, totals.to_node.swallowed_bytes, totals.to_client.swallowed_bytes)
    }),
    ("pulseless_toxic_felt", "gauge", "Whether the toxic has had an effect since it was added.", |proxy| {
        let sample = |(toxic, is_felt): (&crate::admin::toxic::Toxic, bool)| {
            let labels = vec![
                ("proxy", proxy.name().to_owned()),
                ("toxic", toxic.name.clone()),
                ("type", toxic.kind.clone()),
                ("stream", toxic.stream.word().to_owned()),
            ];
            (labels, u64::from(is_felt))
        };
        proxy.felt().map(sample).collect()
    }),
];

fn one(proxy: &ManagedProxy, value: u64) -> Vec<Sample> {
    vec![(vec![("proxy", proxy.name().to_owned())], value)]
}

fn by_way(proxy: &ManagedProxy, upstream: u64, downstream: u64) -> Vec<Sample> {
    let sample =
        |(way, value): (&str, u64)| (vec![("proxy", proxy.name().to_owned()), ("direction", way.into())], value);
    [("upstream", upstream), ("downstream", downstream)].map(sample).into()
}

/// The whole page.
pub(crate) fn page(fleet: &ProxyFleet) -> String {
    let mut text = String::new();
    for (name, kind, help, take) in FAMILIES {
        write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").expect("a string takes everything");
        for (labels, value) in fleet.all().flat_map(take) {
            let labels = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value)));
            let labels = labels.collect::<Vec<_>>().join(",");
            writeln!(text, "{name}{{{labels}}} {value}").expect("a string takes everything");
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
