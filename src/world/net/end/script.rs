//! Packet scripts: what an end does, by times and segments, with nobody else in the world.
//!
//! After packetdrill. A line has a time in milliseconds, then what happens (`<` a segment arrives, `write`, `read`, …)
//! with what the end says to it, or what the end sends (`>`; `x` where it is lost) or cannot (`stuck`). A script is played and written down
//! again, and must be what it was.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::Bytes;

use crate::env::{TcpKeepalive, TcpOptions};
use crate::world::engine::HostId;
use crate::world::net::end::{Closing, Dispatch, End, TcpPhase, TcpReply, Unacknowledged};
use crate::world::net::packet::Segments;
use crate::world::net::segment::{Burst, TcpSegment};

/// So the first timeout of a burst is 210 ms.
const ROUND_TRIP: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);
const NO_OPTIONS: TcpOptions = TcpOptions { keepalive: None, user_timeout: None };

/// An end in play, and what it did.
struct Player<'s> {
    end: End,
    clock: Duration,
    /// Whether each segment that it sends is lost.
    losses: Box<dyn Iterator<Item = bool> + 's>,
    played: Vec<String>,
}

fn dialer(options: TcpOptions) -> End {
    End::dialer(HostId::numbered(0), "10.0.0.1:32768".parse().expect("an address"), options, Duration::ZERO)
}

fn acceptor() -> End {
    End::acceptor(HostId::numbered(0), "10.0.0.1:80".parse().expect("an address"))
}

/// A dialer that is connected at time 0.
fn connected() -> End {
    let mut end = dialer(NO_OPTIONS);
    end.dispatch(Duration::ZERO);
    end.process(Duration::ZERO, &TcpSegment::SynAck);
    end
}

fn play(end: End, script: &str) {
    let lines: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let losses = lines.iter().map(|line| verb(line)).filter(|verb| [">", "x"].contains(verb)).map(|verb| verb == "x");
    let losses = Box::new(losses);
    let mut player = Player { end, clock: Duration::ZERO, losses, played: Vec::new() };
    for line in &lines {
        let (time, rest) = line.split_once(' ').expect("a time");
        player.advance(Duration::from_millis(time.parse().expect("a time in milliseconds")));
        if ![">", "x", "stuck"].contains(&verb(line)) {
            player.act(rest.split([':']).next().unwrap_or(rest).trim());
        }
    }
    assert_eq!(player.played.join("\n"), lines.join("\n"));
}

fn verb(line: &str) -> &str {
    line.split(' ').nth(1).expect("a verb")
}

