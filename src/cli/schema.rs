//! `pulseless schema`: the JSON Schema of a file, or of what a command prints, or which there are.
//!
//! Refuses to know a key: the types that are written describe themselves.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::admin::{ConnectionJson, ProxyJson, Toxic};
use crate::campaign::{Coverage, Encounter, GridPoint, Nights, Summary, Times};
use crate::cli::Exit;
use crate::cli::arguments::SchemaArguments;
use crate::cli::output::print;
use crate::cli::program::subjects;
use crate::cli::replay::CaseLine;
#[cfg(feature = "xmtp")]
use crate::cli::tail::JsonLine;
use crate::profile::ProfileJson;
use crate::report::{
    JournalText, ListedSim, NightJson, ProfileList, ShrunkJson, TimelineLine, schema_of_read, schema_of_sim,
    schema_of_written, schema_text,
};
use crate::runner::{Case, Replayed};
#[cfg(feature = "xmtp")]
use crate::subject::xmtp::conformance::{ClientConformance, Conformance};

/// What has a published schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// A sim.
    Sim,
    /// A case file.
    Case,
    /// `summary.json`.
    Summary,
    /// `coverage.json`.
    Coverage,
    /// `nights.json`.
    Nights,
    /// `times.json`.
    Times,
    /// A line of `journal.jsonl`.
    Journal,
    /// A line of a timeline.
    Event,
    /// What a sweep prints.
    Sweep,
    /// What a grid measures.
    Grid,
    /// What came of a sim behind each profile.
    Across,
    /// What a shrinking leaves.
    Shrink,
    /// What replays come to.
    Replay,
    /// The sims of a folder.
    List,
    /// The profiles.
    Profiles,
    /// One profile.
    Profile,
    /// What a conformance suite found.
    #[cfg(feature = "xmtp")]
    Conform,
    /// A message.
    #[cfg(feature = "xmtp")]
    Message,
    /// The proxies of an admin API.
    Proxies,
    /// Live connections.
    Inspect,
    /// A lie that is told.
    Lie,
}

