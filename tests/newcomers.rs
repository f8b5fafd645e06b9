//! What somebody gets wrong in a first test, and what is said of it: without a word of these, nobody finds it at night.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the hosts know nothing of trials")]

use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

use pulseless::stranger::{delivered, produced};
use pulseless::{Durations, Proxy, Trial, TrialOutcome, Trouble};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};

const SECOND: Duration = Duration::from_secs(1);

/// Sends a number every second to whoever says from which one on.
async fn serve(at: &str) -> io::Result<Infallible> {
    let (listener, begun) = (TcpListener::bind(at).await?, Instant::now());
    let due = move |number: u64| sleep_until(begun + Duration::from_secs(number));
    tokio::spawn(async move {
        for number in 1.. {
            due(number).await;
            produced("numbers", number, number);
        }
    });
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            let (mut socket, mut line) = (BufReader::new(socket), String::new());
            socket.read_line(&mut line).await?;
            for number in line.trim().parse().map_err(io::Error::other)?.. {
                due(number).await;
                socket.write_all(format!("{number}\n").as_bytes()).await?;
            }
            io::Result::Ok(())
        });
    }
}

/// Follows them, and never says why it cannot.
async fn follow(from: &'static str) {
    let mut next = 1;
    loop {
        let _ = read(from, &mut next).await;
        sleep(SECOND).await;
    }
}

async fn read(from: &str, next: &mut u64) -> io::Result<()> {
    let mut socket = TcpStream::connect(from).await?;
    socket.write_all(format!("{next}\n").as_bytes()).await?;
    let mut lines = BufReader::new(socket).lines();
    while let Some(line) = lines.next_line().await? {
        delivered("numbers", line, *next);
        *next += 1;
    }
    Ok(())
}

/// A trial of a server that listens there, and of a client that dials there.
fn numbers(listens: &'static str, dials: &'static str, proxy: Proxy) -> Trial {
    let trial = Trial::new(7).host("server", move || serve(listens)).proxy("edge", proxy);
    trial.host("client", move || follow(dials)).follows("client", "numbers")
}

fn bytes() -> Proxy {
    Proxy::to("server:7000").set("layer", "tcp")
}

