//! Peers of another stack: a client and a node in Python, written with grpcio from the .proto alone, two that know no .proto
//! and talk through the proxy, and Toxiproxy's own client, which commands it.
//!
//! They need a Python with the packages of `requirements.txt` in the target folder, where `.ci/run` puts it. Without it
//! a test is skipped, and says so; where `CI` is set, it fails.

#[path = "../running/process.rs"]
mod process;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use process::{BINARY, Running, free_address};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// A scratch folder with the code that gRPC's own generator makes of our .proto.
struct Foreign {
    folder: TempDir,
    python: PathBuf,
}

impl Foreign {
    /// None where there is no such Python.
    fn new() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Beside the binary's profile: wherever cargo was told to build.
        let target = Path::new(BINARY).ancestors().nth(2).expect("a binary is in a folder of a profile");
        let python = target.join("foreign-venv/bin/python");
        if !python.exists() {
            skip(&python);
            return None;
        }
        let folder = tempfile::tempdir().expect("a scratch folder");
        let proto = root.join("proto");
        let mut generate = Command::new(&python);
        generate.args(["-m", "grpc_tools.protoc", "--python_out=.", "--grpc_python_out=."]);
        let files = ["mls/api/v1/mls", "xmtpv4/envelopes/envelopes", "xmtpv4/message_api/query_api"];
        generate.arg("-I").arg(&proto).args(files.map(|file| proto.join(format!("xmtp/{file}.proto"))));
        generate.current_dir(folder.path());
        assert!(generate.status().expect("Python runs").success(), "gRPC's generator takes our .proto");
        Some(Foreign { folder, python })
    }

    fn start(&self, name: &str, program: &str, arguments: &[&str]) -> Running {
        Running::start(self.folder.path(), name, program, arguments, Stdio::null())
    }

    /// Starts one of our scripts.
    fn script(&self, name: &str, arguments: &[&str]) -> Running {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/foreign/{name}.py"));
        // The generated code is in the folder that it runs in; what it says is wanted at once.
        let launch = "import runpy, sys; sys.path[0] = '.'; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])";
        let script = script.to_str().expect("a path of text");
        let python = self.python.to_str().expect("a path of text");
        self.start(name, python, &[&["-u", "-c", launch, script][..], arguments].concat())
    }
}

/// Says so past the capture of the test's output, or fails.
fn skip(python: &Path) {
    let told = format!(
        "tests/foreign: there is no {python}: python3 -m venv {venv} && {venv}/bin/pip install -r \
         tests/foreign/requirements.txt",
        python = python.display(),
        venv = python.ancestors().nth(2).expect("it is in a venv").display()
    );
    assert!(std::env::var_os("CI").is_none(), "{told}");
    writeln!(std::io::stderr(), "SKIPPED {told}").expect("standard error is open");
}

/// What a foreign client finds at our node.
async fn foreign_client(settings: &[&str], script: &str, arguments: &[&str]) -> Option<Vec<String>> {
    let foreign = Foreign::new()?;
    let address = free_address().await;
    let node = ["node", "--listen", &address, "--data", "node-data", "--keepalive", "1s"];
    let mut node = foreign.start("node", BINARY, &[&node, settings].concat());
    node.says("node listens on").await;
    let mut client = foreign.script(script, &[&[&*address], arguments].concat());
    client.exits(0).await;
    node.signal("TERM");
    node.exits(0).await;
    Some(client.out().lines().map(str::to_owned).collect())
}

#[tokio::test]
async fn a_foreign_client_subscribes_mutates_pings_and_half_closes_at_our_node() {
    let Some(kept) = foreign_client(&[], "client", &[]).await else { return };
    let expected = [
        "started before any request",
        "a wave from a cursor",
        "live",
        "a mutate in place",
        "a ping is answered",
        "an idle stream is pinged, and lives on pongs",
        "a half-closed stream finishes its waves and ends with OK",
        "refusals have their status",
        "the older call delivers history and what comes later",
    ];
    assert_eq!(kept, expected);
}

