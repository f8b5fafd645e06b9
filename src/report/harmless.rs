//! Text that others wrote, such as a sim's title or a message: shown as it is, and able to do nothing.
//!
//! Refuses to know where it is shown, but for the two places whose rules it knows: HTML and a script's JSON.

/// The text, with what moves a cursor or turns the reading direction spelled out.
#[must_use]
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || turns_direction(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Marks by which a text changes the order in which what follows is read (Unicode's UAX 9).
fn turns_direction(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A whole page as the value of an attribute in double quotes, such as `srcdoc`.
#[must_use]
pub(crate) fn page_as_attribute(page: &str) -> String {
    page.replace('&', "&amp;").replace('"', "&quot;")
}

/// The text inside an HTML element or a quoted attribute.
#[must_use]
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in harmless(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// JSON inside a `<script>`: nothing in it closes the element or opens a comment, and it is the same JSON.
#[must_use]
pub(crate) fn script_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            // These stand in strings only, where JSON takes an escape.
            '<' | '>' | '&' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const WICKED: &str = "</script><!--&'\"\u{1b}[2J\u{202e}\u{2028}\u{85}é";

    #[test]
    fn nothing_in_a_text_moves_a_cursor_or_turns_the_line() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{202e}c\nd é"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}d é");
    }

    #[test]
    fn nothing_in_a_text_is_markup() {
        let escaped = html(WICKED);
        assert!(!escaped.contains(['<', '>', '"', '\'', '\u{1b}', '\u{202e}']), "{escaped}");
        assert!(escaped.starts_with("&lt;/script&gt;&lt;!--&amp;&#39;&quot;"), "{escaped}");
    }

    #[test]
    fn json_in_a_script_stays_the_same_json_and_closes_nothing() {
        let json = serde_json::to_string(WICKED).expect("text");
        let escaped = script_json(&json);
        assert!(!escaped.contains(['<', '>', '&', '\u{1b}', '\u{85}', '\u{2028}']), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).expect("the same JSON"), WICKED);
    }
}
