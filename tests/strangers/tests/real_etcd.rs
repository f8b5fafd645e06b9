//! etcd-client before a real etcd on real TCP, with our proxy between them. Skipped, and said so, where there is no etcd; where
//! `CI` is set, it fails.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pulseless::env::{Address, TcpOptions};
use pulseless::lie::Rule;
use pulseless::os::Os;
use pulseless::proxy::{self, Control, ProxyConfig, ProxyEdge, ProxyHabits, ProxyNotice, ProxyObserver};
use strangers::etcd::{Watchdog, put, watch_orders};
use strangers::orders::{CLIENT, all_seen, orders_of};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const HOST: &str = "127.0.0.1";
const SECOND: Duration = Duration::from_secs(1);
const SILENCE: u32 = 1;

/// Ended when it is dropped.
struct Etcd(Child);

impl Drop for Etcd {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it was started here");
    }
}

fn free_port() -> u16 {
    TcpListener::bind((HOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// An etcd whose clients come to this port; none where it is not installed.
fn etcd(port: u16, folder: &Path) -> Option<Etcd> {
    let (clients, peers) = (format!("http://{HOST}:{port}"), format!("http://{HOST}:{}", free_port()));
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(folder).args(["--listen-peer-urls", &peers]);
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    if let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        return Some(Etcd(child));
    }
    let told = "there is no etcd to watch: apt-get install etcd-server";
    assert!(std::env::var_os("CI").is_none(), "{told}");
    writeln!(std::io::stderr(), "SKIPPED {told}").expect("standard error is open");
    None
}

/// Nobody needs to know what the proxy does here.
struct Deaf;

impl ProxyObserver for Deaf {
    fn notice(&self, _: ProxyNotice) {}
}

/// Waits until that client has seen more than so many orders.
async fn sees_more_than(count: usize, client: &str) {
    let sees = async {
        while orders_of(client).len() <= count {
            sleep(SECOND / 20).await;
        }
    };
    timeout(60 * SECOND, sees).await.unwrap_or_else(|_| panic!("{client} sees no more: {:?}", all_seen()));
}

#[tokio::test]
async fn the_watch_of_a_real_etcd_hangs_behind_a_silent_proxy_unless_it_asks_for_progress() {
    let (server, entrance) = (free_port(), free_port());
    let folder = tempfile::tempdir().expect("a scratch folder");
    let Some(_etcd) = etcd(server, folder.path()) else { return };
    let control = Control::default();
    let config = ProxyConfig {
        port: entrance,
        upstream: Address::new(HOST, server),
        tcp: TcpOptions::default(),
        control: control.clone(),
        habits: ProxyHabits::default(),
        edge: ProxyEdge::default(),
    };
    while TcpStream::connect((HOST, server)).await.is_err() {
        sleep(SECOND / 20).await;
    }
    tokio::spawn(proxy::serve(Arc::new(Os::default()), config, Arc::new(Deaf)));
    tokio::spawn(put(format!("http://{HOST}:{server}")));
    let watchdog = Watchdog { ask: SECOND / 2, patience: 2 * SECOND };
    for (name, watchdog) in [("plain", None), ("guarded", Some(watchdog))] {
        tokio::spawn(CLIENT.scope(name, watch_orders(format!("http://{HOST}:{entrance}"), watchdog)));
        sees_more_than(1, name).await;
    }

    control.add(SILENCE, Rule::silence(None));
    sleep(SECOND / 2).await;
    let before = [orders_of("plain"), orders_of("guarded")];
    sleep(4 * SECOND).await;
    assert_eq!([orders_of("plain"), orders_of("guarded")], before, "a silence through which orders come");
    control.remove(SILENCE);

    // The one that asks has everything, once, in order.
    sees_more_than(before[1].len() + 5, "guarded").await;
    let orders = orders_of("guarded");
    assert!(orders.windows(2).all(|pair| pair[1] == pair[0] + 1), "{orders:?}");
    // HTTP/2's keepalive was on, and was answered: the other one saw neither an order nor an error, and never will.
    assert_eq!(orders_of("plain"), before[0]);
    assert!(!all_seen().iter().any(|(_, line)| line.starts_with("plain: error")), "{:?}", all_seen());
}