impl Player<'_> {
    fn write_down(&mut self, what: &str) {
        self.played.push(format!("{} {what}", self.clock.as_millis()));
    }

    /// Lets time pass, and timers expire.
    fn advance(&mut self, until: Duration) {
        self.dispatch();
        while let Some(due) = self.end.poll_at().filter(|due| *due <= until) {
            self.clock = due;
            self.end.expire(due);
            self.dispatch();
        }
        self.clock = until;
    }

    /// Sends what the end wants to send.
    fn dispatch(&mut self) {
        loop {
            match self.end.dispatch(self.clock) {
                Dispatch::Nothing => return,
                Dispatch::Stuck => self.write_down("stuck"),
                Dispatch::Segment(segment, size) => {
                    let is_lost = self.losses.next().unwrap_or(false);
                    self.write_down(&format!("{} {}", if is_lost { "x" } else { ">" }, describe(&segment)));
                    if is_lost { self.lose(segment, size) } else { self.end.pass(&segment) }
                }
            }
        }
    }

    fn lose(&mut self, segment: TcpSegment, missing: Segments) {
        match segment {
            TcpSegment::Burst { burst, sent } => {
                self.end.lose(self.clock, Unacknowledged { burst, sent, missing }, 0, ROUND_TRIP);
            }
            TcpSegment::WindowUpdate { bytes } => self.end.lose_window_update(bytes),
            TcpSegment::Syn
            | TcpSegment::SynAck
            | TcpSegment::Acknowledgment { .. }
            | TcpSegment::Probe
            | TcpSegment::Reset => {}
        }
    }

    fn act(&mut self, action: &str) {
        let words: Vec<&str> = action.split(' ').collect();
        let said = match words[..] {
            ["<", ..] => say_reply(self.end.process(self.clock, &parse(&words[1..]))).to_owned(),
            ["write", bytes] => {
                let bytes = vec![7; number(bytes)];
                let written = self.end.write(&[IoSlice::new(&bytes)]);
                if let Some(Ok(_)) = written {
                    self.end.push();
                }
                say_outcome(written)
            }
            ["read", space] => {
                let mut taken = 0;
                let outcome = self.end.read(number(space), |part| taken += part.len());
                self.end.report_room();
                say_outcome(outcome.map(|outcome| outcome.map(|()| taken)))
            }
            ["shut"] => {
                self.end.finish();
                self.end.push();
                String::new()
            }
            ["close"] => match self.end.close() {
                Closing::Done => "done before".to_owned(),
                Closing::Reset => "reset".to_owned(),
                Closing::Finish => {
                    self.end.push();
                    String::new()
                }
            },
            ["duplicates", count] => {
                let count = u32::try_from(number(count)).expect("few");
                self.end.hear_duplicates(self.clock, count, ROUND_TRIP);
                String::new()
            }
            ["room-lost"] => {
                self.end.ask_for_room(self.clock, ROUND_TRIP);
                String::new()
            }
            ["connect"] => match self.end.phase() {
                TcpPhase::Listening | TcpPhase::Connecting => "wait".to_owned(),
                TcpPhase::Open => "open".to_owned(),
                TcpPhase::Failed(kind) => format!("{kind:?}"),
            },
            ["over"] => self.end.is_over().to_string(),
            ["timer"] => self.end.poll_at().map_or("none".to_owned(), |due| due.as_millis().to_string()),
            _ => panic!("what is `{action}`"),
        };
        let said = if said.is_empty() { said } else { format!(": {said}") };
        self.write_down(&format!("{action}{said}"));
        self.dispatch();
    }
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

fn parse(words: &[&str]) -> TcpSegment {
    match *words {
        ["syn"] => TcpSegment::Syn,
        ["syn-ack"] => TcpSegment::SynAck,
        ["data", sequence, length, ref finish @ ..] => {
            let bytes = Bytes::from(vec![7; number(length)]);
            let burst = Burst { sequence: number(sequence) as u64, bytes, finish: finish == ["fin"] };
            TcpSegment::Burst { burst, sent: Duration::ZERO }
        }
        ["ack", expected] => TcpSegment::Acknowledgment { expected: number(expected) as u64 },
        ["window", bytes] => TcpSegment::WindowUpdate { bytes: number(bytes) },
        ["probe"] => TcpSegment::Probe,
        ["rst"] => TcpSegment::Reset,
        _ => panic!("what is `{words:?}`"),
    }
}

fn describe(segment: &TcpSegment) -> String {
    match segment {
        TcpSegment::Syn => "syn".to_owned(),
        TcpSegment::SynAck => "syn-ack".to_owned(),
        TcpSegment::Burst { burst, .. } => {
            let finish = if burst.finish { " fin" } else { "" };
            format!("data {} {}{finish}", burst.sequence, burst.bytes.len())
        }
        TcpSegment::Acknowledgment { expected } => format!("ack {expected}"),
        TcpSegment::WindowUpdate { bytes } => format!("window {bytes}"),
        TcpSegment::Probe => "probe".to_owned(),
        TcpSegment::Reset => "rst".to_owned(),
    }
}

fn say_reply(reply: TcpReply) -> &'static str {
    match reply {
        TcpReply::Nothing => "",
        TcpReply::Reset => "rst",
        TcpReply::Early => "early",
        TcpReply::Gap => "gap",
        TcpReply::Taken => "taken",
        TcpReply::Repeated => "repeated",
    }
}

fn say_outcome(outcome: Option<io::Result<usize>>) -> String {
    match outcome {
        None => "wait".to_owned(),
        Some(Ok(bytes)) => bytes.to_string(),
        Some(Err(error)) => format!("{:?}", error.kind()),
    }
}

