//! Writes to the terminal, or to whatever stands in its place.

use std::env::var_os;
use std::io::{self, IsTerminal, Write};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::cli::Exit;
use crate::report::Paint;

/// Color where standard output takes it.
pub(crate) fn paint() -> Paint {
    if takes_color(io::stdout().is_terminal()) { Paint::Color } else { Paint::Plain }
}

/// Whether standard error takes color.
pub(crate) fn colors_errors() -> bool {
    takes_color(io::stderr().is_terminal())
}

/// On a terminal that is not dumb, unless `NO_COLOR` is set (no-color.org); elsewhere where `CLICOLOR_FORCE` asks for it
/// (bixense.com/clicolors), as CI does that shows color.
fn takes_color(is_terminal: bool) -> bool {
    let is_set = |name: &str| var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("NO_COLOR") {
        return false;
    }
    let is_forced = var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    is_forced || is_terminal && var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Prints text on standard output. A reader that has gone, as in `pulseless list | head`, is no error; a disk that is full
/// ends the program, because what it was asked for is lost.
pub(crate) fn print(text: &str) {
    print_bytes(text.as_bytes());
}

/// Prints bytes on standard output, as [`print`] does text.
pub(crate) fn print_bytes(bytes: &[u8]) {
    match try_print(bytes) {
        // Nobody reads any more; the exit code still tells the verdict.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            complain(&format!("failed to write to standard output: {error}"));
            std::process::exit(Exit::Io.code().into());
        }
        Ok(()) => {}
    }
}

/// Prints bytes on standard output.
///
/// # Errors
/// Nobody reads any more.
pub(crate) fn try_print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Prints a line on standard error.
pub(crate) fn complain(text: &str) {
    let mut err = io::stderr().lock();
    if writeln!(err, "{}", text.trim_end()).is_err() {
        // Nobody reads any more; the exit code still tells.
    }
}

/// Says what is wrong with the command line, or with what it names.
pub(crate) fn misused(why: &str) -> Exit {
    complain(why);
    Exit::Usage
}

/// An error with the lines of the file that it is about.
pub(crate) fn show(diagnostic: &dyn Diagnostic) -> String {
    let theme = if colors_errors() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    match GraphicalReportHandler::new_themed(theme).with_links(false).render_report(&mut text, diagnostic) {
        Ok(()) => text,
        Err(_) => diagnostic.to_string(),
    }
}
