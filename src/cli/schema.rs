//! `pulseless schema`: the JSON Schema of a file, or which there are.

use crate::cli::Exit;
use crate::cli::arguments::SchemaArguments;
use crate::cli::output::print;
use crate::report::Published;
use crate::subject::xmtp::SUBJECTS;

pub(crate) fn schema(arguments: &SchemaArguments) -> Exit {
    print(&match arguments.what {
        Some(what) => what.schema(SUBJECTS),
        None => Published::ALL.map(|what| format!("{:<8} {}\n", what.name(), what.title())).concat(),
    });
    Exit::Pass
}
