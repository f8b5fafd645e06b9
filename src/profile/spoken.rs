//! The plain values of a profile: times that may be "never", limits that may be "none", sizes, counts, yes or no.
//!
//! Refuses to know which key has which.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::grammar::quantity::{self, spell_size};
use crate::grammar::{Entry, Problem, spell};

/// No proxy is told to wait longer than a year: more is a slip of the unit.
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);
/// Windows of HTTP/2 end at 2^31-1 (RFC 9113 section 6.9.1), and so do the counts of its settings that matter here.
const COUNT_MAX: u32 = (1 << 31) - 1;
/// What no proxy holds for one stream.
const SIZE_MAX: u64 = 1 << 40;

/// A value as a file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Spelled {
    /// Yes or no.
    Flag(bool),
    /// A count.
    Number(u32),
    /// A time, a size, a word.
    Text(String),
    /// Several words, in their order.
    List(Vec<String>),
}

impl fmt::Display for Spelled {
    /// As TOML.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spelled::Flag(flag) => write!(formatter, "{flag}"),
            Spelled::Number(number) => write!(formatter, "{number}"),
            Spelled::Text(text) => formatter.write_str(&quoted(text)),
            Spelled::List(words) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                write!(formatter, "[{}]", words.join(", "))
            }
        }
    }
}

/// A text as a string of TOML on one line.
pub(crate) fn quoted(text: &str) -> String {
    // A basic string, whatever is in the text: a literal one cannot hold every text.
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// What the value of a key can do: be read, and be written as it was read.
pub(crate) trait Spoken: Clone {
    /// What would be right, in words.
    const TAKES: &'static str;
    /// A value that would be right, as TOML.
    const EXAMPLE: &'static str;

    /// Reads it.
    fn read(entry: &Entry<'_>) -> Result<Self, Problem>;

    /// Writes it.
    fn spelled(&self) -> Spelled;
}

/// A time after which something happens, if ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// It never does.
    Never,
    /// It does after so long.
    After(Duration),
}

impl Timeout {
    /// The time; none is never.
    #[must_use]
    pub fn after(self) -> Option<Duration> {
        match self {
            Timeout::Never => None,
            Timeout::After(duration) => Some(duration),
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timeout::Never => formatter.pad("never"),
            Timeout::After(duration) => formatter.pad(&spell(*duration)),
        }
    }
}

impl Spoken for Timeout {
    const TAKES: &'static str = "a duration, or `never`";
    const EXAMPLE: &'static str = "\"60s\"";

    fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
        if entry.is("never") {
            return Ok(Timeout::Never);
        }
        entry.duration(Duration::ZERO..=TIMEOUT_MAX).map(Timeout::After)
    }

    fn spelled(&self) -> Spelled {
        Spelled::Text(self.to_string())
    }
}

impl Spoken for Duration {
    const TAKES: &'static str = "a duration";
    const EXAMPLE: &'static str = "\"1s\"";

    fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
        entry.duration(Duration::ZERO..=TIMEOUT_MAX)
    }

    fn spelled(&self) -> Spelled {
        Spelled::Text(spell(*self))
    }
}

/// A limit, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling<T> {
    /// There is none.
    Nowhere,
    /// This much is allowed, and no more.
    At(T),
}

impl<T: Copy> Ceiling<T> {
    /// The limit; none where there is none.
    #[must_use]
    pub fn most(self) -> Option<T> {
        match self {
            Ceiling::Nowhere => None,
            Ceiling::At(most) => Some(most),
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&spell_size(self.0))
    }
}

impl Spoken for Bytes {
    const TAKES: &'static str = "a size";
    const EXAMPLE: &'static str = "\"64KiB\"";

    fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
        let bytes = entry.quantity(quantity::SIZE_FORM, quantity::size)?;
        if bytes > SIZE_MAX {
            return Err(entry.outside(&spell_size(bytes), "0B", &spell_size(SIZE_MAX)));
        }
        Ok(Bytes(bytes))
    }

    fn spelled(&self) -> Spelled {
        Spelled::Text(self.to_string())
    }
}

impl Spoken for Ceiling<Bytes> {
    const TAKES: &'static str = "a size, or `none`";
    const EXAMPLE: &'static str = "\"64KiB\"";

    fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
        if entry.is("none") { Ok(Ceiling::Nowhere) } else { Bytes::read(entry).map(Ceiling::At) }
    }

    fn spelled(&self) -> Spelled {
        match self {
            Ceiling::Nowhere => Spelled::Text("none".to_owned()),
            Ceiling::At(bytes) => bytes.spelled(),
        }
    }
}

impl Spoken for Ceiling<u32> {
    const TAKES: &'static str = "a number, or `none`";
    const EXAMPLE: &'static str = "100";

    fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
        if entry.is("none") {
            return Ok(Ceiling::Nowhere);
        }
        entry.number_or(0..=COUNT_MAX, ", or \"none\"").map(Ceiling::At)
    }

    fn spelled(&self) -> Spelled {
        match self {
            Ceiling::Nowhere => Spelled::Text("none".to_owned()),
            Ceiling::At(number) => Spelled::Number(*number),
        }
    }
}

impl Spoken for u32 {
    const TAKES: &'static str = "a number";
    const EXAMPLE: &'static str = "3";

    fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
        entry.number(0..=COUNT_MAX)
    }

    fn spelled(&self) -> Spelled {
        Spelled::Number(*self)
    }
}

impl Spoken for bool {
    const TAKES: &'static str = "`true` or `false`";
    const EXAMPLE: &'static str = "false";

    fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
        entry.boolean()
    }

    fn spelled(&self) -> Spelled {
        Spelled::Flag(*self)
    }
}
