//! What the hosts of a test see, and the programs that tell it: for every test that plays hosts of its own.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use pulseless::env::Env;
use pulseless::world::Program;

/// What the hosts of a test saw, in order.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn add(&self, what: impl Into<String>) {
        self.0.lock().expect("not poisoned").push(what.into());
    }

    pub(crate) fn list(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").clone()
    }
}

pub(crate) type Run = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

pub(crate) fn program(seen: &Seen, run: impl Fn(Env, Seen) -> Run + 'static) -> Program {
    let seen = seen.clone();
    Box::new(move |env| {
        let run = run(env, seen.clone());
        Box::pin(async move { run.await.map_err(|error| error.to_string()) })
    })
}
