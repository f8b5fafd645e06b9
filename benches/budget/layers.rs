//! Which layer a function belongs to, by its symbol.

/// What instructions are told by. The last one is of the libraries that all others use, as far as their callers are not known.
pub(crate) const LAYERS: [(&str, &[&str]); 9] = [
    ("store", &["pulseless::append_log", "pulseless::world::disk", "pulseless::env::disk"]),
    ("HTTP/2", &["h2", "http", "http_body", "http_body_util", "hyper", "hyper_util", "httparse", "pulseless::http2"]),
    ("gRPC", &["tonic", "tonic_prost", "prost", "tower", "tower_service", "pulseless::grpc"]),
    ("runtime", &["tokio", "tokio_stream", "tokio_util", "futures_core", "futures_util", "mio", "parking_lot"]),
    ("proxy", &["pulseless::proxy", "pulseless::lie", "pulseless::profile"]),
    ("client, node", &["pulseless::subject::xmtp", "pulseless::env"]),
    ("world", &["pulseless::world", "rand", "rand_core", "chacha20", "rand_chacha"]),
    (
        "history, checkers",
        &[
            "pulseless::checker",
            "pulseless::history",
            "pulseless::ladder",
            "pulseless::subject::xmtp::checker",
            "pulseless::subject::xmtp::frame",
            "pulseless::subject::xmtp::tap",
            "pulseless::trial",
            "postcard",
        ],
    ),
    ("sim, report", &["pulseless", "toml", "toml_edit", "toml_parser", "clap", "clap_builder", "serde_json", "winnow"]),
];

/// The layer of a function: that of the longest prefix of its path. None is a library that all use.
pub(crate) fn layer_of(symbol: &str) -> Option<usize> {
    let path = symbol.trim_start_matches(['<', '&']).trim_start_matches("mut ").trim_start_matches("dyn ");
    let is_of = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("::"));
    let of_layer = |(layer, (_, prefixes)): (usize, &(&str, &[&'static str]))| {
        let longest = prefixes.iter().filter(|prefix| is_of(prefix)).map(|prefix| prefix.len()).max();
        longest.map(|len| (len, layer))
    };
    let found = LAYERS.iter().enumerate().filter_map(of_layer);
    found.max().map(|(_, layer)| layer)
}
