//! The leap engine, whose hosts reach its network through tokio's own sockets instead of their surroundings.
//!
//! What it costs more is the price of the C symbols: a descriptor, an event of epoll and a system call's answer for what the
//! surroundings hand over as a stream.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pulseless::env::{Address, Asked, Dice, Disk, Env, Listener, Socket, Surroundings, TcpOptions};
use pulseless::fault::{Death, Harm};
use pulseless::os::Os;
use pulseless::world::{Clock, CrashObserver, Engine, EngineError, Holdings, HostId, Leap, Program};

/// A host's surroundings, but for its sockets.
struct Unwitting {
    env: Env,
    sockets: Os,
}

impl Surroundings for Unwitting {
    fn dial_with(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        self.sockets.dial_with(address, options)
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        self.sockets.listen(port)
    }

    fn dice(&self) -> Dice {
        self.env.dice()
    }

    fn disk(&self, name: &str) -> io::Result<Disk> {
        self.env.disk(name)
    }

    fn wall_clock(&self) -> Duration {
        self.env.wall_clock()
    }

    fn boot_clock(&self) -> Duration {
        self.env.boot_clock()
    }
}

/// See the module.
pub(crate) struct Interposed(pub(crate) Leap);

impl Engine for Interposed {
    fn add_host(&mut self, name: &str, program: Program) -> HostId {
        let run = move |env: Env| {
            let sockets = Os::default().listening_on("0.0.0.0");
            program(Arc::new(Unwitting { env, sockets }))
        };
        self.0.add_host(name, Box::new(run))
    }

    fn observe_crashes(&mut self, observer: CrashObserver) {
        self.0.observe_crashes(observer);
    }

    fn clock(&self) -> Clock {
        self.0.clock()
    }

    fn ip(&self, host: HostId) -> IpAddr {
        self.0.ip(host)
    }

    fn is_up(&self, host: HostId) -> bool {
        self.0.is_up(host)
    }

    fn incarnation(&self, host: HostId) -> u32 {
        self.0.incarnation(host)
    }

    fn start(&mut self, host: HostId) {
        self.0.start(host);
    }

    fn halt(&mut self, host: HostId, death: Death) -> bool {
        self.0.halt(host, death)
    }

    fn back_up(&mut self, host: HostId) {
        self.0.back_up(host);
    }

    fn begin(&mut self, number: u32, harm: &Harm) {
        self.0.begin(number, harm);
    }

    fn end(&mut self, number: u32) -> bool {
        self.0.end(number)
    }

    fn order(&mut self, host: HostId, order: Box<dyn FnOnce()>) -> Result<(), EngineError> {
        self.0.order(host, order)
    }

    fn holdings(&self, host: HostId) -> Option<Holdings> {
        self.0.holdings(host)
    }

    fn run_until(&mut self, end: Duration) -> Result<(), EngineError> {
        self.0.run_until(end)
    }
}
