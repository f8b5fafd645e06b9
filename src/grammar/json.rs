//! JSON that people may have edited, or taken from elsewhere: what is wrong with it and where, in words for people.
//!
//! Refuses to know what a file is for.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// What is wrong with a text of JSON. Fits after "is not so-and-so: ".
#[derive(Debug)]
pub struct BadJson {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// The key that it is about, such as `plan[3]`; none where it is about the whole.
    key: Option<String>,
    problem: String,
    breaks_off: bool,
}

impl BadJson {
    /// Whether the text ends too soon, and is right as far as it goes.
    #[must_use]
    pub fn breaks_off(&self) -> bool {
        self.breaks_off
    }

    /// In words, for whoever has said which line it is.
    #[must_use]
    pub fn told_in_line(&self) -> String {
        let BadJson { line: _, column, key, problem, breaks_off: _ } = self;
        let key = key.as_ref().map(|key| format!("`{key}`: ")).unwrap_or_default();
        format!("column {column}: {key}{problem}")
    }
}

impl fmt::Display for BadJson {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, {}", self.line, self.told_in_line())
    }
}

impl std::error::Error for BadJson {}

/// Reads a value.
///
/// # Errors
/// It is no JSON, or another value.
pub fn read_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, BadJson> {
    // Only who reads a second time pays for knowing the keys on the way.
    serde_json::from_slice(text).map_err(|error| explain::<T>(text, &error))
}

fn explain<T: DeserializeOwned>(text: &[u8], error: &serde_json::Error) -> BadJson {
    let read = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_slice(text));
    let path = read.err().map(|error| error.path().to_string());
    // A key that breaks off has no name.
    let key = path.map(|path| path.trim_end_matches(['.', '?']).to_owned()).filter(|path| !path.is_empty());
    let told = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let told = told.strip_suffix(&place).unwrap_or(&told);
    let problem = match error.classify() {
        Category::Data => in_words(told),
        Category::Syntax => format!("no JSON: {told}"),
        Category::Eof => "it breaks off".to_owned(),
        Category::Io => told.to_owned(),
    };
    // An unknown key is named by the problem.
    let key = key.filter(|key| !problem.contains(&format!("key `{key}`")));
    BadJson { line: error.line().max(1), column: error.column().max(1), key, problem, breaks_off: error.is_eof() }
}

/// The words of serde, which are about types of Rust, in words about the file.
fn in_words(told: &str) -> String {
    let parts = |begin: &str| told.strip_prefix(begin)?.split_once(", expected ");
    if let Some((found, wanted)) = parts("invalid type: ").or_else(|| parts("invalid value: ")) {
        return format!("is {}; write {}", found_in_words(found), wanted_in_words(wanted));
    }
    if let Some((length, wanted)) = parts("invalid length ") {
        return format!("has {length} values; write {}", wanted_in_words(wanted));
    }
    if let Some((key, keys)) = parts("unknown field ") {
        return format!("unknown key {key}; the keys are {}", keys.trim_start_matches("one of "));
    }
    if let Some((word, words)) = parts("unknown variant ") {
        return format!("unknown word {word}; write {}", words.trim_start_matches("one of "));
    }
    if let Some(key) = told.strip_prefix("missing field ") {
        return format!("the key {key} is missing");
    }
    if let Some(key) = told.strip_prefix("duplicate field ") {
        return format!("the key {key} stands twice");
    }
    told.to_owned()
}

fn found_in_words(found: &str) -> String {
    match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "boolean" | "number", value)) => value.to_owned(),
        Some(("floating", point)) => point.trim_start_matches("point ").to_owned(),
        Some(_) | None => match found {
            "map" => "an object".to_owned(),
            "sequence" => "a list".to_owned(),
            other => other.to_owned(),
        },
    }
}

fn wanted_in_words(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not below 0",
        "f64" => "a number",
        "a string" | "string" | "borrowed string" => "a text",
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" => "true or false",
        of_rust if of_rust.starts_with("struct ") => "an object",
        of_rust if of_rust.starts_with("enum ") || of_rust.starts_with("variant ") => "one of its words",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is read to be refused")]
    struct Sheet {
        seed: u64,
        lines: Vec<String>,
        engine: Motor,
        share: Option<f64>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Motor {
        Leap,
        Turmoil,
    }

    fn told(text: &str) -> String {
        read_json::<Sheet>(text.as_bytes()).expect_err("it is wrong").to_string()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_key_and_without_types_of_rust() {
        for (text, expected) in [
            (r#"{"seed": "x"}"#, "line 1, column 12: `seed`: is the text \"x\"; write a whole number, not below 0"),
            (r#"{"seed": -1}"#, "line 1, column 11: `seed`: is `-1`; write a whole number, not below 0"),
            (r#"{"seed": 1.5}"#, "line 1, column 12: `seed`: is `1.5`; write a whole number, not below 0"),
            (r#"{"lines": ["a", 2]}"#, "line 1, column 17: `lines[1]`: is `2`; write a text"),
            (r#"{"lines": {}}"#, "line 1, column 10: `lines`: is an object; write a list"),
            (r#"{"engine": "warp"}"#, "line 1, column 17: `engine`: unknown word `warp`; write `leap` or `turmoil`"),
            (
                r#"{"share": null, "seed": null}"#,
                "line 1, column 28: `seed`: is null; write a whole number, not below 0",
            ),
            (r#"{"seed": 1, "seed": 2}"#, "line 1, column 18: the key `seed` stands twice"),
            (r#"{"seed": 1}"#, "line 1, column 11: the key `lines` is missing"),
            (r#"{"sede": 1}"#, "line 1, column 7: unknown key `sede`; the keys are `seed`, `lines`, `engine`, `share`"),
            ("<html>", "line 1, column 1: no JSON: expected value"),
            ("7", "line 1, column 1: is `7`; write an object"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_that_breaks_off_is_told_from_one_that_is_wrong() {
        let broken = |text: &str| read_json::<Sheet>(text.as_bytes()).expect_err("it is wrong").breaks_off();
        assert!(broken(r#"{"seed": 1,"#) && broken("") && !broken("{]") && !broken(r#"{"seed": "x"}"#));
    }
}
