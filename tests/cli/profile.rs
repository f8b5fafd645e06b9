//! `pulseless profile`: real proxies as data, and one made of a user's configuration.

use crate::bench::Scratch;

const NGINX: &str = "http {\n  include sites/*.conf;\n  server {\n    listen 80;\n    location / {\n      grpc_read_timeout 10m;\n      grpc_pass x;\n    }\n  }\n}\n";

#[test]
fn every_profile_is_listed_shown_and_explained() {
    let scratch = Scratch::new();
    let list = scratch.pulseless(&["profile", "list"]).exits(0);
    let json = scratch.pulseless(&["profile", "list", "--format", "json"]).exits(0).json();
    for entry in json.as_array().expect("a list") {
        let name = entry["name"].as_str().expect("a name");
        let row = list.line(&format!("{name} "));
        assert!(row.contains(entry["open"].as_str().expect("a time")), "{row}");
        let shown = scratch.pulseless(&["profile", "show", name]).exits(0);
        scratch.write("mine.toml", &shown.out);
        let again = scratch.pulseless(&["profile", "show", "./mine.toml"]).exits(0);
        assert_eq!(shown.out, again.out, "{name}");
        let explained = scratch.pulseless(&["profile", "explain", name]).exits(0);
        assert!(explained.first_line().starts_with(&format!("{name}: ")), "{explained}");
        assert!(explained.out.contains("When the node stands still"), "{explained}");
    }
}

#[test]
fn a_value_that_is_set_is_shown_and_told() {
    let scratch = Scratch::new();
    let shown = scratch.pulseless(&["profile", "show", "nginx", "--set", "read-timeout=10m"]).exits(0);
    shown.says(&[
        "title = \"as nginx 1.22.1 comes, but for read-timeout = 10m\"",
        "read-timeout = { is = \"10m\", source = \"`read-timeout` in a flag\", evidence = \"configured\" }",
    ]);
    let told = scratch.pulseless(&["profile", "explain", "plain", "--set", "idle-timeout=90s"]).exits(0);
    told.says(&[
        "plain: as pulseless 0.1 comes, but for idle-timeout = 90s",
        "A client that may still send (a bidirectional stream) is told after 1m30s",
        "idle-timeout [configured]",
    ]);
}

#[test]
fn what_is_no_profile_is_refused() {
    let scratch = Scratch::new();
    scratch.pulseless(&["profile"]).exits(64).refuses(&["Usage: pulseless profile <COMMAND>", "Examples:"]);
    let said = scratch.pulseless(&["profile", "show", "ngnix"]).exits(64);
    said.refuses(&["there is no profile `ngnix`; did you mean `nginx`?", "aws-alb", "a path that ends in .toml"]);
    scratch.pulseless(&["profile", "show", "alb"]).exits(64).refuses(&["no profile `alb`; did you mean `aws-alb`?"]);
    let said = scratch.pulseless(&["profile", "show", "plain", "--set", "drain=1s"]).exits(64);
    said.refuses(&["`drain` is no key of a profile; did you mean one of drain-begins, drain-goaway,"]);
    let said = scratch.pulseless(&["profile", "show", "aws-nlb", "--set", "read-timeout=1s"]).exits(64);
    said.refuses(&["`read-timeout` is about HTTP/2, of which `aws-nlb` knows nothing", "connection-idle"]);
    let said =
        scratch.pulseless(&["profile", "show", "nginx", "--set", "layer=tcp", "--set", "stream-age=1s"]).exits(64);
    said.refuses(&["`stream-age` is about HTTP/2", "`layer` tcp"]);
    scratch.pulseless(&["profile", "show", "aws-nlb", "--set", "connection-idle=1h"]).exits(0);
    let said = scratch.pulseless(&["profile", "show", "nginx", "--set", "read-timeuot=1s"]).exits(64);
    said.refuses(&["`read-timeuot` is no key of a profile; did you mean `read-timeout`?"]);
    let said = scratch.pulseless(&["profile", "explain", "nginx", "--set", "read-timeout=soon"]).exits(64);
    said.refuses(&["setting `read-timeout=soon`", "`soon` does not begin with a number"]);
    scratch
        .pulseless(&["profile", "explain", "nginx", "--set", "read-timeout"])
        .exits(64)
        .refuses(&["write key=value"]);
    scratch.pulseless(&["profile", "show", "none.toml"]).exits(64).refuses(&["failed to read none.toml"]);
    scratch.write("bad.toml", "title = \"x\"\nproxy = \"x\"\nversion = \"x\"\nread-timeout = 1\n");
    let said = scratch.pulseless(&["profile", "show", "bad.toml"]).exits(64);
    said.refuses(&[
        "read profile `bad`, line 1",
        "more problems, of which 19 are told",
        "the required key `layer` is missing",
    ]);
}

