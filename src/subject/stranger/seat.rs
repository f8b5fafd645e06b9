//! What the function that makes a host's program is given, and how its future may end.

use std::fmt;

use crate::cast::HostName;
use crate::env::Env;

/// One host of the cast, for one of its processes.
#[derive(Clone)]
#[non_exhaustive]
pub struct HostSeat<T = ()> {
    /// Its name, by which others look it up.
    pub name: HostName,
    /// Its number among the hosts of its table of the cast, from 1.
    pub number: u32,
    /// What its table says under `settings`.
    pub settings: T,
    /// Its surroundings, for those who want no magic: they dial, listen, draw dice and open stores through it.
    pub env: Env,
}

impl<T> HostSeat<T> {
    pub(crate) fn new(name: HostName, number: u32, settings: T, env: Env) -> Self {
        HostSeat { name, number, settings, env }
    }
}

impl<T: fmt::Debug> fmt::Debug for HostSeat<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HostSeat { name, number, settings, env: _ } = self;
        let mut told = formatter.debug_struct("HostSeat");
        told.field("name", name).field("number", number).field("settings", settings).finish_non_exhaustive()
    }
}

/// What the future of a host may come to: nothing, or a result. An error is a failure of the host.
pub trait HostEnding {
    /// The error, in words.
    ///
    /// # Errors
    /// The host failed.
    fn into_words(self) -> Result<(), String>;
}

impl HostEnding for () {
    fn into_words(self) -> Result<(), String> {
        Ok(())
    }
}

impl<T, E: fmt::Display> HostEnding for Result<T, E> {
    fn into_words(self) -> Result<(), String> {
        self.map(drop).map_err(|error| format!("{error:#}"))
    }
}
