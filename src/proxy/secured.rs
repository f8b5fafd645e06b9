//! Surroundings in which every dial goes on by TLS, for whoever speaks HTTP/2 and knows nothing of TLS.
//!
//! Refuses to know who dials.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::env::{Address, Asked, Dice, Disk, Env, Listener, SecretSink, Socket, Surroundings, TcpOptions};
use crate::proxy::node_tls::{NodeConnector, NodeTls};

struct SecuredEnv {
    env: Env,
    connector: Arc<NodeConnector>,
}

/// The same surroundings, by TLS.
///
/// # Errors
/// Nobody is to be trusted.
pub fn secured(env: Env, tls: &NodeTls) -> io::Result<Env> {
    let connector = Arc::new(tls.connector(&env)?);
    Ok(Arc::new(SecuredEnv { env, connector }))
}

impl Surroundings for SecuredEnv {
    fn dial_with(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        let (dialed, connector) = (self.env.dial_with(address, options), self.connector.clone());
        let address = address.clone();
        Box::pin(async move {
            let socket = dialed.await?;
            let (local, peer, switch) = (socket.local(), socket.peer(), socket.reset_switch());
            let shaken = connector.connect(socket, &address).await;
            let wire = shaken.map_err(|why| io::Error::other(format!("TLS with the server: {why}")))?;
            Ok(Socket::new(local, peer, wire).with_reset(switch))
        })
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        self.env.listen(port)
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

    fn trusted_certificates(&self) -> io::Result<Vec<Vec<u8>>> {
        self.env.trusted_certificates()
    }

    fn tls_secrets(&self) -> Option<SecretSink> {
        self.env.tls_secrets()
    }

    fn boot_clock(&self) -> Duration {
        self.env.boot_clock()
    }
}