/// C6.
#[tokio::test]
async fn a_foreign_client_falls_back_at_our_old_node() {
    for serves in ["older-calls", "older-calls-late"] {
        let Some(kept) = foreign_client(&["--serves", serves], "client", &["old"]).await else { return };
        let expected = ["Subscribe is not served, and says so", "the older call delivers history and what comes later"];
        assert_eq!(kept, expected, "{serves}");
    }
}

#[tokio::test]
async fn a_foreign_client_counts_by_originator_at_our_node() {
    let Some(kept) = foreign_client(&["--dialect", "decentralized"], "originators", &[]).await else { return };
    let expected = [
        "a wave from a cursor of one originator",
        "live, of an originator that nobody knew",
        "a re-add changes nothing",
        "a ping is answered, and a half-closed stream ends with OK",
    ];
    assert_eq!(kept, expected);
}

/// The admin API is Toxiproxy's as far as its official client in Python goes.
#[tokio::test]
async fn toxiproxys_client_commands_our_proxy_and_calls_feel_it() {
    let Some(foreign) = Foreign::new() else { return };
    let mut proxy = foreign.start("proxy", BINARY, &["proxy", "--admin", "127.0.0.1:0"]);
    let listens = "admin API listens on ";
    proxy.says(listens).await;
    let told = proxy.out();
    let address = told.lines().find_map(|line| line.strip_prefix(listens)).expect("it was just said");
    let mut client = foreign.script("toxics", &[address]);
    client.exits(0).await;
    let expected = [
        "a proxy is created on a free port, and calls pass it",
        "a name that exists, a toxic that does not and a bad attribute are the client's own exceptions",
        "latency is felt on an open connection, and gone with the toxic",
        "timeout swallows data, closes the connection in time, and is gone with the toxic",
        "reset_peer resets connections, and is gone with the toxic",
        "a toxic may be on the connection to the server, and the client's goes on",
        "a proxy that is disabled closes its connections and its port, and comes back on the same one",
        "a lie in HTTP/2's words is a toxic like the others",
        "reset, populate and destroy are as with Toxiproxy",
    ];
    assert_eq!(client.out().lines().collect::<Vec<_>>(), expected);
    proxy.signal("TERM");
    proxy.exits(0).await;
}

/// How the calls of each case end, directly and through the proxy. What else differed would be in its line.
const ENDS: &[&str] = &[
    "wait_for_ready: OK*2",
    "unary: OK*4",
    "unknown_method: UNIMPLEMENTED*2",
    "server_stream: OK*4",
    "client_stream: OK*4",
    "early_answer: OK*2",
    "bidi: OK*2",
    "large_messages: OK*8",
    "a_message_above_the_clients_limit: RESOURCE_EXHAUSTED*2",
    "hundred_streams: OK*200",
    "deadline: DEADLINE_EXCEEDED*4",
    "deadline_in_metadata: OK*4",
    "cancellation: CANCELLED*4",
    "errors: ABORTED*2 ALREADY_EXISTS*2 CANCELLED*2 DATA_LOSS*2 DEADLINE_EXCEEDED*2 FAILED_PRECONDITION*2 INTERNAL*2 \
     INVALID_ARGUMENT*2 NOT_FOUND*2 OUT_OF_RANGE*2 PERMISSION_DENIED*2 RESOURCE_EXHAUSTED*2 UNAUTHENTICATED*2 \
     UNAVAILABLE*2 UNIMPLEMENTED*2 UNKNOWN*2",
    "errors_after_messages: RESOURCE_EXHAUSTED*2",
    "compression: OK*6",
    "metadata_up_to_8_kib: OK*10",
    "drain: OK*2",
];

/// In the clear, or with these flags of the proxy and these files of the peers.
async fn play_through_the_proxy(foreign: &Foreign, flags: &[&str], files: &[&str]) {
    let (upstream, address) = (free_address().await, free_address().await);
    let mut peers = foreign.script("through_proxy", &[&[&*upstream, &address], files].concat());
    peers.says("serving").await;
    let arguments = [&["proxy", "--listen", &address, "--upstream", &upstream], flags].concat();
    let mut proxy = foreign.start("proxy", BINARY, &arguments);
    let ended = peers.ended().await;
    assert_eq!(peers.out().lines().skip(1).collect::<Vec<_>>(), ENDS, "{}", peers.err());
    assert_eq!(ended, Some(0), "{}", peers.err());
    proxy.signal("TERM");
    proxy.exits(0).await;
}

