//! `pulseless run --across-profiles`: one seed behind every proxy.

use crate::bench::{Scratch, sims};

fn silent(more: &[&str]) -> Vec<String> {
    let sim = sims().join("proxy-goes-silent.toml");
    let arguments = ["run", sim.to_str().expect("a path of text"), "--seed", "7"];
    arguments.iter().chain(more).map(|&argument| argument.to_owned()).collect()
}

fn across(scratch: &Scratch, more: &[&str]) -> crate::bench::Said {
    let arguments = silent(more);
    scratch.pulseless(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn each_proxy_tells_its_client_something_else_of_the_same_silence() {
    let scratch = Scratch::new();
    let said = across(&scratch, &["--across-profiles=plain,nginx,haproxy-2.6", "--page", "page.html"]).exits(0);
    assert_eq!(said.first_line(), "seed 7 (from --seed), behind 3 profiles");
    let words = |of: &str| said.line(of).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let plain = words("plain 0.1");
    assert_eq!((&*plain[3], &*plain[4]), ("nothing", "1m28s"), "{said}");
    assert!(plain[5].parse::<u64>().is_ok_and(|times| times > 0), "only the watchdog knew: {said}");
    assert_eq!(words("nginx 1.22.1")[3..8], ["RST_STREAM", "INTERNAL_ERROR", "58s", "-", "kept"], "{said}");
    assert!(said.line("haproxy-2.6 2.6.12").contains("END_STREAM, no trailers"), "{said}");
    let page = scratch.read("page.html");
    for part in
        ["<title>pass: proxy-goes-silent behind 3 profiles</title>", "END_STREAM, no trailers", "kept behind each"]
    {
        assert!(page.contains(part), "no `{part}` in the page");
    }
}

#[test]
fn behind_a_profile_it_is_the_trial_that_run_plays() {
    let scratch = Scratch::new();
    let met = across(&scratch, &["--across-profiles=nginx", "--format", "json"]).exits(0).json();
    let one = across(&scratch, &["--set", "cast.proxy.profile=nginx", "--format", "json"]);
    assert_eq!(met[0]["digest"], one.json()["digest"]);
    let jobs = across(&scratch, &["--across-profiles=nginx", "--format", "json", "--jobs", "1"]).exits(0).json();
    assert_eq!(met, jobs);
}

#[test]
fn what_makes_no_sense_across_profiles_is_refused() {
    let scratch = Scratch::new();
    for (more, parts) in [
        (&["--across-profiles=ngnix"][..], &["no profile `ngnix`", "did you mean `nginx`"][..]),
        (&["--across-profiles=alb"], &["no profile `alb`", "did you mean `aws-alb`"]),
        (&["--across-profiles=nginx,nginx"], &["names nginx twice"]),
        (&["--across-profiles", "--set", "cast.proxy.profile=nginx"], &["names one profile", "drop one"]),
        (&["--across-profiles", "--format", "jsonl"], &["text or json"]),
        (&["--across-profiles", "--verbose"], &["cannot be used with"]),
        (&["--page", "page.html"], &["--across-profiles"]),
    ] {
        across(&scratch, more).exits(64).refuses(parts);
    }
    across(&scratch, &["--across-profiles=plain", "--page", "no/such/folder.html"]).exits(74);
}
