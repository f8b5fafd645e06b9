//! A toxic: its JSON, as Toxiproxy has it, and the rule that it is to a proxy.
//!
//! Refuses to know which proxy has it. The attributes of our own kinds are the keys of a sim's faults, read by the same
//! readers, so that words and refusals are the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::de::DeTable;

use crate::admin::bounds::NAME_MAX;
use crate::admin::error::AdminError;
use crate::admin::tcp_toxic::{TCP_TOXICS, attributes};
use crate::env::Address;
use crate::fault::{LIES, LieWay, LieWord};
use crate::grammar::refusal::{Notes, did_you_mean, listed};
use crate::grammar::{Problem, Section};
use crate::lie::{Aim, ByteLie, ConnectionSide, Direction, Lie, LieShare, Rule, StreamLie};

/// What a request says of a toxic, new or changed.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ToxicDraft {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    stream: Option<String>,
    #[serde(default)]
    toxicity: Option<f64>,
    #[serde(default)]
    attributes: Option<Map<String, Value>>,
}

/// A toxic in force, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Toxic {
    /// Its name.
    pub name: String,
    /// One of Toxiproxy's, or of our lies.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which way it lies.
    pub stream: ToxicStream,
    /// The part of the connections that it meets.
    pub toxicity: f64,
    /// Its keys, each kind's own.
    pub attributes: Map<String, Value>,
}

/// Which way, in Toxiproxy's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToxicStream {
    /// From the client to the node.
    Upstream,
    /// From the node to the client.
    Downstream,
}

impl ToxicStream {
    fn read(text: &str) -> Result<Self, AdminError> {
        match text {
            "upstream" => Ok(ToxicStream::Upstream),
            "downstream" => Ok(ToxicStream::Downstream),
            other => Err(AdminError::Stream(format!("`stream` is `{other}`"))),
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            ToxicStream::Upstream => "upstream",
            ToxicStream::Downstream => "downstream",
        }
    }

    fn direction(self) -> Direction {
        match self {
            ToxicStream::Upstream => Direction::ToNode,
            ToxicStream::Downstream => Direction::ToClient,
        }
    }
}

impl ToxicDraft {
    /// The new toxic, and its rule.
    pub(crate) fn make(self) -> Result<(Toxic, Rule), AdminError> {
        let kind = self.kind.ok_or_else(|| AdminError::Missing(format!("type; it is one of {}", kinds())))?;
        let stream = self.stream.as_deref().map_or(Ok(ToxicStream::Downstream), ToxicStream::read)?;
        let name = self.name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("{kind}_{}", stream.word()));
        check_name(&name)?;
        let toxicity = self.toxicity.unwrap_or(1.0);
        let attributes = self.attributes.unwrap_or_default();
        Toxic { name, kind, stream, toxicity, attributes }.ruled()
    }

    /// A toxic as this changes it: its toxicity and single attributes, as with Toxiproxy.
    pub(crate) fn change(self, toxic: &Toxic) -> Result<(Toxic, Rule), AdminError> {
        let mut changed = toxic.clone();
        changed.toxicity = self.toxicity.unwrap_or(toxic.toxicity);
        changed.attributes.extend(self.attributes.unwrap_or_default());
        changed.ruled()
    }
}

impl Toxic {
    /// Reads its attributes; the toxic with all of them, and its rule.
    fn ruled(mut self) -> Result<(Toxic, Rule), AdminError> {
        let share = share(self.toxicity)?;
        let mut rule = match (tcp_toxic(&self.kind), lie_word(&self.kind)) {
            (Some(kind), _) => {
                let (what, side) = read_attributes(&self.attributes, |section| kind.read(section))?;
                self.attributes = attributes(&what, side);
                let lie = ByteLie { direction: self.stream.direction(), what };
                Rule::new(lie).aimed(Aim { side, ..Aim::default() })
            }
            (None, Some(word)) => self.told(word)?,
            (None, None) => return Err(unknown_kind(&self.kind)),
        };
        rule.aim.share = share;
        Ok((self, rule))
    }

