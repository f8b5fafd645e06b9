//! etcd-client before a real etcd on real TCP, with our proxy between them. Skipped, and said so, where there is no etcd; where
//! `CI` is set, it fails.

#[path = "../examples/etcd_watch.rs"]
#[expect(dead_code, reason = "an example has a main and a trial")]
mod etcd_watch;

use std::cell::RefCell;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::Client;
use pulseless::env::{Address, TcpOptions};
use pulseless::lie::Rule;
use pulseless::os::Os;
use pulseless::proxy::{self, Control, ProxyConfig, ProxyEdge, ProxyHabits, ProxyNotice, ProxyObserver};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const HOST: &str = "127.0.0.1";
const SECOND: Duration = Duration::from_secs(1);
const SILENCE: u32 = 1;
const FOR_EVER: Duration = Duration::from_secs(1 << 31);

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

/// The orders that a client got, as it got them.
type Got = Rc<RefCell<Vec<u64>>>;

/// A client that watches through the proxy, and is that patient.
fn watcher(entrance: u16, patience: Duration) -> Got {
    let got = Got::default();
    let told = got.clone();
    tokio::task::spawn_local(async move {
        let got = |order| told.borrow_mut().push(order);
        etcd_watch::watch(&format!("http://{HOST}:{entrance}"), patience, got).await
    });
    got
}

/// Waits until it has more than so many.
async fn has_more_than(count: usize, got: &Got) {
    let has = async {
        while got.borrow().len() <= count {
            sleep(SECOND / 20).await;
        }
    };
    timeout(60 * SECOND, has).await.unwrap_or_else(|_| panic!("no more than {:?}", got.borrow()));
}

/// Puts an order now and then, straight to the server.
async fn put(server: u16) -> Result<(), etcd_client::Error> {
    let mut client = Client::connect([format!("http://{HOST}:{server}")], None).await?;
    for order in 1_u64.. {
        client.put(format!("orders/{order}"), "", None).await?;
        sleep(SECOND / 2).await;
    }
    Ok(())
}

#[tokio::test(flavor = "local")]
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
    let (plain, guarded) = (watcher(entrance, FOR_EVER), watcher(entrance, 2 * SECOND));
    tokio::task::spawn_local(put(server));
    has_more_than(1, &plain).await;
    has_more_than(1, &guarded).await;

    control.add(SILENCE, Rule::silence(None));
    sleep(SECOND / 2).await;
    let before = [plain.borrow().clone(), guarded.borrow().clone()];
    sleep(4 * SECOND).await;
    assert_eq!([plain.borrow().clone(), guarded.borrow().clone()], before, "a silence through which orders come");
    control.remove(SILENCE);

    // Who asks has everything, once, in order; who does not got nothing any more.
    has_more_than(before[1].len() + 10, &guarded).await;
    let orders = guarded.borrow().clone();
    assert!(orders.windows(2).all(|pair| pair[1] == pair[0] + 1), "{orders:?}");
    assert_eq!(*plain.borrow(), before[0]);
}
