//! Finds again what was one line before it was broken at 80 columns.
//!
//! Refuses to know what a line says.

/// So many blanks begin a line that goes on from the one above.
const HANGING: usize = 13;

/// The lines of an output, each with those that go on from it.
pub fn unfolded(text: &str) -> Vec<Vec<&str>> {
    let mut lines: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        let goes_on = line.len() > HANGING && line.bytes().take(HANGING).all(|byte| byte == b' ');
        match lines.last_mut().filter(|_| goes_on) {
            Some(begun) => begun.push(line),
            None => lines.push(vec![line]),
        }
    }
    lines
}

/// One of them as it was before.
pub fn in_one_line(lines: &[&str]) -> String {
    let (first, rest) = lines.split_first().expect("a line is there");
    rest.iter().fold((*first).to_owned(), |text, line| format!("{text} {}", line.trim_start()))
}
