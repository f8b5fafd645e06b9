//! Pingora as it comes: HTTP/2 in the clear on both sides, from the first port to the second on loopback.
//!
//! Refuses to set anything but what the two sides speak: its defaults are what is measured.

use async_trait::async_trait;
use pingora_core::Result;
use pingora_core::apps::HttpServerOptions;
use pingora_core::server::Server;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct Relay {
    upstream: String,
}

#[async_trait]
impl ProxyHttp for Relay {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _context: &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(&self.upstream, false, String::new());
        peer.options.set_http_version(2, 2);
        Ok(Box::new(peer))
    }
}

fn main() {
    let ports: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream] = ports.as_slice() else { panic!("two ports: LISTEN UPSTREAM") };
    let mut server = Server::new(None).expect("defaults make a server");
    server.bootstrap();
    let relay = Relay { upstream: format!("127.0.0.1:{upstream}") };
    let mut service = http_proxy_service(&server.configuration, relay);
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    service.app_logic_mut().expect("it has just been made").server_options = Some(options);
    service.add_tcp(&format!("127.0.0.1:{listen}"));
    server.add_service(service);
    server.run_forever();
}
