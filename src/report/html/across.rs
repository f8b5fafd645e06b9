//! One seed behind every proxy, as a page: what broke first, then a row for each way in which streams ended.
//!
//! Refuses to play anything, and needs no script.

use std::fmt::Write;

use crate::campaign::{Encounter, SeenEnds};
use crate::grammar::Readable;
use crate::grammar::quantity::count;
use crate::profile::Profile;
use crate::report::across::{after, kept};
use crate::report::harmless::html;
use crate::report::html::frame;
use crate::report::html::night::NIGHT_STYLE;
use crate::sim::SimFile;
use crate::trial::Conclusion;

/// The page. `again` is the command that plays it again.
#[must_use]
pub fn across_page(sim: &SimFile, seed: u64, encounters: &[Encounter], again: &str) -> String {
    let mut text = String::new();
    write_page(&mut text, sim, seed, encounters, again).expect("a string takes all");
    text
}

fn write_page(text: &mut String, sim: &SimFile, seed: u64, encounters: &[Encounter], again: &str) -> std::fmt::Result {
    let (word, sentence) = verdict(encounters);
    let title = format!("{word}: {} behind {}", sim.name, count(encounters.len() as u64, "profile"));
    text.push_str(&frame::begin(&title, NIGHT_STYLE, &format!("night is-{word}")));
    write!(
        text,
        "<header>\n<div class=\"bar\"><span class=\"brand\">pulseless</span></div>\n\
         <p class=\"eyebrow\"><span class=\"badge {word}\">{word}</span> <span>{}</span> <span>seed <b>{seed}</b></span></p>\n\
         <h1>{}</h1>\n<p class=\"conclusion\">{}</p>\n\
         <div class=\"again\"><span>Play it again</span><code>{}</code></div>\n</header>\n<main>\n",
        html(&sim.name),
        html(&sim.title),
        html(&sentence),
        html(again)
    )?;
    write_reasons(text, encounters)?;
    write_table(text, encounters)?;
    writeln!(text, "</main>\n<footer>pulseless {}</footer>\n</body>\n</html>", env!("CARGO_PKG_VERSION"))
}

/// One word for all, and one sentence.
fn verdict(encounters: &[Encounter]) -> (&'static str, String) {
    let number = |word| encounters.iter().filter(|encounter| encounter.conclusion.word() == word).count() as u64;
    let (kept, broken, unknown) = (number("pass"), number("fail"), number("unknown"));
    let profiles = count(encounters.len() as u64, "profile");
    match (broken, unknown) {
        (0, 0) if kept > 0 => ("pass", format!("The promise was kept behind each of {profiles}.")),
        (0, _) => ("unknown", format!("Of {profiles}, behind {unknown} the trial shows too little.")),
        _ => ("fail", format!("Of {profiles}, behind {broken} the promise was broken.")),
    }
}

/// Why a promise was not kept, or could not be judged.
fn write_reasons(text: &mut String, encounters: &[Encounter]) -> std::fmt::Result {
    for encounter in encounters {
        let (Conclusion::Fail(why) | Conclusion::Unknown(why)) = &encounter.conclusion else { continue };
        let (word, name) = (encounter.conclusion.word(), html(&encounter.profile));
        writeln!(
            text,
            "<article>\n<h3><span class=\"badge {word}\">{word}</span> {name}</h3>\n<p>{}</p>\n</article>",
            html(why)
        )?;
    }
    Ok(())
}

fn write_table(text: &mut String, encounters: &[Encounter]) -> std::fmt::Result {
    text.push_str(
        "<section aria-labelledby=\"proxies\">\n<h2 id=\"proxies\">Your client against the proxies that it will meet</h2>\n\
         <p>How streams ended is what their clients were told. The time is since a stream went dead or, of a redial or a stream \
         that was well, since it was dialed (*). The watchdog is counted where it gave a stream up before anything else ended it; what would \
         have, <code>--set client.watchdog=off</code> shows. The latest message is the one that came longest after it was stored.</p>\n\
         <div class=\"wide\"><table>\n<thead><tr><th>behind</th><th>promise</th><th>watchdog</th><th>latest message</th>\
         <th>streams</th><th class=\"text\">how they ended</th><th>after</th></tr></thead>\n<tbody>\n",
    );
    for encounter in encounters {
        write_rows(text, encounter)?;
    }
    text.push_str("</tbody>\n</table></div>\n</section>\n");
    Ok(())
}

fn write_rows(text: &mut String, encounter: &Encounter) -> std::fmt::Result {
    let rows = encounter.ends.len().max(1);
    let is_bad = if encounter.conclusion == Conclusion::Pass { "" } else { " class=\"is-bad\"" };
    let title = Profile::named(&encounter.profile).map_or("", Profile::title);
    let latest = encounter.latest.map_or_else(|| "-".to_owned(), |latest| Readable(latest).to_string());
    write!(
        text,
        "<tr{is_bad}><th scope=\"row\" rowspan=\"{rows}\" title=\"{}\">{} {}</th><td rowspan=\"{rows}\">{}</td>\
         <td rowspan=\"{rows}\">{}</td><td rowspan=\"{rows}\">{latest}</td>",
        html(title),
        html(&encounter.profile),
        html(&encounter.version),
        kept(&encounter.conclusion),
        encounter.watchdog_needed
    )?;
    if encounter.ends.is_empty() {
        return writeln!(text, "<td>0</td><td>none did</td><td>-</td></tr>");
    }
    for (number, ends) in encounter.ends.iter().enumerate() {
        let begin = if number == 0 { "" } else { "<tr>" };
        writeln!(text, "{begin}{}</tr>", cells(ends))?;
    }
    Ok(())
}

fn cells(ends: &SeenEnds) -> String {
    format!("<td>{}</td><td class=\"text\">{}</td><td>{}</td>", ends.count, html(&ends.seen.words()), after(ends))
}
