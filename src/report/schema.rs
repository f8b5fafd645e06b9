//! The JSON Schemas (draft 2020-12) of what pulseless writes for machines, and of what it reads.
//!
//! Refuses to know a key: the types that are written describe themselves, and the reader of sims is asked.

use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::campaign::{Header, JournalLine};
use crate::grammar::ValueForm;
use crate::report::explain::key_in_words;
use crate::sim::{FaultShape, KeyShape, SimShape, ValueShape};
use crate::subject::Subjects;

/// The dialect that all of them are in. That of sims keeps to words that draft 7 has too, for the sake of editors.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema as the text of a file, with that title.
#[must_use]
pub(crate) fn schema_text(mut schema: Map<String, Value>, title: &str) -> String {
    schema.insert("$schema".to_owned(), DIALECT.into());
    schema.insert("title".to_owned(), title.into());
    serde_json::to_string_pretty(&schema).expect("a schema is plain data") + "\n"
}

/// The schema of a type that pulseless reads again: what older versions of a format left out is not asked for.
#[must_use]
pub(crate) fn schema_of_read<T: JsonSchema>() -> Map<String, Value> {
    of::<T>(Contract::Deserialize)
}

/// The schema of a type that is only written.
#[must_use]
pub(crate) fn schema_of_written<T: JsonSchema>() -> Map<String, Value> {
    of::<T>(Contract::Serialize)
}

fn of<T: JsonSchema>(contract: Contract) -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.contract = contract);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    std::mem::take(schema.ensure_object())
}

/// A line of a journal.
pub(crate) struct JournalText;

impl JsonSchema for JournalText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JournalText".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (head, line) = (generator.subschema_for::<Header>(), generator.subschema_for::<JournalLine>());
        json_schema!({ "description": "The first line is the head, every other one a trial.", "anyOf": [head, line] })
    }
}

/// The schema of a sim.
#[must_use]
pub(crate) fn schema_of_sim(subjects: Subjects) -> Map<String, Value> {
    let shape = SimShape::of(subjects);
    let mut schema = table(&shape.keys);
    schema["properties"]["fault"]["items"] = faults(&shape.faults);
    let told = "Durations, sizes and the like have their form here and not their range; `pulseless explain` says all that \
                is wrong with a sim.";
    schema.insert("description".to_owned(), told.into());
    schema
}

/// A fault has the keys of its kind. A condition for each, and no choice of all: so an editor tells what is wrong with the
/// one that is meant.
fn faults(shapes: &[FaultShape]) -> Value {
    let mut schema = json!({
        "type": "object",
        "properties": keys_of_faults(shapes),
        "required": ["kind"],
        "allOf": shapes.iter().map(fault).collect::<Vec<_>>(),
    });
    schema["properties"]["kind"] = json!({
        "type": "string",
        "enum": shapes.iter().map(|shape| shape.kind).collect::<Vec<_>>(),
        "description": "What happens.",
    });
    schema
}

fn fault(shape: &FaultShape) -> Value {
    let mut schema = table(&shape.keys);
    schema.insert("title".to_owned(), shape.kind.into());
    schema.insert("description".to_owned(), format!("Such as\n{}", shape.example).into());
    json!({
        "if": { "properties": { "kind": { "enum": [shape.kind] } }, "required": ["kind"] },
        "then": schema,
    })
}

/// Every key that any kind has, for an editor that does not look at conditions when it proposes keys.
fn keys_of_faults(shapes: &[FaultShape]) -> Map<String, Value> {
    let mut keys = Map::new();
    for key in shapes.iter().flat_map(|shape| &shape.keys) {
        let has = |shape: &&FaultShape| shape.keys.iter().any(|other| other.name == key.name);
        let told = match &key.help {
            Some(help) => key_in_words(help),
            None => {
                let kinds: Vec<&str> = shapes.iter().filter(has).map(|shape| shape.kind).collect();
                format!("A key of {}.", kinds.join(", "))
            }
        };
        keys.insert(key.name.clone(), json!({ "description": told }));
    }
    keys
}

/// A table with these keys, and no others.
fn table(keys: &[KeyShape]) -> Map<String, Value> {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.clone(), property(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name.as_str()).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    schema.insert("required".to_owned(), required.into());
    schema
}

fn property(key: &KeyShape) -> Value {
    let mut schema = value(&key.value);
    let told = key.help.as_ref().map_or_else(|| forms_in_words(&key.value.forms), key_in_words);
    schema["description"] = told.into();
    schema
}

/// What a value may be, where nobody says what it means.
fn forms_in_words(forms: &[ValueForm]) -> String {
    let words = |form: &ValueForm| match form {
        ValueForm::Text(words) => words.clone(),
        ValueForm::Quantity(form) => form.words.to_owned(),
        ValueForm::Number { least, most } => format!("a whole number from {least} to {most}"),
        ValueForm::Boolean => "true or false".to_owned(),
        ValueForm::Word(words) => words.join(", "),
        ValueForm::Array => "an array".to_owned(),
        ValueForm::Table => "a table".to_owned(),
    };
    format!("It takes {}.", forms.iter().map(words).collect::<Vec<_>>().join("; or "))
}

/// A value of any of its forms.
fn value(shape: &ValueShape) -> Value {
    let mut forms: Vec<Value> = shape.forms.iter().map(|one| form(one, shape)).collect();
    match forms.len() {
        1 => forms.remove(0),
        0 => json!({}),
        _ => json!({ "anyOf": forms }),
    }
}

fn form(form: &ValueForm, shape: &ValueShape) -> Value {
    match form {
        ValueForm::Text(_) => json!({ "type": "string", "minLength": 1 }),
        ValueForm::Quantity(form) => json!({ "type": "string", "pattern": form.pattern }),
        ValueForm::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        ValueForm::Boolean => json!({ "type": "boolean" }),
        ValueForm::Word(words) => json!({ "type": "string", "enum": words }),
        ValueForm::Array => {
            let element = shape.element.as_deref().map_or_else(|| json!({}), value);
            json!({ "type": "array", "items": element })
        }
        ValueForm::Table => table(&shape.keys).into(),
    }
}
