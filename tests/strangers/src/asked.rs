//! A small server that is asked for the order after a number, and answers with its number when there is one.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;
use crate::orders;

/// Serves there.
pub async fn serve(at: &str) -> Result {
    let listener = TcpListener::bind(at).await?;
    tokio::spawn(orders::take());
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) -> Result {
    let last = stream.read_u64().await?;
    let next = orders::after(last).await;
    Ok(stream.write_u64(next).await?)
}
