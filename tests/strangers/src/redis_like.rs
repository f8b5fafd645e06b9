//! The pub/sub of the redis client, and a small server of RESP2: HELLO is refused as an old Redis refuses it.

use pulseless::stranger::produced;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::Result;
use crate::orders;

/// Serves there.
pub async fn serve(at: &str) -> Result {
    let listener = TcpListener::bind(at).await?;
    let published = broadcast::Sender::new(64);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(converse(stream, published.clone()));
    }
}

fn bulk(word: &str) -> String {
    format!("${}\r\n{word}\r\n", word.len())
}

async fn converse(stream: TcpStream, published: broadcast::Sender<[String; 2]>) -> Result {
    let (reader, mut writer) = stream.into_split();
    let (mut reader, mut heard) = (BufReader::new(reader), published.subscribe());
    let mut channels: Vec<String> = Vec::new();
    // Reading a command may not be interrupted: a task of its own reads.
    let (commands, mut asked) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok(command) = command(&mut reader).await {
            if commands.send(command).await.is_err() {
                break;
            }
        }
    });
    loop {
        let answer = tokio::select! {
            biased;
            command = asked.recv() => {
                let Some(command) = command else { return Ok(()) };
                let words: Vec<&str> = command.iter().map(String::as_str).collect();
                match (words[0].to_ascii_uppercase().as_str(), &words[1..]) {
                    ("PING", _) if channels.is_empty() => "+PONG\r\n".to_owned(),
                    ("PING", _) => format!("*2\r\n{}{}", bulk("pong"), bulk("")),
                    ("CLIENT", _) => "+OK\r\n".to_owned(),
                    ("SUBSCRIBE", [channel]) => {
                        channels.push((*channel).to_owned());
                        format!("*3\r\n{}{}:{}\r\n", bulk("subscribe"), bulk(channel), channels.len())
                    }
                    ("PUBLISH", [channel, words]) => {
                        let order = words.parse()?;
                        produced(channel, order, order);
                        let listeners = published.send([(*channel).to_owned(), (*words).to_owned()]).unwrap_or(0);
                        format!(":{listeners}\r\n")
                    }
                    (command, _) => format!("-ERR unknown command '{command}'\r\n"),
                }
            }
            Ok([channel, words]) = heard.recv() => {
                if !channels.contains(&channel) {
                    continue;
                }
                format!("*3\r\n{}{}{}", bulk("message"), bulk(&channel), bulk(&words))
            }
        };
        writer.write_all(answer.as_bytes()).await?;
    }
}

/// One command: an array of bulk strings.
async fn command(reader: &mut BufReader<OwnedReadHalf>) -> Result<Vec<String>> {
    let count = number(reader, '*').await?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; number(reader, '$').await? + 2];
        reader.read_exact(&mut word).await?;
        words.push(String::from_utf8(word)?.trim_end().to_owned());
    }
    if words.is_empty() { Err("an empty command".into()) } else { Ok(words) }
}

async fn number(reader: &mut BufReader<OwnedReadHalf>, sigil: char) -> Result<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    Ok(line.trim_end().strip_prefix(sigil).ok_or("no RESP")?.parse()?)
}

/// Publishes each new order.
pub async fn publish(url: &str) -> Result {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_connection_manager().await?;
    loop {
        let order = orders::next().await;
        let published = redis::cmd("PUBLISH").arg("orders").arg(order).query_async::<()>(&mut connection).await;
        if let Err(error) = published {
            tracing::debug!(%error, "the order is lost");
        }
    }
}