/// What a test says that hoped for numbers.
fn complaint(outcome: &TrialOutcome) -> String {
    let told = catch_unwind(AssertUnwindSafe(|| outcome.assert_delivered("numbers"))).expect_err("it fails");
    told.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// A text on one line, however it is folded.
fn unfolded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn whoever_dials_in_vain_and_says_nothing_is_told_where_nothing_comes_of_it() {
    let all = "0.0.0.0:7000";
    let cases = [
        (all, "egde:7000", "client", "looked up `egde`", "no such host; did you mean `edge`?"),
        (all, "edge:7001", "client", "dialed edge:7001", "nobody listens there; edge listens on 7000"),
        (
            all,
            "127.0.0.1:7000",
            "client",
            "dialed itself at port 7000",
            "nobody listens there; client listens on no port",
        ),
        (all, "192.168.0.1:7000", "client", "dialed 192.168.0.1", "no host of this world has that address"),
        (
            "127.0.0.1:7000",
            "server:7000",
            "client",
            "dialed server:7000",
            "server listens there at 127.0.0.1:7000 alone",
        ),
        ("0.0.0.0:7001", "edge:7000", "edge", "dialed server:7000", "nobody listens there; server listens on 7001"),
    ];
    for (listens, dials, host, did, so) in cases {
        let outcome = numbers(listens, dials, bytes()).run(20.minutes());
        let told = complaint(&outcome);
        let clue = told.lines().nth(1).and_then(|line| line.strip_prefix(&format!("perhaps  {host} {did} ")));
        let (times, said) = clue.and_then(|rest| rest.split_once(" times: ")).unwrap_or_else(|| panic!("{told}"));
        // Once a second, and a little later each time.
        assert!((1_100..=1_201).contains(&times.parse().unwrap_or(0)) && said.starts_with(so), "{told}");
        let in_story = format!("{host}: {did} {times} times: {so}");
        assert!(unfolded(&outcome.story()).contains(&in_story), "{in_story}\n{told}");
    }
}

#[test]
fn whoever_comes_in_the_end_is_not_told_of_what_was_in_vain_before() {
    let late = || async {
        sleep(60 * SECOND).await;
        serve("0.0.0.0:7000").await
    };
    let outcome = numbers("0.0.0.0:7000", "edge:7000", bytes()).host("server", late).run(20.minutes());
    outcome.assert_delivered("numbers");
    let story = outcome.story();
    assert!(!story.contains("nobody listens there"), "{story}");
    let unheard = numbers("0.0.0.0:7000", "egde:7000", bytes()).fails("convergence").run(20.minutes());
    unheard.assert_passed();
    assert!(!unheard.story().contains("did you mean"), "{}", unheard.story());
}

#[test]
fn a_protocol_other_than_http2_behind_a_proxy_that_speaks_it_is_told_of_the_layer() {
    let outcome = numbers("0.0.0.0:7000", "edge:7000", Proxy::to("server:7000")).run(20.minutes());
    let told = complaint(&outcome);
    let perhaps = told.lines().nth(1).unwrap_or_default();
    assert!(perhaps.starts_with("perhaps  client dialed the proxy edge and sent no HTTP/2 preface "), "{told}");
    assert!(perhaps.contains("`.set(\"layer\", \"tcp\")` on the `Proxy`, `layer = \"tcp\"` in a sim"), "{told}");
}

#[test]
fn a_program_that_ends_is_told() {
    let once = numbers("0.0.0.0:7000", "edge:7000", bytes()).host("errand", || sleep(90 * SECOND));
    let outcome = once.run(20.minutes());
    outcome.assert_passed();
    let story = unfolded(&outcome.story());
    assert!(story.contains("1m 30s errand: its program ends, without an error"), "{story}");
}

/// What a trial says that is refused.
fn refusal(trial: Trial) -> String {
    let told = catch_unwind(AssertUnwindSafe(|| drop(trial.run(20.minutes())))).expect_err("it is refused");
    told.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_fault_that_is_not_all_said_is_told_in_the_words_of_the_builder() {
    let with = |trouble| refusal(numbers("0.0.0.0:7000", "edge:7000", bytes()).fault(trouble));
    let told = with(Trouble::silence("edge").at(2.minutes()));
    assert!(
        told.contains("  fault 1: the `Trouble` does not say how long it lasts\n    add `.lasting(10.minutes())`"),
        "{told}"
    );
    let told = with(Trouble::silence("edge").lasting(2.minutes()));
    assert!(
        told.contains("  fault 1: the `Trouble` does not say when it begins\n    add `.at(2.minutes())`"),
        "{told}"
    );
    let told = with(Trouble::silence("egde").at(2.minutes()).lasting(1.minutes()));
    assert!(told.contains("did you mean `edge`? the hosts whose streams pass a proxy are edge, client"), "{told}");
    let told = with(Trouble::name_moves("client", "edge", "sevrer").at(2.minutes()).lasting(1.minutes()));
    assert!(told.contains("did you mean `server`? "), "{told}");
}

#[test]
fn a_host_may_be_a_loop_without_an_end() {
    let ticker = || async {
        loop {
            sleep(SECOND).await;
        }
    };
    numbers("0.0.0.0:7000", "edge:7000", bytes()).host("ticker", ticker).run(20.minutes()).assert_passed();
}

#[test]
fn a_storm_draws_what_somebody_can_feel_and_says_of_a_disk_who_has_one() {
    let lies = |proxy: Proxy| {
        let trial = numbers("0.0.0.0:7000", "edge:7000", proxy).storm(&["lies", "silences"]);
        trial.run(20.minutes()).outcome().plan.clauses.iter().map(|clause| clause.fault.name()).collect::<Vec<_>>()
    };
    let of_bytes = lies(bytes());
    assert!(!of_bytes.is_empty() && of_bytes.iter().all(|name| *name == "proxy-silence-upstream"), "{of_bytes:?}");
    assert!(lies(Proxy::to("server:7000")).iter().any(|name| *name != "proxy-silence-upstream"));
    let full = Trouble::kind("disk-full").set("on", "client").at(2.minutes()).lasting(1.minutes());
    let story = numbers("0.0.0.0:7000", "edge:7000", bytes()).fault(full).run(20.minutes()).story();
    assert!(unfolded(&story).contains("is full; a host has on its disk what it keeps in the stores of its"), "{story}");
}

/// Tests that end the whole program on purpose do so only for those that run them again.
const ON_PURPOSE: &str = "NEWCOMERS_END_ON_PURPOSE";

fn on_purpose() -> bool {
    std::env::var_os(ON_PURPOSE).is_some()
}

/// A client that, after some time, does what no call returns from.
fn ends_the_program() -> Trial {
    let exits = || async {
        sleep(90 * SECOND).await;
        std::process::exit(3);
    };
    numbers("0.0.0.0:7000", "edge:7000", bytes()).host("quitter", exits)
}

#[test]
fn ends_the_program_on_purpose() {
    if on_purpose() {
        ends_the_program().run(20.minutes()).assert_passed();
    }
}

#[test]
fn ends_a_sweep_on_purpose() {
    if on_purpose() {
        ends_the_program().sweep(20.minutes(), 5..6).assert_passed();
    }
}

/// As C ends a program, from a thread with hardly any stack.
#[test]
fn ends_at_once_on_purpose() {
    if on_purpose() {
        let exits = || async {
            sleep(90 * SECOND).await;
            let thread = std::thread::Builder::new().stack_size(16 << 10);
            // SAFETY: it ends the program.
            thread.spawn(|| unsafe { libc::_exit(0) }).expect("a thread").join().expect("it never ends");
        };
        numbers("0.0.0.0:7000", "edge:7000", bytes()).host("quitter", exits).run(20.minutes()).assert_passed();
    }
}

/// While another of its threads holds what std writes errors by.
#[test]
fn ends_with_a_held_output_on_purpose() {
    if on_purpose() {
        let exits = || async {
            std::thread::spawn(|| {
                let _held = std::io::stderr().lock();
                std::thread::park();
            });
            sleep(90 * SECOND).await;
            std::process::exit(3);
        };
        numbers("0.0.0.0:7000", "edge:7000", bytes()).host("quitter", exits).run(20.minutes()).assert_passed();
    }
}

#[test]
fn busy_on_purpose() {
    if on_purpose() {
        let busy = || async {
            sleep(90 * SECOND).await;
            let begun = std::time::Instant::now();
            while begun.elapsed() < SECOND {}
        };
        numbers("0.0.0.0:7000", "edge:7000", bytes()).host("busy", busy).run(20.minutes()).assert_passed();
    }
}

#[test]
fn what_ends_the_whole_program_is_told_as_a_failing_trial_is() {
    let tests = [
        ("ends_the_program_on_purpose", "quitter ends the whole program (exit, code 3)", 7, "from the test"),
        ("ends_at_once_on_purpose", "quitter ends the whole program (_exit, code 0)", 7, "from the test"),
        ("ends_with_a_held_output_on_purpose", "quitter ends the whole program (exit, code 3)", 7, "from the test"),
        ("ends_a_sweep_on_purpose", "quitter ends the whole program (exit, code 3)", 5, "from the sweep"),
        ("busy_on_purpose", "busy waits in a loop for a clock", 7, "from the test"),
    ];
    for (test, why, seed, chooser) in tests {
        let mut command = Command::new(std::env::current_exe().expect("a test has a program"));
        command.args(["--exact", "--nocapture", test]).env_remove("RUST_BACKTRACE").env(ON_PURPOSE, "1");
        let output = command.output().expect("the program starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(70), "{told}");
        assert!(told.contains(&format!("verdict  fail: stability failed: {why}")), "{told}");
        assert!(told.contains(&format!("seed     {seed} ({chooser})")), "{told}");
        let last = told.lines().last().unwrap_or_default();
        assert!(last.starts_with(&format!("again    PULSELESS_SEED={seed} ")), "{told}");
        assert!(last.ends_with(&format!(" {test} -- --exact")), "{told}");
        let case = told.lines().find_map(|line| line.strip_prefix("case     ")).expect("a case");
        assert!(std::path::Path::new(case).is_file(), "{told}");
    }
}
