//! hickory-resolver brings its own DNS: it reads /etc/resolv.conf, and asks over UDP for each order anew.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use pulseless::stranger::delivered;
use pulseless::{Durations, Proxy, Trial, Trouble};
use strangers::asked::serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Looks its server up, and asks for the order after the last one; and again where it is not told in time.
async fn ask(name: &str, patience: Duration) -> strangers::Result {
    let resolver = TokioResolver::builder_tokio()?.build()?;
    let mut last = 0;
    loop {
        let asking = async {
            // The address of IPv6 comes first, and a server may listen at the other alone.
            let found: Vec<SocketAddr> =
                resolver.lookup_ip(name).await?.iter().map(|ip| SocketAddr::new(ip, 7000)).collect();
            let mut stream = timeout(patience, TcpStream::connect(&*found)).await??;
            stream.write_u64(last).await?;
            last = timeout(patience, stream.read_u64()).await??;
            delivered("orders", last, last);
            strangers::Result::Ok(())
        };
        if let Err(error) = asking.await {
            tracing::debug!(%error, "asks again");
            sleep(1.seconds()).await;
        }
    }
}

pub fn trial(seed: u64, patience: Duration) -> Trial {
    Trial::new(seed)
        .host("server", || serve("0.0.0.0:7000"))
        .proxy("edge", Proxy::to("server:7000").set("layer", "tcp"))
        .host("client", move || ask("edge", patience))
}

pub fn main() {
    let fails =
        Trouble::kind("name-fails").set("on", "client").set("name", "edge").at(2.minutes()).lasting(5.minutes());
    trial(7, 45.seconds()).fault(fails).run(15.minutes()).assert_delivered("orders");
}
