//! Exit codes: the documented ones and no others.

use std::process::ExitCode;

use crate::trial::Conclusion;

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: every promise was kept; a report was written; a publish was stored; what runs until Ctrl-C was ended by it.
    Pass,
    /// 1: a promise was broken; a publish was refused or never sent.
    Fail,
    /// 2: a trial shows too little; nobody knows whether a publish was stored.
    Unknown,
    /// 3: the same seed gave another digest.
    NotReproducible,
    /// 4: nothing was played.
    NothingRan,
    /// 64: the command line or an input file is wrong, or the port or the data folder that it names cannot be used
    /// (EX_USAGE of sysexits(3)).
    Usage,
    /// 70: a bug of pulseless (EX_SOFTWARE of sysexits(3)).
    OurBug,
    /// 74: a result could not be written, because the disk is full, say (EX_IOERR of sysexits(3)).
    Io,
    /// 125: `replay --verdict-only` cannot judge the case: what `git bisect run` skips.
    Untestable,
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::Unknown => 2,
            Exit::NotReproducible => 3,
            Exit::NothingRan => 4,
            Exit::Usage => 64,
            Exit::OurBug => 70,
            Exit::Io => 74,
            Exit::Untestable => 125,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

impl From<&Conclusion> for Exit {
    fn from(conclusion: &Conclusion) -> Self {
        match conclusion {
            Conclusion::Pass => Exit::Pass,
            Conclusion::Fail(_) => Exit::Fail,
            Conclusion::Unknown(_) => Exit::Unknown,
        }
    }
}
