//! The page of a trial in a real browser.
//!
//! Refuses to know how a page is looked at: `timeline.py` does that, and says what it found.

use std::path::Path;
use std::process::Command;

use crate::bench::{Said, Scratch, find, python};

/// What runs if it gets out of where it stands.
const WICKED: &str = "</script><script>window.wicked = 1</script><!-- '\\\" \\u202e";

#[test]
fn a_page_opens_zooms_filters_and_leads_to_where_it_broke_in_a_real_browser() {
    let (Some(browser), Some(python)) = (find("chromium"), python()) else { return };
    let scratch = Scratch::new();
    scratch.case("broken", "proxy-goes-silent.toml", &["--set", "client.watchdog=off"]);
    scratch.case("long", "calm.toml", &[]);
    let sim = format!(
        "title = \"{WICKED}\"\nduration = \"1m\"\ncalm = \"20s\"\n[promise]\nverdict = \"pass\"\nwithin = \"20s\"\n"
    );
    scratch.write("wicked.toml", &sim);
    scratch.case("wicked", "wicked.toml", &[]);
    let mut look = Command::new(python);
    look.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/timeline.py")).arg(browser);
    for name in ["broken", "long", "wicked"] {
        scratch.report(name, "html", &[]);
        look.arg(scratch.path(&format!("{name}.html")));
    }
    // Nothing is left beside the script.
    let said = Said::of(look.env("PYTHONDONTWRITEBYTECODE", "1").output().expect("Python runs"));
    let found = said.text();
    let expected = [
        "opens from a file, and draws every record",
        "zooms by wheel, keys and buttons",
        "moves by keys and hand",
        "filters by host, stream and kind",
        "shows the record under the pointer",
        "steps through records by keys, and tells them",
        "leads to where it broke, and lists its records",
        "is light and dark, and hands out the line to play it again",
        "fits a phone, and a pinch zooms",
        "stays fluid with 10,000 records",
        "a wicked title does nothing",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{}", said.err);
}

#[test]
fn a_night_unfolds_its_timelines_in_a_real_browser() {
    let (Some(browser), Some(python)) = (find("chromium"), python()) else { return };
    let scratch = Scratch::new();
    let sim = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims/proxy-goes-silent.toml");
    let sim = sim.to_str().expect("a path of text");
    let said = scratch.pulseless(&["sweep", sim, "--seeds", "2", "--set", "client.watchdog=off"]);
    assert_eq!(said.code, 1, "{said:?}");
    let mut look = Command::new(python);
    look.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/night.py")).arg(browser);
    look.arg(scratch.path("reports/latest/index.html"));
    let said = Said::of(look.env("PYTHONDONTWRITEBYTECODE", "1").output().expect("Python runs"));
    let found = said.text();
    let expected = [
        "tells what broke, what it needs, who knew when, and what was tried",
        "unfolds the timeline of the smallest case, which is alive",
        "fits a phone, light and dark",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{}", said.err);
}

#[test]
fn a_page_is_whole_without_its_script() {
    let scratch = Scratch::new();
    scratch.case("broken", "proxy-goes-silent.toml", &["--set", "client.watchdog=off"]);
    scratch.report("broken", "html", &[]);
    let page = scratch.read("broken.html");
    for part in [
        "<h1>The proxy keeps answering PING; its upstream is gone</h1>",
        "<p class=\"conclusion\">liveness failed: client-1 heard nothing on attempt 1",
        "pulseless replay broken.case.json</code>",
        "the proxy passes nothing for client-1, client-2, client-3, and goes on answering HTTP/2 PING: at either end only a watchdog can tell</span>",
        "14 checkers pass",
    ] {
        assert!(page.contains(part), "no `{part}` in the page");
    }
    // Nothing is fetched: every address in the page is its own data.
    let addresses = page
        .match_indices("http")
        .filter(|(at, _)| page[*at..].starts_with("http://") || page[*at..].starts_with("https://"));
    assert_eq!(addresses.count(), 0);
}