#[test]
fn a_handshake_opens_both_ends() {
    play(
        dialer(NO_OPTIONS),
        "0 > syn
         0 connect: wait
         30 < syn-ack
         30 connect: open
         30 write 5: 5
         30 > data 0 5
         30 timer: none",
    );
    play(
        acceptor(),
        "20 < syn
         20 > syn-ack
         20 connect: open
         50 < data 0 5: taken",
    );
}

#[test]
fn a_syn_ack_that_is_lost_opens_nothing_and_the_next_syn_is_answered() {
    play(
        acceptor(),
        "20 < syn
         20 x syn-ack
         20 connect: wait
         1020 < syn
         1020 > syn-ack
         1020 connect: open",
    );
}

#[test]
fn a_reset_in_the_handshake_is_a_refused_dial() {
    play(
        dialer(NO_OPTIONS),
        "0 > syn
         20 < rst
         20 connect: ConnectionRefused
         20 timer: none",
    );
}

#[test]
fn a_dial_that_nobody_answers_is_tried_six_times_again() {
    play(
        dialer(NO_OPTIONS),
        "0 x syn
         1000 x syn
         3000 x syn
         7000 x syn
         15000 x syn
         31000 x syn
         63000 x syn
         126999 connect: wait
         127000 connect: TimedOut",
    );
}

#[test]
fn a_dial_that_is_closed_is_broken_off() {
    play(
        dialer(NO_OPTIONS),
        "0 > syn
         10 close: reset
         10 > rst
         10 connect: ConnectionAborted
         20 < syn-ack: rst
         20 timer: none",
    );
}

#[test]
fn what_is_lost_is_sent_again_and_new_data_wait_behind_it() {
    play(
        connected(),
        "0 write 3000: 3000
         0 x data 0 3000
         10 write 10: 10
         10 > data 1 10
         210 x data 0 3000
         220 write 20: 20
         630 > data 0 3000
         630 > data 1 10
         640 < ack 1
         640 timer: 850
         645 < ack 2
         645 > data 2 20
         645 timer: none",
    );
}

#[test]
fn three_segments_after_the_gap_send_it_again_a_round_trip_later() {
    play(
        connected(),
        "0 write 1000: 1000
         0 x data 0 1000
         5 write 10: 10
         5 > data 1 10
         20 duplicates 2
         20 timer: 210
         25 duplicates 1
         35 > data 0 1000
         35 > data 1 10
         40 write 5: 5
         40 > data 2 5
         50 < ack 3
         50 timer: none",
    );
}

/// The tries of a byte that was written at 0 ms, each lost: the second after 210 ms, then after twice as long each.
const LOST: &str = "0 x data 0 1
     210 x data 0 1
     630 x data 0 1
     1470 x data 0 1
     3150 x data 0 1
     6510 x data 0 1
     13230 x data 0 1
     26670 x data 0 1
     53550 x data 0 1";

#[test]
fn a_sender_gives_up_after_a_quarter_of_an_hour() {
    let more: Vec<String> = (0..6).map(|n| format!("{} x data 0 1", 214_830 + 120_000 * n)).collect();
    let more = more.join("\n");
    play(
        connected(),
        &format!(
            "0 write 1: 1
             {LOST}
             107310 x data 0 1
             {more}
             934829 read 1: wait
             934830 read 1: TimedOut
             934830 write 1: BrokenPipe"
        ),
    );
}

#[test]
fn an_orphan_gives_up_after_eight_tries() {
    let (first, more) = LOST.split_once('\n').expect("many lines");
    play(
        connected(),
        &format!(
            "0 write 1: 1
             {first}
             1 close
             1 > data 1 0 fin
             {more}
             107309 over: false
             107310 over: true"
        ),
    );
}

#[test]
fn a_closed_window_stops_the_sender_and_is_asked_for_ever_while_somebody_answers() {
    play(
        connected(),
        "0 write 262144: 262144
         0 > data 0 262144
         10 write 10: 10
         10 stuck
         10 timer: none
         20 room-lost
         230 > probe
         240 < window 0
         650 > probe
         660 < window 4
         660 > data 1 4
         670 < window 65536
         670 > data 2 6
         670 timer: none",
    );
}