#[test]
fn a_configuration_becomes_a_profile_and_says_what_it_took() {
    let scratch = Scratch::new();
    scratch.write("nginx.conf", NGINX);
    scratch.write("sites/a.conf", "keepalive_timeout 3m;\n");
    scratch.write("sites/b.txt", "keepalive_timeout 4m;\n");
    let said = scratch.pulseless(&["profile", "from", "nginx.conf"]).exits(0);
    said.line(
        "read-timeout = { is = \"10m\", source = \"nginx.conf:6: grpc_read_timeout 10m\", evidence = \"configured\" }",
    );
    said.line("connection-idle = { is = \"3m\", source = \"sites/a.conf:1: keepalive_timeout 3m\"");
    for part in [
        "took\n",
        "read-timeout = \"10m\": nginx.conf:6: grpc_read_timeout 10m",
        "ignored\n",
        "listen 80: it has no part",
    ] {
        assert!(said.err.contains(part), "no `{part}` in {said}");
    }
    scratch.write("mine.toml", &said.out);
    scratch
        .pulseless(&["profile", "explain", "mine.toml"])
        .exits(0)
        .says(&["told after 10m", "[configured] nginx.conf:6"]);
    let based = scratch.pulseless(&["profile", "from", "nginx.conf", "--base", "ingress-nginx"]).exits(0);
    based.line("inherits = { from = \"ingress-nginx\"");
    let other = scratch.pulseless(&["profile", "from", "nginx.conf", "--base", "./mine.toml"]).exits(64);
    other.refuses(&["--base names a profile that comes with pulseless"]);
}

/// Nobody is to think that what was taken is carried out.
#[test]
fn what_is_taken_and_not_carried_out_is_told() {
    let scratch = Scratch::new();
    let conf = NGINX.replace("grpc_pass x", "grpc_next_upstream error timeout;\n      grpc_pass x");
    scratch.write("nginx.conf", conf.replace("http {", "http {\n  upstream x { server a:1; server b:1; }"));
    let said = scratch.pulseless(&["profile", "from", "nginx.conf"]).exits(0);
    // Lines are broken anywhere.
    let in_a_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = in_a_line(&said.err);
    assert!(told.contains("retry-on is not carried out in all: a time that runs out is no reason"), "{said}");
    scratch.write("mine.toml", &said.out);
    let explained = scratch.pulseless(&["profile", "explain", "mine.toml"]).exits(0);
    assert!(in_a_line(&explained.out).contains("timeout (which pulseless does not carry out)"), "{explained}");
}

/// A file, what is in it, and a part of why nothing can be made of it.
const HOPELESS: &[(&str, &[u8], &str)] = &[
    ("nginx.conf", b"", "read nginx.conf:1: it is empty"),
    ("nginx.conf", b" \n\n", "it is empty"),
    ("nginx.conf", b"# only this\n", "it has no directive"),
    (
        "nginx.conf",
        b"http {\n server {\n",
        "read nginx.conf:2: the block of `server` is not closed; is the file cut off?",
    ),
    ("nginx.conf", b"grpc_read_timeout 10 minutes;", "read nginx.conf:1: `grpc_read_timeout 10 minutes` has"),
    ("nginx.conf", b"\xff\xfe\x00h", "failed to read nginx.conf: it is not text"),
    ("nginx.conf", b"http {\0}", "it is not text"),
    ("haproxy.cfg", b"listen x\n timeout client fast\n", "read haproxy.cfg:2: `timeout client fast` has a wrong value"),
    ("haproxy.cfg", b"\x7fELF\x02", "stands in no section"),
    ("envoy.yaml", b"static_resources: [", "it is not YAML"),
    ("envoy.yaml", b"a: b\n", "it has no `static_resources`"),
    (
        "notes.txt",
        b"hello\n",
        "failed to tell whose configuration notes.txt is, by its name or by what it says; say it by --kind nginx",
    ),
];

#[test]
fn what_is_no_configuration_is_refused_with_its_line() {
    let scratch = Scratch::new();
    for (name, bytes, part) in HOPELESS {
        scratch.write(name, bytes);
        scratch.pulseless(&["profile", "from", name]).exits(64).refuses(&[part]);
    }
    scratch.write("notes.txt", "keepalive_timeout 3m;\n");
    scratch.pulseless(&["profile", "from", "notes.txt", "--kind", "nginx"]).exits(0).says(&["connection-idle"]);
    scratch.pulseless(&["profile", "from", "none.conf"]).exits(64).refuses(&["failed to read none.conf"]);
    scratch.make_folder("nginx.d");
    scratch.pulseless(&["profile", "from", "nginx.d"]).exits(64).refuses(&["it is a folder"]);
    scratch.pulseless(&["profile", "from", "/dev/zero"]).exits(64).refuses(&["it has more than 4 MiB"]);
    scratch.write("huge.cfg", "listen x\n".repeat(500_000));
    scratch.pulseless(&["profile", "from", "huge.cfg"]).exits(64).refuses(&["it has more than 4 MiB"]);
    scratch.write("nginx.conf", "include nginx.conf;\n");
    scratch.pulseless(&["profile", "from", "nginx.conf"]).exits(64).refuses(&["files include each other 16 deep"]);
    scratch.write("nginx.conf", "include /dev/zero;\ninclude none.conf;\ngrpc_read_timeout 1h;\n");
    let said = scratch.pulseless(&["profile", "from", "nginx.conf"]).exits(0);
    assert!(said.err.contains("/dev/zero is no file") && said.err.contains("failed to read none.conf"), "{said}");
    scratch.write("nginx.conf", "keepalive_time 10y;\n");
    let said = scratch.pulseless(&["profile", "from", "nginx.conf"]).exits(64);
    said.refuses(&["failed to make a profile of nginx.conf", "connection-age"]);
}