impl Published {
    /// All of them.
    pub(crate) const ALL: &[Published] = &[
        Published::Sim,
        Published::Case,
        Published::Summary,
        Published::Coverage,
        Published::Nights,
        Published::Times,
        Published::Journal,
        Published::Event,
        Published::Sweep,
        Published::Grid,
        Published::Across,
        Published::Shrink,
        Published::Replay,
        Published::List,
        Published::Profiles,
        Published::Profile,
        #[cfg(feature = "xmtp")]
        Published::Conform,
        #[cfg(feature = "xmtp")]
        Published::Message,
        Published::Proxies,
        Published::Inspect,
        Published::Lie,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Published::Sim => "sim",
            Published::Case => "case",
            Published::Summary => "summary",
            Published::Coverage => "coverage",
            Published::Nights => "nights",
            Published::Times => "times",
            Published::Journal => "journal",
            Published::Event => "event",
            Published::Sweep => "sweep",
            Published::Grid => "grid",
            Published::Across => "across",
            Published::Shrink => "shrink",
            Published::Replay => "replay",
            Published::List => "list",
            Published::Profiles => "profiles",
            Published::Profile => "profile",
            #[cfg(feature = "xmtp")]
            Published::Conform => "conform",
            #[cfg(feature = "xmtp")]
            Published::Message => "message",
            Published::Proxies => "proxies",
            Published::Inspect => "inspect",
            Published::Lie => "lie",
        }
    }

    /// What it describes, in a line; the title of the schema.
    #[must_use]
    pub(crate) fn title(self) -> &'static str {
        match self {
            Published::Sim => "A sim: a TOML file of sims/",
            Published::Case => "A case file: one trial, as a sweep and `run --format json` write it",
            Published::Summary => "summary.json of a report folder: what a campaign found",
            Published::Coverage => "coverage.json of a report folder: what the night put to the test",
            Published::Nights => "nights.json of a report folder: what is new, goes on and is gone",
            Published::Times => "times.json of a report folder: when, and how fast",
            Published::Journal => "A line of journal.jsonl of a report folder: its head, or a trial",
            Published::Event => "A line of a timeline, as `run --format jsonl` prints it",
            Published::Sweep => "What `sweep --format json` and `merge --format json` print",
            Published::Grid => "The points of a grid, as `grid --format json` prints them",
            Published::Across => "What `run --across-profiles --format json` prints: the sim behind each profile",
            Published::Shrink => "What `shrink --format json` prints: what is left of a case",
            Published::Replay => "What `replay --format json` prints of several cases, or of several plays of one",
            Published::List => "The sims that `list --format json` prints",
            Published::Profiles => "The profiles that `profile list --format json` prints",
            Published::Profile => "The profile that `profile show --format json` prints",
            #[cfg(feature = "xmtp")]
            Published::Conform => "What `conform` and `conform-client` print with `--format json`",
            #[cfg(feature = "xmtp")]
            Published::Message => "A line of `tail --json`: a message",
            Published::Proxies => "The proxies that `proxy list --format json` prints, by their names",
            Published::Inspect => "The connections that `proxy inspect --format json` prints",
            Published::Lie => "The lie that `proxy lie --format json` prints",
        }
    }

    /// The schema, as the text of a file.
    fn schema(self) -> String {
        let schema = match self {
            Published::Sim => schema_of_sim(subjects()),
            Published::Case => schema_of_read::<Case>(),
            Published::Summary => schema_of_read::<Summary>(),
            Published::Coverage => schema_of_read::<Coverage>(),
            Published::Nights => schema_of_read::<Nights>(),
            Published::Times => schema_of_read::<Times>(),
            Published::Journal => schema_of_read::<JournalText>(),
            Published::Event => schema_of_written::<TimelineLine<'_>>(),
            Published::Sweep => schema_of_written::<NightJson<'_>>(),
            Published::Grid => schema_of_written::<Vec<GridPoint>>(),
            Published::Across => schema_of_written::<Vec<Encounter>>(),
            Published::Shrink => schema_of_written::<ShrunkJson<'_>>(),
            Published::Replay => schema_of_written::<Replays>(),
            Published::List => schema_of_written::<Vec<ListedSim<'_>>>(),
            Published::Profiles => schema_of_written::<ProfileList<'_>>(),
            Published::Profile => schema_of_written::<ProfileJson<'_>>(),
            #[cfg(feature = "xmtp")]
            Published::Conform => schema_of_written::<SuiteFindings>(),
            #[cfg(feature = "xmtp")]
            Published::Message => schema_of_written::<JsonLine>(),
            Published::Proxies => schema_of_written::<BTreeMap<String, ProxyJson>>(),
            Published::Inspect => schema_of_written::<Inspected>(),
            Published::Lie => schema_of_written::<Toxic>(),
        };
        schema_text(schema, self.title())
    }
}

/// What `replay` prints.
struct Replays;

impl JsonSchema for Replays {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Replays".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (cases, one) = (generator.subschema_for::<Vec<CaseLine>>(), generator.subschema_for::<Replayed>());
        json_schema!({ "description": "Several cases are a list, several plays of one an object.", "anyOf": [cases, one] })
    }
}

/// What the two suites print.
#[cfg(feature = "xmtp")]
struct SuiteFindings;

#[cfg(feature = "xmtp")]
impl JsonSchema for SuiteFindings {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SuiteFindings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (node, client) = (generator.subschema_for::<Conformance>(), generator.subschema_for::<ClientConformance>());
        json_schema!({ "description": "`conform` names the node.", "anyOf": [node, client] })
    }
}

/// What `proxy inspect` prints.
struct Inspected;

impl JsonSchema for Inspected {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Inspected".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Vec<ConnectionJson>>();
        let all = generator.subschema_for::<BTreeMap<String, Vec<ConnectionJson>>>();
        json_schema!({ "description": "Of one proxy a list, of all an object by their names.", "anyOf": [one, all] })
    }
}

pub(crate) fn schema(arguments: &SchemaArguments) -> Exit {
    print(&match arguments.what {
        Some(what) => what.schema(),
        None => Published::ALL.iter().map(|what| format!("{:<8} {}\n", what.name(), what.title())).collect(),
    });
    Exit::Pass
}
