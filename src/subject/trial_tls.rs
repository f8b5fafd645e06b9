//! TLS in a trial: a CA that lives as long as it, hosts with certificates of it, and hosts that trust nobody else.
//!
//! Refuses to know what is said through it. Keys and signatures are ring's, whose entropy is the trial's.

use std::rc::Rc;

use crate::cast::HostName;
use crate::proxy::{Alpn, ClientTls, NodeTls, NodeTrust, SessionCa, secured, served};
use crate::subject::{Entrance, Role, Seat, program};
use crate::world::Program;

/// The CA of a trial; a clone is the same one.
#[derive(Clone)]
pub struct TrialCa(Rc<SessionCa>);

impl TrialCa {
    /// A new one.
    ///
    /// # Panics
    /// Outside of a trial, if the system has no entropy.
    #[expect(clippy::new_without_default, reason = "each is another, drawn from the trial's entropy")]
    #[must_use]
    pub fn new() -> Self {
        TrialCa(Rc::new(SessionCa::new().expect("a trial has entropy")))
    }

    /// How the host of that name speaks with those who dial it.
    ///
    /// # Panics
    /// The name is none that can stand in a certificate.
    #[must_use]
    pub fn certify(&self, host: &HostName, alpn: Alpn) -> ClientTls {
        self.0.certify(host, alpn).expect("the name of a host can stand in a certificate")
    }

    /// How whoever dials trusts those that it has certified, and nobody else.
    #[must_use]
    pub fn trusted(&self) -> NodeTls {
        NodeTls { trust: NodeTrust::Only(vec![self.0.der()]), name: None }
    }

    /// The role, whose hosts speak TLS with whomever they dial.
    #[must_use]
    pub fn dialing(&self, role: Box<dyn Role>) -> Box<dyn Role> {
        Box::new(TlsRole { role, ca: self.clone(), listens: None })
    }

    /// The role, whose hosts speak TLS with whoever dials them, and offer that in ALPN.
    #[must_use]
    pub fn listening(&self, role: Box<dyn Role>, alpn: Alpn) -> Box<dyn Role> {
        Box::new(TlsRole { role, ca: self.clone(), listens: Some(alpn) })
    }
}

struct TlsRole {
    role: Box<dyn Role>,
    ca: TrialCa,
    /// What is offered by those who are dialed; none: they dial.
    listens: Option<Alpn>,
}

impl Role for TlsRole {
    fn hosts(&self) -> Vec<HostName> {
        self.role.hosts()
    }

    fn entrance(&self) -> Entrance {
        self.role.entrance()
    }

    fn program(&self, number: u32, seat: &mut Seat) -> Program {
        let run = self.role.program(number, seat);
        match &self.listens {
            None => {
                let tls = self.ca.trusted();
                program(move |env| run(secured(env, &tls).expect("a CA's own certificate is understood")))
            }
            Some(alpn) => {
                let tls = self.ca.certify(&self.hosts()[number as usize - 1], alpn.clone());
                program(move |env| run(served(env, &tls)))
            }
        }
    }
}
