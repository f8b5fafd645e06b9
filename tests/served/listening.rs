//! Real surroundings of a server of a test, which listen before the server is up.
//!
//! Refuses to know which server it is.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use pulseless::env::{Address, Asked, Dice, Disk, Listener, Socket, Surroundings, TcpOptions};
use pulseless::os::Os;

const HOST: &str = "127.0.0.1";

/// Real surroundings whose port listens already: whoever dials before the server is up is served all the same.
pub(crate) struct Listening {
    os: Os,
    listener: Mutex<Option<Listener>>,
}

impl Listening {
    pub(crate) async fn new(os: Os) -> (Self, Address) {
        let listener = os.listen(0).await.expect("a free port");
        let address = Address::new(HOST, listener.local().port());
        (Listening { os, listener: Mutex::new(Some(listener)) }, address)
    }
}

impl Surroundings for Listening {
    fn dial_with(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        self.os.dial_with(address, options)
    }

    fn listen(&self, _: u16) -> Asked<Listener> {
        let listener = self.listener.lock().expect("not poisoned").take().expect("a server listens once");
        Box::pin(async { Ok(listener) })
    }

    fn dice(&self) -> Dice {
        self.os.dice()
    }

    fn disk(&self, name: &str) -> io::Result<Disk> {
        self.os.disk(name)
    }

    fn wall_clock(&self) -> Duration {
        self.os.wall_clock()
    }

    fn boot_clock(&self) -> Duration {
        self.os.boot_clock()
    }
}
