//! `kill -9` of node, proxy and tail at instants that a seed draws: nothing acknowledged is lost, and nothing is printed
//! twice or left out but what a tail announces.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pulseless::env::{Dice, Die, Env};
use pulseless::os::Os;
use pulseless::subject::xmtp::client::{Inbox, Publisher, PublisherConfig};
use pulseless::subject::xmtp::wire::{Draft, Envelope, MessageKind, Topic, application_message};
use rand::RngExt;
use tokio::time::sleep;

use crate::process::{BINARY, Running, free_address, read};

const SEED: u64 = 7;
const TOPIC: &[u8] = b"news";
/// The last message, which everybody must print.
const LAST: &str = "the end";
/// The longest time between two kills, in milliseconds: a few connections and many commits.
const PAUSE_MAX_MS: u64 = 400;

/// Each takes a fraction of a second.
fn kills() -> usize {
    if std::env::var_os("PULSELESS_LONG").is_some() { 50 } else { 6 }
}

/// A program that is killed and started again.
struct Victim {
    folder: PathBuf,
    name: &'static str,
    arguments: Vec<String>,
    lives: usize,
    running: Running,
}

impl Victim {
    fn new(folder: &Path, name: &'static str, arguments: &[&str]) -> Self {
        let running = Running::start(folder, &format!("{name}-1"), BINARY, arguments, Stdio::null());
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Victim { folder: folder.to_owned(), name, arguments, lives: 1, running }
    }

    async fn kill(&mut self) {
        self.running.signal("KILL");
        assert_eq!(self.running.ended().await, None, "it was alive when it was killed");
        self.lives += 1;
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let name = format!("{}-{}", self.name, self.lives);
        self.running = Running::start(&self.folder, &name, BINARY, &arguments, Stdio::null());
    }

    /// What all its lives said, each by itself.
    fn said(&self, ending: &str) -> Vec<String> {
        (1..=self.lives).map(|life| read(&self.folder.join(format!("{}-{life}.{ending}", self.name)))).collect()
    }
}

fn draft(text: &str) -> Draft {
    let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
    let data = application_message(TOPIC, text.as_bytes());
    Draft { topic: Topic::new(MessageKind::Group, TOPIC), data, envelope }
}

/// Publishes one text after the other until it is stopped, and then the last, and returns what the node acknowledged.
/// A text whose fate is unknown is never sent again.
async fn publish(node: String, stop: Arc<AtomicBool>) -> Vec<String> {
    let config = PublisherConfig { deadline: Duration::from_secs(5), http2_keepalive: None };
    let mut publisher = Publisher::new(Arc::new(Os::default()), node.parse().expect("an address"), config);
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let is_last = stop.load(Ordering::Relaxed);
        let text = if is_last { format!("{LAST} {number}") } else { format!("text {number}") };
        match publisher.publish(vec![draft(&text)]).await {
            Ok(()) => acknowledged.push(text),
            // It is down, or went down in the midst of it.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
        if is_last && acknowledged.last().is_some_and(|text| text.starts_with(LAST)) {
            return acknowledged;
        }
        sleep(Duration::from_millis(1)).await;
    }
    acknowledged
}

/// Reads `#7 group:news text`; a line that a kill has cut is none.
fn printed(lives: &[String]) -> Vec<(u64, String)> {
    let lines = lives.iter().flat_map(|life| life.split_inclusive('\n')).filter(|line| line.ends_with('\n'));
    let read = |line: &str| {
        let (id, rest) = line.trim_end().strip_prefix('#')?.split_once(' ')?;
        Some((id.parse().ok()?, rest.strip_prefix("group:news ")?.to_owned()))
    };
    lines.map(|line| read(line).unwrap_or_else(|| panic!("no message: {line}"))).collect()
}

/// Reads `… above #3 up to #7 …` in the complaints that begin so.
fn announced(lives: &[String], beginning: &str) -> Vec<std::ops::RangeInclusive<u64>> {
    let lines = lives.iter().flat_map(|life| life.lines()).filter(|line| line.starts_with(beginning));
    let number = |line: &str, after: &str| -> Option<u64> {
        let (_, rest) = line.split_once(after)?;
        rest.split(' ').next()?.parse().ok()
    };
    let range = |line: &str| Some(number(line, "above #")? + 1..=number(line, "up to #")?);
    lines.map(|line| range(line).unwrap_or_else(|| panic!("no range: {line}"))).collect()
}

/// What one tail printed, announced and stored.
#[derive(Default)]
struct Evidence {
    printed: Vec<(u64, String)>,
    missing: Vec<std::ops::RangeInclusive<u64>>,
    repeated: Vec<std::ops::RangeInclusive<u64>>,
    stored: Vec<(u64, String)>,
}

impl Evidence {
    fn of(tail: &Victim) -> Self {
        let (out, err) = (tail.said("out"), tail.said("err"));
        let env: Env = Arc::new(Os::default().with_folder(tail.folder.join(tail.name)));
        let inbox = Inbox::open(&env, None).expect("the tail has let go of its inbox");
        let header = application_message(TOPIC, b"").len();
        let text = |data: &Bytes| String::from_utf8(data[header..].to_vec()).expect("text");
        let entries = inbox.journal_from(0, usize::MAX).expect("readable");
        Evidence {
            printed: printed(&out),
            missing: announced(&err, "may not have been printed: "),
            repeated: announced(&err, "may be printed a second time: "),
            stored: entries.iter().map(|entry| (entry.id.0, text(&entry.data))).collect(),
        }
    }

