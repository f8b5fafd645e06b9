//! The key `tls` of a host that is dialed, in a sim file, for every subject that has it: true, false, or a table.

use crate::fault::read_alpn;
use crate::grammar::{Entry, KeyHelp, Problem, Section, key};
use crate::proxy::Alpn;

/// The keys of the table.
pub(crate) const TLS_KEYS: &[KeyHelp] = &[key(
    "alpn",
    "an array of 1 to 16 names, or `\"none\"`",
    "`[\"h2\"]`",
    "what it offers in ALPN, the dearest first. Without `h2` nobody gets through",
)];
const FORM: &str = "true, false, or { alpn = [\"h2\", \"http/1.1\"] }";

/// Reads `tls`: what is offered in ALPN, where TLS is spoken.
pub(crate) fn read_tls(section: &mut Section<'_>) -> Option<Option<Alpn>> {
    Some(section.optional("tls", None, |entry| read_switch(entry))?.value)
}

fn read_switch(entry: &Entry<'_>) -> Result<Option<Alpn>, Problem> {
    if let Ok(is_on) = entry.boolean() {
        return Ok(is_on.then(Alpn::default));
    }
    let mut section = entry.section().map_err(|problem| problem.advice(format!("write {FORM}")))?;
    let alpn = section.optional("alpn", Alpn::default(), |entry| {
        let refused = |why| entry.problem(format!("`{}`: {why}", entry.key())).advice(format!("write {FORM}"));
        Alpn::new(read_alpn(entry)?).map_err(refused)
    });
    section.finish();
    Ok(Some(alpn.map(|alpn| alpn.value).unwrap_or_default()))
}
