//! Surroundings in which every dial goes on by TLS, for whoever speaks HTTP/2 and knows nothing of TLS.
//!
//! Refuses to know who dials.

use std::io;
use std::sync::Arc;

use crate::env::{Address, Asked, Env, Rerouted, Socket, Surroundings, TcpOptions, Wrapped};
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
    Ok(Arc::new(Wrapped(SecuredEnv { env, connector })))
}

impl Rerouted for SecuredEnv {
    fn inner(&self) -> &dyn Surroundings {
        &*self.env
    }

    fn reroute_dial(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
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
}
