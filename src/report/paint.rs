//! Color, where the output is a terminal and nobody forbids it.

/// Whether text is colored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// ECMA-48 color sequences.
    Color,
    /// Plain text.
    Plain,
}

impl Paint {
    /// The word of a verdict in its color: green for pass, red for fail, yellow for all else.
    #[must_use]
    pub fn verdict(self, word: &str) -> String {
        let code = match word {
            "pass" | "kept" => "32",
            "fail" | "broken" => "31",
            _ => "33",
        };
        self.wrap(code, word)
    }

    /// What is wrong, in red.
    #[must_use]
    pub fn fault(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// A heading.
    #[must_use]
    pub fn heading(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Paint::Color => format!("\x1b[{code}m{text}\x1b[0m"),
            Paint::Plain => text.to_owned(),
        }
    }
}
