//! What a proxy offers in ALPN, as data.
//!
//! Refuses to know TLS.

use std::str::FromStr;

use crate::proxy::config::ALPN_MAX;

/// HTTP/2's name in ALPN (RFC 9113 section 3.2).
pub(crate) const H2: &str = "h2";

/// Says that ALPN is not answered at all; IANA has registered no protocol of that name.
const NO_PROTOCOL: &str = "none";

/// What is offered in ALPN, the dearest first; HTTP/2 alone by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alpn(Vec<String>);

/// Why something cannot be offered in ALPN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be offered in ALPN: write names of 1 to 255 bytes, such as h2 or http/1.1, each once and at most \
     {ALPN_MAX}, or none alone"
)]
pub struct BadAlpn(String);

impl Default for Alpn {
    fn default() -> Self {
        Alpn(vec![H2.into()])
    }
}

impl Alpn {
    /// These names; without any ALPN is not answered.
    ///
    /// # Errors
    /// One is no name (RFC 7301 section 3.1), or stands there twice, or there are too many.
    pub fn new(names: Vec<String>) -> Result<Self, BadAlpn> {
        let is_name = |name: &String| (1..=255).contains(&name.len()) && name != NO_PROTOCOL;
        let is_once = |(index, name): (usize, &String)| !names[..index].contains(name);
        match names.len() <= ALPN_MAX && names.iter().all(is_name) && names.iter().enumerate().all(is_once) {
            true => Ok(Alpn(names)),
            false => Err(BadAlpn(names.join(","))),
        }
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// As `h2,http/1.1`, or `none`.
impl FromStr for Alpn {
    type Err = BadAlpn;

    fn from_str(text: &str) -> Result<Self, BadAlpn> {
        match text {
            NO_PROTOCOL => Ok(Alpn(Vec::new())),
            names => Alpn::new(names.split(',').map(|name| name.trim().to_owned()).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_protocols_is_names_or_none() {
        let names = |text: &str| text.parse::<Alpn>().map(|alpn| alpn.0);
        assert_eq!(names("h2, http/1.1"), Ok(vec!["h2".into(), "http/1.1".into()]));
        assert_eq!(names("none"), Ok(Vec::new()));
        for bad in
            ["", "h2,,http/1.1", "h2,h2", "none,h2", "h2, none", &"x".repeat(256), &["h2"; ALPN_MAX + 1].join(",")]
        {
            assert!(names(bad).expect_err("no list").to_string().contains("cannot be offered"), "{bad}");
        }
    }
}
