//! The law of the examples: each is read in one sitting.

use crate::hold;
use crate::source::Source;

/// Who wants to see a stranger in this world reads one example in one sitting: lines with code, comments and blanks apart.
const EXAMPLE_LINES_MAX: usize = 40;

#[test]
fn an_example_is_short() {
    let law = |source: &Source| {
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let lines = source.text.lines().filter(is_code).count();
        let is_long = source.is_in("examples/") && lines > EXAMPLE_LINES_MAX;
        let what = || format!("{} lines with code; an example has {EXAMPLE_LINES_MAX} at most", lines);
        if is_long { vec![source.breach(1, what())] } else { Vec::new() }
    };
    let lines = |count: usize| format!("//! One.\n\n{}", "fn f() {}\n".repeat(count));
    hold(
        law,
        &[("examples/long.rs", &lines(41), "1: 41 lines with code; an example has 40 at most")],
        &[("examples/short.rs", &lines(40)), ("tests/long.rs", &lines(41))],
    );
}
