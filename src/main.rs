//! The `pulseless` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    pulseless::cli::main()
}
