//! Who knew when, on the page of a trial.
//!
//! Refuses to know how a ladder is found.

use std::fmt::Write;

use crate::grammar::Readable;
use crate::ladder::Ladder;
use crate::report::harmless::html;
use crate::report::ladder::{LADDER_TITLE, LadderLine, LadderPart, LadderTable, NOT_ASKED};

/// The ladder of a trial; nothing where no stream was dead.
pub(super) fn write_ladder(text: &mut String, ladder: &Ladder) -> std::fmt::Result {
    let Some(table) = LadderTable::of(ladder) else { return Ok(()) };
    writeln!(
        text,
        "<section class=\"ladder\" aria-labelledby=\"ladder-title\">\n<h2 id=\"ladder-title\">{}</h2>\n\
         <div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">dead {}</th>",
        capitalized(LADDER_TITLE),
        table.of
    )?;
    for [head, full] in &table.heads {
        write!(text, "<th scope=\"col\"><abbr title=\"{}\">{}</abbr></th>", html(full), html(head))?;
    }
    let is_told = table.parts.iter().flat_map(|part| &part.lines).any(|line| !line.who.is_empty());
    text.push_str(if is_told { "<th scope=\"col\">of</th></tr></thead>\n" } else { "</tr></thead>\n" });
    let columns = 1 + table.heads.len() + usize::from(is_told);
    table.parts.iter().try_for_each(|part| write_part(text, part, columns))?;
    text.push_str("</table></div>\n");
    if !table.idle.is_empty() {
        writeln!(text, "<p class=\"note\">{}: {}.</p>", capitalized(NOT_ASKED), html(&table.idle.join(", ")))?;
    }
    text.push_str("</section>\n");
    Ok(())
}

fn write_part(text: &mut String, part: &LadderPart, columns: usize) -> std::fmt::Result {
    writeln!(
        text,
        "<tbody><tr class=\"harm\"><th scope=\"rowgroup\" colspan=\"{columns}\">\
         <button type=\"button\" class=\"when\" data-at=\"{}\">{}</button> {}</th></tr>",
        part.began.as_micros(),
        Readable(part.began),
        html(&part.harm)
    )?;
    for LadderLine { label, cells, who } in &part.lines {
        write!(text, "<tr><th scope=\"row\">{}</th>", html(label))?;
        cells.iter().try_for_each(|cell| write!(text, "<td>{}</td>", html(cell)))?;
        let who = if who.is_empty() { String::new() } else { format!("<td class=\"who\">{}</td>", html(who)) };
        writeln!(text, "{who}</tr>")?;
    }
    text.push_str("</tbody>\n");
    Ok(())
}

/// As a headline begins.
fn capitalized(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
