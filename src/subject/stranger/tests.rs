//! Sims of strangers, read.

use serde::Deserialize;

use crate::cast::Member;
use crate::sim::{SimFile, SimShape, read};
use crate::subject::stranger::read::TABLES;
use crate::subject::stranger::{HostSeat, Strangers};
use crate::subject::{Restart, Subjects};

const HEAD: &str = "title = \"x\"\nduration = \"20m\"\n[promise]\nverdict = \"pass\"\n";

#[derive(Clone, Deserialize)]
#[expect(dead_code, reason = "only what is read matters")]
struct Pace {
    every: u32,
    #[serde(default)]
    jitter: u32,
}

fn subjects() -> Subjects {
    let strangers = Strangers::new().host("server", || async {}).host_with("client", |_: HostSeat<Pace>| async {});
    strangers.into_subjects()
}

fn sim(cast: &str) -> SimFile {
    read("x", &format!("{HEAD}{cast}"), subjects()).unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn refused(cast: &str) -> String {
    let refusal = read("x", &format!("{HEAD}{cast}"), subjects()).expect_err("a mistake");
    refusal.problems().map(|problem| format!("{problem}; {}\n", problem.advised())).collect()
}

fn member<'s>(sim: &'s SimFile, name: &str) -> &'s Member {
    sim.cast().find(name).unwrap_or_else(|| panic!("no {name}"))
}

const FEED: &str =
    "[cast.server]\n[cast.edge]\nproxy-to = \"server:80\"\n[cast.client]\ncount = 2\nsettings = { every = 3 }\n";

#[test]
fn hosts_dial_the_proxies_and_their_streams_pass_them() {
    let sim = sim(FEED);
    let names: Vec<&str> = sim.cast().members().iter().map(|member| &*member.name).collect();
    assert_eq!(names, ["server", "edge", "client-1", "client-2"], "in the order of the file");
    assert_eq!(member(&sim, "client-2").dials, ["edge".into()]);
    assert_eq!(member(&sim, "edge").dials, ["server".into()]);
    assert_eq!(member(&sim, "server").dials, []);
    let streams: Vec<&str> = sim.cast().those(|member| member.abilities.streams).map(|member| &*member.name).collect();
    assert_eq!(streams, ["edge", "client-1", "client-2"]);
    assert!(member(&sim, "server").abilities.carries && !member(&sim, "client-1").abilities.carries);
}

#[test]
fn without_a_proxy_hosts_dial_those_before_them_and_a_table_may_say_otherwise() {
    let plain = sim("[cast.server]\n[cast.client]\nsettings = { every = 3 }\n");
    assert_eq!(member(&plain, "client").dials, ["server".into()]);
    let two = sim(&FEED.replace("count = 2", "dials = [\"server\", \"edge\"]"));
    assert_eq!(member(&two, "client").dials, ["server".into(), "edge".into()]);
    let other = sim("[cast.db]\nkind = \"server\"\n[cast.server]\ndials = [\"db\"]\n");
    assert!(member(&other, "db").abilities.carries);
}

#[test]
fn a_supervisor_is_read_with_systemds_words() {
    let restart = |keys: &str| sim(&format!("[cast.server]\n{keys}\n")).setup.restart("server");
    let hundred = std::time::Duration::from_millis(100);
    assert_eq!(restart(""), Restart::No);
    assert_eq!(restart("restart = \"on-failure\""), Restart::OnFailure(hundred));
    assert_eq!(restart("restart = \"always\"\nrestart-after = \"2s\""), Restart::Always(20 * hundred));
    let idle = refused("[cast.server]\nrestart-after = \"2s\"\n");
    assert!(idle.contains("`cast.server.restart-after` is given, and nothing begins it again"), "{idle}");
    let word = refused("[cast.server]\nrestart = \"on-failed\"\n");
    assert!(word.contains("did you mean `on-failure`?"), "{word}");
}

#[test]
fn settings_are_read_as_their_kind_has_them() {
    let missing = refused("[cast.client]\n");
    assert!(missing.contains("`client` needs `settings` in `cast.client`: missing field `every`"), "{missing}");
    assert!(missing.contains("add `settings = { \u{2026} }` with every, jitter"), "{missing}");
    let wrong = refused("[cast.client]\nsettings = { every = \"often\" }\n");
    assert!(wrong.contains("line 6: `cast.client.settings`: invalid type"), "{wrong}");
    let unknown = refused("[cast.client]\nsettings = { every = 3, jiter = 4 }\n");
    assert!(unknown.contains("`client` has no setting `jiter`; did you mean `jitter`?"), "{unknown}");
    let none = refused("[cast.server]\nsettings = { every = 3 }\n");
    assert!(none.contains("`server` has no settings; register it with `host_with`"), "{none}");
    sim("[cast.server]\nsettings = {}\n");
}

#[test]
fn a_cast_without_anybody_names_the_kinds() {
    let nobody = refused("");
    assert!(
        nobody.contains("`cast` has nobody; add a table such as [cast.server]; the kinds are server, client"),
        "{nobody}"
    );
}

#[test]
fn every_key_that_is_told_in_words_is_asked_for() {
    let shape = SimShape::of(subjects());
    let key = |keys: &'_ [crate::sim::KeyShape], name: &str| {
        keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("nobody asks for `{name}`")).clone()
    };
    let server = key(&key(&shape.keys, "cast").value.keys, "server");
    let told = TABLES.iter().find(|table| table.name == "cast.HOST").expect("a table").keys;
    told.iter().for_each(|told| drop(key(&server.value.keys, told.name)));
    drop(key(&shape.keys, "waive"));
}
