//! What every page begins with.
//!
//! Refuses to know what a page tells.

use crate::report::harmless::html;

const STYLE: &str = include_str!("style.css");

/// All of a page up to its body, whose classes those are. It may load nothing.
pub(super) fn begin(title: &str, style: &str, classes: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body class=\"{classes}\">\n",
        html(title)
    )
}