    /// Everything that is wrong with it.
    fn breaches(&self, acknowledged: &[String]) -> Vec<String> {
        let mut times: BTreeMap<&(u64, String), usize> = self.stored.iter().map(|message| (message, 0)).collect();
        let mut breaches = Vec::new();
        if times.len() < self.stored.len() {
            breaches.push("the inbox holds a message twice".to_owned());
        }
        let lost = acknowledged.iter().filter(|text| !self.stored.iter().any(|(_, stored)| stored == *text));
        breaches.extend(lost.map(|text| format!("`{text}` was acknowledged and is not in the inbox")));
        for message in &self.printed {
            match times.get_mut(message) {
                Some(times) => *times += 1,
                None => breaches.push(format!("{message:?} was printed and is not in the inbox")),
            }
        }
        let in_any = |ranges: &[std::ops::RangeInclusive<u64>], id: u64| {
            ranges.iter().filter(|range| range.contains(&id)).count()
        };
        for ((id, text), times) in times {
            let (missing, repeated) = (in_any(&self.missing, *id), in_any(&self.repeated, *id));
            if times == 0 && missing == 0 {
                breaches.push(format!("#{id} {text} was not printed, and that was not announced"));
            } else if times > 1 + repeated {
                breaches.push(format!("#{id} {text} was printed {times} times and announced {repeated} times"));
            }
        }
        breaches
    }
}

#[tokio::test]
async fn no_kill_loses_what_was_acknowledged_or_prints_it_twice_unannounced() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let folder = scratch.path();
    let (node, proxy) = (free_address().await, free_address().await);
    let tail = ["tail", "--from", &proxy, "--topic", "news", "--inbox"];
    let mut victims = [
        Victim::new(folder, "node", &["node", "--listen", &node, "--data", "node-data", "--keepalive", "1s"]),
        Victim::new(folder, "proxy", &["proxy", "--listen", &proxy, "--upstream", &node]),
        Victim::new(folder, "once", &[&tail[..], &["once"]].concat()),
        Victim::new(folder, "again", &[&tail[..], &["again", "--at-least-once"]].concat()),
    ];
    let stop = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn(publish(node.clone(), Arc::clone(&stop)));
    let mut dice = Dice::named(SEED, &Die::Test("kills"));
    for kill in 0..kills() {
        sleep(Duration::from_millis(dice.random_range(0..PAUSE_MAX_MS))).await;
        // Tails twice as often: most of what can go wrong is theirs. Each dies within the first six.
        let victim = [2, 0, 3, 1, 2, 3][kill % 6];
        victims[victim].kill().await;
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged = publishing.await.expect("no panic");
    let last = acknowledged.last().expect("the last is acknowledged");
    for tail in &mut victims[2..] {
        tail.running.says(last).await;
        tail.running.signal("TERM");
        tail.running.exits(0).await;
    }
    assert!(acknowledged.len() > kills(), "too few messages to lose any: {acknowledged:?}");
    for tail in &victims[2..] {
        let breaches = Evidence::of(tail).breaches(&acknowledged);
        assert!(breaches.is_empty(), "seed {SEED}, tail `{}`:\n{}", tail.name, breaches.join("\n"));
    }
}

#[test]
fn the_judge_of_the_kills_sees_what_is_lost_doubled_and_made_up() {
    let message = |id: u64| (id, format!("text {id}"));
    let acknowledged: Vec<String> = (1..=3).map(|id| message(id).1).collect();
    let stored: Vec<(u64, String)> = (1..=3).map(message).collect();
    let good = || Evidence { printed: stored.clone(), stored: stored.clone(), ..Evidence::default() };
    assert_eq!(good().breaches(&acknowledged), Vec::<String>::new());
    let unprinted = || Evidence { printed: stored[1..].to_vec(), ..good() };
    assert_eq!(unprinted().breaches(&acknowledged), ["#1 text 1 was not printed, and that was not announced"]);
    assert!(Evidence { missing: vec![1..=1], ..unprinted() }.breaches(&acknowledged).is_empty());
    let twice = || Evidence { printed: [stored.clone(), vec![message(3)]].concat(), ..good() };
    assert_eq!(twice().breaches(&acknowledged), ["#3 text 3 was printed 2 times and announced 0 times"]);
    assert!(Evidence { repeated: vec![2..=3], ..twice() }.breaches(&acknowledged).is_empty());
    let lost = Evidence { printed: stored[..2].to_vec(), stored: stored[..2].to_vec(), ..good() };
    assert_eq!(lost.breaches(&acknowledged), ["`text 3` was acknowledged and is not in the inbox"]);
    let made_up = Evidence { printed: [stored.clone(), vec![message(9)]].concat(), ..good() };
    assert_eq!(made_up.breaches(&acknowledged), [r#"(9, "text 9") was printed and is not in the inbox"#]);
}

#[test]
fn announcements_and_lines_are_read_as_they_are_printed() {
    let lives = ["connection 1: ended\nmay be printed a second time: group:news above #2 up to #6\n".to_owned()];
    assert_eq!(announced(&lives, "may be printed a second time: "), [3..=6]);
    assert_eq!(printed(&["#7 group:news text 7\n#8 group:ne".to_owned()]), [(7, "text 7".to_owned())]);
}