    /// The rule of one of our own lies.
    fn told(&self, word: &LieWord) -> Result<Rule, AdminError> {
        let mut keys = self.attributes.clone();
        match (word.way, self.stream) {
            (LieWay::Required, stream) => {
                keys.entry("direction").or_insert_with(|| way_word(stream).into());
            }
            (LieWay::Optional, ToxicStream::Upstream) => {
                keys.entry("direction").or_insert_with(|| way_word(ToxicStream::Upstream).into());
            }
            (LieWay::Streams, ToxicStream::Upstream) => {
                let told = format!("`{}` is about whole streams; leave `stream` out", word.name);
                return Err(AdminError::Stream(told));
            }
            (LieWay::Clients, ToxicStream::Upstream) => {
                let told = format!("`{}` is about connections of clients; leave `stream` out", word.name);
                return Err(AdminError::Stream(told));
            }
            (LieWay::Optional | LieWay::Streams | LieWay::Clients, ToxicStream::Downstream)
            | (LieWay::Connections, _) => {}
        }
        let is_way = matches!(word.way, LieWay::Optional | LieWay::Required);
        if is_way && self.stream == ToxicStream::Upstream && keys.get("direction") != Some(&"to-node".into()) {
            let told =
                "`stream` is upstream, and `attributes.direction` says otherwise; write \"to-node\", or one of the two";
            return Err(AdminError::Attributes(told.into()));
        }
        let harm = read_attributes(&keys, |section| word.read(section))?;
        let mut rule = harm.rule(None);
        if self.stream == ToxicStream::Upstream && word.way == LieWay::Connections {
            rule.aim.side = ConnectionSide::Node;
        }
        if let Lie::Stream(StreamLie::Misroute { host, port }) = &mut rule.lie {
            let to: Address = host.parse().map_err(|bad| AdminError::Attributes(format!("`attributes.to`: {bad}")))?;
            (*host, *port) = (to.host, Some(to.port));
        }
        Ok(rule)
    }
}

fn way_word(stream: ToxicStream) -> &'static str {
    match stream {
        ToxicStream::Upstream => "to-node",
        ToxicStream::Downstream => "to-client",
    }
}

/// The part of the connections that a toxic meets; none is all of them.
fn share(toxicity: f64) -> Result<Option<LieShare>, AdminError> {
    if !(0.0..=1.0).contains(&toxicity) {
        let told = format!("`toxicity` is {toxicity}; write the part of the connections that it meets, from 0 to 1");
        return Err(AdminError::Body(told));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a million, and not negative")]
    let parts = (toxicity * 1_000_000.0).round() as u32;
    Ok((toxicity < 1.0).then_some(LieShare::of_a_million(parts)))
}

fn tcp_toxic(kind: &str) -> Option<&'static crate::admin::tcp_toxic::TcpToxic> {
    TCP_TOXICS.iter().find(|toxic| toxic.name == kind)
}

fn lie_word(kind: &str) -> Option<&'static LieWord> {
    LIES.iter().find(|word| word.name == kind)
}

/// Whether a toxic lies both ways, though it has Toxiproxy's usual `stream`.
#[must_use]
pub fn lies_both_ways(kind: &str, stream: &str, attributes: &Value) -> bool {
    let has_both = lie_word(kind).is_some_and(|word| word.way == LieWay::Optional);
    has_both && stream == ToxicStream::Downstream.word() && attributes.get("direction").is_none()
}

fn names() -> Vec<&'static str> {
    TCP_TOXICS.iter().map(|toxic| toxic.name).chain(LIES.iter().map(|word| word.name)).collect()
}

fn kinds() -> String {
    listed(&names())
}

fn unknown_kind(kind: &str) -> AdminError {
    AdminError::Type(format!("there is no `{kind}`; {}the types are {}", did_you_mean(kind, &names()), kinds()))
}

/// Checks a name of a proxy or a toxic.
pub(crate) fn check_name(name: &str) -> Result<(), AdminError> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(AdminError::Name(format!("a name has 1 to {NAME_MAX} bytes, and this one {}", name.len())));
    }
    if name.contains(|c: char| c.is_control() || c == '/') {
        return Err(AdminError::Name(format!("{name:?} has a slash or a control character; write letters and digits")));
    }
    Ok(())
}