#[test]
fn a_full_send_buffer_holds_the_writer_until_there_is_room() {
    play(
        connected(),
        "0 write 262144: 262144
         0 > data 0 262144
         0 write 262145: 262144
         0 stuck
         0 write 1: wait
         9 < window 65536
         9 > data 1 65536
         9 write 1: 1
         9 stuck",
    );
}

#[test]
fn freed_room_is_told_once_it_is_worth_it_and_a_lost_word_of_it_when_asked() {
    play(
        connected(),
        "0 < data 0 131072: taken
         0 read 65535: 65535
         1 read 1: 1
         1 > window 65536
         2 read 65536: 65536
         2 x window 65536
         9 < probe
         9 > window 65536
         10 < probe
         10 > window 0",
    );
}

#[test]
fn bursts_are_taken_in_order_and_once() {
    play(
        connected(),
        "0 < data 1 10: gap
         5 < data 0 10: taken
         6 < data 0 10: repeated
         9 < data 1 10: taken
         9 read 100: 20
         9 read 100: wait",
    );
}

#[test]
fn each_direction_ends_by_itself() {
    play(
        connected(),
        "0 write 3: 3
         0 > data 0 3
         1 shut
         1 > data 1 0 fin
         1 write 1: BrokenPipe
         9 < data 0 5: taken
         9 read 100: 5
         9 read 100: wait
         20 < data 1 0 fin: taken
         20 read 100: 0
         20 over: false
         30 close
         30 over: true
         30 timer: none",
    );
}

#[test]
fn fin_waits_for_what_was_written_before() {
    play(
        connected(),
        "0 write 262144: 262144
         0 > data 0 262144
         1 write 1: 1
         1 stuck
         2 shut
         2 stuck
         9 < window 1
         9 > data 1 1 fin",
    );
}

#[test]
fn what_arrived_before_a_reset_can_still_be_read_and_the_error_is_told_once() {
    play(
        connected(),
        "0 < data 0 5: taken
         1 < rst
         1 read 100: 5
         1 read 100: ConnectionReset
         1 read 100: 0
         1 write 1: BrokenPipe",
    );
}

#[test]
fn a_reset_after_the_peer_finished_is_a_broken_pipe() {
    play(
        connected(),
        "0 < data 0 0 fin: taken
         1 < rst
         1 read 100: 0
         1 write 1: BrokenPipe
         1 write 1: BrokenPipe",
    );
}

#[test]
fn a_close_before_everything_was_read_is_a_reset() {
    play(
        connected(),
        "0 < data 0 5: taken
         1 close: reset
         1 > rst
         1 close: done before
         2 < probe: rst
         2 < window 5: rst
         2 < data 1 5: rst
         2 < rst",
    );
}

#[test]
fn an_end_that_nobody_holds_refuses_data_and_takes_the_fin() {
    play(
        connected(),
        "0 close
         0 > data 0 0 fin
         5 < data 0 0 fin: taken
         5 over: true
         9 < data 1 5: rst
         9 timer: none",
    );
}

#[test]
fn an_idle_connection_is_probed_and_silence_ends_it_with_a_reset() {
    let keepalive = TcpKeepalive { idle: 5 * SECOND, interval: 2 * SECOND, count: 2 };
    play(
        dialer(TcpOptions { keepalive: Some(keepalive), user_timeout: None }),
        "0 > syn
         0 < syn-ack
         5000 > probe
         5001 < window 0
         10001 > probe
         12001 > probe
         14001 > rst
         14001 read 1: TimedOut
         14001 timer: none",
    );
}

#[test]
fn a_user_timeout_is_kept_to_the_moment() {
    let options = TcpOptions { keepalive: None, user_timeout: Some(3 * SECOND) };
    play(
        dialer(options),
        "0 x syn
         1000 x syn
         3000 connect: TimedOut",
    );
    play(
        dialer(options),
        "0 > syn
         0 < syn-ack
         100 write 1: 1
         100 x data 0 1
         310 x data 0 1
         730 x data 0 1
         1570 x data 0 1
         3099 read 1: wait
         3100 read 1: TimedOut
         3100 timer: none",
    );
}
