//! async-nats, and a small server of its protocol.

use async_nats::ConnectOptions;
use pulseless::stranger::produced;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::Result;
use crate::orders;

const INFO: &str = r#"INFO {"server_id":"small","server_name":"small","version":"2.10.0","go":"","host":"0.0.0.0","port":4222,"headers":true,"max_payload":1048576,"proto":1}"#;

/// Serves there.
pub async fn serve(at: &str) -> Result {
    let listener = TcpListener::bind(at).await?;
    let published = broadcast::Sender::new(64);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(converse(stream, published.clone()));
    }
}

type Published = (String, Vec<u8>);

async fn converse(stream: TcpStream, published: broadcast::Sender<Published>) -> Result {
    let (reader, mut writer) = stream.into_split();
    let (mut reader, mut heard) = (BufReader::new(reader), published.subscribe());
    let mut subscriptions: Vec<[String; 2]> = Vec::new();
    let (commands, mut asked) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok(command) = command(&mut reader).await {
            if commands.send(command).await.is_err() {
                break;
            }
        }
    });
    writer.write_all(format!("{INFO}\r\n").as_bytes()).await?;
    loop {
        tokio::select! {
            biased;
            command = asked.recv() => {
                let Some((line, payload)) = command else { return Ok(()) };
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                match words.as_slice() {
                    ["PING"] => writer.write_all(b"PONG\r\n").await?,
                    ["SUB", subject, .., sid] => subscriptions.push([(*subject).to_owned(), (*sid).to_owned()]),
                    ["UNSUB", sid, ..] => subscriptions.retain(|[_, of]| of != sid),
                    ["PUB", subject, .., _] => {
                        let order = std::str::from_utf8(&payload)?.parse()?;
                        produced(subject, order, order);
                        let _ = published.send(((*subject).to_owned(), payload));
                    }
                    ["CONNECT", ..] | ["PONG"] => {}
                    _ => return Ok(writer.write_all(b"-ERR 'Unknown Protocol Operation'\r\n").await?),
                }
            }
            Ok((subject, payload)) = heard.recv() => {
                for [_, sid] in subscriptions.iter().filter(|[of, _]| *of == subject) {
                    let mut message = format!("MSG {subject} {sid} {}\r\n", payload.len()).into_bytes();
                    message.extend_from_slice(&payload);
                    message.extend_from_slice(b"\r\n");
                    writer.write_all(&message).await?;
                }
            }
        }
    }
}

/// A line, and the payload of a PUB.
async fn command(reader: &mut BufReader<OwnedReadHalf>) -> Result<(String, Vec<u8>)> {
    let mut line = String::new();
    if reader.read_line(&mut line).await? == 0 {
        return Err("the end".into());
    }
    let mut payload = Vec::new();
    if line.starts_with("PUB ") {
        let length: usize = line.split_ascii_whitespace().next_back().ok_or("no length")?.parse()?;
        payload.resize(length + 2, 0);
        reader.read_exact(&mut payload).await?;
        payload.truncate(length);
    }
    Ok((line, payload))
}

/// Publishes each new order.
pub async fn publish(url: &str) -> Result {
    let client = ConnectOptions::new().retry_on_initial_connect().connect(url).await?;
    loop {
        let order = orders::next().await;
        client.publish("orders", order.to_string().into()).await?;
    }
}
