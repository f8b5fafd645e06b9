//! Lines that end at 80 columns, and go on below where their text began.
//!
//! Refuses to know what is told. Nothing is broken within a word: a host, a digest or a path stays one.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// The width of the smallest terminal that people have, and of a bug report.
pub(crate) const COLUMNS: usize = 80;

/// The head, such as a time, and the text behind it; further lines begin at that column.
pub(crate) fn hang(head: &str, text: &str, column: usize) -> String {
    let blank = " ".repeat(column);
    let options = Options::new(COLUMNS)
        .initial_indent(head)
        .subsequent_indent(&blank)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::fill(text, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_its_text_and_breaks_no_word() {
        let text = format!("{} client-1 {}", "x".repeat(60), "y".repeat(90));
        let told = hang("          2m  ", &text, 14);
        let blank = " ".repeat(14);
        let expected = format!("          2m  {}\n{blank}client-1\n{blank}{}", "x".repeat(60), "y".repeat(90));
        assert_eq!(told, expected);
        assert_eq!(hang("  liveness  \x1b[31mfail\x1b[0m  ", "short", 18), "  liveness  \x1b[31mfail\x1b[0m  short");
    }
}