#[tokio::test]
async fn a_foreign_client_and_server_cannot_tell_the_truthful_proxy_from_a_direct_connection() {
    let Some(foreign) = Foreign::new() else { return };
    play_through_the_proxy(&foreign, &[], &[]).await;
}

/// gRPC's own stack wants h2 in ALPN, and checks names (BoringSSL).
#[tokio::test]
async fn nor_where_all_of_them_speak_tls() {
    let Some(foreign) = Foreign::new() else { return };
    let ca = KeyPair::generate().and_then(|key| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a CA");
        CertifiedIssuer::self_signed(params, key)
    });
    let (ca, key) = (ca.expect("a CA"), KeyPair::generate().expect("a key"));
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).and_then(|params| params.signed_by(&key, &ca));
    let files = ["ca.pem", "own.pem", "own.key"];
    for (name, text) in files.iter().zip([ca.pem(), certificate.expect("a name").pem(), key.serialize_pem()]) {
        std::fs::write(foreign.folder.path().join(name), text).expect("the scratch folder takes files");
    }
    let flags = ["--tls-cert", "own.pem", "--tls-key", "own.key", "--upstream-tls", "--upstream-ca", "ca.pem"];
    play_through_the_proxy(&foreign, &flags, &files).await;
}

/// What a tail prints of messages 1 to `last`.
fn texts(last: u64) -> String {
    (1..=last).map(|id| format!("#{id} group:news text {id}\n")).collect()
}

/// A foreign node in one of its moods, and our tail that follows it.
struct Followed {
    tail: Running,
    last: u64,
}

impl Followed {
    async fn new(foreign: &Foreign, nodes: &mut Running, mood: &str, last: u64) -> Self {
        let listens = format!("{mood} listens on ");
        nodes.says(&listens).await;
        let told = nodes.out();
        let address = told.lines().find_map(|line| line.strip_prefix(&listens)).expect("it was just said");
        let tail = foreign.start(mood, BINARY, &["tail", "--from", address, "--topic", "news", "--inbox", mood]);
        Followed { tail, last }
    }

    /// It prints each message once and nothing else, and then still lives.
    async fn prints_everything_once(mut self) {
        self.tail.says(&format!("#{} ", self.last)).await;
        self.tail.signal("TERM");
        self.tail.exits(0).await;
        assert_eq!(self.tail.out(), texts(self.last), "{}", self.tail.err());
    }
}

#[tokio::test]
async fn our_tail_bears_a_foreign_node_in_every_mood() {
    let Some(foreign) = Foreign::new() else { return };
    let mut nodes = foreign.script("node", &[]);
    let mut rejected = Followed::new(&foreign, &mut nodes, "invalid_argument", 0).await;
    let mut forgotten = Followed::new(&foreign, &mut nodes, "forgetful", 4).await;
    let mut followed = Vec::new();
    for mood in ["good", "unimplemented", "long_interval", "short_interval", "no_start"] {
        followed.push(Followed::new(&foreign, &mut nodes, mood, 6).await);
    }
    for each in followed {
        each.prints_everything_once().await;
    }
    // C6: the tail goes over to the older call.
    nodes.says("unimplemented: fell back above 0").await;
    for seen in ["a stream begins above 0 with wave", "pong 7", "pong 18446744073709551615", "asked for a sign of life"]
    {
        nodes.says(&format!("good: {seen}")).await;
    }
    rejected.tail.exits(1).await;
    assert!(rejected.tail.err().contains("rejects the subscription for good"), "{}", rejected.tail.err());
    forgotten.tail.says("nothing heard for 15").await;
    forgotten.prints_everything_once().await;
    for seen in ["a stream begins above 2 with wave", "the silent stream was given up"] {
        nodes.says(&format!("forgetful: {seen}")).await;
    }
}
