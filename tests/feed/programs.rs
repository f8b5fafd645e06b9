//! A small feed as a stranger would write it: a server that numbers its messages, and clients with this or that bug.

#![expect(clippy::disallowed_types, reason = "a stranger knows nothing of surroundings: its sockets are simulated")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pulseless::env::Address;
use pulseless::stranger::{HostSeat, delivered, produced};
use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// The server's port.
pub const PORT: u16 = 7000;

/// Listens with tokio's own listener: a message each second, and to whoever says from which on, all of them from there.
pub async fn serve(every: Duration) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let (newest, messages) = watch::channel(0_u64);
    let newest = Arc::new(newest);
    tokio::spawn(async move {
        for number in 1.. {
            sleep(every).await;
            produced("orders", format!("order {number}"), number);
            newest.send_replace(number);
        }
    });
    loop {
        let (mut socket, _) = listener.accept().await?;
        let mut messages = messages.clone();
        tokio::spawn(async move {
            let (read, mut write) = socket.split();
            let (mut read, mut line) = (BufReader::new(read), String::new());
            read.read_line(&mut line).await?;
            let mut next = line.trim().parse().unwrap_or(1);
            loop {
                let newest = *messages.borrow_and_update();
                while next <= newest {
                    write.write_all(format!("order {next}\n").as_bytes()).await?;
                    next += 1;
                }
                tokio::select! {
                    biased;
                    changed = messages.changed() => changed.map_err(io::Error::other)?,
                    // Nothing more is to come from a client: it has gone.
                    _ = read.read_u8() => return io::Result::Ok(()),
                }
            }
        });
    }
}

/// How a client behaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct FeedSettings {
    /// Whom it dials.
    pub server: String,
    /// After so many seconds of silence it dials again; 0: never.
    pub patience: u64,
    /// Its planted bug.
    pub bug: Option<Bug>,
}

impl Default for FeedSettings {
    fn default() -> Self {
        FeedSettings { server: "edge".to_owned(), patience: 20, bug: None }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Bug {
    /// It asks for what comes next, and not for what it has missed.
    Skips,
    /// It asks for the last one again.
    Repeats,
    /// It tells its application of two messages the wrong way round.
    Swaps,
    /// It makes one up.
    Invents,
    /// It keeps the old connection, and what reads it, at each new one.
    Leaks,
    /// It stops reading after a while, and nobody finds out.
    Dozes,
    /// It takes an unexpected thing for impossible.
    Panics,
    /// It gives up at the first failure.
    GivesUp,
}

/// Follows the feed for ever, with tokio's own streams.
pub async fn follow(seat: HostSeat<FeedSettings>) -> io::Result<()> {
    let server = seat.settings.server.clone();
    follow_by(seat.settings, || TcpStream::connect((server.as_str(), PORT))).await
}

/// The same by the door without magic.
pub async fn follow_by_surroundings(seat: HostSeat<FeedSettings>) -> io::Result<()> {
    let server = Address::new(&*seat.settings.server, PORT);
    follow_by(seat.settings, || seat.env.dial(&server)).await
}

async fn follow_by<S, Dialing>(settings: FeedSettings, dial: impl Fn() -> Dialing) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    Dialing: Future<Output = io::Result<S>>,
{
    let (mut next, mut kept) = (1, Vec::new());
    loop {
        match dial().await {
            Ok(socket) => {
                let (read, write) = tokio::io::split(socket);
                let mut read = BufReader::new(read);
                let ended = read_feed(&mut read, write, &settings, &mut next).await;
                if settings.bug == Some(Bug::GivesUp) {
                    return ended;
                }
                if settings.bug == Some(Bug::Leaks) {
                    kept.push(tokio::spawn(async move { read.read_to_end(&mut Vec::new()).await }));
                }
            }
            Err(error) if settings.bug == Some(Bug::GivesUp) => return Err(error),
            Err(_) => {}
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Reads one connection until it ends or is silent for too long.
async fn read_feed(
    read: &mut (impl AsyncBufRead + Unpin),
    mut write: impl AsyncWrite + Unpin,
    settings: &FeedSettings,
    next: &mut u64,
) -> io::Result<()> {
    let from = match settings.bug {
        Some(Bug::Skips) if *next > 1 => *next + 1,
        Some(Bug::Repeats) => (*next).max(2) - 1,
        _ => *next,
    };
    write.write_all(format!("{from}\n").as_bytes()).await?;
    let patience =
        if settings.patience == 0 { Duration::from_secs(1 << 30) } else { Duration::from_secs(settings.patience) };
    loop {
        let mut line = String::new();
        let heard = timeout(patience, read.read_line(&mut line)).await;
        if settings.bug == Some(Bug::Panics) {
            assert!(heard.is_ok(), "a feed is never silent");
        }
        let Ok(heard) = heard else { return Err(io::ErrorKind::TimedOut.into()) };
        if heard? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let order: u64 = line.trim().trim_start_matches("order ").parse().map_err(io::Error::other)?;
        tell(settings.bug, order);
        *next = order + 1;
        if settings.bug == Some(Bug::Dozes) && order == 100 {
            std::future::pending::<()>().await;
        }
    }
}

/// The application has it.
fn tell(bug: Option<Bug>, order: u64) {
    let say = |order: u64| delivered("orders", format!("order {order}"), order);
    match bug {
        Some(Bug::Swaps) if order == 200 => {}
        Some(Bug::Swaps) if order == 201 => [201, 200].into_iter().for_each(say),
        Some(Bug::Invents) if order == 200 => delivered("orders", "order of nobody", order),
        _ => say(order),
    }
}
