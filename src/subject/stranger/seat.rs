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

/// What the future of a host may come to: nothing, a result, or never to an end. An error is a failure of the host.
///
/// ```
/// # use std::time::Duration;
/// # use pulseless::Trial;
/// # use tokio::time::sleep;
/// # async fn work() -> std::io::Result<()> { Ok(()) }
/// Trial::new(7)
///     .host("once", || async { sleep(Duration::from_secs(1)).await })
///     .host("worker", || async { work().await })
///     .host("ticker", || async {
///         loop {
///             sleep(Duration::from_secs(1)).await;
///         }
///     });
/// ```
///
/// A number is no end of a host:
///
/// ```compile_fail,E0277
/// pulseless::Trial::new(7).host("counter", || async { 7 });
/// ```
#[diagnostic::on_unimplemented(
    message = "a host's future cannot end with a `{Self}`",
    label = "this function's future ends with a `{Self}`",
    note = "let it end with `()`, with a `Result` whose error has words (`Display`), or never",
    note = "an error that has no `Display` is told by `.map_err(|error| format!(\"{{error:?}}\"))`, and any other value is dropped by `drop(value)` at the end"
)]
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

/// The type of what never returns: `!` has no name of its own on stable Rust, but as what a function returns.
pub type Never = <fn() -> ! as Returns>::Value;

/// What a function returns.
pub trait Returns {
    /// It.
    type Value;
}

impl<T> Returns for fn() -> T {
    type Value = T;
}

/// Since edition 2024 a block that never ends, as a loop without `break`, is of the type `!`.
impl HostEnding for Never {
    fn into_words(self) -> Result<(), String> {
        self
    }
}

impl<T, E: fmt::Display> HostEnding for Result<T, E> {
    fn into_words(self) -> Result<(), String> {
        self.map(drop).map_err(|error| format!("{error:#}"))
    }
}
