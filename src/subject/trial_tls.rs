//! TLS in a trial: a CA that lives as long as it, proxies with certificates of it, and hosts that trust nobody else.
//!
//! Refuses to know what is said through it. Keys and signatures are ring's, whose entropy is the trial's.

use crate::cast::HostName;
use crate::proxy::{Alpn, ClientTls, NodeTls, NodeTrust, SessionCa, secured};
use crate::subject::{Entrance, Role, Seat, program};
use crate::world::Program;

/// The CA of a trial, and what its proxies offer in ALPN.
pub struct TrialTls {
    ca: SessionCa,
    alpn: Alpn,
}

impl TrialTls {
    /// A new CA.
    ///
    /// # Panics
    /// Outside of a trial, if the system has no entropy.
    #[must_use]
    pub fn new(alpn: Alpn) -> Self {
        TrialTls { ca: SessionCa::new().expect("a trial has entropy"), alpn }
    }

    /// How the proxy of that name speaks with clients.
    pub(crate) fn of(&self, proxy: &HostName) -> ClientTls {
        self.ca.certify(proxy, self.alpn.clone()).expect("the name of a host can stand in a certificate")
    }

    /// The role, whose hosts speak TLS with whomever they dial, and trust nobody but this CA.
    #[must_use]
    pub fn secure(&self, role: Box<dyn Role>) -> Box<dyn Role> {
        Box::new(SecuredRole { role, tls: NodeTls { trust: NodeTrust::Only(vec![self.ca.der()]), name: None } })
    }
}

struct SecuredRole {
    role: Box<dyn Role>,
    tls: NodeTls,
}

impl Role for SecuredRole {
    fn hosts(&self) -> Vec<HostName> {
        self.role.hosts()
    }

    fn entrance(&self) -> Entrance {
        self.role.entrance()
    }

    fn program(&self, number: u32, seat: &mut Seat) -> Program {
        let (run, tls) = (self.role.program(number, seat), self.tls.clone());
        program(move |env| run(secured(env, &tls).expect("a CA's own certificate is understood")))
    }
}