/// Reads attributes as the keys of a table, with the readers of sims.
fn read_attributes<T>(
    attributes: &Map<String, Value>,
    read: impl FnOnce(&mut Section<'_>) -> Option<T>,
) -> Result<T, AdminError> {
    const TABLE: &str = "attributes";
    let bad = |told: String| AdminError::Attributes(told);
    let table = attributes.iter().map(|(key, value)| Ok((key.clone(), to_toml(key, value)?)));
    let table = table.collect::<Result<toml::Table, String>>().map_err(bad)?;
    let root = toml::Table::from_iter([(TABLE.to_owned(), toml::Value::Table(table))]);
    let text = toml::to_string(&root).map_err(|error| bad(error.to_string()))?;
    let parsed = DeTable::parse(&text).map_err(|error| bad(error.message().to_owned()))?;
    let notes = Notes::default();
    let mut root = Section::root(parsed.get_ref(), &notes);
    let mut section = root.section(TABLE);
    let found = read(&mut section);
    section.finish();
    let problems = notes.into_problems();
    match (found, problems.is_empty()) {
        (Some(found), true) => Ok(found),
        (_, true) => Err(bad("they make no toxic".into())),
        (_, false) => Err(bad(problems.iter().map(told).collect::<Vec<_>>().join("; "))),
    }
}

/// What is wrong and what would be right.
pub(crate) fn told(problem: &Problem) -> String {
    match problem.advised() {
        "" => problem.message().to_owned(),
        help => format!("{}: {help}", problem.message()),
    }
}

/// JSON as TOML has it, which knows no null and no number beyond 64 bits with a sign.
fn to_toml(key: &str, value: &Value) -> Result<toml::Value, String> {
    Ok(match value {
        Value::Null => return Err(format!("`attributes.{key}` is null; write a value, or leave the key out")),
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(float)) => float.into(),
            (None, None) => return Err(format!("`attributes.{key}` is {number}, which is no number here")),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => {
            toml::Value::Array(values.iter().map(|value| to_toml(key, value)).collect::<Result<_, _>>()?)
        }
        Value::Object(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| Ok((name.clone(), to_toml(key, value)?)));
            toml::Value::Table(pairs.collect::<Result<_, String>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::lie::{ByteHarm, Ending, ResetCode, Trigger};

    fn make(body: Value) -> Result<(Toxic, Rule), AdminError> {
        serde_json::from_value::<ToxicDraft>(body).expect("a draft").make()
    }

    fn refused(body: Value) -> String {
        make(body).expect_err("it is wrong").to_string()
    }

    #[test]
    fn a_toxic_of_toxiproxy_is_a_lie_about_bytes_and_shows_all_its_attributes() {
        let (toxic, rule) = make(json!({"type": "latency", "attributes": {"latency": 1000}})).expect("right");
        assert_eq!(
            serde_json::to_value(&toxic).expect("plain data"),
            json!({
                "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1.0,
                "attributes": {"latency": 1000, "jitter": 0}
            })
        );
        let what = ByteHarm::Latency { latency: Duration::from_secs(1), jitter: Duration::ZERO };
        assert_eq!(rule.lie, Lie::Bytes(ByteLie { direction: Direction::ToClient, what }));
        assert_eq!(rule.aim.share, None);
    }

    #[test]
    fn every_type_of_toxiproxy_is_made_with_nothing_or_with_a_size() {
        for toxic in TCP_TOXICS {
            let attributes = if toxic.name == "slicer" { json!({"average_size": 10}) } else { json!({}) };
            let (_, rule) = make(json!({"type": toxic.name, "stream": "upstream", "attributes": attributes}))
                .unwrap_or_else(|error| panic!("{}: {error}", toxic.name));
            assert!(matches!(rule.lie, Lie::Bytes(ByteLie { direction: Direction::ToNode, .. })), "{}", toxic.name);
        }
    }

    #[test]
    fn a_toxic_may_be_on_the_connection_to_the_server() {
        let of = |connection: &str| json!({"latency": 5, "jitter": 0, "connection": connection});
        for (stream, direction) in [("upstream", Direction::ToNode), ("downstream", Direction::ToClient)] {
            let body = json!({"type": "latency", "stream": stream, "attributes": of("server")});
            let (toxic, rule) = make(body).expect("right");
            assert_eq!(Value::Object(toxic.attributes), of("server"));
            assert_eq!(rule.aim.side, ConnectionSide::Node);
            assert!(matches!(rule.lie, Lie::Bytes(ByteLie { direction: way, .. }) if way == direction));
        }
        let (toxic, rule) = make(json!({"type": "latency", "attributes": of("client")})).expect("right");
        assert_eq!(
            (Value::Object(toxic.attributes), rule.aim.side),
            (json!({"latency": 5, "jitter": 0}), ConnectionSide::Clients)
        );
    }

    #[test]
    fn our_lies_have_the_keys_of_sims() {
        let attributes = json!({"with": "reset", "code": "NO_ERROR", "when": "60s", "path": "*/Subscribe"});
        let (toxic, rule) = make(json!({"type": "end-streams", "toxicity": 0.5, "attributes": attributes}))
            .expect("the words of the brief");
        assert_eq!(rule.lie, Lie::Stream(StreamLie::End(Ending::reset(ResetCode::NoError))));
        assert_eq!(rule.when, Trigger::Age(Duration::from_secs(60)));
        assert_eq!(rule.aim.share, Some(LieShare::of_a_million(500_000)));
        assert!(rule.aim.paths.is_some_and(|paths| paths.is_match("/a.B/Subscribe")));
        assert_eq!(serde_json::to_value(&toxic).expect("plain data")["attributes"], attributes);
    }

    #[test]
    fn every_lie_is_made_of_the_example_of_its_kind() {
        for (word, row) in LIES.iter().zip(crate::fault::KINDS) {
            let keys = row.example.lines().filter(|line| !line.starts_with("on "));
            let keys = keys.map(|line| line.replace("to = \"node\"", "to = \"other:80\"")).collect::<Vec<_>>();
            let table: toml::Table = keys.join("\n").parse().expect("TOML");
            let attributes = serde_json::to_value(table).expect("JSON");
            make(json!({"type": word.name, "attributes": attributes}))
                .unwrap_or_else(|error| panic!("{} as {}: {error}", row.name, word.name));
        }
    }

    #[test]
    fn a_stream_is_a_direction_or_a_side() {
        let way = |body| match make(body).expect("right").1.lie {
            Lie::Stream(StreamLie::Silence { direction }) => direction,
            other @ (Lie::Stream(_) | Lie::Connection(_) | Lie::Bytes(_)) => panic!("{other:?}"),
        };
        assert_eq!(way(json!({"type": "silence", "stream": "downstream"})), None);
        assert_eq!(way(json!({"type": "silence", "stream": "upstream"})), Some(Direction::ToNode));
        let told = make(json!({"type": "goaway", "stream": "upstream"})).expect("right").1;
        assert_eq!(told.aim.side, ConnectionSide::Node);
        let until = json!({"until": "end"});
        let held = make(json!({"type": "buffer", "attributes": until})).expect("right").1;
        assert!(matches!(held.lie, Lie::Stream(StreamLie::Hold { direction: Direction::ToClient, .. })));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (body, parts) in [
            (json!({"type": "latncy"}), vec!["invalid toxic type", "did you mean `latency`?", "withhold-windows"]),
            (json!({}), vec!["missing required field: type", "latency"]),
            (json!({"type": "latency", "stream": "up"}), vec!["can be either upstream or downstream", "`up`"]),
            (json!({"type": "latency", "toxicity": 1.5}), vec!["`toxicity` is 1.5", "from 0 to 1"]),
            (
                json!({"type": "latency", "attributes": {"latency": "1s"}}),
                vec!["`attributes.latency` is a string", "whole number"],
            ),
            (json!({"type": "latency", "attributes": {"latency": -1}}), vec!["`attributes.latency` is -1", "from 0"]),
            (json!({"type": "latency", "attributes": {"delay": 1}}), vec!["unknown key `delay`", "latency, jitter"]),
            (json!({"type": "latency", "attributes": {"latency": null}}), vec!["`attributes.latency` is null"]),
            (json!({"type": "slicer"}), vec!["`average_size` is missing"]),
            (
                json!({"type": "latency", "attributes": {"connection": "upstream"}}),
                vec!["there is no connection `upstream`", "client, server"],
            ),
            (json!({"type": "end-streams", "attributes": {"with": "rest"}}), vec!["did you mean `reset`?"]),
            (
                json!({"type": "end-streams", "stream": "upstream", "attributes": {"with": "reset"}}),
                vec!["whole streams"],
            ),
            (json!({"type": "alpn", "stream": "upstream"}), vec!["connections of clients"]),
            (json!({"type": "alpn", "attributes": {"offers": ["h2"]}}), vec!["`attributes.offers` has h2", "http/1.1"]),
            (json!({"type": "misroute", "attributes": {"to": "other"}}), vec!["`attributes.to`", "host:port"]),
            (json!({"type": "silence", "name": "a/b"}), vec!["bad name", "a/b"]),
            (
                json!({"type": "silence", "stream": "upstream", "attributes": {"direction": "to-client"}}),
                vec!["`attributes.direction`"],
            ),
        ] {
            let told = refused(body.clone());
            assert!(parts.iter().all(|part| told.contains(part)), "{body}: {told}");
        }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let (toxic, _) = make(json!({"type": "latency", "attributes": {"latency": 5, "jitter": 2}})).expect("right");
        let draft: ToxicDraft = serde_json::from_value(json!({"attributes": {"latency": 7}})).expect("a draft");
        let (changed, _) = draft.change(&toxic).expect("right");
        assert_eq!(serde_json::to_value(&changed.attributes).expect("plain data"), json!({"latency": 7, "jitter": 2}));
    }
}
