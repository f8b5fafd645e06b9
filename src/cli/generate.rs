//! `pulseless generate`: what a shell completes, and the manual page.

use clap::CommandFactory;
use clap_complete::{Shell, generate as complete};

use crate::cli::Exit;
use crate::cli::arguments::{Arguments, GenerateArguments, Generated};
use crate::cli::output::{complain, print};

pub(crate) fn generate(arguments: &GenerateArguments) -> Exit {
    let mut command = Arguments::command();
    let mut bytes = Vec::new();
    let shell = match arguments.what {
        Generated::Bash => Some(Shell::Bash),
        Generated::Zsh => Some(Shell::Zsh),
        Generated::Fish => Some(Shell::Fish),
        Generated::Man => None,
    };
    match shell {
        Some(shell) => complete(shell, &mut command, "pulseless", &mut bytes),
        None => {
            if let Err(error) = clap_mangen::Man::new(command).render(&mut bytes) {
                complain(&format!("failed to render the manual page: {error}"));
                return Exit::OurBug;
            }
        }
    }
    print(&String::from_utf8_lossy(&bytes));
    Exit::Pass
}
