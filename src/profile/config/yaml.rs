//! YAML as a tree with the lines of its parts. JSON is YAML.
//!
//! Refuses to know what it says. A text can neither nest without end nor grow by its anchors.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, Span};

use crate::profile::config::taking::{BadConfig, ConfigPlace};

/// An Envoy's configuration has some twenty levels.
const DEPTH_MAX: usize = 64;
/// Many times an Envoy's configuration; what aliases repeat is counted each time.
const NODES_MAX: usize = 200_000;

/// A part of a document.
#[derive(Clone, Debug)]
pub(crate) struct YamlNode {
    pub(crate) line: usize,
    pub(crate) value: YamlValue,
}

/// What a part is.
#[derive(Clone, Debug)]
pub(crate) enum YamlValue {
    Text(String),
    List(Vec<YamlNode>),
    /// The keys in their order.
    Map(Vec<(String, YamlNode)>),
}

impl YamlNode {
    /// What a key has; none where this is no map, or has no such key, or has it empty.
    pub(crate) fn get(&self, key: &str) -> Option<&YamlNode> {
        let found = self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node);
        found.filter(
            |node| !matches!(&node.value, YamlValue::Text(text) if text == "~" || text == "null" || text.is_empty()),
        )
    }

    /// What a path of keys leads to.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&YamlNode> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The keys of a map; none of anything else.
    pub(crate) fn entries(&self) -> &[(String, YamlNode)] {
        match &self.value {
            YamlValue::Map(entries) => entries,
            YamlValue::Text(_) | YamlValue::List(_) => &[],
        }
    }

    /// The elements of a list; none of anything else.
    pub(crate) fn elements(&self) -> &[YamlNode] {
        match &self.value {
            YamlValue::List(elements) => elements,
            YamlValue::Text(_) | YamlValue::Map(_) => &[],
        }
    }

    /// The text; empty for anything else.
    pub(crate) fn text(&self) -> &str {
        match &self.value {
            YamlValue::Text(text) => text,
            YamlValue::List(_) | YamlValue::Map(_) => "",
        }
    }

    fn count(&self) -> usize {
        match &self.value {
            YamlValue::Text(_) => 1,
            YamlValue::List(elements) => 1 + elements.iter().map(YamlNode::count).sum::<usize>(),
            YamlValue::Map(entries) => 1 + entries.iter().map(|(_, node)| node.count()).sum::<usize>(),
        }
    }
}

/// A list or a map that is not closed yet.
struct OpenNode {
    anchor: usize,
    node: YamlNode,
    /// The key whose value comes next, of a map.
    key: Option<String>,
}

/// Reads the first document of a text.
pub(crate) fn read_yaml(file: &str, text: &str) -> Result<YamlNode, BadConfig> {
    let mut building = YamlBuilding { file, open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, whole: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let place = ConfigPlace { file: file.to_owned(), line: error.marker().line() };
            BadConfig::new(&place, format!("it is not YAML: {}", error.info()), "is the file cut off?")
        })?;
        building.take(event, span)?;
        if let Some(whole) = building.whole.take() {
            return Ok(whole);
        }
    }
    let place = ConfigPlace { file: file.to_owned(), line: 1 };
    Err(BadConfig::new(&place, "it says nothing", "name an Envoy's bootstrap"))
}

struct YamlBuilding<'f> {
    file: &'f str,
    open: Vec<OpenNode>,
    anchors: BTreeMap<usize, YamlNode>,
    nodes: usize,
    whole: Option<YamlNode>,
}

impl YamlBuilding<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), BadConfig> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, _, anchor, _) => {
                let node = YamlNode { line, value: YamlValue::Text(text.into_owned()) };
                self.place(node, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, line, YamlValue::List(Vec::new())),
            Event::MappingStart(anchor, _) => self.begin(anchor, line, YamlValue::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(OpenNode { anchor, node, .. }) => self.place(node, anchor),
                None => Err(self.bad(line, "something is closed that is not open", "is the file cut off?")),
            },
            Event::Alias(anchor) => {
                let copies = self.anchors.get(&anchor).map_or(0, YamlNode::count);
                self.count(copies, line)?;
                match self.anchors.get(&anchor).cloned() {
                    Some(node) => self.place(YamlNode { line, ..node }, 0),
                    None => Err(self.bad(line, "an alias stands within what it names", "write it out")),
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, anchor: usize, line: usize, value: YamlValue) -> Result<(), BadConfig> {
        if self.open.len() >= DEPTH_MAX {
            return Err(self.bad(line, "it nests too deep", format!("at most {DEPTH_MAX} levels are read")));
        }
        self.open.push(OpenNode { anchor, node: YamlNode { line, value }, key: None });
        Ok(())
    }

    /// Puts a node where it belongs.
    fn place(&mut self, node: YamlNode, anchor: usize) -> Result<(), BadConfig> {
        self.count(1, node.line)?;
        if anchor > 0 {
            self.count(node.count(), node.line)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.whole = Some(node);
            return Ok(());
        };
        match (&mut parent.node.value, parent.key.take()) {
            (YamlValue::List(elements), _) => elements.push(node),
            (YamlValue::Map(entries), Some(key)) => entries.push((key, node)),
            (YamlValue::Map(_), None) => match node.value {
                YamlValue::Text(text) => parent.key = Some(text),
                YamlValue::List(_) | YamlValue::Map(_) => {
                    return Err(self.bad(node.line, "a key is no text", "write a name"));
                }
            },
            (YamlValue::Text(_), _) => {}
        }
        Ok(())
    }

    /// Counts what is kept, copies included.
    fn count(&mut self, nodes: usize, line: usize) -> Result<(), BadConfig> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err(self.bad(line, "it is too large", format!("at most {NODES_MAX} values are read")));
        }
        Ok(())
    }

    fn bad(&self, line: usize, message: &str, advice: impl Into<String>) -> BadConfig {
        BadConfig::new(&ConfigPlace { file: self.file.to_owned(), line }, message, advice)
    }
}
